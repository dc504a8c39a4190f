"""How a transaction of OCPP 1.6 gets the number that its charger knows it by, and the one of its backend."""

from typing import TYPE_CHECKING

import msgspec

from gateway.ocpp import frame
from gateway.ocpp.message import Message
from gateway.session import payloads
from gateway.session.book import Transaction, begun
from gateway.session.calls import Call, Own
from gateway.session.effects import Effect, KeepState
from gateway.session.outbox import Entry
from gateway.session.payloads import Payload

if TYPE_CHECKING:
    from gateway.session.buffer import Buffer


class Starts:
    """Looks after the starts in the book of `buffer`.

    `unkept` are the CALLs whose answer waits until the book is on disk, by the number of `KeepState`.
    """

    def __init__(self, buffer: "Buffer") -> None:
        self.buffer = buffer
        self.unkept: dict[int, Call] = {}

    def observe(
        self, call: Call, request: Payload, result: Payload, data: bytes, now: float
    ) -> tuple[bytes, list[Effect]]:
        """Note a transaction that the backend itself began.

        Its id may be one that we have given away for another; then the charger gets one of ours, and no
        answer before that is on disk.
        """
        buffer, id_ = self.buffer, result.get("transactionId")
        if not isinstance(id_, int):
            return data, []
        key = payloads.natural_key("StartTransaction", request)
        if buffer.session.follows or call.own is Own.MISSED:
            return data, buffer.copies.observe(key, id_, result)
        known = buffer.book.by_key(key)
        if known is not None and known.backend_id is None and isinstance(known.charger_id, int):
            return self._keep_first(call, self._named_before(call, known, result))
        reply = frame.split(data)
        if self.clashes(buffer.book.by_charger_id(id_), key, id_) and reply is not None:
            return b"", buffer.store(call, request, now, was_sent=True, reply=reply)
        if known is not None and known.charger_id == key:
            self.note_id(known, id_)
            known.answer = result
            buffer.book.name(known, id_)
        else:
            self._begin(key, id_, request, result, now)
        self.gave(key, id_)
        return self._keep_first(call, data)

    def _begin(self, key: str, id_: int, request: Payload, result: Payload, now: float) -> None:
        """The backend and the charger know a new transaction by the same id."""
        transaction = begun(id_, key, request, now + self.buffer.session.wall_offset_s)
        transaction.backend_id, transaction.answer = id_, result
        self.buffer.book.open(transaction)

    def _named_before(self, call: Call, known: Transaction, result: Payload) -> bytes:
        """The answer of a backend to a start that was answered before: the charger keeps what it may know."""
        assert isinstance(known.charger_id, int)
        self.note_id(known, result["transactionId"])
        known.answer = result
        self.buffer.book.name(known, known.charger_id)
        self.gave(known.key, known.charger_id)
        return frame.result(call.answer_id or call.id, msgspec.json.encode(known.answer))

    def _keep_first(self, call: Call, data: bytes) -> tuple[bytes, list[Effect]]:
        """With other backends, what they call it depends on its id: on disk before the charger hears it."""
        if self.buffer.session.others is None:
            return data, []
        return b"", self._keep(call, data)

    def _keep(self, call: Call, data: bytes) -> list[Effect]:
        self.buffer.look()
        number = -self.buffer.book.number()  # numbers above 0 are the bridge's
        if call.own is None:
            call.answer, self.unkept[number] = data, call
        return [KeepState(number, self.buffer.book.parts())]

    def hear_kept(self, call: Call, answer: Payload) -> list[Effect]:
        """The charger asked for a transaction's id again, and hears one that may not be on disk yet."""
        return self._keep(call, frame.result(call.answer_id or call.id, msgspec.json.encode(answer)))

    def kept(self, number: int) -> list[Effect]:
        """The charger may hear the answer to its StartTransaction; also when nothing can be written now."""
        call = self.unkept.pop(number, None)
        session = self.buffer.session
        if call is None or not session.charger.is_current(call.epoch):
            return []
        return session.heard(call.answer, call.action)

    def clashes(self, taken: Transaction | None, key: str, id_: int) -> bool:
        """Whether the charger must not know a new transaction by this id, which `taken` has in the book.

        With other backends no id may be had twice: what one of them has missed is found by it later.
        """
        if taken is not None and taken.backend_id != id_:
            return True
        others = self.buffer.session.others
        return others is not None and (id_ <= 0 or others.is_taken(id_, key))

    def new_id(self) -> int:
        """A provisional id that no transaction of this charger has."""
        others = self.buffer.session.others
        while True:
            id_ = self.buffer.book.new_id()
            if others is None or not others.is_taken(id_):
                return id_

    @property
    def gives_ids(self) -> bool:
        """Whether the charger hears from this session which id the others are to know a transaction by."""
        return self.buffer.session.others is not None and not self.buffer.session.follows

    def gave(self, key: str, id_: object) -> None:
        """The charger knows a transaction by this id: the other backends' sessions are to know that."""
        session = self.buffer.session
        if session.others is not None and self.gives_ids and isinstance(id_, int):
            session.others.gave(session, key, id_)

    # The backend's ids

    def learn_id(self, entry: Entry, request: Payload, result: Payload) -> Transaction | None:
        """The transaction an entry belongs to, with the id that the backend gave it."""
        if entry.action != "StartTransaction":
            return self.buffer.book.by_charger_id(payloads.transaction_of(entry.action, request))
        transaction = self.buffer.book.by_key(payloads.natural_key(entry.action, request))
        id_ = result.get("transactionId")
        if transaction is not None and isinstance(id_, int):
            self.note_id(transaction, id_)
        return transaction

    def note_id(self, transaction: Transaction, id_: int) -> None:
        """The backend knows a transaction by this id."""
        other = self.buffer.book.by_backend_id(id_)
        taken = other is not None and other is not transaction and other.is_open
        transaction.suspect = id_ <= 0 or taken
        transaction.backend_id = id_
        self.buffer.book.look()

    def retried(self, call: Call, message: Message) -> None:
        """A person had a message sent again, and the backend took it: a start gives the rest a meaning."""
        if call.action != "StartTransaction":
            return
        request = payloads.of_call(call.as_came or call.frame) or {}
        transaction = self.buffer.book.by_key(payloads.natural_key(call.action, request))
        id_ = (payloads.of_result(message.frame) or {}).get("transactionId")
        if transaction is not None and isinstance(id_, int):
            transaction.backend_id, transaction.refused = id_, False
            self.buffer.book.look()
            self.buffer.look()
