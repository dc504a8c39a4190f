"""Numbers that backends make up: two of them will use the same one.

OCPP lets a backend number its reservations, charging profiles, display messages, remote starts and the
requests that are answered by later messages. A number that another backend uses already at this charger is
replaced on its way there, and put back in whatever the charger says of it. Transaction ids are not among
them.

All payloads are in the charger's version. Nothing here depends on which, since no field has two meanings.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Struct

MOST_PER_BACKEND: Final = 256
"""Numbers kept for each kind and backend; those that were not used for longest are forgotten first."""

FIRST_REPLACEMENT: Final = 1_000_000_000
"""Replacements are this and up to twice as much: below 2**31, which is all that some chargers can hold."""


class _Place(Struct, frozen=True):
    """Where a number of one kind stands. `defines`: the message brings it into use; else it refers to it."""

    kind: str
    path: tuple[str, ...]
    defines: bool = True


_RESERVATION: Final = "reservation"
_PROFILE: Final = "profile"
_MESSAGE: Final = "message"
_REMOTE_START: Final = "remote-start"


def _defines(kind: str, *paths: str) -> tuple[_Place, ...]:
    return tuple(_Place(kind, tuple(path.split("."))) for path in paths)


def _refers(kind: str, *paths: str) -> tuple[_Place, ...]:
    return tuple(_Place(kind, tuple(path.split(".")), defines=False) for path in paths)


_REQUESTED_BY: Final = {
    "NotifyReport": ("GetBaseReport", "GetReport"),
    "NotifyMonitoringReport": ("GetMonitoringReport",),
    "NotifyCustomerInformation": ("CustomerInformation",),
    "NotifyDisplayMessages": ("GetDisplayMessages",),
    "ReportChargingProfiles": ("GetChargingProfiles",),
    "ReportDERControl": ("GetDERControl",),
    "LogStatusNotification": ("GetLog",),
    "FirmwareStatusNotification": ("UpdateFirmware",),
    "SignedFirmwareStatusNotification": ("SignedUpdateFirmware",),
    "PublishFirmwareStatusNotification": ("PublishFirmware",),
    "BatterySwap": ("RequestBatterySwap",),
}
"""Charger's messages whose requestId is that of a command; each has numbers of its own."""

_TO_CHARGER: Final[dict[str, tuple[_Place, ...]]] = {
    "ReserveNow": _defines(_RESERVATION, "reservationId", "id"),
    "CancelReservation": _refers(_RESERVATION, "reservationId"),
    "SetChargingProfile": _defines(_PROFILE, "csChargingProfiles.chargingProfileId", "chargingProfile.id"),
    "RemoteStartTransaction": _defines(_PROFILE, "chargingProfile.chargingProfileId"),
    "RequestStartTransaction": _defines(_PROFILE, "chargingProfile.id")
    + _defines(_REMOTE_START, "remoteStartId"),
    "ClearChargingProfile": _refers(_PROFILE, "id", "chargingProfileId"),
    "UpdateDynamicSchedule": _refers(_PROFILE, "chargingProfileId"),
    "SetDisplayMessage": _defines(_MESSAGE, "message.id"),
    "ClearDisplayMessage": _refers(_MESSAGE, "id"),
    **{
        command: _defines(notice, "requestId")
        for notice, commands in _REQUESTED_BY.items()
        for command in commands
    },
}
_TO_CHARGER["GetChargingProfiles"] += _refers(_PROFILE, "chargingProfile.chargingProfileId")
_TO_CHARGER["GetDisplayMessages"] += _refers(_MESSAGE, "id")

_FROM_CHARGER: Final[dict[str, tuple[_Place, ...]]] = {
    "StartTransaction": _refers(_RESERVATION, "reservationId"),
    "TransactionEvent": _refers(_RESERVATION, "reservationId")
    + _refers(_REMOTE_START, "transactionInfo.remoteStartId"),
    "ReservationStatusUpdate": _refers(_RESERVATION, "reservationId"),
    "PullDynamicScheduleUpdate": _refers(_PROFILE, "chargingProfileId"),
    **{notice: _refers(notice, "requestId") for notice in _REQUESTED_BY},
}
_FROM_CHARGER["ReportChargingProfiles"] += _refers(_PROFILE, "chargingProfile.id")
_FROM_CHARGER["NotifyDisplayMessages"] += _refers(_MESSAGE, "messageInfo.id")

_FOR_ALL: Final = frozenset(
    {
        "StartTransaction",
        "TransactionEvent",
        "FirmwareStatusNotification",
        "SignedFirmwareStatusNotification",
        "BatterySwap",
    }
)
"""What every backend has to know of, whoever is behind it; the rest is its owner's alone."""

_REQUIRED: Final = frozenset({"BatterySwap"})
"""Of those, where the number cannot be left out."""

COMMANDS: Final = frozenset(_TO_CHARGER)
"""The backends' actions that `Ids.to_charger` has to see."""

NOTICES: Final = frozenset(_FROM_CHARGER)
"""The charger's actions that `Ids.from_charger` has to see."""


class Owner(Struct, frozen=True):
    """Whose a charger's message is.

    `backend` alone is to hear it, and its answer is the one for the charger; None: everybody hears it.
    `payloads` are the payloads by backend where they are not `others`.
    """

    backend: str | None
    payloads: dict[str, dict[str, Any]]
    others: dict[str, Any]

    def payload_for(self, backend: str) -> dict[str, Any] | None:
        """What a backend is to hear; None: nothing."""
        if self.backend is not None and backend != self.backend:
            return None
        found: dict[str, Any] = self.payloads.get(backend, self.others)
        return found


class _Kept(Struct, array_like=True):
    kind: str
    backend: str
    theirs: int
    at_charger: int


class Ids:
    """The numbers of one charger: which backend uses which, and what the charger knows them as.

    `snapshot` is what `Ids.snapshot` gave of an earlier one; msgspec.DecodeError when it is not that.
    `revision` grows whenever there is something new to keep.
    """

    def __init__(self, snapshot: bytes = b"") -> None:
        self.revision = 0
        self._at_charger: dict[tuple[str, str], dict[int, int]] = {}  # (kind, backend) → theirs → charger's
        self._owners: dict[tuple[str, int], tuple[str, int]] = {}  # (kind, charger's) → backend, theirs
        if snapshot:
            for entry in msgspec.json.decode(snapshot, type=list[_Kept]):
                self._keep(entry.kind, entry.backend, entry.theirs, entry.at_charger)

    def snapshot(self) -> bytes:
        """Everything, as JSON."""
        return msgspec.json.encode(
            [
                _Kept(kind, backend, theirs, at_charger)
                for (kind, backend), entries in self._at_charger.items()
                for theirs, at_charger in entries.items()
            ]
        )

    def __len__(self) -> int:
        return len(self._owners)

    def to_charger(self, backend: str, action: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        """A backend's command with numbers that are its alone at the charger; None: it is so as it is.

        A number that is another backend's becomes one that the charger does not know, so that nobody cancels
        or reads what is not its own.
        """
        changed: dict[str, Any] = payload
        for place in _TO_CHARGER.get(action, ()):
            number_of = self._taken if place.defines else self._meant
            changed = _changed(changed, place.path, partial(number_of, place.kind, backend))
        return None if changed is payload else changed

    def from_charger(self, action: str, payload: dict[str, Any]) -> Owner | None:
        """Whose a message of the charger is, and what each backend reads in it; None: all read it as is."""
        places = _FROM_CHARGER.get(action, ())
        if action not in _FOR_ALL and (owners := self._named(places[:1], payload)):
            (owner,) = owners
            return Owner(owner, {owner: self._as_read_by(owner, action, payload)}, payload)
        if not self._named(places, payload):
            return None
        everyone = {backend for _, backend in self._at_charger}
        return Owner(
            None,
            {backend: self._as_read_by(backend, action, payload) for backend in everyone},
            self._as_read_by("", action, payload),
        )

    def _named(self, places: tuple[_Place, ...], payload: dict[str, Any]) -> set[str]:
        """The backends whose numbers stand at some places."""
        found: set[str] = set()
        for place in places:
            for number in _numbers(payload, place.path):
                if (owner := self._owners.get((place.kind, number))) is not None:
                    found.add(owner[0])
        return found

    def _as_read_by(self, backend: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        change = self._left_out if action in _FOR_ALL and action not in _REQUIRED else self._shown
        for place in _FROM_CHARGER[action]:
            payload = _changed(payload, place.path, partial(change, place.kind, backend))
        return payload

    def _shown(self, kind: str, backend: str, at_charger: int) -> int:
        """A charger's number as a backend reads it: its own, or one that it does not use."""
        owner, theirs = self._owners.get((kind, at_charger), ("", at_charger))
        if owner == backend:
            return theirs
        used = self._at_charger.get((kind, backend), {})
        return self._unused(kind, at_charger) if at_charger in used else at_charger

    def _left_out(self, kind: str, backend: str, at_charger: int) -> int | None:
        """The same where a number can be left out: no number of others is shown."""
        owner, _ = self._owners.get((kind, at_charger), (backend, 0))
        return self._shown(kind, backend, at_charger) if owner == backend else None

    def _taken(self, kind: str, backend: str, theirs: int) -> int:
        """The charger's number for one that a backend brings into use."""
        known = self._at_charger.get((kind, backend), {}).pop(theirs, None)
        if known is None:
            known = self._unused(kind, theirs) if (kind, theirs) in self._owners else theirs
            self.revision += 1
        self._keep(kind, backend, theirs, known)
        return known

    def _meant(self, kind: str, backend: str, theirs: int) -> int:
        """The charger's number for one that a backend speaks of."""
        known = self._at_charger.get((kind, backend), {}).get(theirs)
        if known is not None:
            return known
        return self._unused(kind, theirs) if (kind, theirs) in self._owners else theirs

    def _keep(self, kind: str, backend: str, theirs: int, at_charger: int) -> None:
        entries = self._at_charger.setdefault((kind, backend), {})
        entries[theirs] = at_charger
        self._owners[kind, at_charger] = (backend, theirs)
        if len(entries) > MOST_PER_BACKEND:
            oldest = next(iter(entries))
            del self._owners[kind, entries.pop(oldest)]

    def _unused(self, kind: str, number: int) -> int:
        """A number that nobody uses at the charger, in place of one that is used."""
        found = FIRST_REPLACEMENT + number % FIRST_REPLACEMENT
        while (kind, found) in self._owners:
            found = FIRST_REPLACEMENT + (found + 1) % FIRST_REPLACEMENT
        return found


def _numbers(value: Any, path: tuple[str, ...]) -> Iterator[int]:
    """The numbers at a path; a step into a list means each of its items."""
    if isinstance(value, list):
        for item in value:
            yield from _numbers(item, path)
    elif not path:
        if type(value) is int:
            yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _numbers(value[path[0]], path[1:])


def _changed(value: Any, path: tuple[str, ...], change: Callable[[int], int | None]) -> Any:
    """A value with the numbers at a path changed, those that become None left out.

    The same object when nothing changes; what is on the way to a change is copied.
    """
    if isinstance(value, list):
        items = [_changed(item, path, change) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if not path:
        new = change(value) if type(value) is int else value
        return value if new == value else new
    if not isinstance(value, dict) or path[0] not in value:
        return value
    old = value[path[0]]
    new = _changed(old, path[1:], change)
    if new is None and old is not None:
        return {key: item for key, item in value.items() if key != path[0]}
    return value if new is old else value | {path[0]: new}
