"""What passing messages teach a session for the time without a backend; the exchange of transaction ids."""

from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from gateway.ocpp import frame
from gateway.ocpp.message import Message, Version
from gateway.ocpp.times import seconds
from gateway.session import payloads
from gateway.session.book import Transaction, begun
from gateway.session.calls import Call
from gateway.session.effects import Effect, Remember
from gateway.session.knowledge import Boot
from gateway.session.payloads import Payload

if TYPE_CHECKING:
    from gateway.session.buffer import Buffer

OBSERVED = frozenset(
    {
        "BootNotification",
        "Heartbeat",
        "Authorize",
        "StartTransaction",
        "StopTransaction",
        "TransactionEvent",
    }
)
"""Whose answers teach something for the time without a backend."""

BOOKED = frozenset({"StartTransaction", "StopTransaction"})

NAMING = {
    "RemoteStopTransaction": ("transactionId",),
    "SetChargingProfile": ("csChargingProfiles", "transactionId"),
}
"""The backend's CALLs that name a transaction, and where (OCPP 1.6 §6.41, §6.43)."""


class Lessons:
    """Keeps the book of `buffer`, and what else it knows, up to date."""

    def __init__(self, buffer: "Buffer") -> None:
        self.buffer = buffer

    def lacks_start(self, message: Message) -> bool:
        """Whether a message belongs to a transaction that the backend has given no id."""
        payload = payloads.of_call(message.frame) or {}
        known = self.buffer.book.by_charger_id(payloads.transaction_of(message.action, payload))
        return known is not None and known.backend_id is None

    def observe(self, call: Call, data: bytes, now: float) -> tuple[bytes, list[Effect]]:
        """The answer to a relayed CALL, as the charger is to hear it, and what is to be kept of it."""
        result = payloads.of_result(data)
        request = payloads.of_call(call.frame)
        if result is None or request is None:
            return data, []
        wall = now + self.buffer.session.wall_offset_s
        info = result.get("idTagInfo", result.get("idTokenInfo"))
        if info is not None:
            self.buffer.shared.tags.learn(payloads.tag_of(request), info, wall)
        match call.action:
            case "BootNotification":
                return data, [*self.booted(result, now), *self._accepted(call, result, now)]
            case "Heartbeat":
                self._learn_clock(result, now)
            case "StartTransaction":
                return self.buffer.starts.observe(call, request, result, data, now)
            case "StopTransaction":
                transaction = self.buffer.book.by_charger_id(request.get("transactionId"))
                transaction = transaction or self.buffer.book.by_backend_id(request.get("transactionId"))
                if transaction is not None:
                    transaction.ended_at = wall
                    transaction.is_told = True
                    if self.buffer.session.others is not None:  # they ask whether the charger is free to move
                        return data, self.keep_book()
        return data, []

    def _accepted(self, call: Call, result: Payload, now: float) -> list[Effect]:
        """The backend has heard the boot of a charger that told it itself."""
        self.buffer.saw_boot = True
        if result.get("status") != "Accepted":
            if not self.buffer.session.follows:
                return []
            self.buffer.owed.boot = (
                call.frame.decode()
            )  # the charger hears another backend, and boots no more
            return [*self.buffer.delivery.not_accepted(result, now), self.buffer.remember_owed()]
        self.buffer.is_registered = True
        was_owed, self.buffer.owed.boot = self.buffer.owed.boot, ""
        self.buffer.look()
        return [self.buffer.remember_owed()] if was_owed else []

    def booted(self, result: Payload, now: float) -> list[Effect]:
        self._learn_clock(result, now)
        interval = result.get("interval")
        known = Boot(
            result.get("status") == "Accepted",
            interval if isinstance(interval, int) else 0,
            round(self.buffer.boot.clock_ahead_s),
        )
        before, self.buffer.boot = self.buffer.boot, known
        return [Remember("boot", msgspec.json.encode(known))] if known != before else []

    def _learn_clock(self, result: Payload, now: float) -> None:
        text = result.get("currentTime")
        moment = seconds(text) if isinstance(text, str) else None
        if moment is not None:
            self.buffer.boot.clock_ahead_s = moment - (now + self.buffer.session.wall_offset_s)

    def told(self, request: Payload) -> None:
        """Nothing more of this StopTransaction's transaction is to be told to the backend."""
        transaction = self.buffer.book.by_charger_id(request.get("transactionId"))
        if transaction is not None:
            transaction.is_told = True

    def for_charger(self, message: Message) -> Message | bytes:
        """A CALL of the backend as the charger understands it, or our refusal of it.

        A backend that follows can only mean what it gave an id itself: any other may be the leader's.
        """
        path, follows = NAMING.get(message.action), self.buffer.session.follows
        may_differ = follows or self.buffer.book.is_mapped
        payload = payloads.of_call(message.frame) if path and may_differ else None
        if payload is None or path is None:
            return message
        inner = payload if len(path) == 1 else payload.get(path[0])
        id_ = inner.get(path[-1]) if isinstance(inner, dict) else None
        if not isinstance(id_, int):
            return message
        transaction = self.buffer.book.by_backend_id(id_)
        if transaction is None and not follows and self.buffer.book.by_charger_id(id_) is None:
            return message
        if transaction is None or transaction.suspect:
            return frame.result(message.id_literal or message.id, b'{"status":"Rejected"}')
        if transaction.charger_id == id_:
            return message
        return structs.replace(
            message, payload=b"", frame=payloads.with_member(message.frame, path, transaction.charger_id)
        )

    def exchange_id(self, call: Call) -> None:
        """Put the backend's transaction id where the charger says its own; the CALL is about to leave."""
        payload = payloads.of_call(call.frame)
        if payload is not None:
            changed = self.with_backend_id(payload, call.frame)
            if changed is not call.frame:
                call.as_came, call.frame = call.frame, changed

    def with_backend_id(self, payload: Payload, data: bytes) -> bytes:
        if self.buffer.session.version is not Version.V16 or "transactionId" not in payload:
            return data
        transaction = self.buffer.book.by_charger_id(payload["transactionId"])
        id_ = transaction.backend_id if transaction is not None else None
        if transaction is None or not isinstance(id_, int) or id_ == transaction.charger_id:
            return data
        return payloads.with_id(data, id_)

    def keep_book(self) -> list[Effect]:
        self.buffer.book.look()
        self.buffer.look()
        return [Remember(*part) for part in self.buffer.book.parts()]

    def note_heard(self, call: Call) -> None:
        """A relayed CALL was answered, perhaps unheard: when it comes again it hears the same."""
        request, result = payloads.of_call(call.as_came or call.frame), payloads.of_result(call.answer)
        if request is not None and result is not None:
            key = payloads.natural_key(call.action, request)
            self.buffer.book.hears(key, payloads.digest(request), result)

    def delivered_before(self, message: Message, answer: Payload) -> list[Effect]:
        """A CALL of the gateway's earlier life has its answer: the charger hears it when it asks again."""
        request = payloads.of_call(message.frame)
        if request is None:
            return []
        key = payloads.natural_key(message.action, request)
        self.buffer.book.hears(key, payloads.digest(request), answer)
        return [Remember(*self.buffer.book.recent_part())]

    def enter(
        self, action: str, payload: Payload, key: str, answer: Payload, at: float, pending: int
    ) -> float:
        """Note in the book what a stored message says of its transaction; the energy since the last one.

        `pending` is the number of its entry.
        """
        reading = payloads.energy_wh(action, payload)
        if action == "StartTransaction":
            self.buffer.starts.gave(key, answer["transactionId"])
            known = self.buffer.copies.known(key)
            if known is not None:
                known.pending, known.answer = pending, answer
                if not self.buffer.session.follows:
                    self.buffer.book.name(known, answer["transactionId"])
                self.buffer.book.look()
                return 0.0
            when = payload.get("timestamp")
            started_at = (seconds(when) if isinstance(when, str) else None) or at
            started = begun(answer["transactionId"], key, payload, started_at)
            started.answer, started.pending = answer, pending
            self.buffer.book.open(started)
            return 0.0
        id_ = payloads.transaction_of(action, payload)
        if id_ is None:
            return 0.0
        transaction = self.buffer.book.by_charger_id(id_)
        if transaction is None:
            transaction = Transaction(charger_id=id_, backend_id=id_, started_at=at)
            self.buffer.book.open(transaction)
        if action == "StopTransaction" or payload.get("eventType") == "Ended":
            transaction.ended_at = at
            self.buffer.book.look()
        before, transaction.register_wh = transaction.register_wh, reading or transaction.register_wh
        return max(0.0, reading - before) if reading is not None and before is not None else 0.0
