"""Whether a payload is clean, without saying what is wrong: `gateway.ocpp.schema.deviations` for the hurried.

A schema is compiled to functions, one per place. What they do not know at a glance they ask `differences`.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Final

from gateway.ocpp import times
from gateway.ocpp.message import Version
from gateway.ocpp.schema import Node, differences, schema

Check = Callable[[object], bool]

_SAFE: Final = 1e15
"""A number nearer to zero fits wherever one does."""


def fits(version: Version, action: str, is_request: bool, payload: object) -> bool:
    """Whether a payload (as for `deviations`) has no deviation. The action must exist."""
    return _check(version, action, is_request)(payload)


@cache
def _check(version: Version, action: str, is_request: bool) -> Check:
    node = schema(version, action, is_request)
    assert node is not None, f"{action} is not an action of OCPP {version}"
    return _compiled(node)


def _compiled(node: Node) -> Check:
    match node.type:
        case "object":
            return _object(node)
        case "array":
            return _array(node)
        case "string":
            return _string(node)
        case "integer" | "number" if node.multiple_of is None:
            return _number(node)
        case _:
            return lambda value: _asked(node, value)


def _asked(node: Node, value: object) -> bool:
    return next(differences(node, value, ()), None) is None


def _object(node: Node) -> Check:
    members = {key: _compiled(sub) for key, sub in node.properties.items()}
    required = node.required & members.keys()
    unknown: Check = _compiled(Node("")) if node.open else lambda value: False

    def check(value: object) -> bool:
        if not isinstance(value, dict) or not required <= value.keys():
            return False
        return all([members.get(key, unknown)(member) for key, member in value.items()])

    return check


def _array(node: Node) -> Check:
    item = _compiled(node.items) if node.items is not None else lambda value: True
    least, most = node.min_items, node.max_items

    def check(value: object) -> bool:
        if not isinstance(value, list) or len(value) < least or (most is not None and len(value) > most):
            return False
        return all(map(item, value))

    return check


def _string(node: Node) -> Check:
    if node.enum:
        words = frozenset(node.enum)
        return lambda value: isinstance(value, str) and value in words
    if node.date_time:
        return lambda value: isinstance(value, str) and times.is_date_time(value)
    most = node.max_length if node.max_length is not None else float("inf")
    return lambda value: isinstance(value, str) and len(value) <= most


def _number(node: Node) -> Check:
    least = max(-_SAFE, node.minimum if node.minimum is not None else -_SAFE)
    most = min(_SAFE, node.maximum if node.maximum is not None else _SAFE)
    known = (int,) if node.type == "integer" else (int, float, Decimal)

    def check(value: object) -> bool:
        if type(value) in known and least <= value <= most:  # type: ignore[operator]
            return True
        return _asked(node, value)

    return check
