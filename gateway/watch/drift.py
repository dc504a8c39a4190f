"""Dialect drift: a charger has new firmware, and with it new kinds of deviation from the standard.

Each charger has a profile of its flags: how often each code came, for which kind, action and place. When
its firmware changes the profile is put aside and a new one begun; what then comes again and again, and never
came before, is new. That is told once, on the first charger of an update, with counts and examples.
"""

import re
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Struct, field, structs

from gateway.ocpp.flags import FLAGS, Flag, FlagCode, change

ENOUGH_MESSAGES: Final = 50
OFTEN: Final = 3
MOST_KINDS: Final = 200
KEPT_EVERY: Final = 50
_EXAMPLE: Final = 200
_INDEX: Final = re.compile(r"\[\d+\]")

NOT_OF_FIRMWARE: Final = frozenset(
    {FlagCode.CONNECTION_DUPLICATE, FlagCode.ANSWER_LATE, FlagCode.BEFORE_BOOT, FlagCode.LATE_STOP}
)
"""What a network or a pause does, not a firmware."""


class Deviation(Struct):
    """One kind of deviation: how often it came, and the first example, as `change` tells it."""

    count: int = 0
    example: str = ""


class Profile(Struct):
    """What came from a charger with one firmware; `kinds` by `code kind action place`."""

    firmware: str = ""
    messages: int = 0
    kinds: dict[str, Deviation] = field(default_factory=dict)


class Alert(Struct, frozen=True):
    """What an update changed: the kinds of deviation that are new, with counts and examples."""

    old: str
    new: str
    kinds: dict[str, Deviation]

    def __str__(self) -> str:
        told = [f"{name} ×{found.count} (e.g. {found.example})" for name, found in self.kinds.items()]
        return f"firmware {self.old} → {self.new}: new since then: " + "; ".join(told)


class Drift(Struct):
    """One charger's present and previous profile; `alert` once there is one.

    `is_dirty` says that there is something new to keep.
    """

    current: Profile = field(default_factory=Profile)
    previous: Profile | None = None
    alert: Alert | None = None
    is_dirty: bool = False
    received: int = 0

    def firmware(self, version: str, received: int = 0) -> None:
        """The charger reports this firmware; `received` counts its messages on this connection so far."""
        self._count_messages(received)
        if not version or version == self.current.firmware:
            return
        if self.current.firmware:
            self.previous, self.current, self.alert = self.current, Profile(version), None
        else:
            self.current.firmware = version
        self.is_dirty = True

    def flagged(self, flags: Iterable[Flag], kind: str, action: str, received: int) -> Alert | None:
        """A message of the charger was flagged; `received` counts its messages on this connection.

        The alert, at the moment it is due.
        """
        self._count_messages(received)
        profile = self.current
        for flag in flags:
            if flag.code not in NOT_OF_FIRMWARE:
                place = _INDEX.sub("[]", flag.path)
                self._count(profile, f"{flag.code.value} {kind} {action} {place}".strip(), flag)
        return self._due()

    def _count(self, profile: Profile, name: str, flag: Flag) -> None:
        found = profile.kinds.get(name)
        if found is None:
            if len(profile.kinds) >= MOST_KINDS:
                return
            example = change(flag.before, flag.after, flag.applied)
            found = profile.kinds[name] = Deviation(0, example[:_EXAMPLE] or FLAGS[flag.code].meaning)
            self.is_dirty = True
        found.count += 1
        self.is_dirty = self.is_dirty or found.count == OFTEN or found.count % KEPT_EVERY == 0

    def _due(self) -> Alert | None:
        before, now = self.previous, self.current
        if (
            self.alert is not None
            or before is None
            or before.messages < ENOUGH_MESSAGES
            or now.messages < ENOUGH_MESSAGES
        ):
            return None
        new = {
            name: structs.replace(found)
            for name, found in now.kinds.items()
            if found.count >= OFTEN and name not in before.kinds
        }
        if not new:
            return None
        self.alert = Alert(before.firmware, now.firmware, new)
        self.is_dirty = True
        return self.alert

    def ended(self, received: int) -> None:
        """A connection is over on which so many messages came; the next one counts from the beginning."""
        self._count_messages(received)
        self.received = 0

    def _count_messages(self, received: int) -> None:
        new = max(received - self.received, 0)
        self.received = received
        before = self.current.messages
        self.current.messages += new
        self.is_dirty = self.is_dirty or before < ENOUGH_MESSAGES <= self.current.messages

    def stored(self) -> bytes:
        """As JSON, to be made again by `restored`."""
        self.is_dirty = False
        return msgspec.json.encode(self)


def restored(stored: bytes) -> Drift:
    """The drift that was `stored`; a new one for b""."""
    drift = msgspec.json.decode(stored, type=Drift) if stored else Drift()
    drift.received, drift.is_dirty = 0, False
    return drift
