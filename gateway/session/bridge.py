"""Between a session, which speaks its charger's version, and a backend that speaks another.

To the session the bridge is the backend's link: what it sends goes to a translator, and what the translator
answers comes back as frames. To the backend the bridge is the charger (see `gateway.session.wire`). What a
translator has learned is on disk before what it says leaves (`KeepState` → `StateKept`), and with it the
message with revenue that is under way: after a crash that one goes first, as if nothing had happened.
"""

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from gateway.dialect.reader import Outcome, Reader, Reading
from gateway.ocpp import actions, errors, frame
from gateway.ocpp.flags import Flag, FlagCode
from gateway.ocpp.message import Message, MessageType, Sender
from gateway.ocpp.values import dumps
from gateway.session import events as ev
from gateway.session import payloads
from gateway.session.calls import KIND, KINDS, Own
from gateway.session.effects import Effect, KeepState, Noted, SendToBackend, Verdict
from gateway.session.wire import Wire
from gateway.translate.losses import Loss
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

CHARGER, BACKEND = Sender
CALL, CALLRESULT, CALLERROR, CALLRESULTERROR, SEND = MessageType
TRY_AGAIN_LATER = 1013

FOR_A_PERSON = frozenset({Loss.ORPHAN_STOP, Loss.TX_STATE_LOST, Loss.CONFLICT})
"""Losses after which a message with revenue goes to quarantine, since it went nowhere else."""


class UnderWay(Struct):
    """A CALL of the charger with revenue that has no answer yet; `came_at` is in seconds since 1970."""

    version: str
    id: str
    frame: str
    came_at: float


class Held(Struct, gc=False):
    """Orders that wait until what was learned with them is on disk; `source` is what they follow from.

    `charger_id` is the id of the charger's CALL, for the first CALL that is made of it.
    """

    orders: list[Order]
    source: Message | None = None
    sender: Sender = CHARGER
    number: int = 0
    charger_id: str = ""
    is_kept: bool = False


class Bridge:
    """Carries what `session` says to a backend of another version, by `translator`.

    `under_way` is the part of the store with that name.
    """

    def __init__(self, session: "ChargerSession", translator: Translator, under_way: bytes = b"") -> None:
        self.session = session
        self.translator = translator
        self.reader = Reader(translator.backend_version, session.reader.mode)
        self.wire = Wire()
        self._is_open: bool | None = None  # as the translator was told
        self._asked: dict[str, int] = {}
        self._literals: dict[str, bytes] = {}
        self._held: deque[Held] = deque()
        self._buried: dict[int, Held] = {}
        self._numbers = 0
        self._under_way = msgspec.json.decode(under_way, type=UnderWay) if under_way else None
        self._kept_under_way = under_way
        self._left_behind = self._under_way
        self._first: str | None = None  # the id of what was left behind, while it is out
        self._put_off: Message | None = None
        self._is_carrying = False

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
        message = _split(data)
        if message is None:
            out = self.session.to_backend.out
            wrong = errors.code(self.session.version, errors.Wrong.SYNTAX)
            refused = frame.error(out.id, wrong, "it cannot be translated") if out is not None else b""
            return [Noted("untranslatable"), *(self._into_session(refused, now) if refused else ())]
        if message.type is CALL or message.type is SEND:
            return self._charger_asks(message, now)
        token = self._asked.pop(message.id, None)
        if token is None or message.type is CALLRESULTERROR:
            return []
        answer = _answer_in(message) if self.session.charger.is_open else NoAnswer()
        return self._follow(
            Held(self.translator.charger_answered(token, answer, self._wall(now)), message), now
        )

    def _charger_asks(self, message: Message, now: float) -> list[Effect]:
        if (self._first is not None or self._is_carrying) and message.type is CALL:
            self._put_off = message  # the session has no other out meanwhile
            return []
        wall = self._wall(now)
        call = self._charger_call(message, wall)
        if not call.stored and message.action in actions.NEVER_LOST:
            self._under_way = UnderWay(self.session.version.value, message.id, message.frame.decode(), wall)
        orders = self.translator.charger_call(call, wall)
        if message.type is SEND:
            orders = [order for order in orders if not isinstance(order, AnswerCharger)]
        return self._follow(Held(orders, message, charger_id=message.id), now)

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
        got = self.reader.read(data, BACKEND, self.wire.action_of, self._wall(now), self.wire.ids)
        reading = got if isinstance(got, Reading) else Reading(Outcome.CLEAN, [got], [])
        if binary:
            reading.flags.append(Flag(FlagCode.BINARY_FRAME))
        effects: list[Effect] = []
        messages = reading.messages or ([reading.original] if reading.original is not None else [])
        for message in messages:
            effects += self._from_backend(message, now)
        if not messages and reading.reply is not None:
            effects.append(SendToBackend(reading.reply))
        if reading.flags:
            verdict = Verdict.DELIVERED if messages else Verdict.QUARANTINED
            kind, action = (KIND[messages[0].type], messages[0].action) if messages else ("", "")
            effects.append(session.flagged(BACKEND, kind, action, data, reading.flags, verdict))
        self._set_due()
        return effects

    def _from_backend(self, message: Message, now: float) -> list[Effect]:
        self._count(message)
        wall = self._wall(now)
        if message.type is CALL:
            if message.id_literal is not None:
                self._literals[message.id] = message.id_literal
            call = BackendCall(message.id, message.action, _payload_of(message))
            return self._follow(Held(self.translator.backend_call(call, wall), message, BACKEND), now)
        answers = message.type is CALLRESULT or message.type is CALLERROR
        answered = self.wire.answered(message.id) if answers else None
        if answered is None:
            code = FlagCode.ANSWER_UNKNOWN
            told = self.session.flagged(
                BACKEND, KIND[message.type], "", message.frame, [Flag(code)], Verdict.IGNORED
            )
            return [Noted(code.value), told]
        orders = self.translator.backend_answered(answered.token, _answer_in(message), wall)
        return [*self._follow(Held(orders, message, BACKEND), now), *self._next(now)]

    def _count(self, message: Message) -> None:
        version = self.reader.version
        label = message.action if actions.known_action(version, message.action) else "unknown"
        self.session.tally.messages[KINDS[BACKEND][message.type], label, version] += 1

    # What happens

    def handled(self, event: ev.Event, effects: list[Effect], now: float) -> list[Effect]:
        """The session has handled an event, and wants these effects: the translator hears of it too."""
        carried: list[Effect] = []
        match event:
            case ev.BackendOpened() if self.session.backend.is_open:
                carried = self._link_opened(now)
            case ev.ChargerOpened() | ev.ChargerClosed():
                carried = self._forget_asked(now)
        carried += self.outward(effects, now)
        wall = self._wall(now)
        match event:
            case ev.ChargerOpened():
                carried += self._follow(Held(self.translator.charger_opened(wall)), now)
            case ev.TimePassed():
                carried += self._time_passed(now)
            case ev.StateKept():
                carried += self._state_kept(event, now)
            case ev.Kept() if event.number in self._buried:
                carried += self._message_kept(event, now)
            case ev.BackendAway() if not self.session.backend.is_open:
                carried += self._link_lost(now)
        if self._is_open and not self.session.backend.is_open:
            carried += self._link_lost(now)
        self._set_due()
        return carried

    def _link_opened(self, now: float) -> list[Effect]:
        """A link to the backend: what was under way when the gateway stopped goes first."""
        effects = self._link_lost(now) if self._is_open else []
        self._is_open = True
        effects += self._follow(Held(self.translator.backend_opened(self._wall(now))), now)
        left = self._left_behind
        message = _split(left.frame.encode()) if left and left.version == self.session.version else None
        if left is None or message is None:
            return effects
        self._first = message.id
        call = ChargerCall(message.id, message.action, _payload_of(message), left.came_at)
        orders = self.translator.charger_call(call, self._wall(now))
        return [*effects, *self._follow(Held(orders, message, charger_id=message.id), now)]

    def _link_lost(self, now: float) -> list[Effect]:
        """The backend's link is gone: what was asked over it gets no answer, nor does what it asked."""
        if self._is_open is False:
            return []
        self._is_open = False
        self._put_off = None
        self._literals.clear()
        wall = self._wall(now)
        effects: list[Effect] = []
        for call in self.wire.clear():
            orders = self.translator.backend_answered(call.token, NoAnswer(), wall)
            effects += self._follow(Held(orders), now)
        self._first = None
        effects += self._forget_asked(now)
        return [*effects, *self._follow(Held(self.translator.backend_closed(wall)), now)]

    def _forget_asked(self, now: float, still: Iterable[str] = ()) -> list[Effect]:
        """What was asked of the charger gets no answer any more, except for what the session still awaits."""
        effects: list[Effect] = []
        for id_ in [id_ for id_ in self._asked if id_ not in still]:
            token = self._asked.pop(id_)
            orders = self.translator.charger_answered(token, NoAnswer(), self._wall(now))
            effects += self._follow(Held(orders), now)
        return effects

    def _time_passed(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if self.translator.due <= self._wall(now):
            effects += self._follow(Held(self.translator.time_passed(self._wall(now))), now)
        if self._asked:
            awaited = {
                (call.answer_id or b"").decode().strip('"') or call.id for call in self.session.to_charger
            }
            effects += self._forget_asked(now, awaited)
        out = self.wire.out
        if out is not None and now >= out.sent_at + self.session.settings.call_timeout_s:
            self.wire.answered(out.id)
            orders = self.translator.backend_answered(out.token, NoAnswer(), self._wall(now))
            effects += [Noted("call-timed-out", out.action), *self._follow(Held(orders), now)]
            effects += self._next(now)
        return effects

    def _set_due(self) -> None:
        due = self.translator.due - self.session.wall_offset_s
        if self.wire.out is not None:
            due = min(due, self.wire.out.sent_at + self.session.settings.call_timeout_s)
        self.session.due = min(self.session.due, due)

    def _wall(self, now: float) -> float:
        return now + self.session.wall_offset_s

    # What the translator wants

    def _follow(self, held: Held, now: float) -> list[Effect]:
        """Carry orders out, after what is to be remembered is on disk."""
        if any(self._is_over(order) for order in held.orders):
            self._under_way = None
        forgets = self._kept_under_way and self._under_way is None
        if self.translator.changed or forgets:
            self.translator.changed = False
            self._numbers += 1
            held.number = self._numbers
            self._held.append(held)
            return [KeepState(self._numbers, self._parts())]
        if self._held:
            held.number = self._held[-1].number
            self._held.append(held)
            return []
        return self._carry_out(held, now)

    def _is_over(self, order: Order) -> bool:
        """Whether what is under way has its answer; while the link is gone, what was left behind has not."""
        if self._under_way is None or not isinstance(order, AnswerCharger) or order.id != self._under_way.id:
            return False
        return self._first is None or self.session.backend.is_open

    def _parts(self) -> tuple[tuple[str, bytes], ...]:
        parts = (("translate", self.translator.snapshot()),)
        under_way = msgspec.json.encode(self._under_way) if self._under_way is not None else b""
        if under_way == self._kept_under_way:
            return parts
        self._kept_under_way = under_way
        return (*parts, ("under_way", under_way))

    def _state_kept(self, event: ev.StateKept, now: float) -> list[Effect]:
        if not event.durable:
            return self._give_up(now)
        effects: list[Effect] = []
        while self._held and self._held[0].number <= event.number:
            effects += self._carry_out(self._held.popleft(), now)
        return effects

    def _message_kept(self, event: ev.Kept, now: float) -> list[Effect]:
        held = self._buried.pop(event.number)
        if not event.durable:
            self._held.appendleft(held)
            return self._give_up(now)
        held.is_kept = True
        return self._carry_out(held, now)

    def _give_up(self, now: float) -> list[Effect]:
        """Nothing can be stored, so nothing may be said: both ends go, and what they are owed is not done."""
        session = self.session
        held, self._held = self._held, deque()
        closed = session.close_charger("outbox-failed", TRY_AGAIN_LATER, "nothing can be stored", now)
        effects = self.outward([*closed, *session.close_backend("nothing can be stored", now)], now)
        effects += self._link_lost(now)
        wall = self._wall(now)
        for order in (order for one in held for order in one.orders):
            match order:
                case ToBackend():
                    orders = self.translator.backend_answered(order.token, NoAnswer(), wall)
                case ToCharger():
                    orders = self.translator.charger_answered(order.token, NoAnswer(), wall)
                case _:
                    continue
            effects += self._follow(Held(orders), now)
        return effects

    def _carry_out(self, held: Held, now: float) -> list[Effect]:
        """Do what the orders say, all of it before the charger's next CALL."""
        if self._is_carrying:
            return self._carry(held, now)
        self._is_carrying = True
        try:
            effects = self._carry(held, now)
        finally:
            self._is_carrying = False
        if self._put_off is None or self._first is not None:
            return effects
        message, self._put_off = self._put_off, None
        return [*effects, *self._charger_asks(message, now)]

    def _carry(self, held: Held, now: float) -> list[Effect]:
        effects: list[Effect] = []
        lost = [order for order in held.orders if isinstance(order, Lost)]
        if lost and not held.is_kept:
            told, waits = self._tell_losses(lost, held)
            effects.append(told)
            if waits:
                return effects
        for order in held.orders:
            match order:
                case ToBackend():
                    effects += self._to_backend(order, held, now)
                case AnswerBackend() if self.session.backend.is_open:
                    id_ = self._literals.pop(order.id, order.id)
                    effects.append(SendToBackend(_frame_of(id_, order.answer)))
                case ToCharger():
                    effects += self._to_charger(order, now)
                case AnswerCharger():
                    effects += self._answer(order, now)
        return effects

    def _tell_losses(self, lost: list[Lost], held: Held) -> tuple[Effect, bool]:
        """The flags of a message; whether the rest has to wait until it is in quarantine."""
        session, source = self.session, held.source
        action = source.action if source is not None else ""
        flags = [_flag_of(loss) for loss in lost]
        for loss in lost:
            session.tally.losses[loss.code, action or "none"] += 1
        if source is None or held.sender is BACKEND:
            kind = KIND[source.type] if source is not None else ""
            raw = source.frame if source is not None else b""
            return session.flagged(held.sender, kind, action, raw, flags, Verdict.DELIVERED), False
        kind = KIND[source.type]
        if not any(loss.code in FOR_A_PERSON for loss in lost):
            return session.flagged(CHARGER, kind, action, source.frame, flags, Verdict.DELIVERED), False
        number, told = session.flagged_with_number(action, source.frame, flags, kind)
        self._buried[number] = held
        return told, True

    def _to_backend(self, order: ToBackend, held: Held, now: float) -> list[Effect]:
        wanted_id, held.charger_id = held.charger_id, ""
        effects: list[Effect] = []
        if not self.session.backend.is_open:
            orders = self.translator.backend_answered(order.token, NoAnswer(), self._wall(now))
            return self._follow(Held(orders), now)
        for token in self.wire.add(order.token, order.action, _text_of(order.payload), order.live, wanted_id):
            orders = self.translator.backend_answered(token, NoAnswer(), self._wall(now))
            effects += [Noted("backend-line-full"), *self._follow(Held(orders), now)]
        return [*effects, *self._next(now)]

    def _next(self, now: float) -> list[Effect]:
        call = self.wire.next(now) if self.session.backend.is_open else None
        return [SendToBackend(call.frame)] if call is not None else []

    def _to_charger(self, order: ToCharger, now: float) -> list[Effect]:
        if not self.session.backend.is_open:
            orders = self.translator.charger_answered(order.token, NoAnswer(), self._wall(now))
            return self._follow(Held(orders), now)
        id_ = f"gateway-c{order.token}"
        self._asked[id_] = order.token
        return self._into_session(frame.call(id_, order.action, _text_of(order.payload)), now)

    def _answer(self, order: AnswerCharger, now: float) -> list[Effect]:
        if self._first != order.id:
            return self._into_session(_frame_of(order.id, order.answer), now)
        if not self.session.backend.is_open:
            return []
        self._first = self._left_behind = None  # nobody waits for it: the charger will ask again
        return []

    def _into_session(self, data: bytes, now: float) -> list[Effect]:
        """The session hears a frame as if its backend had sent it."""
        session = self.session
        if not session.backend.is_open:
            return []
        return self.outward(session.frame_of_backend(data, False, now), now)


def _split(data: bytes) -> Message | None:
    """The message in a frame of the session; None when it is none that can be taken apart."""
    return frame.split(data) or frame.split(b"[" + data.strip()[1:].lstrip())


def _payload_of(message: Message) -> Payload:
    """The payload with its numbers exact; {} for what is no object, as its schema will say."""
    payload = message.payload
    if not payload:
        split = _split(message.frame)
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


def _frame_of(id_: str | bytes, answer: Payload | Refused) -> bytes:
    if isinstance(answer, Refused):
        return frame.error(id_, answer.code, answer.description)
    return frame.result(id_, _text_of(answer))


def _flag_of(loss: Lost) -> Flag:
    return Flag(FlagCode.TRANSLATION_LOSS, loss.path, loss.value, loss.became, f"translate/{loss.code}")
