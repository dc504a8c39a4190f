"""What the operator's rules make of what each backend asks of a charger."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, structs

from gateway.ocpp import frame
from gateway.ocpp.flags import Flag
from gateway.ocpp.message import Message, MessageType, Version
from gateway.routing.policy import Pace, Policy, Rewritten
from gateway.session import payloads
from gateway.session.effects import SendToBackend
from gateway.session.others import Ruled

if TYPE_CHECKING:
    from gateway.session.session import ChargerSession
    from gateway.session.switchboard import Switchboard


class Rules(Struct, frozen=True):
    """What one backend may ask of chargers, and how often."""

    policy: Policy
    commands_per_minute: float


class Rulings:
    """Judges the backends of `board` by `rules`, which are every backend's by its name.

    `unfinished` are the rules' parts of answers that the charger has yet to give, by backend and CALL.
    """

    def __init__(self, board: "Switchboard", rules: Mapping[str, Rules]) -> None:
        self.board = board
        self.rules = rules
        self._policies: dict[str, Policy] = {}
        self._paces: dict[str, Pace] = {}
        self.unfinished: dict[tuple[str, str], Rewritten] = {}

    def apply(self, rules: Mapping[str, Rules]) -> None:
        """Other rules from now on."""
        self.rules = rules
        self._policies.clear()

    def leave(self, name: str) -> None:
        """This backend is gone."""
        self._policies.pop(name, None)
        self._paces.pop(name, None)

    def _policy(self, name: str, charger_id: str) -> Policy:
        if name not in self._policies:
            self._policies[name] = self.rules[name].policy.of(charger_id)
        return self._policies[name]

    def _is_in_pace(self, name: str, now: float) -> bool:
        if name not in self._paces:
            self._paces[name] = Pace(self.rules[name].commands_per_minute)
        return self._paces[name].allows(now)

    def judge(
        self, session: "ChargerSession", message: Message, version: Version, now: float
    ) -> Ruled | None:
        name = self.board.name_of(session)
        payload = bytes(message.payload) or _payload_of(message)
        policy = self._policy(name, session.charger_id)
        verdict = policy.judge(message.action, payload, version, name == self.board.leader)
        if verdict is None and self._is_in_pace(name, now):
            return None
        verdict = verdict or policy.refuse_pace(message.action, payload, version)
        flag = Flag(verdict.flag, after=verdict.reason)
        id_ = message.id_literal or message.id
        if isinstance(verdict, Rewritten):
            changed = frame.call(message.id, message.action, verdict.payload)
            if verdict.withheld:
                self.unfinished[name, message.id] = verdict
            return Ruled(flag, structs.replace(message, payload=verdict.payload, frame=changed))
        if verdict.payload is not None:
            return Ruled(flag, None, frame.result(id_, verdict.payload))
        return Ruled(flag, None, frame.error(id_, verdict.error_code, verdict.reason))

    def complete(self, name: str, effect: SendToBackend) -> SendToBackend:
        """The charger's answer to a CALL of which a rule has let only a part through."""
        message = frame.split(effect.data)
        if message is None or message.type is MessageType.CALL:
            return effect
        rewritten = self.unfinished.pop((name, message.id), None)
        answer = payloads.of_result(effect.data) if rewritten is not None else None
        if rewritten is None or answer is None:
            return effect
        return SendToBackend(frame.result(message.id, msgspec.json.encode(rewritten.completed(answer))))


def _payload_of(message: Message) -> bytes:
    """The JSON text of a CALL's payload."""
    found = frame.split(message.frame)
    return b"{}" if found is None else bytes(found.payload)
