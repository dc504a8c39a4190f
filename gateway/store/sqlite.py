"""The embedded store: one SQLite file, one connection, one thread.

That one thread does everything with the file: it writes, reads and checkpoints. SQLite from 3.7.0 to 3.51.2
can corrupt a database in WAL mode when one connection restarts the log while another one checkpoints; with
a single connection this cannot happen, so those versions are safe here.

The event loop hands work over through a queue and is called back once per commit. A commit carries what is
waiting, up to `GROUP_ROWS` records; on a busy store commits begin `GROUP_S` after the last one ended, on an
idle one a write is committed at once. What the disk does with it is in `sqlite_disk`.
"""

import asyncio
import ctypes
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from gateway.store import sqlite_rows, sqlite_state
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
from gateway.store.sqlite_disk import Disk
from gateway.store.sqlite_file import Told

GROUP_ROWS = 1000
GROUP_S = 0.010
MAX_WAITING_ROWS = 20_000
MAX_WAITING_BYTES = 64 * 1024 * 1024
PROBE_S = 2.0
STALLED_S = 5.0
SWITCH_S = 0.000_010
"""How long the writer's thread waits before it demands Python's lock.

A saturated event loop lets go of the lock and takes it back within microseconds, hundreds of times in
Python's own 5 ms, and each time the wait begins anew; the writer would wait for seconds. It has to be shorter
than what the loop does for one frame.
"""
PR_SET_TIMERSLACK = 29  # prctl(2); Linux rounds a thread's waits up to 50 µs unless it asks for less
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
    """Keeps the promise of `gateway.store.protocol` with SQLite; made by `open`."""

    def __init__(self, directory: Path, told: Told) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Write | _Read] = SimpleQueue()
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._waiting_since = 0.0
        self._closed = False
        self._failed: StoreFailed | None = None
        self._told_failed: StoreFailed | None = None  # the writer's thread's own
        self._disk = Disk(directory, lambda name, fields: self._call(told, name, fields))
        self._committed_at = self._probed_at = 0.0
        self._opened: asyncio.Future[StoreFailed | None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)

    @classmethod
    async def open(cls, directory: Path, told: Told = lambda name, fields: None) -> "SqliteStore":
        """The store in `directory`, which is made when it is missing. Errors: StoreError, with the cure.

        `told` hears of damage, on the event loop, now and later: `store-was-corrupt`, `store-log-damaged`,
        `store-log-missing`, `store-file-missing`, `store-rows-damaged`, each with fields for a log.
        """
        sys.setswitchinterval(min(SWITCH_S, sys.getswitchinterval()))
        store = cls(directory, told)
        store._thread.start()
        store._failed = await store._opened
        return store

    @property
    def failed(self) -> StoreFailed | None:
        if self._closed:
            return StoreFailed("closed", "the store is closed")
        if self._waiting_rows and self._loop.time() - self._waiting_since > STALLED_S:
            return StoreFailed("slow", "the disk does not answer")
        return self._failed

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
            if not self._waiting_rows:
                self._waiting_since = self._loop.time()
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
        return await self._ask_open(lambda: self._disk.outbox(charger, after, limit))

    async def outbox_usage(self) -> list[OutboxUsage]:
        return await self._look_up(sqlite_state.outbox_usage)

    async def state(self, charger: str) -> dict[str, bytes]:
        return await self._ask_open(lambda: self._disk.state(charger))

    async def tags(self) -> list[TagSeen]:
        return await self._look_up(sqlite_state.tags)

    async def outages(self, limit: int = 100) -> list[Outage]:
        return await self._look_up(sqlite_state.outages, limit)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._ask(self._disk.close, last=True)
            self._thread.join()

    # On the event loop

    async def _look_up(self, work: Callable[..., T], *parameters: Any) -> T:
        return await self._ask_open(lambda: self._disk.read(lambda db: work(db, *parameters)))

    async def _ask_open(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise StoreError("the store is closed")
        return await self._ask(work)

    async def _ask(self, work: Callable[[], T], last: bool = False) -> T:
        answer: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Read(work, answer, last))
        return await answer

    def _heard(self, failed: StoreFailed | None) -> None:
        self._failed = failed

    def _settle(self, writes: list[_Write], failures: list[StoreFailed | None]) -> None:
        self._waiting_since = self._loop.time()
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
        with suppress(AttributeError, OSError):
            ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1)
        if not self._answer(_Read(self._open, self._opened)):
            return
        read: _Read | None = None
        while read is None or not read.last:
            writes, read = self._gather()
            if writes:
                failures = self._disk.commit([write.records for write in writes])
                self._committed_at = time.monotonic()
                self._tell()
                self._call(self._settle, writes, failures)
                self._disk.tidy(
                    sum(len(write.records) for write in writes),
                    sum(write.size for write in writes),
                    any(isinstance(record, Trimmed) for write in writes for record in write.records),
                )
            elif self._disk.failed is not None and time.monotonic() >= self._probed_at + PROBE_S:
                self._probed_at = time.monotonic()  # questions that never end must not put it off
                self._disk.probe()
            if read:
                self._answer(read)
            self._tell()

    def _tell(self) -> None:
        """Let the event loop know how the disk is, when that has changed."""
        if self._disk.failed is not self._told_failed:
            self._told_failed = self._disk.failed
            self._call(self._heard, self._told_failed)

    def _open(self) -> StoreFailed | None:
        self._disk.open()
        self._told_failed = self._disk.failed
        return self._told_failed

    def _gather(self) -> tuple[list[_Write], _Read | None]:
        """What the next commit takes, and the question that has to wait for it, if one came.

        Nothing at all: the disk fails, and nobody has written for a while. As long as it fails everything
        that waits is taken at once, so that each hears of it as soon as the first.
        """
        failing = self._disk.failed is not None
        try:
            work = self._queue.get(timeout=PROBE_S if failing else None)
        except Empty:
            return [], None
        early_s = self._committed_at + GROUP_S - time.monotonic()
        if early_s > 0 and isinstance(work, _Write) and self._queue.qsize() < GROUP_ROWS:
            time.sleep(early_s)  # not waiting for each: waking up costs the event loop more than the commit
        writes: list[_Write] = []
        rows = 0
        while isinstance(work, _Write):
            writes.append(work)
            rows += len(work.records)
            if rows >= GROUP_ROWS and not failing:
                return writes, None
            try:
                work = self._queue.get_nowait()
            except Empty:
                return writes, None
        return writes, work

    def _answer(self, read: _Read) -> bool:
        """Whether there was an answer other than an error."""
        try:
            result, error = read.work(), None
        except Exception as fault:
            result, error = None, fault
        self._call(_resolve, read.answer, result, error)
        return error is None

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
