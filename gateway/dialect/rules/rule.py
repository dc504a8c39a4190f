"""One rule: where it looks, what must be so, what it does; compiled once, applied to payloads."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from typing import Any

from msgspec import Struct

from gateway.dialect.rules.conditions import Condition
from gateway.dialect.rules.places import Change, Edits, Steps, copied, nodes, slots
from gateway.ocpp.flags import Flag, FlagCode
from gateway.ocpp.message import MessageType, Sender
from gateway.ocpp.values import Path, dumps, path_text

Payload = dict[str, Any]
Objects = list[tuple[dict[str, object], Path]]

MOST_FLAGS = 100
_SHOWN = 200
_NO_FLAGS: list[Flag] = []


class Kind(StrEnum):
    """Whose message it is, and whether it asks or answers."""

    CHARGER_CALL = "charger_call"
    CHARGER_RESULT = "charger_result"
    BACKEND_CALL = "backend_call"
    BACKEND_RESULT = "backend_result"

    @property
    def sender(self) -> Sender:
        return Sender.CHARGER if self.startswith("charger") else Sender.BACKEND

    @property
    def is_request(self) -> bool:
        return self.endswith("call")

    @property
    def caller(self) -> Sender:
        """Who sent the CALL that it is, or that it answers."""
        return self.sender if self.is_request else self.sender.other


KIND_OF = {
    (MessageType.CALL, Sender.CHARGER): Kind.CHARGER_CALL,
    (MessageType.SEND, Sender.CHARGER): Kind.CHARGER_CALL,
    (MessageType.CALLRESULT, Sender.CHARGER): Kind.CHARGER_RESULT,
    (MessageType.CALL, Sender.BACKEND): Kind.BACKEND_CALL,
    (MessageType.SEND, Sender.BACKEND): Kind.BACKEND_CALL,
    (MessageType.CALLRESULT, Sender.BACKEND): Kind.BACKEND_RESULT,
}


class Use(StrEnum):
    """How far a pack, a rule or an adapter may go."""

    REPAIR = "repair"
    OBSERVE = "observe"
    OFF = "off"


class Deed(Struct, frozen=True):
    """A verb with its arguments, and the place it works on below each object of the rule."""

    place: Steps
    apply: Callable[..., None]
    arguments: dict[str, Any]


class Rule(Struct, frozen=True):
    """One rule of a pack. `on` are the kinds and actions it is for."""

    name: str
    why: str
    source: str
    on: tuple[tuple[Kind, str], ...]
    at: Steps
    where: tuple[Condition, ...]
    deeds: tuple[Deed, ...]
    flag: FlagCode
    observe: bool
    author: str

    def applied(self, payload: Payload, observe: bool, objects: Objects) -> tuple[Payload, list[Flag]]:
        """The payload as the rule leaves it, the very same one when it changes nothing; its flags.

        `objects` are those at the rule's place. With `observe` nothing is changed. A change that would touch
        a signed meter value is not made.
        """
        if not any(self._holds(node) for node, _ in objects):
            return payload, _NO_FLAGS
        trial = copied(payload)
        changes = self._done(trial)
        if not changes or trial == payload:
            return payload, _NO_FLAGS
        if signed_values(trial) != signed_values(payload):
            return payload, [Flag(FlagCode.SIGNED_VALUE_KEPT, path_text(changes[0].path), author=self.author)]
        if observe or self.observe:
            return payload, flags_of(changes, FlagCode.DIALECT_OBSERVED, self.author)
        return trial, flags_of(changes, self.flag, self.author)

    def _holds(self, node: dict[str, object]) -> bool:
        for condition in self.where:  # noqa: SIM110 - hot; a generator costs more
            if not condition.holds(node):
                return False
        return True

    def _done(self, payload: Payload) -> list[Change]:
        """Do it, at every object that it holds for; what was changed."""
        edits = Edits()
        for node, path in [(node, path) for node, path in nodes(payload, self.at) if self._holds(node)]:
            for deed in self.deeds:
                for slot in list(slots(node, deed.place, path)):
                    deed.apply(slot, edits, **deed.arguments)
        return edits.changes


def flags_of(changes: list[Change], code: FlagCode, author: str) -> list[Flag]:
    """The changes as flags, a hundred at most."""
    make = partial(Flag, code, author=author, applied=code is not FlagCode.DIALECT_OBSERVED)
    return [
        make(path_text(change.path), change.before[:_SHOWN], change.after[:_SHOWN])
        for change in changes[:MOST_FLAGS]
    ]


def signed_values(payload: object) -> list[str]:
    """Every signed meter value of a payload, as JSON text in order (OCPP 1.6 §7.38, 2.0.1 SignedMeterValue).

    In 1.6 that is the whole sampled value whose format is SignedData, in 2.x `signedMeterValue` and the
    value it signs.
    """
    return list(_signed(payload))


def _signed(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _signed(item)
    elif isinstance(value, dict):
        if value.get("format") == "SignedData":
            yield dumps(value)
        elif "signedMeterValue" in value:
            yield dumps({key: value[key] for key in ("value", "signedMeterValue") if key in value})
        else:
            for member in value.values():
                if isinstance(member, dict | list):
                    yield from _signed(member)
