"""Values put into a command's payload at places that a rule names."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from gateway.ocpp.message import Version
from gateway.ocpp.schema import Node, differences, schema
from gateway.ocpp.values import Path, path_text

Place = tuple[str, ...]


def places(values: Mapping[str, Any]) -> Iterator[tuple[Place, Any]]:
    """Each value with the names that lead to it; `{ "a.b" = 1 }` is the same as `{ a = { b = 1 } }`."""
    for name, value in values.items():
        steps = tuple(step.removesuffix("[]") for step in name.split("."))
        if isinstance(value, Mapping):
            yield from ((steps + inner, leaf) for inner, leaf in places(value))
        else:
            yield steps, value


def rewritten(payload: dict[str, Any], values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A copy of the payload with the values in their places, and the places that are different now.

    A step into a list means each of its items. Where what a place is in is absent, nothing is added.
    """
    changed: list[str] = []
    copy = deepcopy(payload)
    for steps, value in places(values):
        changed += [path_text(path) for path in _set(copy, steps, value, ())]
    return copy, tuple(changed)


def node_at(node: Node, steps: Place) -> Node | None:
    """The schema of a place, None where the payload has no such place."""
    for step in steps:
        while node.items is not None:
            node = node.items
        if step not in node.properties:
            return None
        node = node.properties[step]
    return node


def misfit(version: Version, action: str, values: Mapping[str, Any]) -> str:
    """The first place that this version has and where the value is not one of its; "" without any."""
    request = schema(version, action, True)
    for steps, value in places(values):
        node = None if request is None else node_at(request, steps)
        if node is not None and next(differences(node, value, ()), None) is not None:
            return ".".join(steps)
    return ""


def _set(value: Any, steps: Place, new: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _set(item, steps, new, (*path, index))
    elif isinstance(value, dict):
        name, *rest = steps
        if rest:
            if name in value:
                yield from _set(value[name], tuple(rest), new, (*path, name))
        elif (
            name not in value
            or value[name] != new
            or isinstance(value[name], bool) is not isinstance(new, bool)
        ):
            value[name] = deepcopy(new)
            yield (*path, name)
