"""The database file: where it lies, who may use it, its schema, and what happens when it is broken."""

import fcntl
import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from gateway.store.protocol import StoreError

NAME = "gateway.db"
LOCK_NAME = "gateway.lock"
BUSY_TIMEOUT_S = 2
PAGE_BYTES = 4096
STATEMENTS_KEPT = 512

Told = Callable[[str, dict[str, object]], None]
"""Hears of damage: the name of an event and its fields."""


def lock(directory: Path) -> int:
    """Take the directory for this process until the returned descriptor is closed (or the process ends).

    Errors: StoreError when another process holds it, or it cannot be written to.
    """
    try:
        descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(
            f"{directory}: {error.strerror}; give a directory the gateway may write to"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StoreError(f"{directory}: another process uses it; end that, or give each its own") from None
    return descriptor


def try_directory(directory: Path) -> None:
    """See whether a store could be kept there, and leave nothing behind. Errors: StoreError."""
    _check_place(directory)
    nearest = next(place for place in (directory, *directory.absolute().parents) if place.exists())
    try:
        os.rmdir(tempfile.mkdtemp(dir=nearest))
    except OSError as error:
        raise StoreError(
            f"{directory}: {error.strerror}; give a directory the gateway may write to"
        ) from None


def _check_place(directory: Path) -> None:
    """Errors: StoreError when something stands there that is no directory, or no database, or nothing can."""
    if "\0" in str(directory):
        raise StoreError(f"{str(directory)!r}: no directory can be called that; give another")
    try:
        for place in (directory, *directory.absolute().parents):
            if place.exists() and not place.is_dir():
                raise StoreError(f"{place}: is a file; give a directory")
        is_taken = (directory / NAME).is_dir()
    except OSError as error:
        raise StoreError(f"{directory}: {error.strerror}; give another directory") from None
    if is_taken:
        raise StoreError(f"{directory / NAME}: is a directory; move it away, or give another data directory")


def make_directory(directory: Path) -> None:
    """Make sure the directory is there; a new one is for its owner alone."""
    try:
        _check_place(directory)
        if not directory.is_dir():
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_directory(directory.parent)
    except OSError as error:
        raise StoreError(f"{directory}: {error.strerror}; give a directory the gateway may make") from None


def open_read_only(directory: Path) -> sqlite3.Connection:
    """To look up from outside; it neither writes nor checkpoints. Errors: StoreError if nothing is there."""
    _check_place(directory)
    path = directory / NAME
    if not path.exists():
        raise StoreError(f"{path}: there is none; has a gateway run with this data directory?")
    db = None
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        _check_version(db, path)
    except (sqlite3.Error, StoreError) as error:
        if db is not None:
            db.close()
        raise error if isinstance(error, StoreError) else StoreError(f"{path}: {error}") from None
    return db


def opened(path: Path) -> sqlite3.Connection:
    """The database at `path`, made or migrated as needed. Errors: OSError, sqlite3.Error, StoreError."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(
        path, isolation_level=None, timeout=BUSY_TIMEOUT_S, cached_statements=STATEMENTS_KEPT
    )
    try:
        _set_up(db)
        _migrate(db, path)
        sync_directory(path.parent)  # else a loss of power might undo that files were made or removed
    except BaseException:
        db.close()
        raise
    return db


def touch(db: sqlite3.Connection) -> None:
    """Write something that changes nothing, within the transaction that is open."""
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def abandon(db: sqlite3.Connection, directory: Path) -> None:
    """Close after a failure, writing nothing more.

    The last connection to close copies the log into the file, without looking at the sums of what it copies.
    One that may only read is kept open longer, which is not able to.
    """
    with suppress(sqlite3.Error):
        db.rollback()
    witness = None
    with suppress(sqlite3.Error):
        witness = sqlite3.connect(f"{(directory / NAME).absolute().as_uri()}?mode=ro", uri=True)
        witness.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    with suppress(sqlite3.Error):
        db.close()
    if witness is not None:
        with suppress(sqlite3.Error):
            witness.close()


def check_mode(path: Path) -> None:
    """Errors: StoreError when others may read or write the file."""
    if path.stat().st_mode & 0o077:
        raise StoreError(f"{path}: others can read or write it; see who did, then: chmod 600 {path}")


def is_sound(path: Path, thorough: bool = False) -> bool:
    """SQLite's own checks: of every page, and that each row of what will be billed is found by its index; if
    `thorough`, of every row. Not sound means damaged; anything else that fails is an sqlite3.Error.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)) as db:
            tables = db.execute("SELECT name FROM sqlite_schema WHERE name IN ('outbox', 'state')").fetchall()
            checks = ["quick_check(1)", *(f"integrity_check({table})" for (table,) in tables)]
            return all(
                db.execute(f"PRAGMA {check}").fetchone() == ("ok",)
                for check in (["integrity_check(1)"] if thorough else checks)
            )
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return False
        raise
    except UnicodeDecodeError:  # the text of an error that quotes what is damaged
        return False


def lenient_text(raw: bytes) -> str:
    """Text whatever its bytes are, for files that may be damaged."""
    return raw.decode(errors="replace")


def is_file(directory: Path, inode: int) -> bool:
    """Whether the database is still the file with that number."""
    try:
        return (directory / NAME).stat().st_ino == inode
    except OSError:
        return False


def aside(path: Path) -> Path:
    """A name for a broken file to be kept under."""
    return path.with_name(f"{path.name}.broken-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")


def move_aside(path: Path) -> Path:
    """Rename the database and what belongs to it; its log goes first, so that it never meets a new file."""
    new = aside(path)
    for suffix in ("-wal", "-shm", ""):
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{new}{suffix}")
    return new


def sync_directory(directory: Path) -> None:
    """Make names durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _set_up(db: sqlite3.Connection) -> None:
    for setting in (
        f"page_size = {PAGE_BYTES}",
        "auto_vacuum = INCREMENTAL",  # before the first table is made
        "journal_mode = WAL",
        "synchronous = FULL",  # each commit is synced; NORMAL would lose the last ones with the power
        "wal_autocheckpoint = 0",  # the writer does it, so that its errors are seen
        "journal_size_limit = 16777216",
        "trusted_schema = OFF",
        "cell_size_check = ON",
    ):
        db.execute(f"PRAGMA {setting}")


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    done = _check_version(db, path)
    for number, step in enumerate(MIGRATIONS[done:], start=done + 1):
        db.execute("BEGIN IMMEDIATE")
        step(db)
        db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")


def _check_version(db: sqlite3.Connection, path: Path) -> int:
    """How many migrations the file has had."""
    (done,) = db.execute("PRAGMA user_version").fetchone()
    if done > len(MIGRATIONS):
        raise StoreError(f"{path}: written by a newer gateway; run that, or give another data directory")
    return int(done)


def _begin_with_flags_and_quarantine(db: sqlite3.Connection) -> None:
    db.execute("""
        CREATE TABLE flags (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            time REAL NOT NULL, charger TEXT NOT NULL, code TEXT NOT NULL, severity TEXT NOT NULL,
            consequence TEXT NOT NULL, brand TEXT NOT NULL, firmware TEXT NOT NULL, version TEXT NOT NULL,
            kind TEXT NOT NULL, action TEXT NOT NULL, path TEXT NOT NULL, before TEXT NOT NULL,
            after TEXT NOT NULL, author TEXT NOT NULL, raw_ref TEXT NOT NULL
        ) STRICT""")
    for column in ("time", "charger", "code", "brand"):
        db.execute(f"CREATE INDEX flags_by_{column} ON flags ({column})")
    db.execute("""
        CREATE TABLE quarantine (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE, time REAL NOT NULL, charger TEXT NOT NULL, sender TEXT NOT NULL,
            brand TEXT NOT NULL, firmware TEXT NOT NULL, version TEXT NOT NULL, action TEXT NOT NULL,
            flags TEXT NOT NULL, carries_revenue INTEGER NOT NULL, state TEXT NOT NULL,
            outcome TEXT NOT NULL, rank INTEGER NOT NULL, raw_bytes INTEGER NOT NULL, raw BLOB NOT NULL
        ) STRICT""")
    db.execute("CREATE INDEX quarantine_by_rank ON quarantine (rank, number, raw_bytes)")
    db.execute("CREATE INDEX quarantine_by_charger ON quarantine (charger)")


def _add_outbox_and_state(db: sqlite3.Connection) -> None:
    db.execute("""
        CREATE TABLE outbox (
            charger TEXT NOT NULL, number INTEGER NOT NULL, time REAL NOT NULL, version TEXT NOT NULL,
            action TEXT NOT NULL, raw_bytes INTEGER NOT NULL, crc INTEGER NOT NULL, raw BLOB NOT NULL
        ) STRICT""")
    db.execute("CREATE UNIQUE INDEX outbox_by_charger ON outbox (charger, number)")
    db.execute("CREATE INDEX outbox_usage ON outbox (charger, time, raw_bytes, number)")
    db.execute("""
        CREATE TABLE state (
            charger TEXT NOT NULL, part TEXT NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL,
            UNIQUE (charger, part)
        ) STRICT""")
    db.execute("CREATE TABLE tags (digest BLOB PRIMARY KEY, time REAL NOT NULL, data BLOB NOT NULL) STRICT")
    db.execute("CREATE INDEX tags_by_time ON tags (time)")
    db.execute("""
        CREATE TABLE outages (
            backend TEXT NOT NULL, begin REAL NOT NULL, end REAL NOT NULL, reason TEXT NOT NULL,
            chargers INTEGER NOT NULL, messages INTEGER NOT NULL, energy_wh REAL NOT NULL,
            UNIQUE (backend, begin)
        ) STRICT""")


def _name_backends(db: sqlite3.Connection) -> None:
    for table in ("flags", "quarantine"):
        db.execute(f"ALTER TABLE {table} ADD COLUMN backend TEXT NOT NULL DEFAULT ''")


def _tell_what_was_applied(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE flags ADD COLUMN applied INTEGER NOT NULL DEFAULT 1")


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _begin_with_flags_and_quarantine,
    _add_outbox_and_state,
    _name_backends,
    _tell_what_was_applied,
)
"""Each takes the file one version further; once released, one is never changed, only followed by another."""
