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


class FlagRecord(Struct, frozen=True, kw_only=True):
    """One flag of one message, as it is looked up later.

    `time`: seconds since 1970 by the gateway's clock. `version`: of the charger. `kind`: `charger_call`,
    `charger_result`, `backend_call` or `backend_result`. `before`, `after`: JSON text or "". `raw_ref`: the
    id of the quarantine entry that holds the message's bytes, or "". `number`: given by the store, rising;
    0 before.
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
    author: str = "gateway"
    raw_ref: str = ""
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
    `sender`: `charger` or `backend`. `flags`: codes. `outcome`: what came of the last
    retry or why it was discarded, for people. `number`: as in `FlagRecord`.
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
    number: int = 0


class EntryMoved(Struct, frozen=True):
    """A quarantine entry stands elsewhere now; without effect when there is no such entry."""

    id: str
    state: EntryState
    outcome: str


class Trimmed(Struct, frozen=True, kw_only=True):
    """What is beyond these bounds goes.

    Flags: those before `flags_since` (seconds since 1970), then the oldest beyond `flag_rows`. Quarantine:
    beyond `quarantine_rows` or `quarantine_bytes` (of raw messages) settled entries go first, then open
    ones without revenue, the oldest of each first; open revenue never goes by itself. One of these removes
    at most `MAX_TRIMMED` flags, so that it does not hold up what is written next.
    """

    flags_since: float
    flag_rows: int
    quarantine_rows: int
    quarantine_bytes: int


Record = FlagRecord | QuarantineEntry | EntryMoved | Trimmed


class StoreFailed(Struct, frozen=True):
    """A write is not durable.

    `reason`: `full`, `busy`, `read-only`, `overloaded`, `closed`, `invalid` (these records cannot be kept;
    others can), `corrupt` or `io`. `lasting`: this store takes no more writes; only opening it anew, which
    checks what is on the disk, may help.
    """

    reason: str
    detail: str
    lasting: bool = False


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


class Reading(Protocol):
    """What can be looked up. Every method raises StoreError when the store cannot be read."""

    async def flags(self, query: FlagQuery) -> list[FlagRecord]: ...

    async def quarantine(self, query: QuarantineQuery) -> list[QuarantineEntry]: ...

    async def quarantine_entry(self, id: str) -> QuarantineEntry | None: ...

    async def usage(self) -> Usage: ...


class Store(Reading, Protocol):
    """See the module's text for the promise."""

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
