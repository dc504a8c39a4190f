"""What a session overhears when another backend leads: copies of what the charger says.

The other backend answers the charger, and gives its transactions their ids. Here they are booked under their
natural key until it is known what the charger calls them.
"""

from typing import TYPE_CHECKING

from gateway.ocpp import frame
from gateway.ocpp.message import Message, Version
from gateway.session import payloads
from gateway.session.book import Transaction, begun
from gateway.session.calls import Call
from gateway.session.effects import Effect, Noted
from gateway.session.payloads import Payload

if TYPE_CHECKING:
    from gateway.session.buffer import Buffer

KEEPS_UP_S = 5.0
_OF_TRANSACTIONS = frozenset({"StartTransaction", "StopTransaction", "MeterValues"})


class Copies:
    """What `buffer` makes of messages that were not meant for its backend alone."""

    def __init__(self, buffer: "Buffer") -> None:
        self.buffer = buffer

    def overhears(self, message: Message, now: float) -> bool:
        """Note what a CALL of the charger begins or ends; False when this backend cannot make sense of it.

        That is so for what belongs to a transaction (OCPP 1.6) whose start it was never told.
        """
        action, session = message.action, self.buffer.session
        if session.version is not Version.V16 or action not in _OF_TRANSACTIONS:
            return True
        payload = payloads.of_call(message.frame)
        if payload is None:
            return True
        if action == "StartTransaction":
            self._begin_copy(payloads.natural_key(action, payload), payload, now)
            return True
        id_ = payload.get("transactionId")
        if id_ is None:
            return True
        transaction = self.buffer.book.by_charger_id(id_)
        if transaction is not None and action == "StopTransaction":
            transaction.ended_at = now + session.wall_offset_s
            transaction.is_told = not transaction.key
            self.buffer.book.look()
        return transaction is not None and bool(transaction.key)

    def reading(self, data: bytes, id_at: payloads.Place | None) -> bytes | None:
        """A MeterValues as this backend is to hear it; None when that takes a closer look (OCPP 1.6).

        `id_at` is where its transaction is named, if it is known.
        """
        if id_at is None:
            return data if b'"transactionId"' not in data else None
        known = self.buffer.book.by_charger_id(id_at[0])
        if known is None or not known.key or known.refused or not isinstance(known.backend_id, int):
            return None
        return payloads.with_other(data, id_at, known.backend_id)

    def _begin_copy(self, key: str, payload: Payload, now: float) -> None:
        book = self.buffer.book
        if book.by_key(key) is None:
            # its key is its id until it is known what the charger calls it; no id of 1.6 is a text
            transaction = begun(key, key, payload, now + self.buffer.session.wall_offset_s)
            book.open(transaction)
            before = book.heard(key)  # its backend has answered, and nobody waited for it any more
            id_ = before.answer.get("transactionId") if before is not None else None
            if before is not None and isinstance(id_, int) and not book.gave(id_):
                transaction.answer = before.answer
                self.buffer.starts.note_id(transaction, id_)
            self.buffer.look()

    def given(self, key: str, id_: int, by: str, now: float) -> list[Effect]:
        """The charger knows the transaction with this key by an id that backend `by` has given."""
        transaction = self.buffer.book.by_key(key)
        if transaction is None:
            self.is_elsewhere(id_, now)
        elif (transaction.charger_id, transaction.given_by) == (id_, by):
            return []
        else:
            transaction.given_by = by
            self.buffer.book.name(transaction, id_)
        return self.buffer.lessons.keep_book()

    def misses(self, key: str, now: float) -> None:
        """The backend is not told of the transaction whose start has this key."""
        known = self.buffer.book.by_key(key)
        self.buffer.book.forget(key)
        if known is not None and isinstance(known.charger_id, int):
            self.is_elsewhere(known.charger_id, now)

    def is_elsewhere(self, id_: int, now: float) -> None:
        """The charger has a transaction of this id that this backend is not told of."""
        if self.buffer.book.by_charger_id(id_) is None:
            at = now + self.buffer.session.wall_offset_s
            self.buffer.book.open(Transaction(charger_id=id_, started_at=at))
            self.buffer.look()

    def observe(self, key: str, id_: int, result: Payload) -> list[Effect]:
        transaction = self.buffer.book.by_key(key)
        if transaction is None:
            return []
        transaction.answer = result
        if isinstance(transaction.charger_id, int):
            self.buffer.book.name(transaction, transaction.charger_id)
        self.buffer.starts.note_id(transaction, id_)
        return self.buffer.lessons.keep_book()

    def lacks_id(self, call: Call) -> bool:
        """Whether a CALL belongs to a transaction that this backend has given no id."""
        if self.buffer.session.version is not Version.V16:
            return False
        payload = payloads.of_call(call.frame) or {}
        if call.action == "StartTransaction" or "transactionId" not in payload:
            return False
        transaction = self.buffer.book.by_charger_id(payload["transactionId"])
        return transaction is None or transaction.backend_id is None

    def told_again(self, call: Call) -> list[Effect]:
        """The charger asks for a transaction's id again: it keeps what it may have heard, or gets one now."""
        book, payload = self.buffer.book, payloads.of_call(call.as_came or call.frame) or {}
        key = payloads.natural_key(call.action, payload)
        self._begin_copy(key, payload, call.came_at)
        transaction = book.by_key(key)
        assert transaction is not None
        id_: object = transaction.charger_id
        if id_ == key:
            id_ = transaction.answer.get("transactionId")
            taken = isinstance(id_, int) and self.buffer.starts.clashes(book.by_charger_id(id_), key, id_)
            id_ = self.buffer.starts.new_id() if taken else id_
        if not isinstance(id_, int):
            return []
        book.name(transaction, id_)
        self.buffer.starts.gave(key, id_)
        return self.buffer.lessons.keep_book()

    def hears(self, call: Call, key: str, answer: Payload, is_kept: bool) -> list[Effect]:
        """The charger hears `answer`, but no id for a new transaction that is not on disk.

        `is_kept`: the answer is on disk; the id may be another one since, or be given just now.
        """
        if call.action != "StartTransaction" or not self.buffer.starts.gives_ids:
            return self.buffer.hear(call, answer)
        heard = self.buffer.book.heard(key)
        if heard is None or (is_kept and heard.answer == answer):
            return self.buffer.hear(call, answer)
        return self.buffer.starts.hear_kept(call, heard.answer)

    # What may be lost

    def keeps_up(self, now: float) -> bool:
        """Whether the backend has been told all but what was said just now."""
        outbox = self.buffer.outbox
        return not outbox.messages or now + self.buffer.session.wall_offset_s - outbox.oldest < KEEPS_UP_S

    def has_at_hand(self, answer: bytes) -> bool:
        """Whether the copy of what this answers (its text from the id on) is neither sent nor on disk.

        What is being written may be the same message under another id: the charger asks again.
        """
        if not self.buffer.settings.stores:
            return False
        line = self.buffer.session.to_backend.line or ()
        return bool(self.buffer.unacked) or any(
            call.billing and answer.startswith(call.answer_id or frame.quoted(call.id)) for call in line
        )

    def store_start(self, now: float) -> list[Effect]:
        """The charger is about to hear a transaction's id; this backend may not have heard of it yet."""
        starts = [call for call in self.buffer.session.to_backend if call.action == "StartTransaction"]
        if not self.buffer.settings.stores or all(call.own is not None for call in starts):
            return []
        return self.buffer.patience.store_open(now)

    # What is missed

    @property
    def are_lost(self) -> bool:
        """Whether what is said now is lost to the backend: away or silent, and nothing is kept for it."""
        buffer = self.buffer
        is_silent = buffer.is_silent and buffer.session.to_backend.out is not None
        return (is_silent or buffer.is_away) and not buffer.settings.stores

    def loses(self, call: Call) -> bool:
        """Whether a CALL that waits is a reading that is lost to the backend, without being weighed."""
        return call.action == "MeterValues" and self.are_lost and self.may_lose(call)

    @property
    def awaits_link(self) -> bool:
        """Whether copies for a backend that nothing is stored for wait until it is there and has booted."""
        session = self.buffer.session
        return (
            session.follows
            and not (self.buffer.settings.stores or self.buffer.is_away or self.buffer.is_silent)
            and not (session.backend.is_open and self.buffer.is_registered)
        )

    def may_wait(self, call: Call, now: float) -> bool:
        session = self.buffer.session
        has_room = session.to_backend.waiting < session.settings.waiting_calls
        return self.awaits_link and has_room and now < self.buffer.patience.ends(call)

    def known(self, key: str) -> Transaction | None:
        """The transaction with this key, when this backend overheard its start."""
        known = self.buffer.book.by_key(key)
        if known is None or self.buffer.session.follows:
            return known
        return known if known.given_by or known.charger_id == key else None

    def id_for(self, key: str) -> int:
        """The id that a charger is to know a new transaction by."""
        known = self.known(key)
        known_id = known.charger_id if known is not None else None
        return known_id if isinstance(known_id, int) else self.buffer.starts.new_id()

    def may_lose(self, call: Call) -> bool:
        """Whether another backend answers the charger: it is not closed for what this one misses."""
        session = self.buffer.session
        return session.follows and (
            session.others is None or not session.others.must_answer(session, call.id)
        )

    def let_go(self, call: Call, payload: Payload, now: float) -> list[Effect]:
        """A backend has missed a message, for which there is no room, and with a start its transaction."""
        if call.action == "StartTransaction":
            self.misses(payloads.natural_key(call.action, payload), now)
        self.buffer.look()
        return [Noted("copy-lost", call.label)]
