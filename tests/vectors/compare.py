"""Comparing JSON by value, as the vectors want it: numbers as numbers, timestamps as instants."""

import json
from decimal import Decimal
from typing import Any

from gateway.ocpp import times


class Bindings:
    """Texts and numbers that the gateway may choose: bound when first seen, the same ever after.

    `free` are such values wherever they stand, `members` are those whose every value is one.
    """

    def __init__(self, free: list[Any], members: tuple[str, ...] = ()) -> None:
        self.free = [_key(value) for value in free]
        self.members = members
        self.bound: dict[Any, Any] = {}

    def equal(self, expected: Any, actual: Any, member: str = "") -> bool:
        key = _key(expected) if member not in self.members else (member, expected)
        if (key not in self.free and member not in self.members) or isinstance(actual, dict | list):
            return False
        if key not in self.bound and actual not in self.bound.values() and type(actual) is type(expected):
            self.bound[key] = actual
        return bool(self.bound.get(key) == actual)

    def put(self, value: Any) -> Any:
        """The value with everything that is bound put in its place."""
        match value:
            case dict():
                return {key: self.put(member) for key, member in value.items()}
            case list():
                return [self.put(member) for member in value]
            case _:
                key = _key(value)
                found = self.bound.get(key, value)
                if isinstance(value, str) and value != key and isinstance(found, str):
                    return found.upper() if value.isupper() else found
                return found


def _key(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def difference(
    expected: Any, actual: Any, bindings: Bindings, path: str = "", member: str = ""
) -> str | None:
    """The first difference in words, None when both are equal by value."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return _of_objects(expected, actual, bindings, path)
    if isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            return f"{path}: {len(expected)} items expected, {len(actual)} came: {_short(actual)}"
        for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
            if found := difference(one, other, bindings, f"{path}[{index}]"):
                return found
        return None
    if _same(expected, actual, member, bindings, path):
        return None
    return f"{path}: {_short(expected)} expected, {_short(actual)} came"


def _of_objects(
    expected: dict[str, Any], actual: dict[str, Any], bindings: Bindings, path: str
) -> str | None:
    if missing := expected.keys() - actual.keys():
        return f"{path}: {', '.join(sorted(missing))} missing"
    if more := actual.keys() - expected.keys():
        return f"{path}: {', '.join(sorted(more))} not expected"
    profiles = expected.get("key") == "SupportedFeatureProfiles"
    for key, value in expected.items():
        one, other = value, actual[key]
        if profiles and key == "value" and isinstance(other, str):
            one, other = sorted(one.split(",")), sorted(other.split(","))
        if found := difference(one, other, bindings, f"{path}.{key}", key):
            return found
    return None


def _same(expected: Any, actual: Any, member: str, bindings: Bindings, path: str) -> bool:
    if bindings.equal(expected, actual, member):
        return True
    if isinstance(expected, bool) or isinstance(actual, bool) or expected is None or actual is None:
        return expected is actual
    numeric = int | float | Decimal
    if isinstance(expected, numeric) and isinstance(actual, numeric):
        return Decimal(str(expected)) == Decimal(str(actual))
    if not isinstance(expected, str) or not isinstance(actual, str):
        return False
    moment = times.seconds(expected)
    if expected == actual or (moment is not None and moment == times.seconds(actual)):
        return True
    return member == "data" and _same_inside(expected, actual, bindings, path)


def _same_inside(expected: str, actual: str, bindings: Bindings, path: str) -> bool:
    try:
        one, other = json.loads(expected), json.loads(actual)
    except ValueError:
        return False
    return difference(one, other, bindings, path) is None


def contains(expected: Any, actual: Any, bindings: Bindings, path: str = "") -> str | None:
    """Like `difference`, but a list may hold more than is expected, in any order."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key, value in expected.items():
            if key not in actual:
                return f"{path}: {key} missing"
            if found := contains(value, actual[key], bindings, f"{path}.{key}"):
                return found
        return None
    if isinstance(expected, list) and isinstance(actual, list):
        for index, item in enumerate(expected):
            if all(difference(item, other, bindings) for other in actual):
                return f"{path}[{index}]: {_short(item)} missing"
        return None
    return difference(expected, actual, bindings, path)


def _short(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) < 300 else text[:300] + "…"
