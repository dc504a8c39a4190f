"""The book of one charger's transactions: which id each end knows, and what was answered to what.

A StartTransaction that the gateway answers itself gets a provisional id, which the charger keeps for the
life of the transaction; the backend's own id, learned when the start is delivered, takes its place in
everything that goes to the backend, and the provisional one in everything that comes from it.
"""

from typing import Any

import msgspec
from msgspec import Struct

from gateway.session import payloads
from gateway.session.payloads import Payload

FIRST_ID = 2**30
MAX_TRANSACTIONS = 64
MAX_UNTOLD = 1024
MAX_RECENT = 16
LONG_AGO_S = 946_684_800.0  # 2000-01-01: an older timestamp is that of a clock that was never set


class Transaction(Struct, omit_defaults=True):
    """One transaction. Ids are integers in 1.6, texts in 2.x; `backend_id` is None while not known.

    `key` is the natural key of its start; `answer` is what the charger heard to that, {} while that is not
    known. `given_by`: the backend that gave the charger's id, where it is not this one. `refused`: its start
    is in quarantine, and so goes all that belongs to it. `suspect`: the backend's id is no proper one (0, or
    that of another open transaction), so that no command may name it.
    `stop_wanted`: the backend refused the driver, so the charger is to be told to stop. `is_told`: the
    backend knows that it has ended. `pending` is the number of the entry of its start until that is
    durable. `register_wh` is the last energy reading that was stored. Times are seconds since 1970, 0.0 for
    not yet.
    """

    charger_id: int | str
    key: str = ""
    given_by: str = ""
    backend_id: int | str | None = None
    connector: int = 0
    tag: str = ""
    meter_start_wh: float | None = None
    started_at: float = 0.0
    ended_at: float = 0.0
    answer: dict[str, Any] = {}
    refused: bool = False
    suspect: bool = False
    stop_wanted: bool = False
    is_told: bool = False
    register_wh: float | None = None
    pending: int = 0

    @property
    def is_open(self) -> bool:
        return not self.ended_at

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is another backend's alone, which was told of its start."""
        return not self.key and self.backend_id is None

    @property
    def is_done(self) -> bool:
        """Whether nobody will ask for it any more, but for repetitions."""
        return bool(self.ended_at) and (self.is_told or self._is_relayed)

    @property
    def _is_relayed(self) -> bool:
        """Whether both ends know it by an id that the backend gave, which nobody has to remember."""
        is_ours = isinstance(self.charger_id, int) and self.charger_id >= FIRST_ID
        return self.charger_id == self.backend_id and not is_ours


class Heard(Struct, array_like=True):
    """What a charger heard to a message, by its natural key; `content` is the fingerprint of the message.

    `pending` is the number of the entry that has to be durable before it hears it, 0 from then on.
    """

    content: str
    answer: dict[str, Any]
    pending: int = 0


class Counters(Struct):
    """The part of the book that changes with every stored message."""

    next_number: int = 1
    recent: dict[str, Heard] = {}


class Pages(Struct):
    """The part of the book that changes with transactions."""

    next_id: int = FIRST_ID
    transactions: list[Transaction] = []


class Book:
    """Transactions by either id, and recent answers; both bounded, the oldest make room."""

    def __init__(self, pages: bytes = b"", counters: bytes = b"") -> None:
        self._pages = msgspec.json.decode(pages, type=Pages) if pages else Pages()
        self._counters = msgspec.json.decode(counters, type=Counters) if counters else Counters()
        self._is_changed = False
        self.is_mapped = any(_is_mapped(transaction) for transaction in self._pages.transactions)

    @property
    def transactions(self) -> list[Transaction]:
        return self._pages.transactions

    def parts(self) -> tuple[tuple[str, bytes], ...]:
        """Both parts as they are kept, by name."""
        self._is_changed = False
        return ("book", msgspec.json.encode(self._pages)), self.recent_part()

    def recent_part(self) -> tuple[str, bytes]:
        """The part with what was answered lately."""
        return "recent", msgspec.json.encode(self._counters)

    def recent(self) -> tuple[tuple[str, bytes], ...]:
        return (self.recent_part(),)

    def changed_parts(self) -> tuple[tuple[str, bytes], ...]:
        """What has to be written with the next entry: the counters always, the pages when they changed."""
        return self.parts() if self._is_changed else (self.recent_part(),)

    def number(self) -> int:
        """The number of the next entry."""
        self._counters.next_number += 1
        return self._counters.next_number - 1

    @property
    def next_number(self) -> int:
        return self._counters.next_number

    def numbers_from(self, number: int) -> None:
        """No entry gets a number below this one."""
        self._counters.next_number = max(self._counters.next_number, number)

    # Answers

    def heard(self, key: str) -> Heard | None:
        """What was answered to the message with this natural key."""
        found = self._counters.recent.get(key)
        if found is not None:
            return found
        for transaction in self.transactions:
            if transaction.key == key and transaction.answer and _may_come_again(transaction):
                return Heard("", transaction.answer)
        return None

    def trust(self, last: int) -> None:
        """Of what was read from the disk, forget what depends on an entry after `last`, which is not there.

        The book may have been written with a later write while the entry's own failed.
        """
        recent, pages = self._counters.recent, self._pages
        self._counters.recent = {key: one for key, one in recent.items() if one.pending <= last}
        pages.transactions = [known for known in pages.transactions if known.pending <= last]
        for heard in self._counters.recent.values():
            heard.pending = 0
        for known in pages.transactions:
            known.pending = 0
        self.numbers_from(last + 1)
        self.is_mapped = any(_is_mapped(known) for known in pages.transactions)

    def durable(self, number: int) -> None:
        """An entry is on disk, and so is what was noted with it."""
        for heard in self._counters.recent.values():
            heard.pending *= heard.pending != number
        for known in self.transactions:
            known.pending *= known.pending != number

    def hears(self, key: str, content: str, answer: Payload, pending: int = 0) -> None:
        """The charger hears this; it may ask again."""
        recent = self._counters.recent
        recent.pop(key, None)
        recent[key] = Heard(content, answer, pending)
        if len(recent) > MAX_RECENT:
            del recent[next(iter(recent))]

    def unheard(self, key: str) -> None:
        """The charger did not hear it after all."""
        self._counters.recent.pop(key, None)

    @property
    def has_recent(self) -> bool:
        return bool(self._counters.recent)

    # Transactions

    def new_id(self) -> int:
        """A provisional id that no transaction of this charger has."""
        while True:
            id_ = self._pages.next_id
            self._pages.next_id = id_ + 1 if id_ < 2**31 - 1 else FIRST_ID
            if self.by_charger_id(id_) is None and self.by_backend_id(id_) is None:
                return id_

    def peek_id(self) -> int:
        """The id that `new_id` would most likely give."""
        return self._pages.next_id

    def open(self, transaction: Transaction) -> None:
        """A transaction begins."""
        self.transactions.append(transaction)
        if len(self.transactions) > MAX_TRANSACTIONS:
            done = next((n for n, old in enumerate(self.transactions) if old.is_done), None)
            if done is not None or len(self.transactions) > MAX_UNTOLD:
                del self.transactions[done or 0]
        self.look()

    def forget(self, key: str) -> None:
        """The start with this key has not happened as far as the gateway is concerned."""
        self._pages.transactions = [known for known in self.transactions if known.key != key]
        self.look()

    def by_charger_id(self, id_: object) -> Transaction | None:
        """The youngest transaction that the charger knows by this id."""
        for known in reversed(self._pages.transactions):
            if known.charger_id == id_:
                return known
        return None

    def by_backend_id(self, id_: object) -> Transaction | None:
        """The youngest transaction that the backend knows by this id; an open one first."""
        found = [known for known in reversed(self.transactions) if known.backend_id == id_]
        return next((known for known in found if known.is_open), found[0] if found else None)

    def by_key(self, key: str) -> Transaction | None:
        """The transaction whose start has this natural key."""
        return next((known for known in reversed(self.transactions) if known.key == key), None)

    def is_refused(self, id_: object) -> bool:
        """Whether the charger's id is that of a transaction that the backend has no name for."""
        transaction = self.by_charger_id(id_)
        return transaction is not None and (transaction.refused or transaction.backend_id is None)

    def name(self, transaction: Transaction, id_: int) -> None:
        """The charger knows a transaction by this id, and hears it whenever it asks again.

        One of this id that seemed to be another backend's alone was this one.
        """
        transaction.charger_id = id_
        self._pages.transactions = [
            one for one in self.transactions if one.charger_id != id_ or not one.is_elsewhere
        ]
        if transaction.answer:
            transaction.answer = transaction.answer | {"transactionId": id_}
        heard = self._counters.recent.get(transaction.key)
        if heard is not None:
            heard.answer = heard.answer | {"transactionId": id_}
        self.look()

    def gave(self, id_: object) -> bool:
        """Whether a transaction id is one of ours."""
        return isinstance(id_, int) and FIRST_ID <= id_ < self._pages.next_id

    def look(self) -> None:
        """A transaction has changed: work out whether ids have to be exchanged at all."""
        self._is_changed = True
        self.is_mapped = any(_is_mapped(transaction) for transaction in self.transactions)


def begun(charger_id: int | str, key: str, start: Payload, at: float) -> Transaction:
    """The transaction that a StartTransaction has begun `at` seconds since 1970."""
    reading = payloads.energy_wh("StartTransaction", start)
    return Transaction(
        charger_id=charger_id,
        key=key,
        connector=start.get("connectorId", 0),
        tag=payloads.tag_of(start),
        meter_start_wh=reading,
        started_at=at,
        register_wh=reading,
    )


def _is_mapped(transaction: Transaction) -> bool:
    return transaction.charger_id != transaction.backend_id or transaction.refused


def _may_come_again(transaction: Transaction) -> bool:
    """Whether a start with the same key is the same one: a clock that never moves makes all starts alike."""
    return transaction.is_open or transaction.started_at > LONG_AGO_S
