"""One charger's session: the state machine between a charger and its backend.

It is a plain object. `handle` takes an event and the present and returns effects; it knows no socket,
no clock and no chance. (Frames, the hot event, may also come as a plain call.)

The life of a CALL from the charger: read (repaired, flagged) → the backend is free: sent and remembered
as out; not free: waits its turn → the answer comes back to the charger under the id the charger used.
The same from the backend to the charger. With no answer in time, billing data is left with the charger
by closing its socket (it will send it again); anything else makes room for the next in the line.

Without a buffer (`when_away = "close"`) the loss of either end closes the other one with the code it was
closed with, as if the gateway were not there. With one (`gateway.session.buffer`) the charger stays, and the
buffer stands in for the backend.
"""

from collections.abc import Callable, Iterable
from datetime import tzinfo
from typing import Any

import msgspec
from msgspec import Raw, Struct, structs

from gateway.dialect.adapting import Memories
from gateway.dialect.brand import Brand
from gateway.dialect.interpreter import Fitted
from gateway.dialect.reader import Mode, Outcome, Reader, Reading
from gateway.dialect.rules.rule import Kind
from gateway.dialect.station import Station, station_of
from gateway.ocpp import actions, errors, frame
from gateway.ocpp.flags import Flag, FlagCode
from gateway.ocpp.message import Message, MessageType, Sender
from gateway.session import events as ev
from gateway.session import payloads
from gateway.session.answers import stores_nothing_else
from gateway.session.bridge import Bridge
from gateway.session.buffer import Buffer
from gateway.session.calls import KIND, Call, Calls, Doubt, Own
from gateway.session.effects import (
    Close,
    DoubtBackend,
    Effect,
    Flagged,
    Noted,
    Ping,
    ReadOn,
    Remember,
    Retried,
    SendToBackend,
    SendToCharger,
    StopReading,
    Verdict,
)
from gateway.session.knowledge import BufferSettings, Known, Shared
from gateway.session.leg import Hold, Leg
from gateway.session.lessons import BOOKED, NAMING, OBSERVED
from gateway.session.others import Others, Ruled
from gateway.session.tally import Tally
from gateway.session.ways import ways
from gateway.translate.port import Translator
from gateway.watch.drift import Alert, Drift, restored

CHARGER, BACKEND = Sender
CALL, CALLRESULT, CALLERROR, CALLRESULTERROR, SEND = MessageType

NEVER = float("inf")

GOING_AWAY = 1001
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013


DialectOf = Callable[[Station], tuple[Mode, tzinfo | None, Brand | None]]


class SessionSettings(Struct, frozen=True):
    """The limits and times of a session, in seconds unless the name says otherwise. 0 switches a ping off.

    A charger may send one message per `message_cost_s` in the long run, and be `burst_s` ahead of that.
    Without `buffer` the charger is closed when the backend goes.
    """

    answer_deadline_s: float = 10.0
    call_timeout_s: float = 30.0
    waiting_calls: int = 32
    message_cost_s: float = 0.05
    burst_s: float = 5.0
    flood_s: float = 60.0
    blocked_s: float = 30.0
    charger_ping_s: float = 45.0
    charger_pong_s: float = 20.0
    backend_ping_s: float = 45.0
    backend_pong_s: float = 20.0
    backend_name: str = "backend"
    buffer: BufferSettings | None = None


class ChargerSession:
    """Everything the gateway knows and decides about one charger.

    `due` is when `TimePassed` should come next; it is never too late, but may be too early. With `others`,
    the charger has more backends than this one; if it `follows`, another one leads: this session overhears
    what the charger says, and what it sends the charger itself is a matter of the switchboard.
    `wall_offset_s` turns the session's clock into seconds since 1970. `dialect_of` says how a station's
    messages are read, when it is known which station it is.
    """

    __slots__ = (
        "_alerts",
        "_asked_of_charger",
        "_awaited",
        "_counted_as",
        "_earliest_next",
        "_flooding_since",
        "last_billing",
        "_numbers",
        "_rests_until",
        "_uncounted",
        "_unkept",
        "_ways",
        "backend",
        "bridge",
        "buffer",
        "charger",
        "charger_id",
        "dialect_of",
        "drift",
        "due",
        "follows",
        "last_action",
        "others",
        "reader",
        "settings",
        "station",
        "tally",
        "to_backend",
        "to_charger",
        "version",
        "wall_offset_s",
    )

    def __init__(
        self,
        charger_id: str,
        settings: SessionSettings,
        tally: Tally,
        reader: Reader,
        wall_offset_s: float = 0.0,
        shared: Shared | None = None,
        known: Known | None = None,
    ) -> None:
        self.charger_id = charger_id
        self.settings = settings
        self.tally = tally
        self.reader = reader
        self.version = reader.version
        self.wall_offset_s = wall_offset_s
        self.station = Station()
        self.dialect_of: DialectOf | None = None
        self.drift = Drift()
        self._alerts: list[Effect] | None = None
        self._counted_as = ("", "")
        self._uncounted = tally
        self.charger = Leg(CHARGER)
        self.backend = Leg(BACKEND)
        self.to_backend = Calls(self.backend)
        self.to_charger = Calls(self.charger)
        self._asked_of_charger = self.to_charger.action_of
        self._awaited = self.to_charger.ids
        self.due = NEVER
        self.last_action = ""
        self._earliest_next = 0.0
        self._flooding_since = 0.0
        self._rests_until = 0.0
        self._ways = ways(tally, reader.version, settings.backend_name)
        self.last_billing: Call | None = None
        self._numbers = 0
        self._unkept: dict[int, bytes] | None = None
        self.others: Others | None = None
        self.follows = False
        self.bridge: Bridge | None = None
        self.buffer: Buffer | None = None
        if settings.buffer is not None and shared is not None:
            self.buffer = Buffer(self, settings.buffer, shared, known or Known())

    def recall(self, station: Station) -> None:
        """This is the station: by its BootNotification, or as it is known from an earlier connection."""
        self.station = station
        self.drift.firmware(station.firmware, self.charger.received)
        self._counted_as = self.tally.station(station.vendor, station.firmware)
        if self.dialect_of is not None:
            self.reader.follow(*self.dialect_of(station))

    def count_in(self, tally: Tally) -> None:
        """Messages are counted here from now on."""
        self.tally = tally
        self._ways = ways(tally, self.version, self.settings.backend_name)

    @property
    def is_over(self) -> bool:
        """Whether neither end is connected."""
        return not self.charger.is_open and not self.backend.is_open

    @property
    def is_whole(self) -> bool:
        """Whether both ends are connected."""
        return self.charger.is_open and self.backend.is_open

    def handle(self, event: ev.Event, now: float) -> list[Effect]:
        """Take one event at `now` (seconds of a clock that never goes back); what is to be done, in order."""
        bridge = self.bridge
        if bridge is not None and isinstance(event, ev.ChargerFrame):
            return self.charger_frame(event.epoch, event.data, event.binary, now)
        if bridge is not None and isinstance(event, ev.BackendFrame):
            return self.backend_frame(event.epoch, event.data, event.binary, now)
        effects = _HANDLERS[type(event)](self, event, now)
        if bridge is not None:
            effects = bridge.handled(event, effects, now)
        if self._alerts or self.drift.is_dirty or self.reader.memories.is_dirty:
            effects = self._with_news(effects)
        return effects

    def translate(self, translator: Translator | None, under_way: bytes = b"") -> None:
        """From now on the backend speaks another version, which `translator` knows, or (None) the charger's.

        `under_way` is the part of the store with that name: what had no answer when the gateway stopped.
        """
        self.bridge = Bridge(self, translator, under_way) if translator is not None else None
        self._uncounted = self.tally.beside()
        if self.buffer is not None:
            self.buffer.also_stores = translator.stores if translator is not None else stores_nothing_else

    # Connections

    def _charger_opened(self, event: ev.ChargerOpened, now: float) -> list[Effect]:
        buffer = self.buffer
        forgotten: list[Effect] = []
        if self.charger.is_open:
            forgotten = self._forget() if buffer is None else self._charger_left(GOING_AWAY, now)
        self.drift.ended(self.charger.received)
        self.charger.open(event.epoch, now)
        self.version = event.version
        self.count_in(self.tally)
        self.reader.speak(event.version)
        commands = buffer.charger_opened(now) if buffer is not None else []
        if self.follows:
            self.charger.heard_at = NEVER  # another session pings it
        self._set_due(now)
        return [*forgotten, Noted("charger-connected", event.version.value), *commands]

    def _backend_opened(self, event: ev.BackendOpened, now: float) -> list[Effect]:
        buffer = self.buffer
        forgotten: list[Effect] = []
        if self.backend.is_open:
            forgotten = self._forget() if buffer is None else self._backend_left(now)
        self.backend.open(event.epoch, now)
        if buffer is not None:
            buffer.backend_opened(now)
        effects = [*forgotten, Noted("backend-link-opened"), *self.go_on(now)]
        self._set_due(now)
        return effects

    def _charger_closed(self, event: ev.ChargerClosed, now: float) -> list[Effect]:
        if event.epoch != self.charger.epoch:
            return []
        if self.buffer is not None:
            left = self._charger_left(event.code, now) if self.charger.is_open else []
            return [Noted("charger-disconnected", str(event.code)), *left]
        return [
            Noted("charger-disconnected", str(event.code)),
            *self._lost(self.charger, self.backend, event.code, "charger left"),
        ]

    def _backend_closed(self, event: ev.BackendClosed, now: float) -> list[Effect]:
        if event.epoch != self.backend.epoch:
            return []
        if self.buffer is not None:
            left = self._backend_left(now) if self.backend.is_open else []
            return [Noted("backend-link-closed", str(event.code)), *left]
        return [
            Noted("backend-link-closed", str(event.code)),
            *self._lost(self.backend, self.charger, event.code, "backend left"),
        ]

    def _lost(self, leg: Leg, other: Leg, code: int, reason: str) -> list[Effect]:
        """An end is gone: the other one goes too, unless it was us who closed this one."""
        if not leg.is_open:
            return []
        leg.is_open = False
        return [*self._forget(), *self._close(other, code, reason)]

    def _close(self, leg: Leg, code: int, reason: str) -> list[Effect]:
        if not leg.is_open:
            return []
        leg.is_open = False
        return [Close(leg.end, code, reason)]

    def _forget(self) -> list[Effect]:
        """Pending CALLs end with the connection they came from or went to; who wanted a retry is told."""
        unanswered = self.to_backend.clear()
        self.to_charger.clear()
        self.last_billing = None
        self._unkept = None
        self.due = NEVER
        return [
            Retried(call.retry, False, "the connection closed before an answer came")
            for call in unanswered
            if call.retry
        ]

    # Connections of a session with a buffer: either end may go without the other

    def _charger_left(self, code: int, now: float) -> list[Effect]:
        """The charger is gone; its backend link goes with it, unless there is something to deliver."""
        buffer = self.buffer
        assert buffer is not None
        self.charger.is_open = False
        effects = self._refuse_commands("the charger left")
        calls = self.to_backend
        if self.follows:  # another backend may have answered it: the charger will not say it again
            effects += buffer.patience.store_open(now)
        waiting, calls.line = calls.line or (), None
        for call in waiting:
            if call.retry:
                calls.wait(call)
        if (out := calls.out) is not None and out.own is None and not out.retry:
            out.own = Own.ABANDONED
        effects += buffer.charger_left(self.last_billing, now)
        self.last_billing = None
        self._unkept = None
        if self.backend.is_open and not (buffer.owes and buffer.settings.delivers_for_absent):
            effects += [*self._close(self.backend, code, "charger left"), *buffer.backend_lost(now)]
        self._set_due(now)
        return effects

    def _refuse_commands(self, reason: str) -> list[Effect]:
        """The backend hears that its CALLs do not reach the charger."""
        code = errors.code(self.version, errors.Wrong.GENERIC)
        refused = [call for call in self.to_charger.clear() if call.own is None]
        if not self.backend.is_open:
            return []
        return [SendToBackend(frame.error(call.answer_id or call.id, code, reason)) for call in refused]

    def _backend_left(self, now: float) -> list[Effect]:
        """The backend's link is gone; the charger stays, and what it still answers is for nobody."""
        buffer = self.buffer
        assert buffer is not None
        self.backend.is_open = False
        calls = self.to_charger
        calls.line = None
        if calls.out is not None and calls.out.own is None:
            calls.out.own = Own.ORPHANED
        effects = [*buffer.backend_lost(now), *self._release(self.charger, Hold.OTHER_END_BLOCKED)]
        self._set_due(now)
        return effects

    def close_charger(self, name: str, code: int, reason: str, now: float) -> list[Effect]:
        """End the charger's connection; what it was not answered for stays with it."""
        if not self.charger.is_open:
            return [Noted(name)]
        if self.follows:  # the switchboard knows whether it has to be
            return [Noted(name), Close(CHARGER, code, reason)]
        return [Noted(name), *self._close(self.charger, code, reason), *self._charger_left(code, now)]

    def close_backend(self, reason: str, now: float) -> list[Effect]:
        """End the backend's link; another one is opened when it can be had."""
        return [*self._close(self.backend, GOING_AWAY, reason), *self._backend_left(now)]

    def close_both(self, name: str, code: int, reason: str, now: float) -> list[Effect]:
        """End both connections."""
        if self.buffer is None:
            return self._give_up(name, code, reason, now)
        return [*self.close_charger(name, code, reason, now), *self.close_backend(reason, now)]

    def go_on(self, now: float) -> list[Effect]:
        """Send the backend what may be sent now."""
        return self._next(self.to_backend, now)

    def end_if_idle(self, now: float) -> list[Effect]:
        """Close a link that was there only to deliver what a charger has left behind."""
        if self.backend.is_open and not self.charger.is_open and not self.to_backend:
            return self.close_backend("charger left", now)
        return []

    # Messages

    def charger_frame(self, epoch: int, data: bytes, binary: bool, now: float) -> list[Effect]:
        """`handle(ChargerFrame(epoch, data, binary), now)`, without the event."""
        leg = self.charger
        if not leg.is_open or epoch != leg.epoch:
            return []
        leg.heard_at = now
        leg.received += 1
        reader, wall = self.reader, now + self.wall_offset_s
        shape = reader.shape
        quickly = shape.read(data, reader.history, wall) if shape is not None else None
        got = quickly or reader.read(data, CHARGER, self._asked_of_charger, wall, self._awaited)
        if type(got) is Message and not binary:
            if got.type is CALL:
                effects = self._pass_on(got, now)
                if effects is not None:
                    return effects if not self._is_too_fast(now) else effects + self._slow_down(now)
            effects = self._relay(got, self.to_backend, self.to_charger, now, got.action)
        else:
            effects = self._judge(got, data, binary, self.to_backend, self.to_charger, now)
        if self._is_too_fast(now):
            effects += self._slow_down(now)
        if self._alerts or self.drift.is_dirty or self.reader.memories.is_dirty:
            effects = self._with_news(effects)
        return effects if self.bridge is None else self.bridge.outward(effects, now)

    def backend_frame(self, epoch: int, data: bytes, binary: bool, now: float) -> list[Effect]:
        """`handle(BackendFrame(epoch, data, binary), now)`, without the event."""
        leg = self.backend
        if not leg.is_open or epoch != leg.epoch:
            return []
        leg.heard_at = now
        leg.received += 1
        call = self.to_backend.out
        if (  # the empty answer, to the letter: there is nothing in it to read
            call is not None
            and len(data) == len(call.id) + 9
            and data == b'[3,"%b",{}]' % call.id.encode()
            and not binary
        ):
            effects = self._pass_back(call, data, now)
            if effects is not None:
                return effects
        if self.bridge is not None:
            return self.bridge.backend_frame(data, binary, now)
        return self.frame_of_backend(data, binary, now)

    def frame_of_bridge(self, data: bytes, now: float) -> list[Effect]:
        """A frame that the bridge made: it counts by what the backend said, which came on a wire."""
        counted, self.tally = self.tally, self._uncounted
        try:
            return self.frame_of_backend(data, False, now)
        finally:
            self.tally = counted

    def frame_of_backend(self, data: bytes, binary: bool, now: float) -> list[Effect]:
        """A frame from the backend in the charger's own version."""
        onward, back = self.to_charger, self.to_backend
        got = self.reader.read(data, BACKEND, back.action_of, now + self.wall_offset_s, back.ids)
        if type(got) is Message and not binary:
            return self._relay(got, onward, back, now, got.action)
        return self._judge(got, data, binary, onward, back, now)

    def _pass_on(self, message: Message, now: float) -> list[Effect] | None:
        """A clean CALL of the charger leaves at once, if its way is free and nobody else has a say in it.

        Nearly all traffic is like this; `_ask` knows everything that there may be to do.
        """
        calls, buffer, way = self.to_backend, self.buffer, self._ways[message.action]
        if (
            calls.out is not None
            or not way.is_plain
            or calls.line
            or calls.late
            or message.is_made
            or not self.backend.is_open
            or self.bridge is not None
            or self.reader.listens
            or (buffer is not None and buffer.attentive)
            or (way.billing and not message.is_new and self._came_before(message))
        ):
            return None
        way.calls.n += 1
        self.last_action = action = message.action
        heard = message if self.others is None else self.others.heard(message, action)
        if heard is None:
            return []
        call = Call(message.id, action, action, heard.frame, now, way.billing, message.id_literal, now)
        if heard is not message:
            call.as_came = message.frame
        calls.out = call
        settings = self.settings
        if buffer is None:
            limit = now + (settings.answer_deadline_s if way.billing else settings.call_timeout_s)
        else:
            limit = now + (buffer.settings.answer_after_s if way.billing else settings.call_timeout_s)
        if limit < self.due:
            self.due = limit
        return [SendToBackend(call.frame)]

    def _pass_back(self, call: Call, data: bytes, now: float) -> list[Effect] | None:
        """The empty answer of the backend reaches the charger, if nobody else has to know of it."""
        calls, buffer, way = self.to_backend, self.buffer, self._ways[call.label]
        if (
            not way.ends_empty
            or calls.line
            or call.answer_id
            or call.retry
            or call.own
            or self.bridge is not None
            or self.reader.to_charger
            or (self.others is not None and self.others.compared)
            or (buffer is not None and not buffer.is_calm)
        ):
            return None
        calls.out = None
        way.results.n += 1
        way.latency.add(now - call.sent_at)
        if call.billing:
            call.answer = data
            self.last_billing = call
        return [SendToCharger(data)]

    def _came_before(self, again: Message | Call) -> bool:
        """Whether this looks like the last billing CALL once more: all the same, but for the id."""
        last = self.last_billing
        return last is not None and again.frame.endswith((last.as_came or last.frame)[len(last.id) + 16 :])

    def _charger_frame(self, event: ev.ChargerFrame, now: float) -> list[Effect]:
        return self.charger_frame(event.epoch, event.data, event.binary, now)

    def _backend_frame(self, event: ev.BackendFrame, now: float) -> list[Effect]:
        return self.backend_frame(event.epoch, event.data, event.binary, now)

    def _relay(
        self, message: Message, onward: Calls, back: Calls, now: float, label: str, doubt: Doubt | None = None
    ) -> list[Effect]:
        """Let a message go on: `onward` holds the CALLs of its direction, `back` those of the other.

        `label` is the action as it may be counted.
        """
        type_ = message.type
        if type_ is CALL:
            return self._ask(message, onward, back, now, label, doubt)
        if type_ is CALLRESULT or type_ is CALLERROR:
            return self._answer(message, back, now)
        self.tally.messages[back.kinds[type_], label, self.version].n += 1
        if type_ is SEND and self.others is not None and onward is self.to_backend and not self.follows:
            self.others.heard(message, label)
        return [onward.send(message.frame)]

    def _ask(
        self, message: Message, onward: Calls, back: Calls, now: float, label: str, doubt: Doubt | None = None
    ) -> list[Effect]:
        """A CALL goes on, or waits for its turn."""
        self.tally.messages[back.asks, label, self.version].n += 1
        self.last_action = action = message.action
        billing = action in actions.NEVER_LOST
        call = Call(message.id, action, label, message.frame, now, billing, message.id_literal, now, doubt)
        buffer = self.buffer
        if self.others is not None and (settled := self._settled(message, call, onward, now)) is not None:
            return settled
        if onward is self.to_charger:
            if buffer is not None and (taken := self._taken_from_backend(message, call, buffer)) is not None:
                return taken
        else:
            if message.is_made:
                call.own = Own.MADE
            elif action == "BootNotification":
                return self._boot(message, call, now)
            if buffer is not None and (buffer.attentive or action in BOOKED):
                stored = buffer.take(call, now)
                if stored is not None:
                    self._set_due(now)
                    return stored
        if onward.out is not None or onward.line or not onward.leg.is_open:
            return self._wait(call, onward, now)
        return self._send(call, onward, now)

    def _settled(self, message: Message, call: Call, onward: Calls, now: float) -> list[Effect] | None:
        """What becomes of a CALL that concerns other backends of the charger, if it does not go on here."""
        others = self.others
        assert others is not None
        if onward is self.to_charger:
            if self.bridge is not None:  # judged as the backend wrote it
                return None
            ruled = others.judge(self, message, self.version, now)
            return None if ruled is None else self._ruled(message, call, ruled, now)
        if self.follows:
            return None
        heard = others.heard(message, call.label)
        if heard is None:
            return []
        if heard.frame is not message.frame:
            call.as_came, call.frame = call.frame, heard.frame
        return None

    def _ruled(self, message: Message, call: Call, ruled: Ruled, now: float) -> list[Effect]:
        """A backend's CALL that the operator wants changed, or answered without the charger."""
        told = self.told_of_rule(message, ruled)
        if ruled.message is None:
            return [told, SendToBackend(ruled.reply)]
        call.frame = ruled.message.frame
        if self.buffer is not None:
            taken = self._taken_from_backend(ruled.message, call, self.buffer)
            if taken is not None:
                return [told, *taken]
        calls = self.to_charger
        is_free = calls.out is None and not calls.line and calls.leg.is_open
        return [told, *(self._send(call, calls, now) if is_free else self._wait(call, calls, now))]

    def told_of_rule(self, message: Message, ruled: Ruled) -> Flagged:
        """How it is told that a rule has decided about a backend's CALL."""
        verdict = Verdict.IGNORED if ruled.message is None else Verdict.DELIVERED
        return self.flagged(BACKEND, "call", message.action, message.frame, [ruled.flag], verdict)

    def overhear(self, message: Message, label: str, now: float) -> list[Effect]:
        """The charger said this to the backend that leads; the one of this session is to know it too."""
        buffer = self.buffer
        if buffer is None or not self.charger.is_open or not buffer.copies.overhears(message, now):
            return [Noted("copy-lost", label)]
        if message.type is SEND and not buffer.is_usable:
            return [Noted("copy-lost", label)]  # nobody would answer it, so it need not come at all
        effects = self._relay(message, self.to_backend, self.to_charger, now, label)
        return effects if self.bridge is None else self.bridge.outward(effects, now)

    def overhear_reading(
        self, message: Message, id_at: payloads.Place | None, now: float
    ) -> SendToBackend | Noted | None:
        """`overhear` a reading of 1.6, if nothing has to be weighed for it, as nearly always; else None.

        It leaves for a backend that is free and owed nothing, and is lost to one that is away or silent and
        for which nothing is kept. `id_at` is where it names its transaction, if that is known.
        """
        calls, buffer, action = self.to_backend, self.buffer, message.action
        if buffer is None or self.bridge is not None or not self.charger.is_open:
            return None
        if not buffer.is_calm and buffer.copies.are_lost:
            self._ways[action].calls.n += 1
            return Noted("copy-lost", action)
        if (
            not buffer.is_calm
            or calls.out is not None
            or calls.line
            or calls.late
            or (not message.is_new and self._came_before(message))
        ):
            return None
        data = buffer.copies.reading(message.frame, id_at)
        if data is None:
            return None
        self._ways[action].calls.n += 1
        call = Call(message.id, action, action, data, now, True, message.id_literal, now)
        call.as_came = message.frame
        calls.out = call
        limit = now + buffer.settings.answer_after_s
        if limit < self.due:
            self.due = limit
        return SendToBackend(data)

    def answer_locally(self, message: Message, label: str, now: float) -> list[Effect]:
        """The charger hears an answer of ours to a CALL that none of its backends will answer."""
        payload, buffer = payloads.of_call(message.frame), self.buffer
        call = Call(message.id, message.action, label, message.frame, now, False, message.id_literal, now)
        call.epoch = self.charger.epoch
        if payload is None or buffer is None:
            return self.refuse(call)
        return buffer.answer(call, payload, now)

    def charger_answers(self, data: bytes, binary: bool, now: float) -> list[Effect]:
        """The charger's answer to a CALL of this session, which does not lead."""
        got = self.reader.read(data, CHARGER, self._asked_of_charger, now + self.wall_offset_s, self._awaited)
        if type(got) is Message and not binary:
            effects = self._relay(got, self.to_backend, self.to_charger, now, got.action)
        else:
            effects = self._judge(got, data, binary, self.to_backend, self.to_charger, now)
        return effects if self.bridge is None else self.bridge.outward(effects, now)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing that the charger said waits for an answer."""
        unstored = self.buffer is not None and bool(self.buffer.unacked or self.buffer.starts.unkept)
        asked = any(call.own is None and not call.retry for call in self.to_backend)
        return not (unstored or self._unkept or asked)

    def hold_charger(self, why: Hold) -> list[Effect]:
        """Read the charger no further, for the time being."""
        return self._hold(self.charger, why)

    def read_on(self, why: Hold) -> list[Effect]:
        """Read the charger again."""
        return self._release(self.charger, why)

    def fit_command(self, data: bytes, action: str) -> tuple[Fitted, list[Effect]]:
        """A CALL of another session for the charger, in the form its brand takes."""
        if (Kind.BACKEND_CALL, action) not in self.reader.to_charger:
            return Fitted(data, []), []
        return self._fitted(data, Kind.BACKEND_CALL, action)

    def lead(self, before: "ChargerSession", now: float) -> None:
        """From now on this session leads: the charger's connection, and what is known of it, come over."""
        self.follows, before.follows = False, True
        if self.last_billing is not None and self.last_billing.action == "StartTransaction":
            self.last_billing = None  # the charger may know it by another id
        for name in _OF_THE_CHARGER:
            mine, theirs = getattr(self, name), getattr(before, name)
            setattr(self, name, theirs)
            setattr(before, name, mine)
        for session in (self, before):
            session.to_charger.leg = session.charger
            session.count_in(session.tally)
            session._set_due(now)

    def _reread_boot(self, message: Message, call: Call, now: float) -> list[Effect]:
        """The charger's dialect is known only now: it may have something to say about this very message."""
        if not self.reader.hears(message.action):
            return []
        got = self.reader.read(message.frame, CHARGER, _nothing_awaited, now + self.wall_offset_s)
        if isinstance(got, Message) or [found.type for found in got.messages] != [CALL]:
            return []
        told = self.flagged(CHARGER, "call", message.action, message.frame, got.flags, Verdict.DELIVERED)
        call.frame = message.frame = got.messages[0].frame
        return [told]

    def _fitted(self, data: bytes, kind: Kind, action: str) -> tuple[Fitted, list[Effect]]:
        """A message to the charger in the form its brand takes, and what there is to tell about that."""
        fitted = self.reader.fit(data, kind, action)
        told: list[Effect] = []
        if fitted.flags:
            word = "call" if kind.is_request else "result"
            verdict = Verdict.DELIVERED if fitted.answer is None else Verdict.IGNORED
            told = [self.flagged(kind.sender, word, action, data, fitted.flags, verdict)]
        return fitted, self._with_news(told) if self.reader.memories.is_dirty else told

    def heard(self, data: bytes, action: str) -> list[Effect]:
        """The charger hears a CALLRESULT to a CALL of this action, in the form its brand takes."""
        if self.follows or (Kind.BACKEND_RESULT, action) not in self.reader.to_charger:
            return [SendToCharger(data)]
        fitted, told = self._fitted(data, Kind.BACKEND_RESULT, action)
        return [*told, SendToCharger(fitted.data)]

    def _boot(self, message: Message, call: Call, now: float) -> list[Effect]:
        """The charger introduces itself."""
        effects = self._introduced(station_of(message), message, call, now) if not self.follows else []
        if self.buffer is not None and self.buffer.attentive:
            taken = self.buffer.take(call, now)
            if taken is not None:
                self._set_due(now)
                return [*effects, *taken]
        if self.to_backend.out is not None or self.to_backend.line or not self.backend.is_open:
            return [*effects, *self._wait(call, self.to_backend, now)]
        return [*effects, *self._send(call, self.to_backend, now)]

    def _introduced(self, station: Station, message: Message, call: Call, now: float) -> list[Effect]:
        """It is known now which station this is, and with that how its messages are read."""
        effects: list[Effect] = []
        if station != self.station:
            effects = [Remember("station", msgspec.json.encode(station))] if self.buffer is not None else []
        before = self.reader.brand
        self.recall(station)
        if self.reader.brand is not before:
            effects += self._reread_boot(message, call, now)
        return effects

    def _taken_from_backend(self, message: Message, call: Call, buffer: Buffer) -> list[Effect] | None:
        """What becomes of a backend's CALL that does not simply go on; its frame may change."""
        if not self.charger.is_open:
            code = errors.code(self.version, errors.Wrong.GENERIC)
            return [
                SendToBackend(frame.error(call.answer_id or call.id, code, "the charger is not connected"))
            ]
        if call.action not in NAMING or not (buffer.book.is_mapped or self.follows):
            return None
        named = buffer.lessons.for_charger(message)
        if isinstance(named, Message):
            call.frame = named.frame
            return None
        flag = Flag(FlagCode.TRANSACTION_ID_FOREIGN)
        told = self.flagged(BACKEND, "call", call.action, message.frame, [flag], Verdict.IGNORED)
        return [told, SendToBackend(named)]

    def send_own(self, call: Call, now: float) -> list[Effect]:
        """Send the backend a CALL of ours; nothing else is out."""
        calls = self.to_backend
        call.sent_at = now
        calls.out = call
        self.due = min(self.due, now + self.settings.answer_deadline_s)
        if calls.late and call.id in calls.late:
            calls.rename(call)
        return [SendToBackend(call.frame)]

    def command(self, action: str, payload: dict[str, Any], now: float) -> list[Effect]:
        """Send the charger a CALL of ours, when its turn has come."""
        calls = self.to_charger
        id_ = calls.own_id()
        data = frame.call(id_, action, msgspec.json.encode(payload))
        call = Call(id_, action, action, data, now, False, own=Own.COMMAND)
        if calls.out is not None or calls.line:
            calls.wait(call)
            return []
        return self._send(call, calls, now)

    def repeated(self, call: Call) -> list[Effect]:
        """A CALL with revenue came again, and is answered again: how that is told."""
        told: list[Effect] = [self.bridge.repeated(call)] if self.bridge is not None else []
        if (
            self.others is not None
            and self.buffer is not None
            and call.action == "StartTransaction"
            and not self.follows
        ):
            told += self.buffer.copies.told_again(call)
        return [Noted("answer-repeated", call.label), *told]

    def refuse(self, call: Call) -> list[Effect]:
        """A CALL of the charger for which there is no backend, nor an answer of ours."""
        doubt = call.doubt
        if doubt is not None and doubt.confirmation is not None and doubt.confirmation.startswith(b"[3"):
            flags = [Flag(FlagCode.SCHEMA_VIOLATION)]
            return [self.keep_then_answer("call", call.action, call.frame, flags, doubt.confirmation)]
        is_known = actions.known_action(self.version, call.action)
        wrong = errors.Wrong.GENERIC if is_known else errors.Wrong.ACTION_UNKNOWN
        code = errors.code(self.version, wrong)
        reply = frame.error(call.answer_id or call.id, code, "the backend is away")
        return [Noted("answered-locally", call.label), SendToCharger(reply)]

    def line_shrank(self) -> list[Effect]:
        """Fewer of the charger's CALLs wait: it may be read again."""
        if self.to_backend.waiting <= self.settings.waiting_calls // 2:
            return self._release(self.charger, Hold.LINE_FULL)
        return []

    def _send(self, call: Call, calls: Calls, now: float) -> list[Effect]:
        """A CALL's turn has come: it leaves, unless it is a repetition that was answered already."""
        last = self.last_billing
        if (
            call.billing
            and last is not None
            and self._came_before(call)  # which nearly none has
            and (again := last.answer_to(call, self.buffer is not None))
        ):
            heard = self.heard(again, call.action)
            return [*self.repeated(call), *heard, *self._next(calls, now)]
        call.sent_at = now
        calls.out = call
        settings = self.settings
        buffer = self.buffer
        if buffer is not None and calls is self.to_backend:
            limit = now + (buffer.settings.answer_after_s if call.billing else settings.call_timeout_s)
            if buffer.attentive and buffer.book.is_mapped and (call.billing or call.retry):
                if self.follows and not call.retry and buffer.copies.lacks_id(call):
                    calls.out = None
                    return [Noted("copy-lost", call.label), *self._next(calls, now)]
                buffer.lessons.exchange_id(call)
        else:
            limit = now + (settings.answer_deadline_s if call.billing else settings.call_timeout_s)
        if limit < self.due:
            self.due = limit
        effects: list[Effect] = []
        if calls.late and call.id in calls.late and calls.rename(call):
            effects.append(Noted("id-renamed", call.label))
        if (
            calls is self.to_charger
            and not self.follows
            and (Kind.BACKEND_CALL, call.action) in self.reader.to_charger
        ):
            fitted, told = self._fitted(call.frame, Kind.BACKEND_CALL, call.action)
            effects += told
            if fitted.answer is not None:
                if call.own is not None:
                    calls.out = None
                    return [*effects, *self._next(calls, now)]
                answer = _result(fitted.answer, call)
                return [*effects, *self._hand_back(call, CALLRESULT, answer, calls, now)]
            call.frame = fitted.data
        effects.append(calls.send(call.frame))
        return effects

    def _wait(self, call: Call, calls: Calls, now: float) -> list[Effect]:
        """A CALL has to wait: in the line, or, where a charger's line is full, with the charger."""
        limit = self.settings.waiting_calls
        if calls is self.to_charger and calls.waiting >= limit:
            code = errors.code(self.version, errors.Wrong.INTERNAL)
            refusal = frame.error(call.answer_id or call.id, code, "too many CALLs wait for this charger")
            return [Noted("backend-call-refused", call.label), SendToBackend(refusal)]
        calls.wait(call)
        if call.billing:
            ahead = calls.out
            limit_s = self.settings.answer_deadline_s
            self.due = min(self.due, ahead.sent_at + self._patience(calls) if ahead else now + limit_s)
        if self.buffer is not None and not calls.leg.is_open:
            self._set_due(now)
        if calls is self.to_backend and calls.waiting >= limit:
            if self.follows and self.buffer is not None:
                return self.buffer.patience.fall_silent(now)  # the charger does not wait for this backend
            return self._hold(self.charger, Hold.LINE_FULL)
        return []

    def _next(self, calls: Calls, now: float) -> list[Effect]:
        """Send the first of the line, if the way is free."""
        if calls.out is not None or not calls.leg.is_open:
            return []
        buffer = self.buffer
        if (
            buffer is not None
            and calls is self.to_backend
            and (not calls.waiting or buffer.delivery.boots_first(now))
        ):
            return buffer.delivery.pump(now)
        if not calls.waiting:
            return []
        call = calls.next()
        assert call is not None
        again = self._again_in_line(call, calls) if call.action in BOOKED else None
        effects = self._send(call, calls, now) if again is None else [*again, *self._next(calls, now)]
        if calls is self.to_backend and calls.waiting <= self.settings.waiting_calls // 2:
            effects += self._release(self.charger, Hold.LINE_FULL)
        return effects

    def _again_in_line(self, call: Call, calls: Calls) -> list[Effect] | None:
        """What a charger hears that said this twice and was answered while the second stood in the line."""
        if self.buffer is None or calls is not self.to_backend or call.own is not None or call.retry:
            return None
        payload = payloads.of_call(call.frame)
        return self.buffer.repeated(call, payload) if payload is not None else None

    def answered_meanwhile(self, now: float) -> list[Effect] | None:
        """What the charger hears whose CALL is out, but was put off, if another one like it was answered."""
        calls = self.to_backend
        again = self._again_in_line(calls.out, calls) if calls.out is not None and calls.out.billing else None
        if again is None:
            return None
        calls.out = None
        return [*again, *self._next(calls, now)]

    def _answer(self, message: Message, calls: Calls, now: float) -> list[Effect]:
        """An answer to one of `calls`: back to the sender of the CALL it is for; else it ends here."""
        call = calls.out
        if call is None or call.id != message.id:
            return self._stray(message, calls)
        if call.own is not None:
            return self._own_answered(call, message, calls, now)
        data = message.frame if call.answer_id is None else frame.renamed(message, call.answer_id)
        if call.retry:
            calls.out = None
            if self.buffer is not None and message.type is CALLRESULT:
                self.buffer.starts.retried(call, message)
            return [_retried(call, message), *self._next(calls, now)]
        if call.doubt is not None and message.type is CALLERROR and call.billing:
            calls.out = None
            return [*self._refused(call, call.doubt, message, data), *self._next(calls, now)]
        if self.buffer is not None and message.type is CALLERROR and calls is self.to_backend:
            self.buffer.is_silent = False
            if self.buffer.delivery.absorbs(call):
                calls.out = None
                self.tally.messages[calls.kinds[CALLERROR], call.label, self.version].n += 1
                return [*self.buffer.delivery.absorb_error(call, message, now), *self._next(calls, now)]
        return self._hand_back(call, message.type, data, calls, now)

    def _own_answered(self, call: Call, message: Message, calls: Calls, now: float) -> list[Effect]:
        """An answer to a CALL that nobody else waits for."""
        calls.out = None
        self.tally.messages[calls.kinds[message.type], call.label, self.version].n += 1
        if calls is self.to_charger:
            if call.own is Own.COMMAND and b'"Accepted"' not in message.frame:
                return [Noted("command-refused", call.label), *self._next(calls, now)]
            return self._next(calls, now)
        if self.buffer is None:
            return self._next(calls, now)
        self.tally.latency[self.settings.backend_name, call.label].add(now - call.sent_at)
        effects = self.buffer.delivery.answered(call, message, now)
        self._set_due(now)
        return effects

    def _hand_back(
        self, call: Call, type_: MessageType, data: bytes, calls: Calls, now: float
    ) -> list[Effect]:
        """The answer to the CALL that is out goes to its sender; the next one's turn has come."""
        calls.out = None
        label = call.label
        self.tally.messages[calls.kinds[type_], label, self.version].n += 1
        effects: list[Effect]
        if calls is self.to_charger:
            effects = [SendToBackend(data)]
        else:
            self.tally.latency[self.settings.backend_name, label].add(now - call.sent_at)
            learned: list[Effect] | None = None
            buffer = self.buffer
            if self.others is not None:
                self.others.answered(self, call, data)
            if buffer is not None and type_ is CALLRESULT and (call.action in OBSERVED or buffer.is_silent):
                data, learned = self._observed(call, data, buffer, now)
            if data and type_ is CALLRESULT and self.reader.to_charger:
                effects = self.heard(data, call.action)
            else:
                effects = [SendToCharger(data)] if data else []
            if learned:
                effects += learned
                self._set_due(now)
            if call.billing and type_ is CALLRESULT and data:
                call.answer = data
                self.last_billing = call
        if calls.line or (calls is self.to_backend and self.buffer is not None and not self.buffer.is_calm):
            effects += self._next(calls, now)
        return effects

    def _observed(self, call: Call, data: bytes, buffer: Buffer, now: float) -> tuple[bytes, list[Effect]]:
        """An answer of the backend, as the charger is to hear it (b"": not now), and what it teaches."""
        if buffer.is_silent:
            buffer.is_silent = False
            buffer.look()
        action = call.action
        if action not in OBSERVED or (action not in BOOKED and data.endswith(b",{}]")):
            return data, []
        return buffer.lessons.observe(call, data, now)

    def _refused(self, call: Call, doubt: Doubt, answer: Message, data: bytes) -> list[Effect]:
        """The backend refuses billing data that could not be repaired: it stays with us.

        The charger hears a confirmation where there is one without the backend; a StartTransaction has none.
        """
        self.tally.messages[self.to_backend.kinds[CALLERROR], call.label, self.version].n += 1
        flags = [Flag(FlagCode.REFUSED_BY_BACKEND, after=answer.error_code)]
        confirmation = doubt.confirmation
        if confirmation is not None and confirmation.startswith(b"[3"):
            return [self.keep_then_answer("call", call.action, call.frame, flags, confirmation)]
        kept = self.flagged(CHARGER, "call", call.action, call.frame, flags, Verdict.QUARANTINED)
        return [kept, SendToCharger(data)]

    def keep_then_answer(
        self, kind: str, action: str, raw: bytes, flags: list[Flag], answer: bytes
    ) -> Flagged:
        """Quarantine a message of the charger that it hears a confirmation for, once it is durable."""
        number, flagged = self.flagged_with_number(action, raw, flags, kind)
        self._unkept = self._unkept or {}
        self._unkept[number] = answer
        return flagged

    def flagged_with_number(
        self, action: str, raw: bytes, flags: list[Flag], kind: str = "call"
    ) -> tuple[int, Flagged]:
        """Quarantine a message of the charger; `Kept` with the number says when it is durable."""
        self._numbers += 1
        flagged = self.flagged(CHARGER, kind, action, raw, flags, Verdict.QUARANTINED)
        return self._numbers, structs.replace(flagged, number=self._numbers)

    def _kept(self, event: ev.Kept, now: float) -> list[Effect]:
        if self.buffer is not None:
            effects = self.buffer.delivery.kept(event.number, event.durable, now)
            if effects is not None:
                self._set_due(now)
                return effects
        answer = self._unkept.pop(event.number, None) if self._unkept else None
        if answer is None:
            return []
        if event.durable:
            return [SendToCharger(answer)]
        return self._give_up(
            "quarantine-failed", TRY_AGAIN_LATER, "messages cannot be stored at present", now
        )

    def _entry_stored(self, event: ev.EntryStored, now: float) -> list[Effect]:
        assert self.buffer is not None
        return self._buffered(self.buffer.stored(event, now), now)

    def _entry_dropped(self, event: ev.EntryDropped, now: float) -> list[Effect]:
        assert self.buffer is not None
        return self._buffered(self.buffer.delivery.dropped(event, now), now)

    def _entries_fetched(self, event: ev.EntriesFetched, now: float) -> list[Effect]:
        assert self.buffer is not None
        return self._buffered(self.buffer.delivery.fetched(event, now), now)

    def _state_kept(self, event: ev.StateKept, now: float) -> list[Effect]:
        """The charger's StartTransaction has its id; for other states the bridge waits."""
        return self._buffered(self.buffer.starts.kept(event.number), now) if self.buffer is not None else []

    def _turn(self, event: ev.Turn, now: float) -> list[Effect]:
        assert self.buffer is not None
        return self._buffered(self.buffer.delivery.turn(event, now), now)

    def _backend_away(self, event: ev.BackendAway, now: float) -> list[Effect]:
        return self._buffered(self.buffer.patience.backend_away(now), now) if self.buffer is not None else []

    def _buffered(self, effects: list[Effect], now: float) -> list[Effect]:
        self._set_due(now)
        return effects

    def _retry_wanted(self, event: ev.RetryWanted, now: float) -> list[Effect]:
        """Send a kept message of the charger as it is read today; its answer is not the charger's."""
        if not self.backend.is_open:
            return [Retried(event.number, False, "the charger is not connected")]
        got = self.reader.read(event.raw, CHARGER, _nothing_awaited, now + self.wall_offset_s)
        messages = [got] if isinstance(got, Message) else got.messages
        if [message.type for message in messages] != [CALL]:
            return [Retried(event.number, False, "it still cannot be read as one CALL of this version")]
        message = messages[0]
        if self.buffer is not None and self.buffer.lessons.lacks_start(message):
            return [
                Retried(
                    event.number, False, "the backend does not know its transaction: retry the start first"
                )
            ]
        call = Call(message.id, message.action, message.action, message.frame, now, False, retry=event.number)
        self.to_backend.rename(call)
        self.to_backend.wait(call)
        return self._next(self.to_backend, now)

    def stray_answer(self, message: Message, is_late: bool) -> list[Effect]:
        """The charger answers what no backend waits for."""
        return self._ignored(message, self.to_charger, is_late)

    def _stray(self, message: Message, calls: Calls) -> list[Effect]:
        return self._ignored(message, calls, calls.was_late(message.id))

    def _ignored(self, message: Message, calls: Calls, is_late: bool) -> list[Effect]:
        code = FlagCode.ANSWER_LATE if is_late else FlagCode.ANSWER_UNKNOWN
        end = calls.leg.end
        self.tally.messages[calls.kinds[message.type], "unknown", self.version].n += 1
        return [
            Noted(code.value),
            self.flagged(end, KIND[message.type], "", message.frame, [Flag(code)], Verdict.IGNORED),
        ]

    def _judge(
        self, got: Message | Reading, data: bytes, binary: bool, onward: Calls, back: Calls, now: float
    ) -> list[Effect]:
        """A frame that is not simply clean: what was made of it goes on; what was wrong with it is told."""
        reading = got if isinstance(got, Reading) else Reading(Outcome.REPAIRED, [got], [])
        if binary:
            reading.flags.append(Flag(FlagCode.BINARY_FRAME))
        messages = [message for message in reading.messages if _is_text(message.frame)]
        doubt = None
        if not messages and (original := self._worth_a_try(reading)) is not None:
            messages = [original]
            doubt = Doubt(reading.reply)
        effects: list[Effect] = []
        for message in messages:
            label = message.action if actions.known_action(self.version, message.action) else "unknown"
            effects += self._relay(message, onward, back, now, label, doubt)
        sender = back.leg.end
        if messages and messages[0].is_made and reading.original is not None and reading.reply is not None:
            effects += self._own_answer(reading.reply, reading.original.action, back)
        if messages:
            kind, action, verdict = KIND[messages[0].type], messages[0].action, Verdict.DELIVERED
        else:
            read = reading.original
            kind, action = (KIND[read.type], read.action) if read is not None else ("", "")
            verdict = _VERDICT[reading.outcome]
            is_kept = verdict is Verdict.QUARANTINED and sender is CHARGER
            if is_kept and reading.reply is not None and reading.reply.startswith(b"[3"):
                return [self.keep_then_answer(kind, action, data, reading.flags, reading.reply)]
            if reading.reply is not None:
                effects += self._own_answer(reading.reply, action, back)
        if reading.flags:
            effects.append(self.flagged(sender, kind, action, data, reading.flags, verdict))
        for one in reading.rest:
            frame_ = one.original.frame if one.original is not None else data
            effects += self._judge(one, frame_, False, onward, back, now)
        return effects

    def _own_answer(self, reply: bytes, action: str, back: Calls) -> list[Effect]:
        """An answer that only the gateway gives."""
        is_result = reply.startswith(b"[3") and back is self.to_charger
        return self.heard(reply, action) if is_result else [back.send(reply)]

    def _worth_a_try(self, reading: Reading) -> Message | None:
        """A message that could not be repaired but may go on as it came: the other end may understand it.

        In strict mode what can be refused is refused.
        """
        message = reading.original
        refuses = self.reader.mode is Mode.STRICT and reading.reply is not None
        if message is None or refuses or reading.outcome is not Outcome.QUARANTINED:
            return None
        return message if _is_text(message.frame) else None

    def flagged(
        self, sender: Sender, kind: str, action: str, raw: bytes, flags: Iterable[Flag], verdict: Verdict
    ) -> Flagged:
        told = tuple(flags)
        for flag in told:
            self.tally.flags[flag.code.value, flag.severity.value, *self._counted_as] += 1
        name = f"{sender.value}_{kind}" if kind else ""
        if sender is CHARGER:
            alert = self.drift.flagged(told, name, action, self.charger.received)
            if alert is not None:
                self._alerts = [Noted("dialect-drift", str(alert))] if self._is_first_alert(alert) else None
        return Flagged(sender, name, action, raw, told, verdict)

    def _is_first_alert(self, alert: Alert) -> bool:
        """Whether no other charger of this brand and firmware was the first to show it."""
        return self.tally.drifts.is_new((self.station.vendor, self.station.model, alert.new, *alert.kinds))

    def _with_news(self, effects: list[Effect]) -> list[Effect]:
        """The effects, with what there is to tell and to keep of the charger's dialect."""
        if self._alerts:
            effects = [*effects, *self._alerts]
            self._alerts = None
        if not (self.reader.memories.is_dirty or self.drift.is_dirty):
            return effects
        part = {"memories": Raw(self.reader.memories.stored() or b"{}"), "drift": Raw(self.drift.stored())}
        return [*effects, Remember("dialect", msgspec.json.encode(part))]

    # Flow

    def counts(self, now: float) -> list[Effect]:
        """The charger sent an answer to another session, or to nobody: its rate is one all the same."""
        self.charger.heard_at = now
        self.charger.received += 1
        return self._slow_down(now) if self._is_too_fast(now) else []

    def _is_too_fast(self, now: float) -> bool:
        """Whether the charger is over its rate with one more message."""
        earliest = self._earliest_next
        self._earliest_next = earliest = (earliest if earliest > now else now) + self.settings.message_cost_s
        return earliest - now > self.settings.burst_s

    def _slow_down(self, now: float) -> list[Effect]:
        """The charger is over its rate: read on when it is within it again; end it if it never stops."""
        self._flooding_since = self._flooding_since or now
        if now - self._flooding_since > self.settings.flood_s:
            return self._give_up("charger-flooding", POLICY_VIOLATION, "too many messages", now)
        self.due = min(self.due, self._calm_at())
        return self._hold(self.charger, Hold.RATE)

    def _rest_wanted(self, event: ev.RestWanted, now: float) -> list[Effect]:
        if not self.charger.is_open:
            return []
        self._rests_until = now + event.seconds
        self.due = min(self.due, self._rests_until)
        return self._hold(self.charger, Hold.NODE_BUSY)

    def _calm_at(self) -> float:
        """When half of the burst is free again."""
        return self._earliest_next - self.settings.burst_s / 2

    def _hold(self, leg: Leg, why: Hold) -> list[Effect]:
        if not leg.hold(why) or not leg.is_open:
            return []
        noted = [Noted("charger-paused", why.name or "")] if leg is self.charger else []
        return [*noted, StopReading(leg.end)]

    def _release(self, leg: Leg, why: Hold) -> list[Effect]:
        return [ReadOn(leg.end)] if leg.release(why) and leg.is_open else []

    def _charger_blocked(self, event: ev.ChargerBlocked, now: float) -> list[Effect]:
        return self._blocked(self.charger, event.epoch, self.backend, now)

    def _backend_blocked(self, event: ev.BackendBlocked, now: float) -> list[Effect]:
        return self._blocked(self.backend, event.epoch, self.charger, now)

    def _charger_unblocked(self, event: ev.ChargerUnblocked, now: float) -> list[Effect]:
        return self._unblocked(self.charger, event.epoch, self.backend)

    def _backend_unblocked(self, event: ev.BackendUnblocked, now: float) -> list[Effect]:
        return self._unblocked(self.backend, event.epoch, self.charger)

    def _blocked(self, leg: Leg, epoch: int, other: Leg, now: float) -> list[Effect]:
        if not leg.is_current(epoch):
            return []
        leg.blocked_at = now
        self.due = min(self.due, now + self.settings.blocked_s)
        return self._hold(other, Hold.OTHER_END_BLOCKED)

    def _unblocked(self, leg: Leg, epoch: int, other: Leg) -> list[Effect]:
        if not leg.is_current(epoch):
            return []
        leg.blocked_at = 0.0
        return self._release(other, Hold.OTHER_END_BLOCKED)

    def mind_blocked(self) -> list[Effect]:
        """The lead has moved: each end is read while the other one takes what it says."""
        effects: list[Effect] = []
        for leg, other in ((self.charger, self.backend), (self.backend, self.charger)):
            act = self._hold if leg.is_open and leg.blocked_at else self._release
            effects += act(other, Hold.OTHER_END_BLOCKED)
        return effects

    # Time

    def _charger_ponged(self, event: ev.ChargerPonged, now: float) -> list[Effect]:
        if self.charger.is_current(event.epoch):
            self.charger.heard_at = now
        return []

    def _backend_ponged(self, event: ev.BackendPonged, now: float) -> list[Effect]:
        if self.backend.is_current(event.epoch):
            self.backend.heard_at = now
        return []

    def _probe_wanted(self, event: ev.ProbeWanted, now: float) -> list[Effect]:
        return [Ping(CHARGER)] if self.charger.is_open else []

    def _time_passed(self, event: ev.TimePassed, now: float) -> list[Effect]:
        effects = self._ends(now)
        if not effects:
            effects = [
                *(self.buffer.patience.expire(now) if self.buffer is not None else ()),
                *self._expire(self.to_backend, now),
                *self._expire(self.to_charger, now),
                *self._ping(self.charger, self.settings.charger_ping_s, now),
                *self._ping(self.backend, self.settings.backend_ping_s, now),
            ]
            if self.charger.held & Hold.NODE_BUSY and now >= self._rests_until:
                effects += self._release(self.charger, Hold.NODE_BUSY)
            if self.charger.held & Hold.RATE and now >= self._calm_at():
                effects += self._release(self.charger, Hold.RATE)
            if now >= self._earliest_next:
                self._flooding_since = 0.0
        self._set_due(now)
        return effects

    def _ends(self, now: float) -> list[Effect]:
        """Whether either end has to be given up, and with it the session."""
        return self._charger_ends(now) or self._backend_ends(now)

    def _charger_ends(self, now: float) -> list[Effect]:
        settings, charger = self.settings, self.charger
        if charger.is_open and now >= charger.answer_due(settings.charger_pong_s):
            return self._give_up("charger-silent", GOING_AWAY, "no answer to ping", now)
        if charger.is_open and charger.blocked_at and now >= charger.blocked_at + settings.blocked_s:
            return self._give_up("charger-slow-reader", TRY_AGAIN_LATER, "not reading", now)
        return []

    def _backend_ends(self, now: float) -> list[Effect]:
        settings, backend = self.settings, self.backend
        if backend.is_open and backend.blocked_at and now >= backend.blocked_at + settings.blocked_s:
            if self.buffer is not None:
                return [Noted("backend-slow-reader"), *self.close_backend("not reading", now)]
            return self._give_up("backend-slow-reader", TRY_AGAIN_LATER, "the backend does not read", now)
        if backend.is_open and now >= backend.answer_due(settings.backend_pong_s):
            return [DoubtBackend("no answer to ping"), *self._backend_is_silent("a ping", now)]
        oldest = next((call for call in self.to_backend if call.billing), None)
        if self.buffer is None and oldest and now >= oldest.came_at + settings.answer_deadline_s:
            return [
                DoubtBackend(f"no answer to {oldest.action}"),
                *self._backend_is_silent(oldest.action, now),
            ]
        return []

    def _backend_is_silent(self, what: str, now: float) -> list[Effect]:
        reason = "the backend does not answer"
        if self.buffer is not None:
            return [Noted("backend-silent", what), *self.close_backend(reason, now)]
        effects = self._give_up("backend-silent", TRY_AGAIN_LATER, reason, now)
        effects[0] = Noted("backend-silent", what)
        return effects

    def _give_up(self, name: str, code: int, reason: str, now: float) -> list[Effect]:
        """End the charger's connection, and with it the backend's where nothing is left to deliver."""
        if self.buffer is not None:
            return self.close_charger(name, code, reason, now)
        return [
            Noted(name),
            *self._close(self.charger, code, reason),
            *self._close(self.backend, GOING_AWAY, reason),
            *self._forget(),
        ]

    def _expire(self, calls: Calls, now: float) -> list[Effect]:
        """Give up waiting for an answer that does not come, and let the next CALL go.

        A CALL that keeps billing data waiting gets less time, so that the data has a chance.
        """
        call = calls.out
        if call is None or now < call.sent_at + self._patience(calls):
            return []
        if call.own is not None and calls is self.to_backend:
            return []  # the buffer gives up the link instead
        calls.expired()
        told: Effect = Noted("call-timed-out", call.label)
        if call.retry:
            told = Retried(call.retry, False, "the backend did not answer in time")
        owed: list[Effect] = []
        if self.buffer is not None and calls is self.to_backend:
            owed = self.buffer.delivery.expired(call, now)
        return [told, *owed, *self._next(calls, now)]

    def _patience(self, calls: Calls) -> float:
        """Seconds that the CALL which is out has for its answer; billing data keeps its whole deadline."""
        settings = self.settings
        if calls is self.to_charger or calls.out is None:
            return settings.call_timeout_s
        if calls.out.billing:
            return settings.answer_deadline_s
        if calls.line and any(call.billing for call in calls.line):
            return min(settings.answer_deadline_s / 2, settings.call_timeout_s)
        return settings.call_timeout_s

    def _ping(self, leg: Leg, interval_s: float, now: float) -> list[Effect]:
        if not leg.is_open or now < leg.ping_due(interval_s):
            return []
        leg.pinged_at = now
        return [Ping(leg.end)]

    def _set_due(self, now: float) -> None:
        """When to look again: the earliest of all deadlines; the bridge adds its own."""
        settings = self.settings
        times = [NEVER]
        for leg, ping_s, pong_s in (
            (self.charger, settings.charger_ping_s, settings.charger_pong_s),
            (self.backend, settings.backend_ping_s, settings.backend_pong_s),
        ):
            if leg.is_open:
                times += [leg.ping_due(ping_s), leg.answer_due(pong_s)]
                times += [leg.blocked_at + settings.blocked_s] if leg.blocked_at else []
        for calls in (self.to_backend, self.to_charger):
            if calls.out is not None and not (calls.out.own and calls is self.to_backend):
                times.append(calls.out.sent_at + self._patience(calls))
        if self.buffer is not None:
            times.append(self.buffer.patience.due)
            if self.to_backend.out is not None and self.to_backend.out.own is not None:
                times.append(self.buffer.patience.gives_up_at(self.to_backend.out))
        else:
            times += [call.came_at + settings.answer_deadline_s for call in self.to_backend if call.billing][
                :1
            ]
        if self.charger.held & Hold.RATE:
            times.append(self._calm_at())
        if self.charger.held & Hold.NODE_BUSY:
            times.append(self._rests_until)
        if self._flooding_since:
            times.append(self._earliest_next)
        self.due = min(times)


def stored_dialect(part: bytes) -> tuple[Memories, Drift]:
    """What was kept of a charger's dialect (b"": nothing): adapters' memories, the profile of its flags."""
    found = msgspec.json.decode(part, type=dict[str, Raw]) if part else {}
    return Memories(bytes(found.get("memories", b""))), restored(bytes(found.get("drift", b"")))


def _result(answer: bytes, call: Call) -> bytes:
    """A CALLRESULT under the id that the sender of the CALL knows."""
    message = frame.split(answer)
    return answer if message is None or call.answer_id is None else frame.renamed(message, call.answer_id)


def _nothing_awaited(_: str) -> None:
    """No CALL awaits an answer with this id."""


def _retried(call: Call, answer: Message) -> Retried:
    if answer.type is CALLRESULT:
        return Retried(call.retry, True, f"the backend took the {call.label}")
    refused = f"{answer.error_code} {answer.error_description}".strip()
    return Retried(call.retry, False, f"the backend refused the {call.label}: {refused}")


def _is_text(frame: bytes) -> bool:
    """Whether the bytes may be sent as a text message: the peer must close on bad UTF-8 (RFC 6455 §8.1)."""
    try:
        frame.decode()
    except UnicodeDecodeError:
        return False
    return True


_OF_THE_CHARGER = (
    "charger",
    "drift",
    "tally",
    "station",
    "_counted_as",
    "_earliest_next",
    "_flooding_since",
    "_rests_until",
    "last_action",
)
"""What belongs to the charger's connection, whichever session leads; `reader` and `dialect_of` are shared."""

_VERDICT = {
    Outcome.CLEAN: Verdict.DELIVERED,
    Outcome.REPAIRED: Verdict.DELIVERED,
    Outcome.QUARANTINED: Verdict.QUARANTINED,
    Outcome.IGNORED: Verdict.IGNORED,
}

_HANDLERS: dict[type, Callable[[ChargerSession, Any, float], list[Effect]]] = {
    ev.ChargerOpened: ChargerSession._charger_opened,
    ev.ChargerFrame: ChargerSession._charger_frame,
    ev.ChargerPonged: ChargerSession._charger_ponged,
    ev.ChargerBlocked: ChargerSession._charger_blocked,
    ev.ChargerUnblocked: ChargerSession._charger_unblocked,
    ev.ChargerClosed: ChargerSession._charger_closed,
    ev.BackendOpened: ChargerSession._backend_opened,
    ev.BackendFrame: ChargerSession._backend_frame,
    ev.BackendPonged: ChargerSession._backend_ponged,
    ev.BackendBlocked: ChargerSession._backend_blocked,
    ev.BackendUnblocked: ChargerSession._backend_unblocked,
    ev.BackendClosed: ChargerSession._backend_closed,
    ev.TimePassed: ChargerSession._time_passed,
    ev.Kept: ChargerSession._kept,
    ev.EntryStored: ChargerSession._entry_stored,
    ev.EntryDropped: ChargerSession._entry_dropped,
    ev.EntriesFetched: ChargerSession._entries_fetched,
    ev.StateKept: ChargerSession._state_kept,
    ev.Turn: ChargerSession._turn,
    ev.BackendAway: ChargerSession._backend_away,
    ev.RetryWanted: ChargerSession._retry_wanted,
    ev.RestWanted: ChargerSession._rest_wanted,
    ev.ProbeWanted: ChargerSession._probe_wanted,
}
