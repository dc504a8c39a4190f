"""Places in a payload: `meterValue[].sampledValue[].unit`, and what was changed there."""

import re
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from gateway.ocpp.values import Path, dumps

MOST_STEPS: Final = 16
EACH: Final = 0
"""The step `[]`: every item of a list."""

Steps = tuple[str | int, ...]

_PLACE: Final = re.compile(r"[\w-]+(?:\[\])?(?:\.[\w-]+(?:\[\])?)*", re.ASCII)


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


def steps(text: object) -> Steps:
    """The steps of a place as it is written in a pack, "" being the payload. Errors: ValueError."""
    if not isinstance(text, str) or (text and not _PLACE.fullmatch(text)):
        raise ValueError(f"{text!r} is not a place; write names with . between them and [] after a list")
    found: list[str | int] = []
    for name in text.split(".") if text else ():
        found.append(name.removesuffix("[]"))
        if name.endswith("[]"):
            found.append(EACH)
    if len(found) > MOST_STEPS:
        raise ValueError(f"the place has {len(found)} steps; {MOST_STEPS} are the most")
    return tuple(found)


class Slot(Struct, gc=False):
    """A member of an object or an item of a list, which need not be there."""

    parent: Any
    key: str | int
    path: Path

    @property
    def value(self) -> Any:
        if isinstance(self.parent, dict):
            return self.parent.get(self.key, MISSING)
        return self.parent[self.key]


def nodes(value: object, route: Steps, path: Path = ()) -> Iterator[tuple[dict[str, object], Path]]:
    """The objects at a place. A lone object where a list is due counts as a list of one."""
    if not route:
        if isinstance(value, dict):
            yield value, path
        return
    step, rest = route[0], route[1:]
    if step == EACH:
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from nodes(item, rest, (*path, index))
        else:
            yield from nodes(value, rest, path)
    elif isinstance(value, dict) and step in value:
        yield from nodes(value[step], rest, (*path, step))


def slots(node: dict[str, object], route: Steps, path: Path) -> Iterator[Slot]:
    """The places that a verb works on, below one object; what leads there must exist, the last need not."""
    *way, last = route
    if last != EACH:
        for parent, there in nodes(node, tuple(way), path):
            yield Slot(parent, last, (*there, last))
        return
    for parent, there in nodes(node, tuple(way[:-1]), path):
        items = parent.get(str(way[-1]))
        if isinstance(items, list):
            for index in range(len(items)):
                yield Slot(items, index, (*there, way[-1], index))


class Change(Struct, frozen=True, gc=False):
    """What one rule or adapter did at one place; "" where nothing was before or is after."""

    path: Path
    before: str
    after: str


class Edits:
    """The changes of one rule to one payload; every change goes through here, so none goes unseen."""

    __slots__ = ("changes",)

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def put(self, slot: Slot, value: object) -> None:
        """Give a place a value; the same value is no change."""
        before = slot.value
        if before == value and type(before) is type(value):
            return
        slot.parent[slot.key] = value
        self.note(slot.path, before, value)

    def remove(self, slot: Slot) -> None:
        """Take a member out of its object; an item of a list stays."""
        if isinstance(slot.parent, dict) and slot.key in slot.parent:
            self.note(slot.path, slot.parent.pop(slot.key), MISSING)

    def note(self, path: Path, before: object, after: object) -> None:
        self.changes.append(Change(path, shown(before), shown(after)))


def shown(value: object) -> str:
    """A value as JSON text; what is no JSON value (yet) as the word it came as."""
    if value is MISSING:
        return ""
    try:
        return dumps(value)
    except (TypeError, ValueError, RecursionError):
        return '"?"'


def copied(value: Any) -> Any:
    """A tree of JSON values that shares no object or list with the original."""
    if isinstance(value, dict):
        return {key: copied(member) for key, member in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value
