"""What the gateway keeps, and the promise that every store gives about it.

The promise
- **Durable when it says so.** `done(None)` means that every record of that `write` survives a kill of the
  process and a loss of power. Until then, nothing is promised.
- **All or nothing.** The records of one `write` are kept together or not at all.
- **Order.** Writes take effect in the order of the calls, and `done` is called in that order. A read sees
  every write that was asked for before it.
- **Exactly one answer.** `done` is called once for each `write`, later, on the event loop, never from
  within `write`.
- **Failure is a fact.** `done(StoreFailed)` means: do not count on it (a record may still turn up after a
  restart; a caller that sends it again must bear finding it twice). A failed write changes nothing that
  was durable before.
- **Failure passes by itself.** `failed` says why new messages cannot be kept now; it costs nothing to ask. A
  store that fails tries every few seconds whether the fault is over, also when nobody writes, and takes
  writes again as soon as it is; nobody has to open it anew. What failed is not tried again by the store.
- **A full disk can be emptied.** With `full`, a write that takes something away (`EntriesGone`,
  `EntryMoved`, `Trimmed`) or only replaces (`StatePart`, `Outage`) is still carried out while that is
  possible at all.
- **Damage is never passed off as data.** An outbox entry or a part that is not, bit by bit, what was written
  is not handed out: the entry goes to quarantine, the part is left out, and both are told. Of a broken file
  everything readable is saved; a store never begins empty in silence.
- **Never waits.** `write` returns at once, whatever the disk does. What waits is bounded; beyond the bound
  a write fails with `overloaded`.
- One process writes to a store's directory at a time.

A new kind of record is one more Struct in `Record`, and one more query where it is to be read back.
"""

import asyncio
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

MAX_TRIMMED = 10_000
MAX_OUTAGES = 1000


class FlagRecord(Struct, frozen=True, kw_only=True):
    """One flag of one message, as it is looked up later.

    `time`: seconds since 1970 by the gateway's clock. `consequence`: what became of the message. `version`:
    of the charger. `kind`: `charger_call`, `charger_result`, `backend_call` or `backend_result`. `before`,
    `after`: JSON text or "". `applied`: False where nothing was changed, and `after` is what would be there.
    `raw_ref`: the id of the quarantine entry that holds the message's bytes, or "". `backend`: the one it
    came from or was for, by name. `number`: given by the store, rising; 0 before.
    """

    time: float
    charger: str
    code: str
    severity: str
    consequence: str
    brand: str = ""
    firmware: str = ""
    version: str = ""
    kind: str = ""
    action: str = ""
    path: str = ""
    before: str = ""
    after: str = ""
    applied: bool = True
    author: str = "gateway"
    raw_ref: str = ""
    backend: str = ""
    number: int = 0


class EntryState(StrEnum):
    """Where a quarantined message stands: `open` until a person acts.

    `retried`: sent through the gateway again, not accepted; `delivered`: a backend processed it;
    `discarded`: a person said so.
    """

    OPEN = "open"
    RETRIED = "retried"
    DISCARDED = "discarded"
    DELIVERED = "delivered"

    @property
    def settled(self) -> bool:
        """Whether nobody needs the message any more."""
        return self in (EntryState.DISCARDED, EntryState.DELIVERED)


class QuarantineEntry(Struct, frozen=True, kw_only=True):
    """One message kept for a person, with the bytes that came in.

    `id` is made by whoever keeps it and unique; an entry whose id is there already changes nothing.
    `sender`: `charger` or `backend`. `backend`: the one it came from or was for, by name. `flags`: codes.
    `outcome`: what came of the last retry or why it was discarded, for people. `number`: as in `FlagRecord`.
    """

    id: str
    time: float
    charger: str
    sender: str
    raw: bytes
    brand: str = ""
    firmware: str = ""
    version: str = ""
    action: str = ""
    flags: tuple[str, ...] = ()
    carries_revenue: bool = False
    state: EntryState = EntryState.OPEN
    outcome: str = ""
    backend: str = ""
    number: int = 0


class EntryMoved(Struct, frozen=True):
    """A quarantine entry stands elsewhere now; without effect when there is no such entry."""

    id: str
    state: EntryState
    outcome: str


class OutboxEntry(Struct, frozen=True, kw_only=True):
    """One CALL of a charger that waits for a backend to process it; the charger has its answer from us.

    `charger`: its registry key. `number`: rising by one per charger, given by its session; one that is there
    already stays as it is. `time`: when it came, seconds since 1970. `raw`: the frame as it is to be sent,
    in the charger's own version. `record_bytes` of it count towards the outbox's bounds.
    """

    charger: str
    number: int
    time: float
    version: str
    action: str
    raw: bytes

    @property
    def record_bytes(self) -> int:
        return len(self.raw)


class EntriesGone(Struct, frozen=True):
    """These outbox entries of a charger are delivered, or are kept in quarantine."""

    charger: str
    numbers: tuple[int, ...]


class StatePart(Struct, frozen=True):
    """A named part of what is known of a charger, replaced as a whole; empty `data` removes it.

    `charger` is its registry key; "" is the node itself.
    """

    charger: str
    part: str
    data: bytes


class TagSeen(Struct, frozen=True):
    """What a backend last said of an identification tag.

    `digest` stands for the tag, which is not kept; `time` is when it was said, seconds since 1970.
    """

    digest: bytes
    time: float
    data: bytes


class Outage(Struct, frozen=True, kw_only=True):
    """A time without the backend, from its begin on; written again as it grows. Times: seconds since 1970.

    `end` is 0 while it lasts. `energy_wh` is what the messages stored in it say was charged meanwhile.
    `begin` and `backend` name it.
    """

    backend: str
    begin: float
    end: float = 0.0
    reason: str = ""
    chargers: int = 0
    messages: int = 0
    energy_wh: float = 0.0


class Trimmed(Struct, frozen=True, kw_only=True):
    """What is beyond these bounds goes.

    Flags: those before `flags_since` (seconds since 1970), then the oldest beyond `flag_rows`. Quarantine:
    beyond `quarantine_rows` or `quarantine_bytes` (of raw messages) settled entries go first, then open
    ones without revenue, the oldest of each first; open revenue never goes by itself. Tags last heard of
    before `tags_since` go, and all but the newest `outages`. One of these removes at most `MAX_TRIMMED`
    flags, so that it does not hold up what is written next. The outbox is not trimmed: its sessions keep its
    bounds.
    """

    flags_since: float
    flag_rows: int
    quarantine_rows: int
    quarantine_bytes: int
    tags_since: float = 0.0
    outages: int = MAX_OUTAGES


Record = (
    FlagRecord
    | QuarantineEntry
    | EntryMoved
    | OutboxEntry
    | EntriesGone
    | StatePart
    | TagSeen
    | Outage
    | Trimmed
)


class StoreFailed(Struct, frozen=True):
    """A write is not durable.

    `reason`: `full`, `busy`, `read-only`, `corrupt`, `io` or `slow` of a store that fails; `overloaded`,
    `invalid` (these records cannot be kept; others can) or `closed` of this write alone.
    """

    reason: str
    detail: str


Done = Callable[[StoreFailed | None], None]


class StoreError(Exception):
    """A store cannot be opened, or a question cannot be answered; the text names the cure if there is one."""


class FlagQuery(Struct, frozen=True, kw_only=True):
    """Which flags; empty means any. Times are seconds since 1970, `since` inclusive, `until` exclusive.

    Newest first, at most `limit`; `before` a number: only older ones than that flag (the next page). With
    `after` a number: only newer ones, oldest first.
    """

    code: str = ""
    brand: str = ""
    firmware: str = ""
    charger: str = ""
    severity: str = ""
    since: float | None = None
    until: float | None = None
    before: int | None = None
    after: int | None = None
    limit: int = 100


class QuarantineQuery(Struct, frozen=True, kw_only=True):
    """Which quarantine entries; as `FlagQuery`."""

    state: EntryState | None = None
    charger: str = ""
    before: int | None = None
    limit: int = 100


class Usage(Struct, frozen=True):
    """How much there is; bytes are those of the raw messages."""

    flag_rows: int
    quarantine_rows: int
    quarantine_bytes: int


class OutboxUsage(Struct, frozen=True):
    """What waits for one charger: how many messages and bytes, when the oldest came, the last number."""

    charger: str
    messages: int
    bytes: int
    oldest: float
    last: int


class Reading(Protocol):
    """What can be looked up. Every method raises StoreError when the store cannot be read."""

    async def flags(self, query: FlagQuery) -> list[FlagRecord]: ...

    async def quarantine(self, query: QuarantineQuery) -> list[QuarantineEntry]: ...

    async def quarantine_entry(self, id: str) -> QuarantineEntry | None:
        """The entry of this id, or the only one whose id begins so."""

    async def usage(self) -> Usage: ...

    async def outbox(self, charger: str, after: int = 0, limit: int = 100) -> list[OutboxEntry]:
        """A charger's entries in their order, those with a larger number than `after`; damaged ones are not
        among them, and are gone from `outbox_usage`.
        """

    async def outbox_usage(self) -> list[OutboxUsage]:
        """What waits, for every charger that has something waiting, by charger."""

    async def state(self, charger: str) -> dict[str, bytes]:
        """Every part kept of a charger, by name."""

    async def tags(self) -> list[TagSeen]:
        """Every tag, the one heard of longest ago first."""

    async def outages(self, limit: int = 100) -> list[Outage]:
        """The newest first."""


class Store(Reading, Protocol):
    """See the module's text for the promise."""

    @property
    def failed(self) -> StoreFailed | None:
        """Why new messages cannot be kept now; None when the last that was tried is durable."""

    def write(self, records: Sequence[Record], done: Done) -> None:
        """Keep `records`; `done` is called when they are durable, or are known not to be."""

    async def close(self) -> None:
        """Finish what was asked for, then let go; later writes fail with `closed`."""


async def kept(store: Store, *records: Record) -> StoreFailed | None:
    """Write, and wait for what `done` says."""
    answer: asyncio.Future[StoreFailed | None] = asyncio.get_running_loop().create_future()

    def done(failed: StoreFailed | None) -> None:
        if not answer.done():
            answer.set_result(failed)

    store.write(records, done)
    return await answer
