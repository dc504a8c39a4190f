"""JSON values as adapters see them: plain Python ones that give untouched numbers back as they were."""

import math
from typing import Any

from gateway.dialect.clean import MAX_DEPTH, MAX_NODES
from gateway.dialect.rules.places import MISSING, Change, shown
from gateway.ocpp.values import Number, Path

MOST_CHANGES = 200


class Exact(float):
    """A number that remembers how it was written."""

    text: str

    def __new__(cls, text: str) -> "Exact":
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __deepcopy__(self, _: object) -> "Exact":
        return self


def plain(value: Any) -> Any:
    """A tree with numbers as int or (with a fraction or exponent) float."""
    if isinstance(value, Number):
        text = value.text
        return int(text) if value.is_whole and text != "-0" else Exact(text)
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def tree(value: Any) -> Any:
    """A tree again. Errors: TypeError for what JSON does not have, ValueError for too much."""
    return _tree(value, 0, [MAX_NODES])


def _tree(value: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if depth > MAX_DEPTH or left[0] < 0:
        raise ValueError("it is nested too deeply or too large")
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a key is not a text")
        return {key: _tree(member, depth + 1, left) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_tree(item, depth + 1, left) for item in value]
    return _leaf(value)


def _leaf(value: Any) -> Any:
    match value:
        case None | bool() | Number():
            return value
        case str():
            return str(value)
        case Exact():
            return Number(value.text)
        case int():
            return Number(str(int(value)))
        case float() if math.isfinite(value):
            return Number(repr(float(value)))
        case _:
            raise TypeError(f"{type(value).__name__} {str(value)[:20]} is not JSON")


def difference(before: Any, after: Any, path: Path = ()) -> list[Change]:
    """Where two trees differ, each place once, at most `MOST_CHANGES` of them."""
    found: list[Change] = []
    _compare(before, after, path, found)
    return found[:MOST_CHANGES]


def _compare(before: Any, after: Any, path: Path, found: list[Change]) -> None:
    if before == after or len(found) >= MOST_CHANGES:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            _compare(before.get(key, MISSING), after.get(key, MISSING), (*path, key), found)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            _compare(one, other, (*path, index), found)
    else:
        found.append(Change(path, shown(before), shown(after)))
