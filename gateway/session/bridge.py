"""Between a session, which speaks its charger's version, and a backend that speaks another.

To the session the bridge is the backend's link: what it sends goes to a translator, and what the translator
answers comes back as frames. To the backend the bridge is the charger (see `gateway.session.wire`). What a
translator wants is carried out by `gateway.session.orders`, after what it has learned is on disk.

A message with revenue that was under way when the gateway was killed goes first on the next link, before
anything else of the charger, which gets its answer when it asks again.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gateway.dialect.reader import Outcome, Reader, Reading
from gateway.ocpp import actions, errors, frame
from gateway.ocpp.flags import Flag, FlagCode
from gateway.ocpp.message import Message, MessageType, Sender
from gateway.session import events as ev
from gateway.session import payloads
from gateway.session.calls import KIND, KINDS, Call, Own
from gateway.session.effects import Effect, Noted, SendToBackend, StoreEntry, Verdict
from gateway.session.orders import Held, Orders, UnderWay, id_of
from gateway.session.wire import WireCall
from gateway.session.wording import answer_in, frame_of, payload_of, split
from gateway.translate.losses import LOSSES, Loss
from gateway.translate.port import (
    SILENCE,
    AnswerCharger,
    BackendCall,
    ChargerCall,
    Lost,
    NoAnswer,
    Refused,
    Translator,
)

if TYPE_CHECKING:
    from gateway.session.session import ChargerSession

CHARGER, BACKEND = Sender
CALL, CALLRESULT, CALLERROR, CALLRESULTERROR, SEND = MessageType


class Bridge:
    """Carries what `session` says to a backend of another version, by `translator`.

    `under_way` is the part of the store with that name. `is_first`: what a gateway that was killed left
    behind is out. `asking` is the translator's name for the charger's CALL whose answer is wanted, made of
    its number among them and its id: what is still said of an earlier attempt is of no use.
    """

    def __init__(self, session: "ChargerSession", translator: Translator, under_way: bytes = b"") -> None:
        self.session = session
        self.translator = translator
        self.reader = Reader(translator.backend_version, session.reader.mode)
        self.orders = Orders(self, under_way)
        self.wire = self.orders.wire
        self.is_first = False
        self.asking = ""
        self._numbers = 0
        self._left_behind = self.orders.under_way
        self._put_off: Message | None = None
        self._is_open: bool | None = None  # as the translator was told

    def wall(self, now: float) -> float:
        """The session's clock as seconds since 1970."""
        return now + self.session.wall_offset_s

    # What the session wants

    def outward(self, effects: Iterable[Effect], now: float) -> list[Effect]:
        """The session's effects, with what it sends the backend translated."""
        carried = self.carried(effects, now)
        self._set_due()
        return carried

    def carried(self, effects: Iterable[Effect], now: float) -> list[Effect]:
        """`outward` amid something that may still change when the translator wants to hear of the time."""
        carried: list[Effect] = []
        for effect in effects:
            if type(effect) is SendToBackend:
                carried += self._from_session(effect.data, now)
            else:
                carried.append(self.orders.stored(effect) if type(effect) is StoreEntry else effect)
        return carried

    def _from_session(self, data: bytes, now: float) -> list[Effect]:
        message = split(data)
        if message is None:
            return self._untranslatable(now)
        if message.type is CALL or message.type is SEND:
            return self._charger_asks(message, now)
        asked = self.orders.asked.pop(message.id, None)
        if asked is None or message.type is CALLRESULTERROR:
            return []
        answer = answer_in(message) if self.session.charger.is_open else NoAnswer()
        orders = self.translator.charger_answered(asked.token, answer, self.wall(now))
        return self.orders.follow(Held(orders, message, asked.action), now)

    def _untranslatable(self, now: float) -> list[Effect]:
        """It can only be read as it was written: the session takes that for a refusal by the backend."""
        out = self.session.to_backend.out
        if out is None:
            return [Noted("untranslatable")]
        wrong = errors.code(self.session.version, errors.Wrong.SYNTAX)
        refusal = frame.error(out.id, wrong, "it cannot be translated")
        return [Noted("untranslatable", out.label), *self.into_session(refusal, now)]

    def _charger_asks(self, message: Message, now: float) -> list[Effect]:
        if (self.is_first or self.orders.is_carrying) and message.type is CALL:
            self._put_off = message  # the session has no other out meanwhile
            return []
        call = self._charger_call(message, self.wall(now))
        if not call.stored and message.action in actions.NEVER_LOST:
            version, text = self.session.version.value, message.frame.decode()
            self.orders.under_way = UnderWay(version, message.id, text, call.received_at)
        orders = self.translator.charger_call(call, self.wall(now))
        if message.type is SEND:
            orders = [order for order in orders if not isinstance(order, AnswerCharger)]
        return self.orders.follow(Held(orders, message, message.action, charger_id=message.id), now)

    def _name(self, message: Message) -> str:
        self._numbers += 1
        self.asking = f"{self._numbers} {message.id}"
        return self.asking

    def _charger_call(self, message: Message, wall: float) -> ChargerCall:
        """The CALL as a translator wants it: with what the outbox knows of it."""
        name, payload = self._name(message), payload_of(message)
        out, buffer = self.session.to_backend.out, self.session.buffer
        if out is None or out.own is not Own.ENTRY or buffer is None or not buffer.outbox.window:
            return ChargerCall(name, message.action, payload, wall)
        id_ = None
        if message.action == "StartTransaction":
            plain = payloads.of_call(message.frame) or {}
            transaction = buffer.book.by_key(payloads.natural_key(message.action, plain))
            if transaction is not None and isinstance(transaction.charger_id, int):
                id_ = transaction.charger_id
        entry, first = buffer.outbox.window[0], buffer.delivery.first_in_time
        return ChargerCall(name, message.action, payload, entry.came_at, True, id_, entry.number >= first)

    # What the backend says

    def backend_frame(self, data: bytes, binary: bool, now: float) -> list[Effect]:
        """A frame of the backend, in its version."""
        session, reader = self.session, self.reader
        reader.mode, reader.timezone = session.reader.mode, session.reader.timezone
        got = reader.read(data, BACKEND, self.wire.action_of, self.wall(now), self.wire.ids)
        reading = got if isinstance(got, Reading) else Reading(Outcome.CLEAN, [got], [])
        if binary:
            reading.flags.append(Flag(FlagCode.BINARY_FRAME))
        effects: list[Effect] = []
        messages = reading.whatever
        listened = self.translator.listens
        for message in messages:
            effects += self._from_backend(message, now)
        if self.translator.listens and not listened:
            effects += self.carried(session.go_on(now), now)
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
        if message.type is CALL:
            if message.id_literal is not None:
                self.orders.literals[message.id] = message.id_literal
            return self._backend_asks(message, now)
        is_answer = message.type is CALLRESULT or message.type is CALLERROR
        answered = self.wire.answered(message.id) if is_answer else None
        if answered is None:
            flags = [Flag(FlagCode.ANSWER_UNKNOWN)]
            kind = KIND[message.type]
            told = self.session.flagged(BACKEND, kind, "", message.frame, flags, Verdict.IGNORED)
            return [Noted(FlagCode.ANSWER_UNKNOWN.value), told]
        orders = self.translator.backend_answered(answered.order.token, answer_in(message), self.wall(now))
        held = Held(orders, message, answered.order.action, BACKEND)
        return [*self.orders.follow(held, now), *self.orders.next(now)]

    def _backend_asks(self, message: Message, now: float) -> list[Effect]:
        told: list[Effect] = []
        others = self.session.others
        if others is not None:
            ruled = others.judge(self.session, message, self.reader.version, now)
            if ruled is not None:
                told = [self.session.told_of_rule(message, ruled)]
                if ruled.message is None:
                    return [*told, SendToBackend(ruled.reply)]
                message = ruled.message
        call = BackendCall(message.id, message.action, payload_of(message))
        orders = self.translator.backend_call(call, self.wall(now))
        return [*told, *self.orders.follow(Held(orders, message, message.action, BACKEND), now)]

    def _count(self, message: Message) -> None:
        version = self.reader.version
        label = message.action if actions.known_action(version, message.action) else "unknown"
        self.session.tally.messages[KINDS[BACKEND][message.type], label, version].n += 1

    # What happens

    def handled(self, event: ev.Event, effects: list[Effect], now: float) -> list[Effect]:
        """The session has handled an event, and wants these effects: the translator hears of it too."""
        carried = self.link_lost(now) if self._is_open and not self.session.backend.is_open else []
        match event:
            case ev.BackendOpened() if self.session.backend.is_open:
                carried = self._link_opened(now)
            case ev.ChargerOpened() | ev.ChargerClosed():
                carried += self._forget_asked(now)
        carried += self.carried(effects, now)
        match event:
            case ev.ChargerOpened():
                carried += self.orders.follow(Held(self.translator.charger_opened(self.wall(now))), now)
            case ev.TimePassed():
                carried += self._time_passed(now)
            case ev.StateKept():
                carried += self.orders.state_kept(event, now)
                self._look_after_entry()
            case ev.Kept() if event.number in self.orders.buried:
                carried += self.orders.message_kept(event, now)
            case ev.BackendAway() if not self.session.backend.is_open:
                carried += self.link_lost(now)
        if isinstance(event, ev.ChargerOpened | ev.BackendOpened) and self.session.is_whole:
            carried += self.orders.follow(Held(self.translator.resumed(self.wall(now))), now)
        if self._is_open and not self.session.backend.is_open:
            carried += self.link_lost(now)
        self._set_due()
        return carried

    def _link_opened(self, now: float) -> list[Effect]:
        """A link to the backend: what was under way when the gateway stopped goes first."""
        effects = self.link_lost(now) if self._is_open else []
        self._is_open = True
        effects += self.orders.follow(Held(self.translator.backend_opened(self.wall(now))), now)
        left = self._left_behind
        message = split(left.frame.encode()) if left and left.version == self.session.version else None
        if left is None or message is None:
            return effects
        self.is_first = True
        call = ChargerCall(self._name(message), message.action, payload_of(message), left.came_at)
        orders = self.translator.charger_call(call, self.wall(now))
        held = Held(orders, message, message.action, charger_id=message.id)
        return [*effects, *self.orders.follow(held, now)]

    def link_lost(self, now: float) -> list[Effect]:
        """The backend's link is gone: what was asked over it gets no answer, nor does what it asked."""
        if self._is_open is False:
            return []
        self._is_open = False
        self._put_off = None
        self.orders.literals.clear()
        effects = self.orders.follow(Held(self.translator.backend_closed(self.wall(now))), now)
        for call in self.wire.clear():
            effects += self.orders.no_answer(call.order, now)
        self.is_first = False
        return [*effects, *self._forget_asked(now)]

    def _forget_asked(self, now: float, still: Iterable[str] = ()) -> list[Effect]:
        """What was asked of the charger gets no answer any more, except for what the session still awaits."""
        effects: list[Effect] = []
        for id_ in [id_ for id_ in self.orders.asked if id_ not in still]:
            effects += self.orders.no_answer(self.orders.asked.pop(id_), now)
        return effects

    def _time_passed(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        if self.translator.due <= self.wall(now):
            effects += self.orders.follow(Held(self.translator.time_passed(self.wall(now))), now)
        if self.orders.asked:
            calls = self.session.to_charger
            effects += self._forget_asked(
                now, {(c.answer_id or b"").decode().strip('"') or c.id for c in calls}
            )
        out = self.wire.out
        if out is not None and now >= self._out_until:
            effects += [Noted("call-timed-out", out.order.action), *self._give_up(out, now)]
        return effects

    def _give_up(self, out: WireCall, now: float) -> list[Effect]:
        """The backend does not answer a CALL; of one of a transaction it must not answer later either."""
        if not out.order.live and self.session.buffer is not None:
            return [*self.carried(self.session.close_backend("no answer", now), now), *self.link_lost(now)]
        self.wire.answered(out.id)
        return [*self.orders.no_answer(out.order, now), *self.orders.next(now)]

    @property
    def _out_until(self) -> float:
        """When the backend has had its time for the CALL that is out."""
        out = self.wire.out
        return out.sent_at + self.session.settings.call_timeout_s if out is not None else float("inf")

    def _look_after_entry(self) -> None:
        """A stored message that is out has had no deadline while the disk was waited for."""
        out, buffer = self.session.to_backend.out, self.session.buffer
        if buffer is not None and out is not None and out.own is not None:
            self.session.due = min(self.session.due, buffer.patience.gives_up_at(out))

    def _set_due(self) -> None:
        due = self.translator.due - self.session.wall_offset_s
        self.session.due = min(self.session.due, due, self._out_until)

    # What the charger hears

    def repeated(self, call: Call) -> Effect:
        """The session answers a message again that it knows: it goes no further, and that is told."""
        loss = Lost(Loss.DUPLICATE, LOSSES[Loss.DUPLICATE][0], call.action)
        return self.orders.tell_losses([loss], Held([], split(call.frame), call.action))[0]

    def answer(self, order: AnswerCharger, now: float) -> list[Effect]:
        """A CALL of the charger has its answer; for what was left behind nobody waits, who will ask again."""
        if order.id != self.asking:
            return []
        if not self.is_first and order.answer == SILENCE and self._is_entry_out:
            return self.session.buffer.delivery.put_back(now) if self.session.buffer is not None else []
        if not self.is_first:
            return self.into_session(frame_of(id_of(order), order.answer), now)
        left, self._left_behind, self.is_first = self._left_behind, None, False
        message = split(left.frame.encode()) if left is not None else None
        if message is None or self.session.buffer is None or isinstance(order.answer, Refused):
            return []
        return self.session.buffer.lessons.delivered_before(message, order.answer)

    @property
    def _is_entry_out(self) -> bool:
        out = self.session.to_backend.out
        return out is not None and out.own is Own.ENTRY

    def is_stored(self) -> None:
        """What was under way waits in the outbox now; it is not left behind, unless it is out again."""
        if not self.is_first:
            self._left_behind = None
        self.translator.heard_here = self.asking

    def go_on(self, now: float) -> list[Effect]:
        """The charger's next CALL, if it had to wait for what came before it."""
        if self._put_off is None or self.is_first:
            return []
        message, self._put_off = self._put_off, None
        again = self.session.answered_meanwhile(now)
        return self._charger_asks(message, now) if again is None else self.carried(again, now)

    def into_session(self, data: bytes, now: float) -> list[Effect]:
        """The session hears a frame as if its backend had sent it."""
        if not self.session.backend.is_open:
            return []
        return self.carried(self.session.frame_of_bridge(data, now), now)
