"""Is a payload clean? The question every message is asked first, answered in a microsecond or two.

The decoder compiled from the schema does most of it. Two things are left: a key that stands twice, of
which a decoder keeps one; and the formats it does not know. The first is noticed by writing the decoded
payload again: if nothing got lost it has as many commas as before. In doubt the exact check decides.
"""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct

from gateway.ocpp import times
from gateway.ocpp.message import Version
from gateway.ocpp.schema import Node, decoder, is_tenth, schema
from gateway.ocpp.values import Number

MAX_DEPTH = 32
MAX_NODES = 50_000

Look = Callable[[Any], bool]

_encode = msgspec.json.Encoder().encode


class Check(Struct, frozen=True, gc=False):
    """What one message's payload is checked with.

    `look` sees what the decoder cannot; `exact_length` says that no value of this schema can be written
    in a shorter way than we write it, so that an equal length proves that nothing got lost.
    """

    node: Node
    decode: Callable[[bytes | Raw], Any]
    look: Look | None
    exact_length: bool
    has_any: bool


@cache
def check_for(version: Version, action: str, is_request: bool) -> Check | None:
    """The check for one message, None when this version has no such message. Built at first use."""
    node, compiled = schema(version, action, is_request), decoder(version, action, is_request)
    if node is None or compiled is None:
        return None
    types = _types(node)
    return Check(node, compiled.decode, _look(node), not types & {"number", ""}, "" in types)


def clean(check: Check, payload: Raw | bytes) -> Any:
    """The decoded payload when it is clean, None when it is not."""
    try:
        decoded = check.decode(payload)
    except (ValueError, RecursionError):
        return None
    if (look := check.look) is not None and not look(decoded):
        return None
    return decoded if whole(check, payload, decoded) else None


def whole(check: Check, raw: Raw | bytes, decoded: object) -> bool:
    """Whether a payload holds no more than was decoded from it.

    An equal length tells, or, where nothing is escaped, an equal number of commas.
    """
    if check.exact_length and len(_encode(decoded)) == len(raw):
        return True
    payload = bytes(raw)
    if not check.has_any and b"\\" not in payload and payload.count(b",") == _encode(decoded).count(b","):
        return True
    return intact(payload)


def intact(payload: bytes) -> bool:
    """Whether a JSON text has no key twice, no lone surrogate, and stays within depth, size and 64 bits."""
    try:
        tree = json.loads(payload.decode(), object_pairs_hook=_pairs, parse_int=_number, parse_float=_number)
        if b"\\ud" in payload.lower():
            json.dumps(tree, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return bounded(tree)


def bounded(value: object) -> bool:
    """Whether a value is nested at most `MAX_DEPTH` deep and has at most `MAX_NODES` members in all."""
    nodes, level = 0, [value]
    for _ in range(MAX_DEPTH + 1):
        nodes += len(level)
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level or nodes > MAX_NODES:
            break
    return not level and nodes <= MAX_NODES


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key stands twice")
    return members


def _number(text: str) -> float:
    if not Number(text).fits:
        raise ValueError("a number does not fit")
    return 0.0


def _types(node: Node) -> set[str]:
    """The types of a schema's leaves; "" stands for data of any type."""
    below = [*node.properties.values(), *([node.items] if node.items else [])]
    return {node.type}.union(*(_types(sub) for sub in below))


def _look(node: Node) -> Look | None:
    """A function that is False for a value with a wrong date-time or step; None when it has neither."""
    if node.date_time:
        return _is_date_time
    if node.multiple_of:
        return is_tenth
    if node.items is not None:
        inner = _look(node.items)
        return None if inner is None else lambda items: all(map(inner, items))
    members = [(key, look) for key, sub in node.properties.items() if (look := _look(sub)) is not None]
    if not members:
        return None

    def look_at(value: object) -> bool:
        for key, look in members:
            if (member := getattr(value, key)) is not UNSET and not look(member):
                return False
        return True

    return look_at


def _is_date_time(text: str) -> bool:
    return times.plain(text) is not None or times.is_date_time(text)
