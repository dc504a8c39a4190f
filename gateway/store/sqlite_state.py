"""Outbox, what is known of chargers and tags, and outages in SQLite: functions of an open connection."""

import sqlite3
from typing import Any

from gateway.store.protocol import (
    EntriesGone,
    Outage,
    OutboxEntry,
    OutboxUsage,
    StatePart,
    TagSeen,
    Trimmed,
)
from gateway.store.sqlite_statements import insert, select, text

_ENTRY_COLUMNS = ("charger", "number", "time", "version", "action", "raw")
_OUTAGE_COLUMNS = ("backend", "begin", "end", "reason", "chargers", "messages", "energy_wh")


def outbox(db: sqlite3.Connection, charger: str, after: int, limit: int) -> list[OutboxEntry]:
    found = select(
        db,
        f"SELECT {', '.join(_ENTRY_COLUMNS)} FROM outbox",
        [("charger = ?", text(charger)), ("number > ?", after)],
        "number",
        limit,
    )
    return [OutboxEntry(**row) for row in found]


def outbox_usage(db: sqlite3.Connection) -> list[OutboxUsage]:
    """Answered from the index alone, so that a start does not read what waits."""
    rows = db.execute(
        "SELECT charger, count(*), sum(raw_bytes), min(time), max(number) FROM outbox GROUP BY charger"
    )
    return [OutboxUsage(*row) for row in rows]


def state(db: sqlite3.Connection, charger: str) -> dict[str, bytes]:
    return dict(db.execute("SELECT part, data FROM state WHERE charger = ?", [text(charger)]).fetchall())


def tags(db: sqlite3.Connection) -> list[TagSeen]:
    return [TagSeen(*row) for row in db.execute("SELECT digest, time, data FROM tags ORDER BY time")]


def outages(db: sqlite3.Connection, limit: int) -> list[Outage]:
    columns = f"SELECT {', '.join(_OUTAGE_COLUMNS)} FROM outages"
    return [Outage(**row) for row in select(db, columns, [], "begin DESC", limit)]


def add_outbox(db: sqlite3.Connection, records: list[OutboxEntry]) -> None:
    columns = [*_ENTRY_COLUMNS, "raw_bytes"]
    rows = [
        [*(text(getattr(record, column)) for column in _ENTRY_COLUMNS), record.record_bytes]
        for record in records
    ]
    insert(db, "outbox", columns, rows, " ON CONFLICT (charger, number) DO NOTHING")


def remove_outbox(db: sqlite3.Connection, records: list[EntriesGone]) -> None:
    gone = [[text(record.charger), number] for record in records for number in record.numbers]
    db.executemany("DELETE FROM outbox WHERE charger = ? AND number = ?", gone)


def set_parts(db: sqlite3.Connection, records: list[StatePart]) -> None:
    last = {(record.charger, record.part): record.data for record in records}
    rows: list[list[Any]] = [[text(charger), part, data] for (charger, part), data in last.items()]
    update = " ON CONFLICT (charger, part) DO UPDATE SET data = excluded.data"
    insert(db, "state", ("charger", "part", "data"), [row for row in rows if row[2]], update)
    db.executemany(
        "DELETE FROM state WHERE charger = ? AND part = ?", [row[:2] for row in rows if not row[2]]
    )


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
