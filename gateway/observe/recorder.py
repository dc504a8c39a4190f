"""From the event loop to the store: flags and quarantined messages, without slowing the message at hand.

Recording is appending to a list. The list goes to the store when `FLUSH_ROWS` have come together or
`FLUSH_S` after the first; what is held until the disk has it is bounded. Beyond the bound flags are counted
instead of kept, quarantined messages are refused, so that whoever has one can still refuse its sender.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from gateway.observe import log
from gateway.observe.redact import may_hold_secret, redacted
from gateway.session.tally import Tally
from gateway.store.protocol import (
    Done,
    FlagRecord,
    QuarantineEntry,
    Store,
    StoreError,
    StoreFailed,
    Trimmed,
    kept,
)

FLUSH_ROWS = 500
FLUSH_S = 0.2
MAX_FLAGS = 10_000
MAX_ENTRIES = 1_000
MAX_ENTRY_BYTES = 16 * 1024 * 1024
MAX_TEXT = 2048
TRIM_S = 60.0
TRIM_FLAGS = 5_000
LOW_MARK = 0.95  # of the quarantine's bounds; a trim goes down to here, so that the next entry has room


class Bounds(Struct, frozen=True):
    """How much is kept: the `[flags]` and `[quarantine]` tables of the configuration."""

    keep_days: int = 30
    keep_rows: int = 1_000_000
    max_bytes: int = 268_435_456
    max_rows: int = 100_000


class Recorder:
    """Takes what sessions report; `run` keeps the store within `bounds`, which may change at any time."""

    def __init__(
        self, store: Store, tally: Tally, bounds: Bounds, clock: Callable[[], float] = time.time
    ) -> None:
        self.bounds = bounds
        self._store = store
        self._tally = tally
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.Handle | None = None
        self._flags: list[FlagRecord] = []
        self._entries: list[tuple[QuarantineEntry, Done | None]] = []
        self._held_flags = 0  # given to the store and not settled, or still in the list
        self._held_entries = 0
        self._held_bytes = 0
        self._crowded: set[tuple[str, str]] = set()
        self._settled = asyncio.Event()
        self._closing = False
        self._trim_wanted = asyncio.Event()
        self._flags_since_trim = 0
        self._quarantine_rows = 0
        self._quarantine_bytes = 0
        self._full = False

    def flagged(self, record: FlagRecord) -> None:
        """Keep a flag, soon. When many wait, only the first of each (charger, code) is kept until some are
        written, and at `MAX_FLAGS` none; the others are counted as `flag-not-stored`.
        """
        if self._held_flags >= MAX_FLAGS // 2 and not self._is_sample(record):
            self._tally.events["flag-not-stored"] += 1
            return
        self._held_flags += 1
        self._flags.append(_presentable(record))
        self._schedule(FLUSH_S)

    def quarantined(self, entry: QuarantineEntry, done: Done | None = None) -> bool:
        """Keep a message for a person. False: no room; it stays the caller's, who must not answer it.

        With `done`, the message is written at once, and `done(None)` says that it is durable;
        `done(StoreFailed)` gives it back to the caller. Without it, a failed write is tried again.
        """
        entry = _without_secrets(entry)
        size = len(entry.raw)
        crowded = self._held_entries >= MAX_ENTRIES or self._held_bytes + size > MAX_ENTRY_BYTES
        if self._full or (crowded and self._held_entries):
            self._tally.events["quarantine-refused"] += 1
            return False
        self._held_entries += 1
        self._held_bytes += size
        self._entries.append((entry, done))
        self._schedule(0.0 if done else FLUSH_S)
        return True

    def later(self, call: Callable[[], None]) -> None:
        """Call back from the event loop, not from within the caller."""
        self._loop.call_soon(call)

    def flush(self) -> None:
        """Hand what has come together to the store now."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        flags, self._flags = self._flags, []
        entries, self._entries = self._entries, []
        for entry, done in entries:
            self._store.write([entry], partial(self._entry_written, entry, done))
        if flags:
            self._store.write(flags, partial(self._flags_written, len(flags)))

    async def trim(self) -> None:
        """Bring the store within its bounds, and learn whether the quarantine has room. Errors: none; what
        the store cannot do now is tried again with the next.
        """
        bounds = self.bounds
        order = Trimmed(
            flags_since=self._clock() - bounds.keep_days * 86_400,
            flag_rows=bounds.keep_rows,
            quarantine_rows=int(bounds.max_rows * LOW_MARK),
            quarantine_bytes=int(bounds.max_bytes * LOW_MARK),
        )
        self._trim_wanted.clear()
        self._flags_since_trim = 0
        if await kept(self._store, order) is not None:
            return
        try:
            usage = await self._store.usage()
        except StoreError:
            return
        self._quarantine_rows, self._quarantine_bytes = usage.quarantine_rows, usage.quarantine_bytes
        self._full = self._quarantine_is_full()

    async def run(self) -> None:
        """Trim now, every `TRIM_S`, and whenever much has come in. Ends only by being cancelled."""
        while True:
            await self.trim()
            with suppress(TimeoutError):
                async with asyncio.timeout(TRIM_S):
                    await self._trim_wanted.wait()

    async def close(self) -> None:
        """Write what is held; what the store does not take is counted. Comes before the store's `close`."""
        self._closing = True
        self.flush()
        while self._held_flags or self._held_entries:
            self._settled.clear()
            await self._settled.wait()

    def _is_sample(self, record: FlagRecord) -> bool:
        key = (record.charger, record.code)
        if self._held_flags >= MAX_FLAGS or key in self._crowded:
            return False
        self._crowded.add(key)
        return True

    def _schedule(self, delay_s: float) -> None:
        if len(self._flags) + len(self._entries) >= FLUSH_ROWS:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(delay_s, self.flush)
        elif delay_s == 0.0:
            self._timer.cancel()
            self._timer = self._loop.call_soon(self.flush)

    def _flags_written(self, count: int, failed: StoreFailed | None) -> None:
        self._held_flags -= count
        self._crowded.clear()
        if failed is not None:
            self._note(failed)
            self._tally.events["flag-not-stored"] += count
        else:
            self._flags_since_trim += count
            if self._flags_since_trim >= TRIM_FLAGS:
                self._trim_wanted.set()
        self._settled.set()

    def _entry_written(self, entry: QuarantineEntry, done: Done | None, failed: StoreFailed | None) -> None:
        if failed is None:
            self._quarantine_rows += 1
            self._quarantine_bytes += len(entry.raw)
            if self._quarantine_is_full():
                self._trim_wanted.set()
        else:
            self._note(failed)
            if done is None and not self._closing and failed.reason not in ("invalid", "closed"):
                self._entries.append((entry, None))
                self._schedule(FLUSH_S)
                return
        self._held_entries -= 1
        self._held_bytes -= len(entry.raw)
        self._settled.set()
        if done is not None:
            done(failed)
        elif failed is not None:
            self._tally.events["quarantine-lost"] += 1
            log.event("error", "quarantine-lost", entry.charger, id=entry.id, reason=failed.reason)

    def _note(self, failed: StoreFailed) -> None:
        self._tally.events["store-failed"] += 1
        log.event("error", "store-failed", reason=failed.reason, detail=failed.detail)

    def _quarantine_is_full(self) -> bool:
        return (
            self._quarantine_rows >= self.bounds.max_rows or self._quarantine_bytes >= self.bounds.max_bytes
        )


def _presentable(record: FlagRecord) -> FlagRecord:
    """The flag without secrets, its texts cut at `MAX_TEXT`; mostly the same object."""
    texts = {name: getattr(record, name) for name in ("path", "before", "after", "brand", "firmware")}
    changed = {
        name: redacted(text, MAX_TEXT)
        for name, text in texts.items()
        if len(text) > MAX_TEXT or may_hold_secret(text)
    }
    return replace(record, **changed) if changed else record


def _without_secrets(entry: QuarantineEntry) -> QuarantineEntry:
    """Passwords that a message sets are not kept, which makes it one that cannot be retried. A message that
    carries revenue sets none.
    """
    raw = entry.raw.lower()
    if entry.carries_revenue or not (b"authorizationkey" in raw or b"basicauthpassword" in raw):
        return entry
    text = entry.raw.decode(errors="surrogateescape")
    return replace(entry, raw=redacted(text, len(text)).encode(errors="surrogateescape"))
