"""Opening the file with every check, and saving from a broken one what can be read.

A broken file is never repaired in place: its rows are copied into a new one, what is most needed first, and
the broken one is kept beside it. Until the new one is whole and on the disk the broken one keeps its name, so
that an end in the middle only means to begin again.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from gateway.store import sqlite_file, sqlite_log, sqlite_rows, sqlite_state
from gateway.store.place import taken_apart
from gateway.store.protocol import OutboxEntry, QuarantineEntry, StoreError
from gateway.store.sqlite_file import Told

TABLES = ("outbox", "state", "quarantine", "tags", "outages", "flags")
WORKPLACE = "salvage"
FINISHED = f"{sqlite_file.NAME}.salvaged"
HIGHEST = 2**62
UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What reading a damaged file raises; the latter when the text of an error quotes what is damaged."""


def open_checked(directory: Path, told: Told, thorough: bool = False) -> sqlite3.Connection:
    """The database in `directory`, made or migrated as needed, and checked; `thorough` looks at indexes too.

    A broken file is moved aside, never deleted, and a new one begun with what can be read of it; `told`
    hears of it. Errors: StoreError when the file can be read by others, is from a newer gateway, or cannot be
    opened.
    """
    path = directory / sqlite_file.NAME
    try:
        _finish_earlier(path, told)
        if path.exists():
            sqlite_file.check_mode(path)
            sqlite_log.mend(path, told)
            if not sqlite_file.is_sound(path, thorough):
                _replace(path, told)
        return sqlite_file.opened(path)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; give a directory the gateway may write to") from None
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}{_cure(error)}") from None


def rescue(db: sqlite3.Connection, directory: Path) -> None:
    """Write what `db` holds into a new file, when its own is no longer there; the next opening takes it."""
    path, finished = directory / sqlite_file.NAME, directory / FINISHED
    finished.unlink(missing_ok=True)
    descriptor = os.open(finished, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        db.execute("VACUUM INTO ?", [str(finished)])
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sqlite_file.move_aside(path)


def as_damaged(entry: OutboxEntry) -> QuarantineEntry:
    """A message that waited and is not what it was, for a person; it must not be delivered."""
    charger, backend = taken_apart(entry.charger)
    return QuarantineEntry(
        id=f"damaged-{os.urandom(8).hex()}",
        time=entry.time,
        charger=charger,
        sender="charger",
        raw=entry.raw,
        version=entry.version,
        action=entry.action,
        flags=(sqlite_rows.DAMAGED,),
        carries_revenue=True,
        backend=backend,
    )


def _finish_earlier(path: Path, told: Told) -> None:
    """Take up what an end in the middle left behind."""
    shutil.rmtree(path.with_name(WORKPLACE), ignore_errors=True)
    finished = path.with_name(FINISHED)
    empty = path.exists() and path.stat().st_size == 0
    if path.exists() and not empty:
        finished.unlink(missing_ok=True)
        return
    if (empty or Path(f"{path}-wal").exists()) and not finished.exists():
        told("store-file-missing", {"file": str(path), "kept_as": str(sqlite_file.move_aside(path))})
    if finished.exists():
        sqlite_file.move_aside(path)
        finished.rename(path)
        sqlite_file.sync_directory(path.parent)


def _replace(path: Path, told: Told) -> None:
    """Put a new file with all that can be read in the place of a broken one."""
    place = path.with_name(WORKPLACE)
    place.mkdir(mode=0o700)
    new, copy = place / sqlite_file.NAME, place / "copy.db"
    with closing(sqlite_file.opened(new)) as db:
        shutil.copyfile(path, copy)
        sqlite_log.fold(path, copy)
        found = _salvage(copy, db)
    new.rename(path.with_name(FINISHED))
    sqlite_file.sync_directory(path.parent)
    aside = sqlite_file.move_aside(path)
    path.with_name(FINISHED).rename(path)
    sqlite_file.sync_directory(path.parent)
    shutil.rmtree(place, ignore_errors=True)
    told("store-was-corrupt", {"kept_as": str(aside), **found})


def _salvage(copy: Path, target: sqlite3.Connection) -> dict[str, object]:
    """Copy every readable row; `table` → how many were saved and lost."""
    if not _knows_its_tables(copy):
        _mend_schema(copy, target)
    found: dict[str, object] = {}
    with closing(_lenient(copy)) as source:
        for table in TABLES:
            found[table] = _copy_table(source, target, table)
    return found


def _copy_table(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> str:
    columns = [row[1] for row in target.execute(f"PRAGMA table_info({table})")]
    names = ", ".join(columns)
    insert = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})"
    saved = damaged = 0
    target.execute("BEGIN")
    for values in _readable(source, table, names):
        row = dict(zip(columns, values, strict=True))
        if table in sqlite_state.CHECKED and not sqlite_state.is_sound(table, row):
            damaged += 1
            if table == "outbox":
                _quarantine(target, row)
            continue
        with suppress(sqlite3.Error, UnicodeError):
            saved += target.execute(insert, values).rowcount
    target.execute("COMMIT")
    total = _count(source, table)
    lost = "unknown" if total is None else max(0, total - saved - damaged)
    return f"{saved} saved, {damaged} damaged, {lost} lost"


def _quarantine(target: sqlite3.Connection, row: dict[str, Any]) -> None:
    row = {name: value for name, value in row.items() if name not in ("crc", "raw_bytes")}
    with suppress(sqlite3.Error, TypeError, UnicodeError):
        sqlite_rows.apply(target, [as_damaged(OutboxEntry(**row))])


def _readable(db: sqlite3.Connection, table: str, names: str) -> Iterator[tuple[Any, ...]]:
    """Every row that can be reached, by rowid; behind a page that cannot be read it goes on."""
    query = f"SELECT rowid, {names} FROM {table} NOT INDEXED WHERE rowid > ? ORDER BY rowid"
    last = -HIGHEST
    while True:
        try:
            for number, *row in db.execute(query, [last]):
                if number <= last:  # a page that leads back
                    break
                last = number
                yield tuple(row)
            else:
                return
        except UNREADABLE:
            pass
        beyond = _next_readable(db, query, last)
        if beyond is None:
            return
        last = beyond


def _next_readable(db: sqlite3.Connection, query: str, last: int) -> int | None:
    """The smallest number behind which a row can be read again, by doubling the distance, then halving it."""

    def readable(after: int) -> bool | None:
        try:
            row = db.execute(f"{query} LIMIT 1", [after]).fetchone()
        except UNREADABLE:
            return False
        return None if row is None else bool(row[0] > after)

    bad, step = last, 1
    if last < 0:  # rows begin at 1
        bad, last = -1, -1
    while (found := readable(last + step)) is False:
        bad = last + step
        step *= 2
        if step > HIGHEST:
            return None
    good = last + step
    while good - bad > 1:
        middle = (good + bad) // 2
        if readable(middle) is False:
            bad = middle
        else:
            good = middle
    return good if found is not None or readable(good) else None


def _count(db: sqlite3.Connection, table: str) -> int | None:
    try:
        (count,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    except UNREADABLE:
        return None
    return int(count)


def _lenient(path: Path) -> sqlite3.Connection:
    """A connection that reads what it can: text with wrong bytes, a file shorter than it says."""
    db = sqlite3.connect(path, isolation_level=None)
    db.text_factory = sqlite_file.lenient_text
    with suppress(*UNREADABLE):
        db.execute("PRAGMA writable_schema = ON")
    return db


def _knows_its_tables(path: Path) -> bool:
    """Whether every table can be asked that a file of this version has."""
    with closing(_lenient(path)) as db:
        try:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            for table in _tables_of(version):
                db.execute(f"SELECT 1 FROM {table} LIMIT 0")
        except UNREADABLE:
            return False
    return True


def _tables_of(version: int) -> list[str]:
    steps = sqlite_file.MIGRATIONS[:version] if version > 0 else sqlite_file.MIGRATIONS
    with closing(sqlite3.connect(":memory:")) as db:
        for step in steps:
            step(db)
        rows = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return [name for (name,) in rows]


def _mend_schema(path: Path, target: sqlite3.Connection) -> None:
    """Give a file whose first page is broken that of a new one.

    Every file of ours is made by the same steps, and SQLite keeps the roots of tables at the front when it
    gives pages back, so that they lie where they lie in a new file.
    """
    target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (name,) = [row[2] for row in target.execute("PRAGMA database_list") if row[1] == "main"]
    fresh = Path(name).read_bytes()
    size = sqlite_file.PAGE_BYTES
    with path.open("r+b") as file:
        pages = file.seek(0, os.SEEK_END) // size
        head = bytearray(fresh[:size])
        head[28:32] = pages.to_bytes(4, "big")
        head[32:40] = bytes(8)  # no page is free
        for number in [1, *_children(bytes(head))]:
            file.seek((number - 1) * size)
            file.write(head if number == 1 else fresh[(number - 1) * size : number * size])


def _children(page: bytes) -> list[int]:
    """The pages that an interior first page leads to (SQLite file format §1.6)."""
    begin = 100
    if page[begin] != 0x05:
        return []
    cells = int.from_bytes(page[begin + 3 : begin + 5], "big")
    places = [int.from_bytes(page[begin + 12 + 2 * n : begin + 14 + 2 * n], "big") for n in range(cells)]
    return [int.from_bytes(page[at : at + 4], "big") for at in [*places, begin + 8]]


def _cure(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_BUSY:
        return "; another program holds it: end that"
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return "; see whether its disk is full or failing"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return "; let the gateway write to it and its directory"
    return ""
