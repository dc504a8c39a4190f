"""What several backends ask of one charger: one line, one CALL at a time, the urgent ones first.

Every backend's session has at most one CALL for the charger at a time, so the line is as long as there are
backends. Here a backend's own numbers (reservations, profiles, requests) become the charger's, and back.
"""

from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from gateway.ocpp import frame
from gateway.ocpp.flags import Flag, FlagCode
from gateway.ocpp.message import Message, Sender
from gateway.routing.conflicts import ACTIONS as CONTESTED
from gateway.routing.conflicts import Conflicts
from gateway.routing.ids import COMMANDS as NUMBERED
from gateway.routing.ids import Ids
from gateway.routing.policy import priority_of
from gateway.session import payloads
from gateway.session.calls import Call
from gateway.session.effects import Effect, Noted, Remember, SendToCharger, Verdict

if TYPE_CHECKING:
    from gateway.session.switchboard import Addressed, Switchboard

LATE_IDS = 32
BOOT_HOLD_S = 10.0
NEVER = float("inf")


class Command(Struct, gc=False):
    """A CALL of the backend `name` that is for the charger: `call` as its session knows it.

    `id` is the one that the charger sees. `payload` is there where it has to be understood.
    """

    name: str
    call: Call
    data: bytes
    rank: int
    id: str = ""
    payload: dict[str, Any] | None = None

    @property
    def is_renamed(self) -> bool:
        return self.id != self.call.id


class Commands:
    """The line of `board` towards its charger. `out` is the one the charger has not answered yet."""

    def __init__(self, board: "Switchboard", ids: Ids) -> None:
        self.board = board
        self.ids = ids
        self.conflicts = Conflicts()
        self.out: Command | None = None
        self.boot_until = NEVER  # until when nobody but the leader commands: the charger may be about to boot
        self.line: list[Command] = []
        self._late: deque[str] = deque(maxlen=LATE_IDS)
        self._renamed = 0

    @property
    def due(self) -> float:
        """When to look again."""
        if self.out is not None and not self._is_open(self.out):
            return self._frees_at
        return self.boot_until if self.line and self.out is None else NEVER

    @property
    def _frees_at(self) -> float:
        """When the charger has had its time for the CALL that is out, whoever has asked."""
        leader = self.board.sessions[self.board.leader]
        return self.out.call.sent_at + leader.settings.call_timeout_s if self.out is not None else NEVER

    def charger_opened(self, now: float) -> None:
        """Some brands loop when they are commanded before they have booted."""
        self.boot_until = now + BOOT_HOLD_S
        self.out = None
        self._late.clear()

    def adopt(self, name: str, call: Call | None) -> None:
        """The charger has not answered this CALL of the only session there was so far."""
        if call is not None:
            self.out = Command(name, call, call.frame, priority_of(call.action), call.id)

    def add(self, name: str, data: bytes) -> None:
        """The session of this backend sends the charger a CALL."""
        call = self.board.sessions[name].to_charger.out
        if call is not None:
            self.line.append(Command(name, call, data, priority_of(call.action), call.id))

    def _is_open(self, command: Command) -> bool:
        """Whether its session still waits for the answer."""
        session = self.board.sessions.get(command.name)
        return session is not None and session.to_charger.out is command.call

    @property
    def is_busy(self) -> bool:
        """Whether there is any CALL for the charger."""
        return bool(self.line) or self.out is not None

    def pump(self, now: float) -> list["Addressed"]:
        """Send the charger what is next, if it is free."""
        if self.out is not None:
            if self._is_open(self.out) or now < self._frees_at:
                return []
            self.expired(self.out)
        if not self.board.sessions[self.board.leader].charger.is_open:
            self.line.clear()  # the backends hear so from their sessions
        if not self.line:
            return []
        self.line = [command for command in self.line if self._is_open(command)]
        sent: list[Addressed] = []
        while self.out is None and (command := self._first(now)) is not None:
            self.line.remove(command)
            sent += self._send(command, now)
        return sent

    def was_late(self, id_: str) -> bool:
        """Whether this is the id of a CALL whose answer nobody waits for any more."""
        is_late = id_ in self._late
        if is_late:
            self._late.remove(id_)
        return is_late

    def expired(self, command: Command) -> None:
        """Nobody waits for the answer any more; it may still come."""
        self._late.append(command.id)
        self.out = None

    def _first(self, now: float) -> Command | None:
        """The most urgent of those that may go, of these the one that came first."""
        leader, is_held = self.board.leader, now < self.boot_until
        free = [command for command in self.line if command.name == leader or not is_held]
        return min(free, key=lambda command: command.rank, default=None)

    def _send(self, command: Command, now: float) -> list["Addressed"]:
        leader = self.board.sessions[self.board.leader]
        told: list[Effect] = []
        data = self._numbered(command, told)
        if command.name != self.board.leader:
            fitted, more = leader.fit_command(data, command.call.action)
            told += more
            if fitted.answer is not None:
                return [*self.board.addressed(self.board.leader, told), *self._answered_here(command, now)]
            data = fitted.data
        if command.id in self._late:
            data = self._renamed_as_new(command, data)
            told.append(Noted("id-renamed", command.call.label))
        command.call.sent_at = now
        self.out = command
        return self.board.addressed(self.board.leader, [*told, SendToCharger(data)])

    def _answered_here(self, command: Command, now: float) -> list["Addressed"]:
        """The charger's adapter answers for it: the charger is never asked."""
        session = self.board.sessions[command.name]
        fitted, _ = self.board.sessions[self.board.leader].fit_command(command.data, command.call.action)
        assert fitted.answer is not None
        return self.board.route(command.name, session.charger_answers(fitted.answer, False, now), now)

    def _numbered(self, command: Command, told: list[Effect]) -> bytes:
        """The CALL with the numbers that the charger knows it by."""
        action = command.call.action
        if action not in NUMBERED and action not in CONTESTED:
            return command.data
        command.payload = payloads.of_call(command.data)
        if command.payload is None or action not in NUMBERED:
            return command.data
        revision = self.ids.revision
        changed = self.ids.to_charger(command.name, action, command.payload)
        if self.ids.revision != revision:
            told.append(Remember("ids", self.ids.snapshot()))
        if changed is None:
            return command.data
        session, flag = self.board.sessions[command.name], Flag(FlagCode.NUMBER_REPLACED)
        told.append(session.flagged(Sender.BACKEND, "call", action, command.data, [flag], Verdict.DELIVERED))
        return frame.call(command.id, action, msgspec.json.encode(changed))

    def _renamed_as_new(self, command: Command, data: bytes) -> bytes:
        message = frame.split(data)
        if message is None:
            return data
        self._renamed += 1
        command.id = f"gateway-line-{self._renamed}"
        return frame.renamed(message, command.id)

    # The charger's answers

    def stray(self, data: bytes) -> Message | None:
        """The answer in this frame, when no CALL that is out has its id, though a session may wait for it."""
        message = frame.split(data)
        if message is None or self.out is None or message.id != self.out.id:
            return message
        if self._is_open(self.out):
            return None
        self.expired(self.out)
        return message

    def answer(self, data: bytes) -> tuple[Command, bytes] | None:
        """Whose answer this frame is, and as its session is to see it; None: to nobody's CALL."""
        command = self.out
        if command is None:
            return None
        if command.is_renamed:
            data = data.replace(frame.quoted(command.id), frame.quoted(command.call.id), 1)
        return command, data

    def answered(self, command: Command, data: bytes, now: float) -> list["Addressed"]:
        """The charger has answered: it is free; two backends that want different things are told of."""
        if self._is_open(command):
            return []
        self.out = None
        if command.payload is None or command.call.action not in CONTESTED:
            return []
        answer, session = payloads.of_result(data), self.board.sessions[command.name]
        told: list[Effect] = []
        for found in self.conflicts.heard(command.name, command.call.action, command.payload, answer, now):
            before, after = f"{found.first}: {found.first_value}", f"{found.second}: {found.second_value}"
            flag = Flag(FlagCode.BACKENDS_CONFLICT, found.what, before, after)
            told.append(Noted("backends-conflict", str(found)))
            told.append(
                session.flagged(
                    Sender.BACKEND, "call", command.call.action, command.data, [flag], Verdict.DELIVERED
                )
            )
        return self.board.addressed(command.name, told)
