"""Between a session, which speaks its charger's version, and a backend that speaks another.

To the session the bridge is the backend's link: what it sends goes to a translator, and what the translator
answers comes back as frames. To the backend the bridge is the charger: one CALL out, the others in two
lines, of which transaction messages are the slower one. What a translator has learned is on disk before what
it says leaves (`KeepState` → `StateKept`).
"""

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from gateway.dialect.reader import Outcome, Reader, Reading
from gateway.ocpp import actions, frame
from gateway.ocpp.flags import Flag, FlagCode
from gateway.ocpp.message import Message, MessageType, Sender
from gateway.ocpp.values import dumps
from gateway.session import events as ev
from gateway.session import payloads
from gateway.session.calls import KINDS, Own
from gateway.session.effects import Close, Effect, KeepState, Noted, SendToBackend, Verdict
from gateway.translate.port import (
    Answer,
    AnswerBackend,
    AnswerCharger,
    BackendCall,
    ChargerCall,
    Lost,
    NoAnswer,
    Order,
    Payload,
    Refused,
    ToBackend,
    ToCharger,
    Translator,
)
from gateway.translate.values import parsed

if TYPE_CHECKING:
    from gateway.session.session import ChargerSession

CALL, CALLRESULT, CALLERROR, CALLRESULTERROR, SEND = MessageType
NEVER = float("inf")
COMMAND_SLACK_S = 5.0
TRY_AGAIN_LATER = 1013


class WireCall(Struct, gc=False):
    """A CALL on its way to the backend, in the backend's version. `sent_at` is the session's clock."""

    token: int
    id: str
    action: str
    frame: bytes
    sent_at: float = 0.0


class Held(Struct, gc=False):
    """Orders that wait until what was learned with them is on disk."""

    number: int
    orders: list[Order]
    charger_id: str
    raw: bytes
    sender: Sender
    action: str


class Bridge:
    """Carries what `session` says to a backend of another version, by `translator`."""

    def __init__(self, session: "ChargerSession", translator: Translator) -> None:
        self.session = session
        self.translator = translator
        self.reader = Reader(translator.backend_version, session.reader.mode)
        self.out: WireCall | None = None
        self._live: deque[WireCall] = deque()
        self._transactions: deque[WireCall] = deque()
        self._asked: dict[str, tuple[int, float]] = {}
        self._held: deque[Held] = deque()
        self._numbers = 0

    # What the session wants

    def outward(self, effects: Iterable[Effect], now: float) -> list[Effect]:
        """The session's effects, with what it sends the backend translated."""
        carried: list[Effect] = []
        for effect in effects:
            if type(effect) is SendToBackend:
                carried += self._from_session(effect.data, now)
            else:
                carried.append(effect)
        self._set_due()
        return carried

    def _from_session(self, data: bytes, now: float) -> list[Effect]:
        message = frame.split(data) or frame.split(b"[" + data.strip()[1:].lstrip())
        if message is None:
            return [Noted("untranslatable")]
        wall = now + self.session.wall_offset_s
        if message.type is CALL:
            orders = self.translator.charger_call(self._charger_call(message, wall), wall)
            return self._perform(orders, message, Sender.CHARGER, now)
        if message.type in (CALLRESULT, CALLERROR):
            token, _ = self._asked.pop(message.id, (None, 0.0))
            if token is not None:
                orders = self.translator.charger_answered(token, _answer_in(message), wall)
                return self._perform(orders, message, Sender.CHARGER, now)
        return []

    def _charger_call(self, message: Message, wall: float) -> ChargerCall:
        """The CALL as a translator wants it: with what the outbox knows of it."""
        payload = _payload_of(message)
        out, buffer = self.session.to_backend.out, self.session.buffer
        if out is None or out.own is not Own.ENTRY or buffer is None or not buffer.outbox.window:
            return ChargerCall(message.id, message.action, payload, wall)
        transaction_id = None
        if message.action == "StartTransaction":
            plain = payloads.of_call(message.frame) or {}
            transaction = buffer.book.by_key(payloads.natural_key(message.action, plain))
            if transaction is not None and isinstance(transaction.charger_id, int):
                transaction_id = transaction.charger_id
        came_at = buffer.outbox.window[0].came_at
        return ChargerCall(message.id, message.action, payload, came_at, True, transaction_id)

    # What the backend says

    def backend_frame(self, data: bytes, binary: bool, now: float) -> list[Effect]:
        """A frame of the backend, in its version."""
        session = self.session
        wall = now + session.wall_offset_s
        got = self.reader.read(data, Sender.BACKEND, self._action_of, wall, self._ids)
        reading = got if isinstance(got, Reading) else Reading(Outcome.CLEAN, [got], [])
        if binary:
            reading.flags.append(Flag(FlagCode.BINARY_FRAME))
        effects: list[Effect] = []
        messages = reading.messages or ([reading.original] if reading.original is not None else [])
        for message in messages:
            effects += self._from_backend(message, wall, now)
        if not messages and reading.reply is not None:
            effects.append(SendToBackend(reading.reply))
        if reading.flags:
            verdict = Verdict.DELIVERED if messages else Verdict.QUARANTINED
            kind, action = ("call", messages[0].action) if messages else ("", "")
            effects.append(session.flagged(Sender.BACKEND, kind, action, data, reading.flags, verdict))
        self._set_due()
        return effects

    def _from_backend(self, message: Message, wall: float, now: float) -> list[Effect]:
        self._count(message)
        if message.type is CALL:
            call = BackendCall(message.id, message.action, _payload_of(message))
            return self._perform(self.translator.backend_call(call, wall), message, Sender.BACKEND, now)
        if self.out is None or self.out.id != message.id:
            return [Noted(FlagCode.ANSWER_UNKNOWN.value)]
        answered, self.out = self.out, None
        orders = self.translator.backend_answered(answered.token, _answer_in(message), wall)
        return [*self._perform(orders, message, Sender.BACKEND, now), *self._next(now)]

    def _count(self, message: Message) -> None:
        version = self.reader.version
        label = message.action if actions.known_action(version, message.action) else "unknown"
        self.session.tally.messages[KINDS[Sender.BACKEND][message.type], label, version] += 1

    def _action_of(self, id_: str) -> str | None:
        return self.out.action if self.out is not None and self.out.id == id_ else None

    def _ids(self) -> list[str]:
        return [self.out.id] if self.out is not None else []

    # What happens

    def handled(self, event: ev.Event, effects: list[Effect], now: float) -> list[Effect]:
        """The session has handled an event, and wants these effects: the translator hears of it too."""
        wall = now + self.session.wall_offset_s
        carried = self.outward(effects, now)
        match event:
            case ev.BackendOpened():
                return [*self._orders(self.translator.backend_opened(wall), now), *carried]
            case ev.BackendClosed() if not self.session.backend.is_open:
                carried += self._link_lost(wall, now)
            case ev.ChargerOpened():
                carried += self._orders(self.translator.charger_opened(wall), now)
            case ev.TimePassed():
                carried += self._time_passed(wall, now)
            case ev.StateKept():
                carried += self._kept(event, now)
        if any(type(effect) is Close and effect.to is Sender.BACKEND for effect in carried):
            carried += self._link_lost(wall, now)
        self._set_due()
        return carried

    def _link_lost(self, wall: float, now: float) -> list[Effect]:
        """The backend's link is gone: what was asked over it gets no answer."""
        pending = [*([self.out] if self.out else []), *self._transactions, *self._live]
        self.out = None
        self._live.clear()
        self._transactions.clear()
        effects: list[Effect] = []
        for call in pending:
            effects += self._orders(self.translator.backend_answered(call.token, NoAnswer(), wall), now)
        return [*effects, *self._orders(self.translator.backend_closed(wall), now)]

    def _time_passed(self, wall: float, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if self.translator.due <= wall:
            effects += self._orders(self.translator.time_passed(wall), now)
        for id_ in [id_ for id_, (_, until) in self._asked.items() if until <= now]:
            token, _ = self._asked.pop(id_)
            effects += self._orders(self.translator.charger_answered(token, NoAnswer(), wall), now)
        out = self.out
        if out is not None and now >= out.sent_at + self.session.settings.call_timeout_s:
            self.out = None
            effects.append(Noted("call-timed-out", out.action))
            effects += self._orders(self.translator.backend_answered(out.token, NoAnswer(), wall), now)
            effects += self._next(now)
        return effects

    def _set_due(self) -> None:
        times = [self.translator.due - self.session.wall_offset_s]
        times += [until for _, until in self._asked.values()]
        if self.out is not None:
            times.append(self.out.sent_at + self.session.settings.call_timeout_s)
        self.session.due = min(self.session.due, *times)

    # What the translator wants

    def _orders(self, orders: list[Order], now: float) -> list[Effect]:
        return self._after_disk(Held(0, orders, "", b"", Sender.CHARGER, ""), now)

    def _perform(self, orders: list[Order], message: Message, sender: Sender, now: float) -> list[Effect]:
        """Orders that follow from a message; the first CALL a charger's makes keeps its id if it can."""
        id_ = message.id if message.type is CALL and sender is Sender.CHARGER else ""
        return self._after_disk(Held(0, orders, id_, message.frame, sender, message.action), now)

    def _after_disk(self, held: Held, now: float) -> list[Effect]:
        if self.translator.changed:
            self.translator.changed = False
            self._numbers += 1
            held.number = self._numbers
            self._held.append(held)
            return [KeepState(self._numbers, (("translate", self.translator.snapshot()),))]
        if self._held:
            held.number = self._held[-1].number
            self._held.append(held)
            return []
        return self._carry_out(held, now)

    def _kept(self, event: ev.StateKept, now: float) -> list[Effect]:
        if not event.durable:
            self._held.clear()
            session = self.session
            closed = session.close_charger("outbox-failed", TRY_AGAIN_LATER, "nothing can be stored", now)
            return self.outward([*closed, *session.close_backend("nothing can be stored", now)], now)
        effects: list[Effect] = []
        while self._held and self._held[0].number <= event.number:
            effects += self._carry_out(self._held.popleft(), now)
        return effects

    def _carry_out(self, held: Held, now: float) -> list[Effect]:
        effects: list[Effect] = []
        flags: list[Flag] = []
        for order in held.orders:
            match order:
                case ToBackend():
                    effects += self._to_backend(order, held.charger_id, now)
                    held.charger_id = ""
                case ToCharger():
                    effects += self._to_charger(order, now)
                case AnswerCharger():
                    effects += self._into_session(_frame_of(order.id, order.answer), now)
                case AnswerBackend() if self.session.backend.is_open:
                    effects.append(SendToBackend(_frame_of(order.id, order.answer)))
                case Lost():
                    flags.append(_flag_of(order))
                    self.session.tally.losses[order.code, held.action or "none"] += 1
        if flags:
            told = self.session.flagged(held.sender, "call", held.action, held.raw, flags, Verdict.DELIVERED)
            effects.append(told)
        return effects

    def _to_backend(self, order: ToBackend, wanted_id: str, now: float) -> list[Effect]:
        taken = {call.id for call in (*self._live, *self._transactions)} | set(self._ids())
        id_ = wanted_id if wanted_id and wanted_id not in taken else f"gateway-t{order.token}"
        data = frame.call(id_, order.action, _text_of(order.payload))
        (self._live if order.live else self._transactions).append(
            WireCall(order.token, id_, order.action, data)
        )
        return self._next(now)

    def _next(self, now: float) -> list[Effect]:
        if self.out is not None or not self.session.backend.is_open or not (self._live or self._transactions):
            return []
        self.out = call = (self._live or self._transactions).popleft()
        call.sent_at = now
        return [SendToBackend(call.frame)]

    def _to_charger(self, order: ToCharger, now: float) -> list[Effect]:
        id_ = f"gateway-c{order.token}"
        self._asked[id_] = (order.token, now + self.session.settings.call_timeout_s + COMMAND_SLACK_S)
        return self._into_session(frame.call(id_, order.action, _text_of(order.payload)), now)

    def _into_session(self, data: bytes, now: float) -> list[Effect]:
        """The session hears a frame as if its backend had sent it."""
        session = self.session
        if not session.backend.is_open:
            return []
        return self.outward(session.frame_of_backend(data, False, now), now)


def _payload_of(message: Message) -> Payload:
    """The payload with its numbers exact; {} for what is no object, as its schema will say."""
    payload = message.payload
    if not payload:
        split = frame.split(message.frame) or frame.split(b"[" + message.frame.strip()[1:].lstrip())
        payload = split.payload if split is not None else b"{}"
    try:
        value = parsed(bytes(payload).decode())
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _text_of(payload: Payload) -> bytes:
    return dumps(payload).encode()


def _answer_in(message: Message) -> Answer:
    if message.type is CALLRESULT:
        return _payload_of(message)
    return Refused(message.error_code, message.error_description)


def _frame_of(id_: str, answer: Payload | Refused) -> bytes:
    if isinstance(answer, Refused):
        return frame.error(id_, answer.code, answer.description)
    return frame.result(id_, _text_of(answer))


def _flag_of(loss: Lost) -> Flag:
    return Flag(FlagCode.TRANSLATION_LOSS, loss.path, loss.value, loss.became, f"translate/{loss.code}")
