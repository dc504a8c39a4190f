"""Outbox, what is known of chargers and tags, and outages in SQLite: functions of an open connection."""

import sqlite3
from typing import Any
from zlib import crc32

from gateway.store.protocol import (
    EntriesGone,
    Outage,
    OutboxEntry,
    OutboxUsage,
    StatePart,
    TagSeen,
    Trimmed,
)
from gateway.store.sqlite_statements import delete, insert, select, text

_ENTRY_COLUMNS = ("charger", "number", "time", "version", "action", "raw")
_PART_COLUMNS = ("charger", "part", "data")
CHECKED = {"outbox": _ENTRY_COLUMNS, "state": _PART_COLUMNS}
"""Tables whose rows carry a sum, and what it is taken over: what will be billed, and to whom."""

_OUTAGE_COLUMNS = ("backend", "begin", "end", "reason", "chargers", "messages", "energy_wh")


def outbox(
    db: sqlite3.Connection, charger: str, after: int, limit: int
) -> tuple[list[OutboxEntry], list[OutboxEntry]]:
    """A charger's entries, and those whose sum is wrong: they are not what was kept."""
    found = select(
        db,
        f"SELECT {', '.join(_ENTRY_COLUMNS)}, crc FROM outbox",
        [("charger = ?", text(charger)), ("number > ?", after)],
        "number",
        limit,
    )
    sound: list[OutboxEntry] = []
    damaged: list[OutboxEntry] = []
    for row in found:
        intact = is_sound("outbox", row)
        del row["crc"]
        (sound if intact else damaged).append(OutboxEntry(**row))
    return sound, damaged


def outbox_usage(db: sqlite3.Connection) -> list[OutboxUsage]:
    """Answered from the index alone, so that a start does not read what waits."""
    rows = db.execute(
        "SELECT charger, count(*), sum(raw_bytes), min(time), max(number) FROM outbox GROUP BY charger"
    )
    return [OutboxUsage(*row) for row in rows]


def state(db: sqlite3.Connection, charger: str) -> tuple[dict[str, bytes], list[str]]:
    """A charger's parts, and the names of those whose sum is wrong."""
    columns = f"SELECT {', '.join(_PART_COLUMNS)}, crc FROM state"
    found = select(db, columns, [("charger = ?", text(charger))], "part", -1)
    sound = {row["part"]: row["data"] for row in found if is_sound("state", row)}
    return sound, [row["part"] for row in found if row["part"] not in sound]


def is_sound(table: str, row: dict[str, Any]) -> bool:
    """Whether a row of one of the `CHECKED` tables, by column name, is as it was written."""
    values = [row[column] for column in CHECKED[table]]
    return isinstance(values[-1], bytes) and bool(_crc(values) == row["crc"])


def tags(db: sqlite3.Connection) -> list[TagSeen]:
    return [TagSeen(*row) for row in db.execute("SELECT digest, time, data FROM tags ORDER BY time")]


def outages(db: sqlite3.Connection, limit: int) -> list[Outage]:
    columns = f"SELECT {', '.join(_OUTAGE_COLUMNS)} FROM outages"
    return [Outage(**row) for row in select(db, columns, [], "begin DESC", limit)]


def add_outbox(db: sqlite3.Connection, records: list[OutboxEntry]) -> None:
    columns = [*_ENTRY_COLUMNS, "raw_bytes", "crc"]
    rows: list[list[Any]] = []
    for record in records:
        raw = record.raw
        row = [
            text(record.charger), record.number, float(record.time),
            text(record.version), text(record.action), raw,
        ]  # fmt: skip
        rows.append([*row, len(raw), _crc(row)])
    insert(db, "outbox", columns, rows, " ON CONFLICT (charger, number) DO NOTHING")


def remove_outbox(db: sqlite3.Connection, records: list[EntriesGone]) -> None:
    gone = [[text(record.charger), number] for record in records for number in record.numbers]
    delete(db, "outbox", ("charger", "number"), gone)


def set_parts(db: sqlite3.Connection, records: list[StatePart]) -> None:
    last = {(record.charger, record.part): record.data for record in records}
    rows: list[list[Any]] = [[text(charger), part, data] for (charger, part), data in last.items()]
    update = " ON CONFLICT (charger, part) DO UPDATE SET data = excluded.data, crc = excluded.crc"
    full = [[*row, _crc(row)] for row in rows if row[2]]
    insert(db, "state", (*_PART_COLUMNS, "crc"), full, update)
    delete(db, "state", ("charger", "part"), [row[:2] for row in rows if not row[2]])


def add_tags(db: sqlite3.Connection, records: list[TagSeen]) -> None:
    rows = [[record.digest, record.time, record.data] for record in records]
    update = " ON CONFLICT (digest) DO UPDATE SET time = excluded.time, data = excluded.data"
    insert(db, "tags", ("digest", "time", "data"), rows, update)


def set_outages(db: sqlite3.Connection, records: list[Outage]) -> None:
    rows = [[text(getattr(record, column)) for column in _OUTAGE_COLUMNS] for record in records]
    changing = ", ".join(f"{column} = excluded.{column}" for column in _OUTAGE_COLUMNS[2:])
    insert(db, "outages", _OUTAGE_COLUMNS, rows, f" ON CONFLICT (backend, begin) DO UPDATE SET {changing}")


def trim(db: sqlite3.Connection, bounds: Trimmed) -> None:
    db.execute("DELETE FROM tags WHERE time < ?", [bounds.tags_since])
    db.execute(
        "DELETE FROM outages WHERE begin < (SELECT min(begin) FROM"
        " (SELECT begin FROM outages ORDER BY begin DESC LIMIT ?))",
        [bounds.outages],
    )


def _crc(values: list[Any]) -> int:
    """A sum over values as they are kept; the last is bytes."""
    return crc32(values[-1], crc32(repr(values[:-1]).encode(errors="backslashreplace")))
