"""The file as the writer's thread sees it: transactions, what a failure means, and coming back from it.

Nothing here is called from another thread. A failure is answered by how far it goes:

- `busy`: the next write tries again.
- `full`: the reserve is let go, so that what takes messages away can still be written; what adds some is
  refused until there is room for the reserve again.
- everything else that is not the fault of the records: the file is let go of and opened anew, with every
  check that a start makes. A sync that failed is never tried again on what was open then, since the kernel
  may have dropped what it could not write and would say that all is well.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from os import close as close_descriptor
from pathlib import Path
from typing import TypeVar

from gateway.store import sqlite_file, sqlite_rows, sqlite_salvage, sqlite_state
from gateway.store.protocol import (
    EntriesGone,
    EntryMoved,
    Outage,
    OutboxEntry,
    Record,
    StatePart,
    StoreError,
    StoreFailed,
    Trimmed,
)
from gateway.store.reserve import Reserve
from gateway.store.sqlite_file import Told

CHECKPOINT_BYTES = 4 * 1024 * 1024
CHECKPOINT_RECORDS = 1000
READ_S = 1.0
RETRY_S = 2.0
"""How long a failure is left alone before the file is opened anew, or the reserve asked for, again."""
GIVEN_BACK_PAGES = 500

T = TypeVar("T")


class Disk:
    """`failed` is why new messages cannot be kept now; `told` hears of damage."""

    def __init__(self, directory: Path, told: Told) -> None:
        self.failed: StoreFailed | None = None
        self._directory = directory
        self._told = told
        self._reserve = Reserve(directory)
        self._db: sqlite3.Connection | None = None
        self._lock = -1
        self._inode = -1
        self._retry_at = 0.0
        self._logged_records = 0
        self._logged_bytes = 0

    def open(self) -> None:
        """Errors: StoreError, with the cure."""
        sqlite_file.make_directory(self._directory)
        self._lock = sqlite_file.lock(self._directory)
        try:
            self._db = self._opened()
        except StoreError:
            close_descriptor(self._lock)
            raise
        if not self._reserve.make():
            self._is_full("there is no room for the reserve")

    def commit(self, writes: Sequence[Sequence[Record]]) -> list[StoreFailed | None]:
        """One failure or None for each write. One that cannot be kept does not take others with it."""
        self._try_to_come_back()
        if not self._is_in_place():
            return [self.failed] * len(writes)
        if not self._reserve.held:
            return [self._short(records) for records in writes]
        failed = self._transaction(list(chain.from_iterable(writes)))
        if failed is not None and failed.reason == "invalid" and len(writes) > 1:
            return [self._transaction(records) for records in writes]
        if failed is not None and failed.reason == "full":
            self._is_full(failed.detail)
            return [self._short(records) for records in writes]
        return [failed] * len(writes)

    def probe(self) -> None:
        """See whether the failure is over, when nobody writes."""
        self._try_to_come_back()
        if self._db is not None and self._reserve.held:
            self._transaction([])

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`work`, given up after `READ_S`: writes wait behind it. Errors: StoreError."""
        if self._db is None:
            raise StoreError(f"the store cannot be read: {self.failed.detail if self.failed else 'closed'}")
        until = time.monotonic() + READ_S
        self._db.set_progress_handler(lambda: time.monotonic() > until, 10_000)
        try:
            return work(self._db)
        except (sqlite3.Error, ValueError) as error:
            if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
                raise StoreError("takes too long; ask by charger, code, brand or a shorter time") from None
            if _is_text_unreadable(error) and self._db.text_factory is str:
                self._db.text_factory = sqlite_file.lenient_text
                return self.read(work)
            if _fact(error).reason != "invalid":
                self._note(error)
            raise StoreError(f"the store cannot be read: {error}") from None
        finally:
            if self._db is not None:
                self._db.set_progress_handler(None, 0)

    def outbox(self, charger: str, after: int, limit: int) -> list[OutboxEntry]:
        """Entries that are as they were written; damaged ones go to quarantine. Errors: StoreError."""
        tried: set[int] = set()
        while True:
            sound, damaged = self.read(lambda db: sqlite_state.outbox(db, charger, after, limit))
            if not damaged:
                return sound
            numbers = {entry.number for entry in damaged}
            if numbers & tried:  # a row that its index does not lead to
                self._fail(StoreFailed("corrupt", "damaged rows cannot be taken out"))
            kept = [sqlite_salvage.as_damaged(entry) for entry in damaged]
            failed = self._transaction([*kept, EntriesGone(charger, tuple(numbers))])
            if failed is not None:
                raise StoreError(f"what waits for {charger} is damaged, and not put aside: {failed.detail}")
            self._told("store-rows-damaged", {"table": "outbox", "of": charger, "quarantined": len(damaged)})
            tried |= numbers

    def state(self, charger: str) -> dict[str, bytes]:
        """Parts that are as they were written; a damaged one is left out, and told. Errors: StoreError."""
        sound, damaged = self.read(lambda db: sqlite_state.state(db, charger))
        if damaged:
            self._told("store-rows-damaged", {"table": "state", "of": charger, "parts": ", ".join(damaged)})
        return sound

    def tidy(self, records: int, size: int, trimmed: bool) -> None:
        """After a commit of so much: give pages back after a trim, and fold the log into the file when it
        has grown. Its file does not tell, since it is written again from the start and keeps its size.
        """
        self._logged_records += records
        self._logged_bytes += size
        if not self._is_in_place() or self._db is None:
            return
        try:
            if trimmed:
                self._give_back(GIVEN_BACK_PAGES)
            if self._logged_records > CHECKPOINT_RECORDS or self._logged_bytes > CHECKPOINT_BYTES:
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
                self._logged_records = self._logged_bytes = 0
        except sqlite3.Error as error:
            if _fact(error).reason == "full":
                self._is_full(str(error))
            else:
                self._note(error)

    def close(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()  # checkpoints and removes the log
            self._db = None
        close_descriptor(self._lock)

    def _transaction(self, records: Sequence[Record]) -> StoreFailed | None:
        """Without records it writes as well, so that it shows whether the disk takes anything."""
        if self._db is None:
            return self.failed
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if records:
                sqlite_rows.apply(self._db, records)
            else:
                sqlite_file.touch(self._db)
            self._db.execute("COMMIT")
        except Exception as error:
            with suppress(sqlite3.Error):
                self._db.rollback()
            return self._note(error)
        if self._reserve.held:
            self.failed = None
        return None

    def _note(self, error: Exception) -> StoreFailed:
        """The failure as a fact, and what follows from it."""
        failed = _fact(error)
        if failed.reason in ("io", "corrupt", "read-only"):
            self._fail(failed)
        elif failed.reason == "busy":
            self.failed = failed
        return failed

    def _fail(self, failed: StoreFailed) -> None:
        """Close without writing; what is on the disk is looked at anew when the file is opened again."""
        self.failed = failed
        db, self._db = self._db, None
        now = time.monotonic()
        self._retry_at = now if now > self._retry_at + RETRY_S else now + RETRY_S
        if db is not None:
            sqlite_file.abandon(db, self._directory)
        if self._reserve.is_scarce():
            self._reserve.release()

    def _is_in_place(self) -> bool:
        """Whether the file is open, and still there under its name.

        Somebody may have taken it away, or put another in its place; then what is open still has everything,
        and is written to a file anew.
        """
        if self._db is None or sqlite_file.is_file(self._directory, self._inode):
            return self._db is not None
        self._told("store-file-missing", {"file": str(self._directory / sqlite_file.NAME)})
        with suppress(sqlite3.Error, OSError):
            sqlite_salvage.rescue(self._db, self._directory)
        self._fail(StoreFailed("io", "the database file was taken away"))
        return False

    def _is_full(self, detail: str) -> None:
        self._reserve.release()
        self._retry_at = time.monotonic() + RETRY_S
        self.failed = StoreFailed("full", detail)

    def _short(self, records: Sequence[Record]) -> StoreFailed | None:
        """A write while the disk is full: what takes something away, or only replaces, lives on what was
        held back.
        """
        if any(isinstance(r, EntriesGone | EntryMoved | Trimmed) for r in records) or all(
            isinstance(r, StatePart | Outage) for r in records
        ):
            return self._transaction(records)
        return self.failed or StoreFailed("full", "there is no room")

    def _try_to_come_back(self) -> None:
        if self.failed is None or time.monotonic() < self._retry_at:
            return
        if self._db is None:
            self._open_again()
        if self._db is not None and not self._reserve.held:
            self._retry_at = time.monotonic() + RETRY_S
            with suppress(sqlite3.Error):
                self._give_back(10 * GIVEN_BACK_PAGES)
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if self._reserve.make():
                self._transaction([])

    def _open_again(self) -> None:
        self._retry_at = time.monotonic() + RETRY_S
        try:
            thorough = self.failed is not None and self.failed.reason == "corrupt"
            self._db = self._opened(thorough)
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # what was read is written, and synced, anew
            self._reserve.make()
        except StoreError as error:
            self.failed = StoreFailed("io", str(error))
        except sqlite3.Error as error:
            self._note(error)

    def _opened(self, thorough: bool = False) -> sqlite3.Connection:
        try:
            db = sqlite_salvage.open_checked(self._directory, self._told, thorough)
        except StoreError:
            if not self._reserve.is_scarce():
                raise
            self._reserve.release()
            db = sqlite_salvage.open_checked(self._directory, self._told, thorough)
        self._inode = (self._directory / sqlite_file.NAME).stat().st_ino
        return db

    def _give_back(self, pages: int) -> None:
        assert self._db is not None
        self._db.executescript(f"PRAGMA incremental_vacuum({pages})")  # `execute` frees one page


def _is_text_unreadable(error: Exception) -> bool:
    """Whether Python, not SQLite, gave up: a row holds text that is none any more."""
    return isinstance(error, sqlite3.OperationalError) and not hasattr(error, "sqlite_errorcode")


def _fact(error: Exception) -> StoreFailed:
    """What a failed transaction means to whoever asked for it."""
    detail = f"{getattr(error, 'sqlite_errorname', type(error).__name__)}: {error}"
    if isinstance(error, OSError):
        return StoreFailed("io", detail)
    if isinstance(error, UnicodeDecodeError):  # of a message that quotes what is damaged
        return StoreFailed("corrupt", detail)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISMATCH)  # without one, Python refused a value
    return StoreFailed(_REASONS.get(code & 0xFF, "io"), detail)


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
