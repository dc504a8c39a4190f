"""What a backend that is back hears: the boot it missed, the last statuses, then the stored messages.

One at a time, in their order. The next leaves only when the one before is off the disk.
"""

from typing import TYPE_CHECKING

from gateway.ocpp import frame
from gateway.ocpp.actions import carries_revenue
from gateway.ocpp.flags import Flag, FlagCode
from gateway.ocpp.message import Message, MessageType, Sender
from gateway.session import answers, late, payloads
from gateway.session import events as ev
from gateway.session.answers import STORED
from gateway.session.calls import Call, Own
from gateway.session.effects import (
    DropEntry,
    Effect,
    FetchEntries,
    Noted,
    Remember,
    WantTurn,
)
from gateway.session.lessons import BOOKED
from gateway.session.outbox import WINDOW, Entry
from gateway.session.payloads import Payload

if TYPE_CHECKING:
    from gateway.session.buffer import Buffer

CALLRESULT = MessageType.CALLRESULT
CHARGER = Sender.CHARGER
NEVER = float("inf")
LONGEST_RETRY_S = 900.0
DROP_AGAIN_S = 1.0
BOOT_AGAIN_S = 60.0
REPORT_AGE_S = 3600.0


class Delivery:
    """Brings what `buffer` owes to the backend.

    `settling` is the number of the entry whose end is being written down, 0 for none; until then nothing
    else is sent. `boot_again_at` is when the backend is to be told of the boot it missed, `fetch_again_at`
    when entries that could not be read are asked for again, `drop_again_at` when one that could not be
    taken off the disk is. `first_in_time` is the number of the first entry that came, if one did, while this
    link of the backend was open.
    """

    def __init__(self, buffer: "Buffer") -> None:
        self.buffer = buffer
        self.settling = 0
        self.boot_again_at = NEVER
        self.fetch_again_at = 0.0
        self.drop_again_at = NEVER
        self._burying: dict[int, Entry] = {}
        self.first_in_time = 0
        self._turns = 0
        self._has_asked = False

    @property
    def _retry_s(self) -> float:
        return self.buffer.settings.retry_s

    def link_opened(self, now: float) -> None:
        """A new link: what is owed may go."""
        self.boot_again_at = now if self.buffer.owed.boot else NEVER
        self.first_in_time = self.buffer.book.next_number
        self._turns, self._has_asked = 0, False

    def unstored(self, number: int) -> None:
        """An entry could not be written; the backend may have it all the same, and say so."""
        out = self.buffer.session.to_backend.out
        if out is not None and out.own is Own.ENTRY and out.entry == number:
            out.own = Own.MISSED if self.buffer.session.follows else Own.ABANDONED
        if self.settling == number:
            self.settling = 0

    def boots_live(self, call: Call) -> bool:
        """A charger that boots while the backend is there speaks for itself, as long as it is there."""
        if (
            call.action != "BootNotification"
            or not self.buffer.session.backend.is_open
            or self.buffer.is_silent
        ):
            return False
        if self.buffer.owed.boot:
            self.buffer.owed.boot = call.frame.decode()
            self.boot_again_at = NEVER
        return True

    def boots_first(self, now: float) -> bool:
        """Whether the backend has to be told of a boot before it hears anything else."""
        return bool(self.buffer.owed.boot) and now >= self.boot_again_at

    def pump(self, now: float) -> list[Effect]:
        """Nothing is out and nothing waits in the line: what is owed goes next."""
        session = self.buffer.session
        if self.settling or not session.backend.is_open:
            return []
        if self.buffer.owed.boot and now >= self.boot_again_at:
            return self._send("BootNotification", self.buffer.owed.boot.encode(), Own.BOOT, now)
        bridge = session.bridge
        if not self.buffer.is_registered or (bridge is not None and not bridge.translator.listens):
            return []
        if bridge is not None and self.buffer.outbox.is_busy:  # a translator makes events of statuses
            return self._send_head(now)
        for key, text in self.buffer.owed.statuses.items():
            return self._send("StatusNotification", text.encode(), Own.STATUS, now, about=key)
        return self._send_head(now)

    def _send_head(self, now: float) -> list[Effect]:
        outbox = self.buffer.outbox
        after = outbox.fetch_after
        if after is not None and now >= self.fetch_again_at:
            outbox.is_fetching = True
            self.fetch_again_at = 0.0
            return [FetchEntries(after, WINDOW)]
        if not outbox.window or now < outbox.window[0].retry_at:
            return []
        entry = outbox.window[0]
        if self._turns <= 0:
            asked, self._has_asked = self._has_asked, True
            return [] if asked else [WantTurn()]
        payload = payloads.of_call(entry.frame)
        flag = self._undeliverable(entry, payload, now)
        if flag is not None:
            return self.bury(entry, flag, now)
        self._turns -= 1
        assert payload is not None
        data = self.buffer.lessons.with_backend_id(payload, entry.frame)
        return self._send(entry.action, data, Own.ENTRY, now, entry=entry.number)

    def _undeliverable(self, entry: Entry, payload: Payload | None, now: float) -> Flag | None:
        """Why an entry must not be sent, if so."""
        session = self.buffer.session
        if payload is None or entry.version != session.version.value:
            return Flag(FlagCode.VERSION_MISMATCH, before=f'"{entry.version}"')
        if entry.action in answers.REPORTS and now + session.wall_offset_s - entry.came_at > REPORT_AGE_S:
            return Flag(FlagCode.REPORT_EXPIRED)
        id_ = payloads.transaction_of(entry.action, payload)
        transaction = self.buffer.book.by_charger_id(id_) if id_ is not None else None
        is_lost = transaction is None and self.buffer.book.gave(id_)
        if is_lost or (transaction and (transaction.refused or transaction.backend_id is None)):
            return Flag(FlagCode.TRANSACTION_REFUSED, "transactionId", before=str(id_))
        return None

    def _send(
        self, action: str, data: bytes, own: Own, now: float, entry: int = 0, about: str = ""
    ) -> list[Effect]:
        message = frame.split(b"[" + data.strip()[1:].lstrip())
        id_ = message.id if message is not None else ""
        billing = own is Own.ENTRY
        call = Call(id_, action, action, data, now, billing, own=own, entry=entry, about=about)
        return self.buffer.session.send_own(call, now)

    def turn(self, event: ev.Turn, now: float) -> list[Effect]:
        """So many stored messages may leave."""
        self._turns = event.messages
        self._has_asked = False
        return self.buffer.session.go_on(now)

    def fetched(self, event: ev.EntriesFetched, now: float) -> list[Effect]:
        if event.entries is None:
            self.buffer.outbox.is_fetching = False
            self.fetch_again_at = now + DROP_AGAIN_S
            return []
        self.buffer.outbox.fetched(list(event.entries))
        self.buffer.look()
        return self.buffer.session.go_on(now)

    def answered(self, call: Call, message: Message, now: float) -> list[Effect]:
        """The backend answered a CALL of ours."""
        self.buffer.is_silent = False
        if (others := self.buffer.session.others) is not None:
            others.answered(self.buffer.session, call, message.frame)
        effects: list[Effect] = []
        match call.own:
            case Own.BOOT:
                effects = self._booted(message, now)
            case Own.STATUS:
                if self.buffer.owed.statuses.get(call.about, "").encode() == call.frame:
                    del self.buffer.owed.statuses[call.about]
                    effects = [self.buffer.remember_owed()]
            case Own.ABANDONED | Own.MISSED if message.type is CALLRESULT and call.action in STORED:
                effects = self._answered_to_nobody(call, message, now)
            case Own.ENTRY if call.entry in self.buffer.unacked:
                self.buffer.unacked[call.entry].reply = message
                self.settling = call.entry
            case Own.ENTRY:
                effects = self._settle(call, self.buffer.outbox.window[0], message, now)
        self.buffer.look()
        effects += self.buffer.session.go_on(now)
        return effects if self.buffer.owes else [*effects, *self.buffer.session.end_if_idle(now)]

    def _answered_to_nobody(self, call: Call, message: Message, now: float) -> list[Effect]:
        """Nobody waits for it now, but the charger will ask again, and is to hear the same."""
        call.answer, effects = self.buffer.lessons.observe(call, message.frame, now)
        if not call.answer:
            return effects
        self.buffer.lessons.note_heard(call)
        self.buffer.expects_again()
        return [*effects, Remember(*self.buffer.book.recent_part())]

    def _booted(self, message: Message, now: float) -> list[Effect]:
        payload = payloads.of_result(message.frame) if message.type is CALLRESULT else None
        if payload is not None and payload.get("status") == "Accepted":
            self.buffer.owed.boot = ""
            self.buffer.is_registered = True
            self.boot_again_at = NEVER
            return [*self.buffer.lessons.booted(payload, now), self.buffer.remember_owed()]
        return self.not_accepted(payload or {}, now)

    def not_accepted(self, result: Payload, now: float) -> list[Effect]:
        """The backend does not take the charger yet: it is told of the boot again."""
        interval = result.get("interval")
        self.boot_again_at = now + (interval if isinstance(interval, int) and interval > 0 else BOOT_AGAIN_S)
        self.buffer.is_registered = False
        return [Noted("backend-boot-pending"), *self.buffer.patience.absorb(now)]

    def expired(self, call: Call, now: float) -> list[Effect]:
        """The backend left a CALL unanswered: a boot that the charger does not repeat it is told again."""
        if call.action != "BootNotification" or not self.buffer.session.follows:
            return []
        self.buffer.owed.boot = call.frame.decode()
        return [*self.not_accepted({}, now), self.buffer.remember_owed()]

    def _settle(self, call: Call, entry: Entry, message: Message, now: float) -> list[Effect]:
        if message.type is CALLRESULT:
            return self.delivered(call, entry, message, now)
        entry.refuse(message, now + min(self._retry_s * 2**entry.refused, LONGEST_RETRY_S))
        is_final = message.error_code in ("NotImplemented", "NotSupported") and not carries_revenue(
            entry.action
        )
        if is_final or entry.refused >= self.buffer.settings.max_refusals:
            return self.bury(entry, Flag(FlagCode.REFUSED_BY_BACKEND, after=message.error_code), now)
        return [_refused(call, entry)]

    def delivered(self, call: Call, entry: Entry, message: Message, now: float) -> list[Effect]:
        """The backend has it: learn from the answer, and take it off the disk."""
        if message.type is not CALLRESULT:
            self.settling = 0
            return self._settle(call, entry, message, now)
        request = payloads.of_call(entry.frame) or {}
        result = payloads.of_result(message.frame) or {}
        info = result.get("idTagInfo", result.get("idTokenInfo"))
        self.buffer.shared.tags.learn(payloads.tag_of(request), info, now + self.buffer.session.wall_offset_s)
        transaction = self.buffer.starts.learn_id(entry, request, result)
        effects = late.refused(self.buffer, entry, transaction, request, info, now)
        self.settling = entry.number
        if entry.action == "StopTransaction":
            self.buffer.lessons.told(request)
        parts = self.buffer.book.parts() if entry.action in BOOKED or effects else self.buffer.book.recent()
        latency_s = max(now - call.sent_at, 1e-6)
        return [DropEntry(entry.number, parts, latency_s), *effects]

    def bury(self, entry: Entry, flag: Flag, now: float) -> list[Effect]:
        """The entry goes to quarantine; a start takes along what belongs to its transaction."""
        payload = payloads.of_call(entry.frame) or {}
        if entry.action == "StartTransaction":
            transaction = self.buffer.book.by_key(payloads.natural_key(entry.action, payload))
            if transaction is not None:
                transaction.refused = True
                self.buffer.book.look()
        number, told = self.buffer.session.flagged_with_number(entry.action, entry.frame, [flag])
        self._burying[number] = entry
        self.settling = entry.number
        return [Noted("entry-quarantined", entry.action), told]

    def kept(self, number: int, durable: bool, now: float) -> list[Effect] | None:
        """Whether a message that was to go to quarantine is there; None when it is none of ours."""
        entry = self._burying.pop(number, None)
        if entry is None:
            return None
        if durable:
            if entry.action == "StopTransaction":
                self.buffer.lessons.told(payloads.of_call(entry.frame) or {})
            return [DropEntry(entry.number, self.buffer.book.parts())]
        entry.retry_at = now + self._retry_s
        self.settling = 0
        return []

    def dropped(self, event: ev.EntryDropped, now: float) -> list[Effect]:
        """An entry is off the disk: the next one's turn has come."""
        if event.number != self.settling:
            return []
        if not event.durable:
            self.drop_again_at = now + DROP_AGAIN_S
            return []
        self.settling = 0
        self.buffer.outbox.remove(event.number)
        self.buffer.look()
        if self.buffer.owes:
            return [Noted("entry-delivered"), *self.buffer.session.go_on(now)]
        return [
            Noted("entry-delivered"),
            Noted("outbox-drained"),
            *self.buffer.session.go_on(now),
            *self.buffer.session.end_if_idle(now),
        ]

    def put_back(self, now: float) -> list[Effect]:
        """The stored message that is out has not reached the backend: it is sent again before long."""
        calls, outbox = self.buffer.session.to_backend, self.buffer.outbox
        out, calls.out = calls.out, None
        if outbox.window and out is not None and outbox.window[0].number == out.entry:
            outbox.window[0].retry_at = now + DROP_AGAIN_S
        self.buffer.session.due = min(self.buffer.session.due, now + DROP_AGAIN_S)
        return []

    def absorbs(self, call: Call) -> bool:
        """Whether a CALLERROR to this CALL stays here: revenue is tried again instead of refused."""
        mine = call.own is None and not call.retry and call.doubt is None
        return mine and self.buffer.settings.absorbs_refusals and carries_revenue(call.action)

    def absorb_error(self, call: Call, message: Message, now: float) -> list[Effect]:
        """The backend refused revenue data: store it, answer for the backend, try again later."""
        payload = payloads.of_call(call.as_came or call.frame)
        assert payload is not None
        effects = self.buffer.store(call, payload, now, was_sent=True)
        told = Noted("delivery-refused", call.label)
        for unacked in self.buffer.unacked.values():
            if unacked.call is call:
                unacked.entry.refuse(message, now + self._retry_s)
                told = _refused(call, unacked.entry)
        return [told, *effects, *self.buffer.patience.absorb(now)]

    def drop_again(self) -> DropEntry:
        """What is done with could not be taken off the disk: once more, with what is known now."""
        self.drop_again_at = NEVER
        return DropEntry(self.settling, self.buffer.book.parts())


def _refused(call: Call, entry: Entry) -> Noted:
    return Noted("delivery-refused", f"{call.label}: {entry.error}", entry.refused == 1)
