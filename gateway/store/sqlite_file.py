"""The database file: where it lies, who may use it, its schema, and what happens when it is broken."""

import fcntl
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from gateway.store.protocol import StoreError

NAME = "gateway.db"
LOCK_NAME = "gateway.lock"
BUSY_TIMEOUT_S = 2


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


def make_directory(directory: Path) -> None:
    """Make sure the directory is there; a new one is for its owner alone."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{directory}: {error.strerror}; give a directory the gateway may make") from None


def open_checked(directory: Path) -> tuple[sqlite3.Connection, Path | None]:
    """The database in `directory`, made or migrated as needed, and checked.

    A broken file is moved aside, never deleted, and a new one begun; its new name is returned. Errors:
    StoreError when the file can be read by others, is from a newer gateway, or cannot be opened.
    """
    path = directory / NAME
    aside = None
    try:
        if path.exists():
            _check_mode(path)
            if not _is_sound(path):
                aside = _move_aside(path)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return _open(path), aside
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; give a directory the gateway may write to") from None
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from None


def open_read_only(directory: Path) -> sqlite3.Connection:
    """To look up from outside; it neither writes nor checkpoints. Errors: StoreError if nothing is there."""
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


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
    try:
        _set_up(db)
        _migrate(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _set_up(db: sqlite3.Connection) -> None:
    for setting in (
        "auto_vacuum = INCREMENTAL",  # before the first table is made
        "journal_mode = WAL",
        "synchronous = FULL",  # each commit is synced; NORMAL would lose the last ones with the power
        "wal_autocheckpoint = 0",  # the writer does it, so that its errors are seen
        "journal_size_limit = 16777216",
        "trusted_schema = OFF",
        "cell_size_check = ON",
    ):
        db.execute(f"PRAGMA {setting}")


def _check_mode(path: Path) -> None:
    if path.stat().st_mode & 0o077:
        raise StoreError(f"{path}: others can read or write it; see who did, then: chmod 600 {path}")


def _is_sound(path: Path) -> bool:
    """SQLite's own quick check. Not sound means damaged; anything else that fails is an sqlite3.Error."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)) as db:
            (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
            return bool(found == "ok")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return False
        raise


def _move_aside(path: Path) -> Path:
    """Rename the database and what belongs to it; its log goes first, so that it never meets a new file."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    aside = path.with_name(f"{path.name}.broken-{stamp}")
    for suffix in ("-wal", "-shm", ""):
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{aside}{suffix}")
    return aside


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
            action TEXT NOT NULL, raw_bytes INTEGER NOT NULL, raw BLOB NOT NULL
        ) STRICT""")
    db.execute("CREATE UNIQUE INDEX outbox_by_charger ON outbox (charger, number)")
    db.execute("CREATE INDEX outbox_usage ON outbox (charger, time, raw_bytes, number)")
    db.execute("""
        CREATE TABLE state (
            charger TEXT NOT NULL, part TEXT NOT NULL, data BLOB NOT NULL, UNIQUE (charger, part)
        ) STRICT""")
    db.execute("CREATE TABLE tags (digest BLOB PRIMARY KEY, time REAL NOT NULL, data BLOB NOT NULL) STRICT")
    db.execute("CREATE INDEX tags_by_time ON tags (time)")
    db.execute("""
        CREATE TABLE outages (
            backend TEXT NOT NULL, begin REAL NOT NULL, end REAL NOT NULL, reason TEXT NOT NULL,
            chargers INTEGER NOT NULL, messages INTEGER NOT NULL, energy_wh REAL NOT NULL,
            UNIQUE (backend, begin)
        ) STRICT""")


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _begin_with_flags_and_quarantine,
    _add_outbox_and_state,
)
"""Each takes the file one version further; once released, one is never changed, only followed by another."""
