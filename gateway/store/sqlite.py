"""The embedded store: one SQLite file, one connection, one thread.

That one thread does everything with the file: it writes, reads and checkpoints. SQLite from 3.7.0 to 3.51.2
can corrupt a database in WAL mode when one connection restarts the log while another one checkpoints; with
a single connection this cannot happen, so those versions are safe here.

The event loop hands work over through a queue and is called back once per commit. A commit carries what is
waiting, up to `GROUP_ROWS` records; on a busy store commits are `GROUP_S` apart, on an idle one a write is
committed at once.
"""

import asyncio
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from os import close as close_descriptor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from gateway.store import sqlite_file, sqlite_rows, sqlite_state
from gateway.store.protocol import (
    Done,
    FlagQuery,
    FlagRecord,
    Outage,
    OutboxEntry,
    OutboxUsage,
    QuarantineEntry,
    QuarantineQuery,
    Record,
    StatePart,
    StoreError,
    StoreFailed,
    TagSeen,
    Trimmed,
    Usage,
)

GROUP_ROWS = 64
GROUP_S = 0.010
MAX_WAITING_ROWS = 20_000
MAX_WAITING_BYTES = 64 * 1024 * 1024
CHECKPOINT_BYTES = 4 * 1024 * 1024
READ_S = 1.0
SWITCH_S = 0.0001
"""How long the writer's thread waits before it demands Python's lock.

A saturated event loop lets go of the lock and takes it back within microseconds, many times in Python's own
5 ms; the writer would wait for seconds.
"""
RECORD_BYTES = 500  # about, without a raw message

T = TypeVar("T")


class _Write:
    __slots__ = ("done", "records", "size")

    def __init__(self, records: Sequence[Record], done: Done) -> None:
        self.records = records
        self.done = done
        self.size = sum(RECORD_BYTES + _bytes_in(record) for record in records)


class _Read:
    """A question; the result of `work` goes to `answer`. `last`: the thread ends after it."""

    __slots__ = ("answer", "last", "work")

    def __init__(self, work: Callable[[], Any], answer: asyncio.Future[Any], last: bool = False) -> None:
        self.work = work
        self.answer = answer
        self.last = last


class SqliteStore:
    """Keeps the promise of `gateway.store.protocol` with SQLite; made by `open`.

    `moved_aside`: what became of a broken file that was found at the start, for a warning; else None.
    """

    def __init__(self, directory: Path) -> None:
        self.moved_aside: Path | None = None
        self._directory = directory
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Write | _Read] = SimpleQueue()
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._closed = False
        self._failed: StoreFailed | None = None
        self._db: sqlite3.Connection
        self._lock = -1
        self._committed_at = 0.0
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)

    @classmethod
    async def open(cls, directory: Path) -> "SqliteStore":
        """The store in `directory`, which is made when it is missing. Errors: StoreError, with the cure."""
        sys.setswitchinterval(min(SWITCH_S, sys.getswitchinterval()))
        store = cls(directory)
        store._thread.start()
        await store._opened
        return store

    def write(self, records: Sequence[Record], done: Done) -> None:
        work = _Write(records, done)
        if self._closed:
            self._loop.call_soon(done, StoreFailed("closed", "the store is closed"))
        elif self._waiting_rows and (
            self._waiting_rows + len(records) > MAX_WAITING_ROWS
            or self._waiting_bytes + work.size > MAX_WAITING_BYTES
        ):
            self._loop.call_soon(done, StoreFailed("overloaded", "more is waiting than the disk takes"))
        else:
            self._waiting_rows += len(records)
            self._waiting_bytes += work.size
            self._queue.put(work)

    async def flags(self, query: FlagQuery) -> list[FlagRecord]:
        return await self._look_up(sqlite_rows.flags, query)

    async def quarantine(self, query: QuarantineQuery) -> list[QuarantineEntry]:
        return await self._look_up(sqlite_rows.quarantine, query)

    async def quarantine_entry(self, id: str) -> QuarantineEntry | None:
        return await self._look_up(sqlite_rows.quarantine_entry, id)

    async def usage(self) -> Usage:
        return await self._look_up(sqlite_rows.usage)

    async def outbox(self, charger: str, after: int = 0, limit: int = 100) -> list[OutboxEntry]:
        return await self._look_up(sqlite_state.outbox, charger, after, limit)

    async def outbox_usage(self) -> list[OutboxUsage]:
        return await self._look_up(sqlite_state.outbox_usage)

    async def state(self, charger: str) -> dict[str, bytes]:
        return await self._look_up(sqlite_state.state, charger)

    async def tags(self) -> list[TagSeen]:
        return await self._look_up(sqlite_state.tags)

    async def outages(self, limit: int = 100) -> list[Outage]:
        return await self._look_up(sqlite_state.outages, limit)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._ask(self._close, last=True)
            self._thread.join()

    # On the event loop

    async def _look_up(self, work: Callable[..., T], *parameters: Any) -> T:
        if self._closed:
            raise StoreError("the store is closed")
        return await self._ask(lambda: self._bounded(lambda: work(self._db, *parameters)))

    async def _ask(self, work: Callable[[], T], last: bool = False) -> T:
        answer: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Read(work, answer, last))
        return await answer

    def _settle(self, writes: list[_Write], failures: list[StoreFailed | None]) -> None:
        for write, failed in zip(writes, failures, strict=True):
            self._waiting_rows -= len(write.records)
            self._waiting_bytes -= write.size
            try:
                write.done(failed)
            except Exception as fault:  # of one caller: the others still have to hear
                self._loop.call_exception_handler(
                    {"message": "a store's callback failed", "exception": fault}
                )

    # On the writer's thread

    def _run(self) -> None:
        if not self._answer(_Read(self._open, self._opened)):
            return
        read: _Read | None = None
        while read is None or not read.last:
            writes, read = self._gather()
            if writes:
                self._call(self._settle, writes, self._commit(writes))
                self._tidy(writes)
            if read:
                self._answer(read)

    def _gather(self) -> tuple[list[_Write], _Read | None]:
        """What the next commit takes, and the question that has to wait for it, if one came."""
        work = self._queue.get()
        writes: list[_Write] = []
        rows = 0
        until = self._committed_at + GROUP_S
        while isinstance(work, _Write):
            writes.append(work)
            rows += len(work.records)
            if rows >= GROUP_ROWS:
                return writes, None
            try:
                work = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                return writes, None
        return writes, work

    def _commit(self, writes: list[_Write]) -> list[StoreFailed | None]:
        """One failure or None for each write. One that cannot be kept does not take others with it."""
        failed = self._transaction([record for write in writes for record in write.records])
        self._committed_at = time.monotonic()
        if failed is not None and failed.reason == "invalid" and len(writes) > 1:
            return [self._transaction(write.records) for write in writes]
        return [failed] * len(writes)

    def _transaction(self, records: Sequence[Record]) -> StoreFailed | None:
        if self._failed is not None:
            return self._failed
        try:
            self._db.execute("BEGIN IMMEDIATE")
            sqlite_rows.apply(self._db, records)
            self._db.execute("COMMIT")
        except Exception as error:
            with suppress(sqlite3.Error):
                self._db.rollback()
            return self._note(error)
        return None

    def _note(self, error: Exception) -> StoreFailed:
        """The failure as a fact. After a lasting one nothing more is written: the kernel may have dropped
        what it could not sync, and a second try would succeed without it.
        """
        failed = _fact(error)
        if failed.lasting:
            self._failed = failed
        return failed

    def _tidy(self, writes: list[_Write]) -> None:
        """Give pages back after a trim, and fold the log into the file when it has grown."""
        try:
            if self._failed is None and any(isinstance(r, Trimmed) for w in writes for r in w.records):
                self._db.executescript("PRAGMA incremental_vacuum(500)")  # `execute` frees one page
            log = self._directory / f"{sqlite_file.NAME}-wal"
            if self._failed is None and log.stat().st_size > CHECKPOINT_BYTES:
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except (sqlite3.Error, OSError) as error:
            self._note(error)

    def _bounded(self, work: Callable[[], T]) -> T:
        """`work`, given up after `READ_S`: writes wait behind it."""
        until = time.monotonic() + READ_S
        self._db.set_progress_handler(lambda: time.monotonic() > until, 10_000)
        try:
            return work()
        except sqlite3.Error as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise StoreError("takes too long; ask by charger, code, brand or a shorter time") from None
            raise StoreError(f"the store cannot be read: {error}") from None
        finally:
            self._db.set_progress_handler(None, 0)

    def _answer(self, read: _Read) -> bool:
        """Whether there was an answer other than an error."""
        try:
            result, error = read.work(), None
        except Exception as fault:
            result, error = None, fault
        self._call(_resolve, read.answer, result, error)
        return error is None

    def _open(self) -> None:
        sqlite_file.make_directory(self._directory)
        self._lock = sqlite_file.lock(self._directory)
        try:
            self._db, self.moved_aside = sqlite_file.open_checked(self._directory)
        except StoreError:
            close_descriptor(self._lock)
            raise

    def _close(self) -> None:
        with suppress(sqlite3.Error):
            self._db.close()  # checkpoints and removes the log
        close_descriptor(self._lock)

    def _call(self, function: Callable[..., None], *parameters: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
            self._loop.call_soon_threadsafe(function, *parameters)


def _bytes_in(record: Record) -> int:
    match record:
        case QuarantineEntry() | OutboxEntry():
            return len(record.raw)
        case StatePart() | TagSeen():
            return len(record.data)
        case _:
            return 0


def _resolve(answer: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)


def _fact(error: Exception) -> StoreFailed:
    """What a failed transaction means to whoever asked for it."""
    detail = f"{getattr(error, 'sqlite_errorname', type(error).__name__)}: {error}"
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISMATCH)  # without one, Python refused a value
    reason = _REASONS.get(code & 0xFF, "io")
    return StoreFailed(reason, detail, lasting=reason in ("io", "corrupt"))


_REASONS = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_BUSY: "busy",
    sqlite3.SQLITE_LOCKED: "busy",
    sqlite3.SQLITE_READONLY: "read-only",
    sqlite3.SQLITE_PERM: "read-only",
    sqlite3.SQLITE_CORRUPT: "corrupt",
    sqlite3.SQLITE_NOTADB: "corrupt",
    sqlite3.SQLITE_CONSTRAINT: "invalid",
    sqlite3.SQLITE_MISMATCH: "invalid",
    sqlite3.SQLITE_TOOBIG: "invalid",
}
