"""A translator between two peers, with a stand-in for the session around it: lines, deadlines, a small
outbox.

What the stand-in does is what the session does for every charger (see `gateway/translate/port.py`): one
CALL out per leg, local answers while the backend is away, delivery later in order, a remote stop for what
was refused late.
"""

import json
from collections import deque
from typing import Any

from msgspec import Struct

from gateway.ocpp.message import Version
from gateway.ocpp.values import dumps
from gateway.translate import memory as memories
from gateway.translate.chain import halves
from gateway.translate.factory import translator_for
from gateway.translate.port import (
    AnswerBackend,
    AnswerCharger,
    BackendCall,
    ChargerCall,
    Lost,
    NoAnswer,
    Order,
    Refused,
    ToBackend,
    ToCharger,
    Translator,
)
from gateway.translate.values import moment_text
from tests.vectors.state import memory_of, moment, policies_of

Payload = dict[str, Any]
Frame = list[Any]

_BILLING = {"StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent"}
_KEPT = _BILLING | {
    *("SecurityEventNotification", "FirmwareStatusNotification", "SignedFirmwareStatusNotification"),
    *("LogStatusNotification", "DiagnosticsStatusNotification"),
}


class Waiting(Struct):
    """A CALL for one end, in the line or out."""

    token: int
    action: str
    payload: Payload
    live: bool
    id: str = ""
    sent_at: float = 0.0


class Line:
    """The CALLs towards one end: one out, the others wait."""

    def __init__(self) -> None:
        self.out: Waiting | None = None
        self.waiting: deque[Waiting] = deque()

    def add(self, call: Waiting) -> None:
        if call.live and any(not other.live for other in self.waiting):
            first = next(i for i, other in enumerate(self.waiting) if not other.live)
            self.waiting.insert(first, call)
        else:
            self.waiting.append(call)

    def clear(self) -> list[Waiting]:
        gone = [*([self.out] if self.out else []), *self.waiting]
        self.out = None
        self.waiting.clear()
        return gone


class Stored(Struct):
    """A CALL of the charger that must reach the backend; `heard` when its charger has an answer already."""

    call: ChargerCall
    heard: bool = False
    heard_at: float = 0.0
    accepted: bool = True
    number: int | None = None
    away: bool = False


def awaiting(vector: dict[str, Any]) -> str:
    """Why a vector that fails here may need the real session, "" when it does not."""
    state = vector["state_before"]
    if any(message.get("leg") == "gateway" for message in vector["in"]):
        return "a restart"
    if state["links"]["be"] == "down" or any(message.get("leg") == "link" for message in vector["in"]):
        return "an outage"
    config = state.get("config", {})
    if config.keys() & {"tx_retry_ms", "answer_deadline_ms", "ack_mode"}:
        return "delivery"
    return ""


class World:
    """The gateway as its two peers see it; `sent` is what they have heard, by leg."""

    def __init__(self, vector: dict[str, Any]) -> None:
        state = vector["state_before"]
        charger, backend = vector["direction"].removeprefix("cs").split("-be")
        self.versions = (Version(charger), Version(backend))
        self.config = state.get("config", {})
        self.policies = policies_of(state)
        self.now = moment(state["clock"])
        self.sent: list[tuple[str, Frame]] = []
        self.losses: list[Lost] = []
        self.lines = {"cs": Line(), "be": Line()}
        self.up = {"cs": state["links"]["cs"] == "up", "be": state["links"]["be"] == "up"}
        self.calls: deque[Stored] = deque()
        self.under_way: Stored | None = None
        self.outbox: deque[Stored] = deque()
        self.statuses: dict[Any, ChargerCall] = {}
        self.retry_at: float | None = None
        self.numbers = 0
        self.is_chain = {Version.V16, Version.V21} == set(self.versions)
        snapshot = memories.encoded(memory_of(state))
        self.start(b'{"near":%b,"far":%b}' % (snapshot, snapshot) if self.is_chain else snapshot)
        if self.up["be"]:
            self.perform(self.translator.backend_opened(self.now))
        else:
            self.perform(self.translator.backend_closed(self.now))

    def start(self, snapshot: bytes) -> None:
        translator = translator_for(*self.versions, self.policies, snapshot, "CP-1")
        assert translator is not None
        self.translator: Translator = translator

    def snapshot(self) -> bytes:
        """The memory that holds what a vector speaks of: of two translators the one that knows 1.6."""
        snapshot = self.translator.snapshot()
        if not self.is_chain:
            return snapshot
        near, far = halves(snapshot)
        return near if self.versions[0] is Version.V16 else far

    # What peers do

    def receives(self, leg: str, frame: Frame) -> None:
        if frame[0] == 2:
            if leg == "be":
                self.perform(self.translator.backend_call(BackendCall(*frame[1:4]), self.now))
            else:
                self.take(ChargerCall(*frame[1:4], received_at=self.now))
        elif frame[0] == 6:
            self.perform(
                self.translator.charger_call(ChargerCall(*frame[1:4], received_at=self.now), self.now)
            )
        elif frame[0] in (3, 4):
            self.answered(leg, frame)
        self.run()

    def answered(self, leg: str, frame: Frame) -> None:
        line = self.lines[leg]
        call = line.out
        if call is None or call.id != frame[1]:
            return
        line.out = None
        answer = frame[2] if frame[0] == 3 else Refused(frame[2], frame[3])
        tell = self.translator.backend_answered if leg == "be" else self.translator.charger_answered
        self.perform(tell(call.token, answer, self.now))

    def happens(self, message: dict[str, Any]) -> None:
        if message["leg"] == "clock":
            self.advance(message["advance_ms"] / 1000)
        elif message["leg"] == "link":
            self.turn(message["which"], message["state"] == "up")
        else:
            self.restart()
        self.run()

    def turn(self, leg: str, up: bool) -> None:
        if up == self.up[leg]:
            return
        self.up[leg] = up
        if not up:
            gone = self.lines[leg].clear()
            tell = self.translator.backend_answered if leg == "be" else self.translator.charger_answered
            for call in gone:
                self.perform(tell(call.token, NoAnswer(), self.now))
        translator = self.translator
        if leg == "cs" and up:
            self.perform(translator.charger_opened(self.now))
        elif leg == "be":
            self.perform(translator.backend_opened(self.now) if up else translator.backend_closed(self.now))
            self.retry_at = None

    def restart(self) -> None:
        """Killed at any point: what was durable comes back, both links drop and return."""
        for line in self.lines.values():
            line.clear()
        if self.under_way is not None:
            if self.under_way.call.action in _BILLING and self.under_way not in self.outbox:
                self.outbox.appendleft(self.under_way)
            self.under_way = None
        self.calls.clear()
        for stored in self.outbox:
            stored.heard = True
        self.start(self.translator.snapshot())
        self.perform(self.translator.charger_opened(self.now))
        self.perform(self.translator.backend_opened(self.now))

    # Time

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.next_due()) <= end:
            self.now = max(self.now, due)
            self.tick()
        self.now = end
        self.tick()

    def wait(self, seconds: float) -> bool:
        """Let time pass until something is sent; False when nothing was."""
        before, end = len(self.sent), self.now + seconds
        while len(self.sent) == before:
            due = self.next_due()
            if due > end:
                return False
            self.now = max(self.now, due)
            self.tick()
        return True

    def next_due(self) -> float:
        due = self.translator.due
        if (out := self.lines["cs"].out) is not None:
            due = min(due, out.sent_at + self.config.get("command_deadline_ms", 30000) / 1000)
        stored = self.under_way
        if stored is not None and not stored.heard:
            due = min(due, stored.call.received_at + self.config.get("answer_deadline_ms", 20000) / 1000)
        return min(due, self.retry_at) if self.retry_at is not None else due

    def tick(self) -> None:
        line = self.lines["cs"]
        if line.out and line.out.sent_at + self.config.get("command_deadline_ms", 30000) / 1000 <= self.now:
            call, line.out = line.out, None
            self.perform(self.translator.charger_answered(call.token, NoAnswer(), self.now))
        stored = self.under_way
        deadline = self.config.get("answer_deadline_ms", 20000) / 1000
        if stored and not stored.heard and stored.call.received_at + deadline <= self.now:
            self.hear(stored, self.local_answer(stored))
        if self.retry_at is not None and self.retry_at <= self.now:
            self.retry_at = None
        if self.translator.due <= self.now:
            self.perform(self.translator.time_passed(self.now))
        self.run()

    # CALLs of the charger

    def take(self, call: ChargerCall) -> None:
        stored = Stored(call)
        if self.up["be"] and not (self.outbox and call.action in _BILLING):
            self.calls.append(stored)
            return
        stored.away = not self.up["be"]
        keep = call.action in _KEPT or self.translator.stores(call.action, call.payload)
        self.hear(stored, self.local_answer(stored))
        if keep:
            self.outbox.append(stored)
        elif call.action == "StatusNotification":
            self.statuses[call.payload.get("connectorId"), call.payload.get("evseId")] = call

    def run(self) -> None:
        """Deliver what waits, one CALL of the charger after the other, and send what may be sent."""
        progress = True
        while progress:
            progress = False
            if self.up["be"] and self.under_way is None and self.retry_at is None:
                progress = self.deliver()
            for leg in ("cs", "be"):
                progress = self.send_next(leg) or progress

    def deliver(self) -> bool:
        stored = None
        if self.outbox:
            stored = self.outbox[0]
            known = stored.call
            stored.call = ChargerCall(
                known.id, known.action, known.payload, known.received_at, True, stored.number
            )
        elif self.statuses:
            key = next(iter(self.statuses))
            known = self.statuses.pop(key)
            stored = Stored(ChargerCall(known.id, known.action, known.payload, known.received_at, True), True)
        elif self.calls:
            stored = self.calls.popleft()
        if stored is None:
            return False
        self.under_way = stored
        self.perform(self.translator.charger_call(stored.call, self.now))
        return True

    def hear(self, stored: Stored, answer: Payload | Refused) -> None:
        stored.heard = True
        stored.heard_at = self.now
        self.send_answer("cs", stored.call.id, answer)

    def local_answer(self, stored: Stored, unknown: str = "") -> Payload:  # noqa: PLR0911
        """What the charger hears from the gateway; `unknown` is what an unknown token is worth."""
        call = stored.call
        authorised = self.local_authorisation(call.payload, unknown)
        stored.accepted = authorised == "Accepted"
        now = moment_text(self.now)
        match call.action:
            case "BootNotification":
                return {"status": "Accepted", "currentTime": now, "interval": 300}
            case "Heartbeat":
                return {"currentTime": now}
            case "Authorize" if self.versions[0] is Version.V16:
                return {"idTagInfo": {"status": authorised}}
            case "Authorize":
                return {"idTokenInfo": {"status": authorised}}
            case "StartTransaction":
                memory = self.translator.memory  # type: ignore[attr-defined]
                known = next(
                    (tx for tx in memory.transactions if tx.start_answer is None and tx.is_open), None
                )
                stored.number = known.id16 if known and not stored.away else memory.counters.transaction
                memory.counters.transaction = max(memory.counters.transaction, stored.number + 1)
                return {"idTagInfo": {"status": authorised}, "transactionId": stored.number}
            case "TransactionEvent" if "idToken" in call.payload:
                return {"idTokenInfo": {"status": authorised}}
            case _:
                return {}

    def local_authorisation(self, payload: Payload, unknown: str) -> str:
        """What the backend said last about the token, else by the policy."""
        memory = memories.decoded(self.snapshot())
        tag = payload.get("idTag") or payload.get("idToken", {}).get("idToken", "")
        if (known := memory.authorisations.get(tag.casefold())) is not None:
            return str(known.info["status"])
        if self.config.get("offline_unknown_id") == "accept":
            return "Accepted"
        return unknown or "Invalid"

    # Orders

    def perform(self, orders: list[Order]) -> None:
        for order in orders:
            match order:
                case ToBackend(token, action, payload, live):
                    self.lines["be"].add(Waiting(token, action, _plain(payload), live))
                case ToCharger(token, action, payload):
                    self.lines["cs"].add(Waiting(token, action, _plain(payload), False))
                case AnswerBackend(id_, answer):
                    self.send_answer("be", id_, answer)
                case AnswerCharger():
                    self.charger_answer(order)
                case Lost():
                    self.losses.append(order)

    def charger_answer(self, order: AnswerCharger) -> None:
        stored = self.under_way
        self.under_way = None
        if stored is None or stored.call.id != order.id:
            self.send_answer("cs", order.id, order.answer)
            return
        absorbs = self.config.get("tx_error", "absorb") == "absorb" and stored.call.action in _BILLING
        if not order.delivered and (absorbs or stored.heard):
            if stored not in self.outbox:
                self.outbox.appendleft(stored)
            if not stored.heard:
                self.hear(stored, self.local_answer(stored, unknown="Accepted"))
            if self.up["be"]:
                self.retry_at = self.now + self.config.get("tx_retry_ms", 30000) / 1000
            return
        if stored in self.outbox:
            self.outbox.remove(stored)
        if not stored.heard:
            self.hear(stored, order.answer)
        elif stored.call.action == "StartTransaction" and isinstance(order.answer, dict):
            self.late(stored, order.answer)

    def late(self, stored: Stored, answer: Payload) -> None:
        """The charger was told yes, and the backend says no."""
        if (
            answer["idTagInfo"]["status"] != "Accepted"
            and stored.accepted
            and self.policies.late_reject == "stop"
        ):
            self.lines["cs"].add(
                Waiting(-1, "RemoteStopTransaction", {"transactionId": answer["transactionId"]}, False)
            )

    # Frames

    def send_next(self, leg: str) -> bool:
        line = self.lines[leg]
        if line.out is not None or not line.waiting or not self.up[leg]:
            return False
        call = line.waiting.popleft()
        self.numbers += 1
        call.id, call.sent_at = f"gateway-{self.numbers}", self.now
        line.out = call
        self.sent.append((leg, [2, call.id, call.action, call.payload]))
        return True

    def send_answer(self, leg: str, id_: str, answer: Payload | Refused) -> None:
        if isinstance(answer, Refused):
            self.sent.append((leg, [4, id_, answer.code, answer.description, {}]))
        else:
            self.sent.append((leg, [3, id_, _plain(answer)]))


def _plain(value: Any) -> Any:
    return json.loads(dumps(value))
