"""The part of a session that stands in for a backend that is away, silent, or still catching up.

It answers the charger by `gateway.session.answers`, stores what must not be lost, and delivers it when the
backend is back: the boot it missed, the last statuses, then the messages in their order, one at a time,
while new ones queue behind. It knows the transactions (`gateway.session.book`) and exchanges their ids.

What carries revenue is on disk before the charger hears an answer of ours (`StoreEntry` → `EntryStored`).
The next stored message leaves only when the one before is off the disk (`DropEntry` → `EntryDropped`), so
that after a crash at most one message per charger is delivered twice, byte for byte.
"""

from typing import TYPE_CHECKING

import msgspec

from gateway.ocpp import frame
from gateway.ocpp.message import Message
from gateway.session import answers, late, payloads
from gateway.session import events as ev
from gateway.session.answers import STORED, Local, Situation, stores_nothing_else
from gateway.session.book import Book
from gateway.session.calls import Call, Own
from gateway.session.copies import Copies
from gateway.session.delivery import Delivery
from gateway.session.effects import Effect, Noted, Remember, Retried, StoreEntry
from gateway.session.knowledge import Boot, BufferSettings, Known, Owed, Shared
from gateway.session.lessons import Lessons
from gateway.session.outbox import Entry, Outbox, Unacked
from gateway.session.patience import DISK_LEAVES, Patience
from gateway.session.payloads import Payload
from gateway.session.starts import Starts

if TYPE_CHECKING:
    from gateway.session.session import ChargerSession

FULL_SHARE = 0.8
RECHECKED = 8
TRY_AGAIN_LATER = 1013


class Buffer:
    """Stands in for the backend of `session`. `attentive`: the next CALL does not just pass."""

    def __init__(
        self, session: "ChargerSession", settings: BufferSettings, shared: Shared, known: Known
    ) -> None:
        self.session = session
        self.settings = settings
        self.shared = shared
        parts = known.parts
        self.book = Book(parts.get("book", b""), parts.get("recent", b""))
        self.book.trust(known.last)
        self.boot = msgspec.json.decode(parts["boot"], type=Boot) if "boot" in parts else Boot()
        self.owed = msgspec.json.decode(parts["owed"], type=Owed) if "owed" in parts else Owed()
        self.outbox = Outbox(known.messages, known.size, known.oldest)
        self.unacked: dict[int, Unacked] = {}
        self.also_stores = stores_nothing_else
        self.saw_boot = False  # in this life of the gateway: no transaction can be going on that is not known
        self.is_away = False
        self.is_silent = False
        self.is_registered = True
        self.away_since = 0.0
        self.lessons = Lessons(self)
        self.starts = Starts(self)
        self.copies = Copies(self)
        self.delivery = Delivery(self)
        self.patience = Patience(self)
        self._recheck = 0
        self.look()

    # What others see

    @property
    def is_usable(self) -> bool:
        """Whether the backend can be asked: its link is open, it answers, and it accepted the charger."""
        return self.session.backend.is_open and self.is_registered and not self.is_silent

    @property
    def owes(self) -> bool:
        """Whether the backend has to hear anything that the charger was answered for."""
        return self.outbox.is_busy or bool(self.owed.boot or self.owed.statuses)

    def has_room(self, wall: float) -> bool:
        """Whether more may be stored; below the bounds, so that what is under way has room too."""
        outbox, settings = self.outbox, self.settings
        return (
            self.shared.can_store
            and outbox.messages + outbox.unstored < FULL_SHARE * settings.max_messages
            and outbox.size < FULL_SHARE * settings.max_bytes
            and not (outbox.messages > 0 and wall - outbox.oldest > settings.max_age_s)
        )

    def look(self) -> None:
        """Work out `attentive` and, but for ids that have to be exchanged, `is_calm`; see the class."""
        self.is_calm = self.is_usable and not (self.owes or self._recheck > 0 or self.unacked)
        self.attentive = not self.is_calm or self.book.is_mapped

    # CALLs of the charger

    def take(self, call: Call, now: float) -> list[Effect] | None:
        """What becomes of a CALL of the charger; None: it is relayed, or waits for the link, as usual."""
        call.epoch = self.session.charger.epoch
        if self.is_usable and call.action not in STORED and not self.outbox.is_busy:
            return None
        payload = payloads.of_call(call.frame)
        if payload is None:
            return None if self.is_usable else self.session.refuse(call)
        if self.session.to_backend.out is None:
            self.is_silent = False  # nothing is left unanswered: let the backend show what it can
        keeps = self.keeps(call.action, payload)
        self._recheck -= keeps and self._recheck > 0
        self.look()
        before: list[Effect] = []
        if keeps:
            before = self.patience.store_out(now) if self.is_silent or self.outbox.is_busy else []
            kept = self._kept(call, payload, now)
            if kept is not None:
                return [*before, *kept]
        if self.is_usable or self.delivery.boots_live(call) or (keeps and self.copies.may_wait(call, now)):
            return None
        local = self.local(call.action, payload, now)
        if not self._answers_now(local, call, now):
            return None
        if keeps:
            before += self.patience.store_waiting(now)
        kept = self.store(call, payload, now) if keeps else self.answer(call, payload, now)
        return [*before, *kept]

    def _kept(self, call: Call, payload: Payload, now: float) -> list[Effect] | None:
        """What becomes of a CALL that was answered before, or has to wait behind others."""
        repeated = self.repeated(call, payload) if call.action in STORED else None
        if repeated is not None:
            return repeated
        id_ = payloads.transaction_of(call.action, payload)
        waits = self.outbox.is_busy or (self.book.is_refused(id_) and not self._starts)
        return [*self.patience.store_open(now), *self.store(call, payload, now)] if waits else None

    @property
    def _starts(self) -> bool:
        """Whether the backend is just being told of a transaction that it has not named yet."""
        return any(call.action == "StartTransaction" for call in self.session.to_backend)

    def keeps(self, action: str, payload: Payload) -> bool:
        """Whether a CALL must reach the backend later."""
        return action in STORED or self.also_stores(action, payload)

    def _answers_now(self, local: Local | None, call: Call, now: float) -> bool:
        """Whether it is known that the backend will not answer, or nobody would mind if it did later."""
        if self.is_away or self.session.backend.is_open or local is None or local.harmless:
            return True
        deadline = call.came_at + DISK_LEAVES * self.session.settings.answer_deadline_s
        return now >= min(self.away_since + self.settings.hold_s, deadline)

    def answer(self, call: Call, payload: Payload, now: float) -> list[Effect]:
        """The charger hears an answer of ours, and at most the last of its kind is owed to the backend."""
        local = self.local(call.action, payload, now)
        if local is None:
            return self.session.refuse(call)
        effects: list[Effect] = [Noted("answered-locally", call.label)]
        if call.action == "BootNotification":
            self.owed.boot = call.frame.decode()
            self.is_registered = False
            self.delivery.boot_again_at = now
        elif call.action == "StatusNotification":
            self.owed.add_status(answers.status_key(payload), call.frame.decode())
        else:
            return [*effects, *self.hear(call, local.payload)]
        return [*effects, self.remember_owed(), *self.hear(call, local.payload)]

    def hear(self, call: Call, answer: Payload) -> list[Effect]:
        """The charger hears an answer, if it is still on the connection it asked on."""
        charger = self.session.charger
        if call.own is Own.MADE or not charger.is_current(call.epoch):
            return []
        data = frame.result(call.answer_id or call.id, msgspec.json.encode(answer))
        return self.session.heard(data, call.action)

    def repeated(self, call: Call, payload: Payload) -> list[Effect] | None:
        """A message that was answered already, or is about to be, hears the same again."""
        last = self.session.last_billing
        if last is not None and (again := last.answer_to(call, True)):
            return [*self.session.repeated(call), *self.session.heard(again, call.action)]
        if not (self.unacked or self.book.has_recent or call.action == "StartTransaction"):
            return None
        key, content = payloads.natural_key(call.action, payload), payloads.digest(payload)
        if self._is_waited_for(call, key, content):
            return self.session.repeated(call)
        heard = self.book.heard(key)
        if heard is None:
            return None
        if heard.content in ("", content):
            return self._again(call, key, heard.answer)
        self.session.tally.events["entry-conflict"] += 1
        self.book.unheard(key)
        return None

    def _is_waited_for(self, call: Call, key: str, content: str) -> bool:
        """Whether the same message is on its way to the disk; the last one is answered."""
        for unacked in self.unacked.values():
            if unacked.key == key and unacked.content == content:
                unacked.call = call
                return True
        for number, waiting in self.starts.unkept.items():
            if waiting.answer_to(call, True):
                call.answer = waiting.answer_to(call, True)
                self.starts.unkept[number] = call
                return True
        return False

    def _again(self, call: Call, key: str, answer: Payload) -> list[Effect]:
        """The charger hears once more what it was answered, or would have been, had this backend led."""
        effects = self.session.repeated(call)
        return [*effects, *self.copies.hears(call, key, answer, False)]

    # Storing

    def local(self, action: str, payload: Payload, now: float, id_: int = 0) -> Local | None:
        wall = now + self.session.wall_offset_s
        situation = Situation(
            self.session.version,
            wall + self.boot.clock_ahead_s,
            self.boot.was_accepted,
            self.boot.interval_s,
            self.settings.unknown_tags,
            lambda tag: self.shared.tags.standing(tag, wall, self.settings.tags_keep_s),
            id_ or self.book.peek_id(),
        )
        return answers.answer(action, payload, situation)

    def store(
        self, call: Call, payload: Payload, now: float, was_sent: bool = False, reply: Message | None = None
    ) -> list[Effect]:
        """Write the CALL down; the charger hears our answer when it is on disk.

        With a `reply`, the backend has it already: the charger hears that, with the id that we give.
        """
        session = self.session
        has_room = self.has_room(now + session.wall_offset_s)
        if not (has_room and self.settings.stores) and self.copies.may_lose(call):
            return self.copies.let_go(call, payload, now)
        if call.own is None:
            call.epoch = session.charger.epoch
        if not has_room:
            return session.close_charger("outbox-full", TRY_AGAIN_LATER, "no room for messages", now)
        key, content = payloads.natural_key(call.action, payload), payloads.digest(payload)
        id_ = self.copies.id_for(key) if call.action == "StartTransaction" else 0
        local = self.local(call.action, payload, now, id_)
        assert local is not None
        answer = local.payload
        if reply is not None:
            answer = (payloads.of_result(reply.frame) or {}) | {"transactionId": id_}
        came_at, data = call.came_at + session.wall_offset_s, call.as_came or call.frame
        number = self.book.number()
        energy_wh = self.lessons.enter(call.action, payload, key, answer, came_at, number)
        if call.action == "TransactionEvent" and not was_sent:
            data = payloads.marked_offline(data, payload)
        if call.action in STORED:
            self.book.hears(key, content, answer, number)
        self._recheck = RECHECKED
        entry = Entry(number, came_at, session.version.value, call.action, data)
        self.unacked[number] = Unacked(call, key, content, answer, entry, reply)
        self.outbox.unstored += 1
        self.look()
        parts = self.book.changed_parts()
        return [StoreEntry(number, call.label, data, came_at, session.version, parts, energy_wh)]

    def stored(self, event: ev.EntryStored, now: float) -> list[Effect]:
        """A message is on disk: now the charger may hear so."""
        unacked = self.unacked.pop(event.number, None)
        if unacked is None:
            return []
        self.outbox.unstored -= 1
        if not event.durable:
            self.book.unheard(unacked.key)
            is_lost = self.copies.may_lose(unacked.call)
            if is_lost:
                self.copies.misses(unacked.key, now)
            else:
                self.book.forget(unacked.key)  # and write the rest of its page with the next entry
            self.delivery.unstored(event.number)
            self.look()
            if is_lost:
                return [Noted("outbox-failed"), Noted("copy-lost", unacked.call.label)]
            return self.session.close_charger("outbox-failed", TRY_AGAIN_LATER, "nothing can be stored", now)
        self.book.durable(event.number)
        self.outbox.add(unacked.entry)
        effects: list[Effect] = [
            Noted("entry-stored", unacked.call.label),
            Noted("answered-locally", unacked.call.label),
            *self.copies.hears(unacked.call, unacked.key, unacked.answer, True),
        ]
        self.look()
        if unacked.reply is not None:
            return [*effects, *self.delivery.delivered(unacked.call, unacked.entry, unacked.reply, now)]
        return [*effects, *self.session.go_on(now)]

    # The backend's link

    def backend_opened(self, now: float) -> None:
        self.is_away = self.is_silent = False
        self.is_registered = not self.owed.boot
        self.delivery.link_opened(now)
        self.look()

    def backend_lost(self, now: float) -> list[Effect]:
        """What was out may have arrived or not: what is stored is sent again, what is not is stored now."""
        calls = self.session.to_backend
        out, calls.out, calls.late = calls.out, None, None
        self.away_since = now
        self.is_silent = False
        self.look()
        effects = self._lost(out, now) if out is not None else []
        return [*effects, *self.patience.absorb(now)]

    def _lost(self, out: Call, now: float) -> list[Effect]:
        """The CALL that was out when the link went."""
        if out.retry:
            return [Retried(out.retry, False, "the connection closed before an answer came")]
        if out.own is not None and out.own is not Own.MADE:
            return []
        payload = payloads.of_call(out.as_came or out.frame)
        if payload is not None and out.action in STORED:
            return self.store(out, payload, now, was_sent=True)
        self.session.to_backend.wait_first(out)
        return []

    def charger_opened(self, now: float) -> list[Effect]:
        """It may send again what it did not hear the answer to; commands that it missed are due."""
        self.expects_again()
        return late.stops(self, now)

    def expects_again(self) -> None:
        """Compare the charger's next CALLs with what was answered already."""
        self._recheck = RECHECKED
        self.look()

    def charger_left(self, last: Call | None, now: float) -> list[Effect]:
        """It may come again with what it was answered last; a boot that it told itself is ours to tell."""
        if self.owed.boot:
            self.delivery.boot_again_at = min(self.delivery.boot_again_at, now)
        if last is None:
            return []
        self.lessons.note_heard(last)
        return [Remember(*self.book.recent_part())]

    def remember_owed(self) -> Remember:
        self.look()
        return Remember("owed", msgspec.json.encode(self.owed))
