"""Backends that fight: two that set the same thing of a charger to different values."""

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from gateway.routing.globs import matcher

WITHIN_S: Final = 24 * 3600.0
"""How long what a backend has set counts as its wish."""

TOLD_AGAIN_AFTER_S: Final = 3600.0
"""How long the same two are not reported again for the same thing."""

MOST_THINGS: Final = 256
_MOST_SHOWN: Final = 120
_DONE: Final = frozenset({"Accepted", "RebootRequired"})
_NO_VALUE: Final = frozenset({"customData", "id", "chargingProfileId", "transactionId"})
_is_secret: Final = matcher(("*authorizationkey*", "*password*", "*secret*", "*private*", "*simpin*"))


class Conflict(Struct, frozen=True):
    """One thing that two backends set differently; the second one's value is what the charger has now.

    Values are short texts for people; those of secrets are not shown.
    """

    what: str
    first: str
    first_value: str
    second: str
    second_value: str

    def __str__(self) -> str:
        return f'{self.what}: "{self.first}" set {self.first_value}, "{self.second}" set {self.second_value}'


class _Profile(Struct, frozen=True):
    """What tells one charging profile from another, and its number at the charger."""

    place: Any
    purpose: Any
    stack_level: Any
    number: Any


class _Set(Struct, frozen=True):
    """One thing that a command sets, its value in full and in short."""

    key: tuple[Any, ...]
    what: str
    value: bytes
    shown: str
    profile: _Profile | None = None


class _Thing(Struct):
    """What each backend last set one thing to: its value, in short, and when; whom that was told of, when."""

    wishes: dict[str, tuple[_Set, float]] = {}
    told: dict[frozenset[str], float] = {}


class Conflicts:
    """What the backends of one charger have set it to. Kept in memory only, at most `MOST_THINGS` things."""

    def __init__(self) -> None:
        self._things: dict[tuple[Any, ...], _Thing] = {}

    def heard(
        self, backend: str, action: str, payload: dict[str, Any], answer: dict[str, Any] | None, now: float
    ) -> tuple[Conflict, ...]:
        """The conflicts that a command makes, once the charger has answered it; mostly none.

        Payload and answer are as the charger reads and writes them, in its version and with its numbers;
        `answer` is None for a CALLERROR. `now` is in seconds that only grow.
        """
        if answer is None or action not in ACTIONS:
            return ()
        if action == "ClearChargingProfile":
            if answer.get("status") == "Accepted":
                self._cleared(payload)
            return ()
        found = (self._noted(backend, wish, now) for wish in _SETS[action](payload, answer))
        return tuple(conflict for conflict in found if conflict is not None)

    def __len__(self) -> int:
        return len(self._things)

    def _noted(self, backend: str, wish: _Set, now: float) -> Conflict | None:
        thing = self._things.pop(wish.key, None) or _Thing()
        self._things[wish.key] = thing
        if len(self._things) > MOST_THINGS:
            del self._things[next(iter(self._things))]
        thing.wishes.pop(backend, None)
        others = [
            (other, theirs)
            for other, (theirs, at) in thing.wishes.items()
            if now - at <= WITHIN_S and theirs.value != wish.value
        ]
        thing.wishes[backend] = (wish, now)
        if not others:
            return None
        other, theirs = others[-1]
        pair = frozenset((backend, other))
        if now - thing.told.get(pair, float("-inf")) < TOLD_AGAIN_AFTER_S:
            return None
        thing.told[pair] = now
        return Conflict(wish.what, other, theirs.shown, backend, wish.shown)

    def _cleared(self, payload: dict[str, Any]) -> None:
        """A charging profile that is no longer there is nobody's."""
        for thing in self._things.values():
            thing.wishes = {
                backend: (wish, at)
                for backend, (wish, at) in thing.wishes.items()
                if wish.profile is None or not _clears(payload, wish.profile)
            }


def _clears(payload: dict[str, Any], profile: _Profile) -> bool:
    """Whether a ClearChargingProfile means this one (1.6 §5.4, 2.0.1 K10: by number, or by all criteria)."""
    number = payload.get("chargingProfileId", payload.get("id"))
    if number is not None:
        return bool(number == profile.number)
    criteria = payload.get("chargingProfileCriteria", payload)
    if not isinstance(criteria, dict):
        return True
    place = criteria.get("evseId", criteria.get("connectorId"))
    wanted = (place, criteria.get("chargingProfilePurpose"), criteria.get("stackLevel"))
    has = (profile.place, profile.purpose, profile.stack_level)
    return all(want is None or want == is_ for want, is_ in zip(wanted, has, strict=True))


def _key_set(payload: dict[str, Any], answer: dict[str, Any]) -> Iterator[_Set]:
    key, value = payload.get("key"), payload.get("value")
    if answer.get("status") in _DONE and isinstance(key, str):
        yield _set(("key", key.lower()), f"configuration key {key}", value, _text(key, value))


def _variables_set(payload: dict[str, Any], answer: dict[str, Any]) -> Iterator[_Set]:
    asked, results = payload.get("setVariableData"), answer.get("setVariableResult")
    if not isinstance(asked, list) or not isinstance(results, list):
        return
    for item, result in zip(asked, results, strict=False):
        if isinstance(result, dict) and result.get("attributeStatus") in _DONE and isinstance(item, dict):
            kind = item.get("attributeType", "Actual")
            name = f"{_named(item.get('component'))}.{_named(item.get('variable'))}"
            what = f"variable {name}" if kind == "Actual" else f"{kind} of variable {name}"
            value = item.get("attributeValue")
            yield _set(("variable", name.lower(), kind), what, value, _text(name, value))


def _profile_set(payload: dict[str, Any], answer: dict[str, Any]) -> Iterator[_Set]:
    profile = payload.get("chargingProfile", payload.get("csChargingProfiles"))
    if answer.get("status") != "Accepted" or not isinstance(profile, dict):
        return
    place = payload.get("evseId", payload.get("connectorId"))
    purpose, level = profile.get("chargingProfilePurpose"), profile.get("stackLevel")
    where = "EVSE" if "evseId" in payload else "connector"
    what = f"{purpose} with stackLevel {level} on {where} {place}"
    number = profile.get("id", profile.get("chargingProfileId"))
    key = ("profile", str(place), str(purpose), str(level), str(profile.get("transactionId")))
    yield _set(key, what, profile, _limits(profile), _Profile(place, purpose, level, number))


def _list_set(payload: dict[str, Any], answer: dict[str, Any]) -> Iterator[_Set]:
    if answer.get("status") != "Accepted":
        return
    version = payload.get("versionNumber", payload.get("listVersion"))
    entries = payload.get("localAuthorizationList")
    count = len(entries) if isinstance(entries, list) else 0
    shown = f"version {version} ({payload.get('updateType')}, {count} entries)"
    yield _set(("list",), "local authorization list", payload, shown)


_SETS: Final = {
    "ChangeConfiguration": _key_set,
    "SetVariables": _variables_set,
    "SetChargingProfile": _profile_set,
    "SendLocalList": _list_set,
}

ACTIONS: Final = frozenset(_SETS) | {"ClearChargingProfile"}
"""The commands that `Conflicts.heard` has to see."""


def _set(key: tuple[Any, ...], what: str, value: Any, shown: str, profile: _Profile | None = None) -> _Set:
    digest = hashlib.sha256(msgspec.json.encode(_plain(value), order="sorted")).digest()
    return _Set(key, what[:_MOST_SHOWN], digest, shown[:_MOST_SHOWN], profile)


def _plain(value: Any) -> Any:
    """A value without what differs between equal wishes: numbers of things, ways to write a number."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key not in _NO_VALUE}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(name: str, value: Any) -> str:
    return "a secret" if _is_secret(name) else f'"{value}"'


def _named(part: Any) -> str:
    """A component or variable: `EVSE(2)`, `Limit[fast]`."""
    if not isinstance(part, dict):
        return ""
    evse = part.get("evse")
    instance = f"[{part['instance']}]" if part.get("instance") else ""
    numbers = [evse[key] for key in ("id", "connectorId") if key in evse] if isinstance(evse, dict) else []
    where = f"({', '.join(map(str, numbers))})" if numbers else ""
    return f"{part.get('name')}{instance}{where}"


def _limits(profile: dict[str, Any]) -> str:
    """The limits of a profile in short: `16 A from 0 s, 8 A from 3600 s`."""
    schedules = profile.get("chargingSchedule")
    found = []
    for schedule in schedules if isinstance(schedules, list) else [schedules]:
        if not isinstance(schedule, dict):
            continue
        unit, periods = schedule.get("chargingRateUnit"), schedule.get("chargingSchedulePeriod")
        for period in periods if isinstance(periods, list) else ():
            if isinstance(period, dict):
                found.append(f"{period.get('limit')} {unit} from {period.get('startPeriod')} s")
    return ", ".join(found) or "a profile"
