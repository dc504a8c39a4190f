"""Flags and quarantine in SQLite, and the carrying out of every kind of record."""

import sqlite3
import sys
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import orjson

from gateway.store import sqlite_state
from gateway.store.protocol import (
    MAX_TRIMMED,
    EntriesGone,
    EntryMoved,
    EntryState,
    FlagQuery,
    FlagRecord,
    Outage,
    OutboxEntry,
    QuarantineEntry,
    QuarantineQuery,
    Record,
    StatePart,
    TagSeen,
    Trimmed,
    Usage,
)
from gateway.store.sqlite_statements import insert, select, text

_FLAG_COLUMNS = (
    "time", "charger", "code", "severity", "consequence", "brand", "firmware", "version", "kind", "action",
    "path", "before", "after", "author", "raw_ref", "backend", "applied",
)  # fmt: skip
_ENTRY_COLUMNS = (
    "id", "time", "charger", "sender", "raw", "brand", "firmware", "version", "action", "flags",
    "carries_revenue", "state", "outcome", "backend",
)  # fmt: skip

DAMAGED = "store-damaged"
"""The flag of a quarantined message that is not what was once kept."""

# The order in which quarantine goes when there is too much of it; what has the last rank stays.
_SETTLED, _WITHOUT_REVENUE, _REVENUE = 0, 1, 2


def apply(db: sqlite3.Connection, records: Iterable[Record]) -> None:
    """Carry out `records` within the transaction that is open: kind by kind, each kind in its order.

    So many rows go with one statement. The order of kinds is that of `_APPLY`, where nothing comes before
    what it may undo.
    """
    for kind, same in groupby(sorted(records, key=_turn), type):
        _APPLY[kind](db, list(same))


def flags(db: sqlite3.Connection, query: FlagQuery) -> list[FlagRecord]:
    names = [n for n in ("code", "brand", "firmware", "charger", "severity") if getattr(query, n)]
    found = select(
        db,
        f"SELECT number, {', '.join(_FLAG_COLUMNS)} FROM flags",
        [
            *((f"{name} = ?", text(getattr(query, name))) for name in names),
            ("time >= ?", query.since),
            ("time < ?", query.until),
            ("number < ?", query.before),
            ("number > ?", query.after),
        ],
        "number DESC" if query.after is None else "number",
        query.limit,
    )
    return [FlagRecord(**row | {"applied": bool(row["applied"])}) for row in found]


def quarantine(db: sqlite3.Connection, query: QuarantineQuery) -> list[QuarantineEntry]:
    conditions: list[tuple[str, Any]] = [
        ("state = ?", query.state),
        ("charger = ?", text(query.charger) or None),
        ("number < ?", query.before),
    ]
    return _entries(db, conditions, query.limit)


def quarantine_entry(db: sqlite3.Connection, id: str) -> QuarantineEntry | None:
    found = _entries(db, [("id = ?", text(id))], 1)
    if id and not found:
        found = _entries(db, [("id >= ?", text(id)), ("id < ?", text(id) + chr(sys.maxunicode))], 2)
    return found[0] if len(found) == 1 else None


def usage(db: sqlite3.Connection) -> Usage:
    (flag_rows,) = db.execute("SELECT count(*) FROM flags").fetchone()
    return Usage(flag_rows, *_quarantine_usage(db))


def _entries(db: sqlite3.Connection, conditions: list[tuple[str, Any]], limit: int) -> list[QuarantineEntry]:
    columns = f"SELECT number, {', '.join(_ENTRY_COLUMNS)} FROM quarantine"
    rows = select(db, columns, conditions, "number DESC", limit)
    return [_entry(row) for row in rows]


def _entry(row: dict[str, Any]) -> QuarantineEntry:
    """What can be read of a row whose bytes are damaged is for a person to see, too."""
    try:
        flags, state = tuple(orjson.loads(row["flags"])), EntryState(row["state"])
    except ValueError:
        flags, state = (DAMAGED,), EntryState.OPEN
    row |= {
        "flags": flags,
        "state": state,
        "carries_revenue": bool(row["carries_revenue"]),
    }
    return QuarantineEntry(**row)


def _add_flags(db: sqlite3.Connection, records: list[FlagRecord]) -> None:
    rows = [[text(getattr(record, column)) for column in _FLAG_COLUMNS] for record in records]
    insert(db, "flags", _FLAG_COLUMNS, rows)


def _add_entries(db: sqlite3.Connection, records: list[QuarantineEntry]) -> None:
    rows = [
        [
            *(text(getattr(record, column)) for column in _ENTRY_COLUMNS if column != "flags"),
            orjson.dumps(record.flags).decode(),
            len(record.raw),
            _rank(record.state, record.carries_revenue),
        ]
        for record in records
    ]
    columns = [*(column for column in _ENTRY_COLUMNS if column != "flags"), "flags", "raw_bytes", "rank"]
    insert(db, "quarantine", columns, rows, " ON CONFLICT (id) DO NOTHING")


def _move_entries(db: sqlite3.Connection, records: list[EntryMoved]) -> None:
    for record in records:
        db.execute(
            "UPDATE quarantine SET state = ?, outcome = ?,"
            " rank = CASE WHEN ? THEN ? WHEN carries_revenue THEN ? ELSE ? END WHERE id = ?",
            [
                record.state,
                text(record.outcome),
                record.state.settled,
                _SETTLED,
                _REVENUE,
                _WITHOUT_REVENUE,
                text(record.id),
            ],
        )


def _trim(db: sqlite3.Connection, records: list[Trimmed]) -> None:
    for bounds in records:
        _trim_flags(db, bounds)
        _trim_quarantine(db, bounds)
        sqlite_state.trim(db, bounds)


def _trim_flags(db: sqlite3.Connection, bounds: Trimmed) -> None:
    """By number, not by counting: numbers rise by one, so the newest N lie within N of the last."""
    db.execute(
        "DELETE FROM flags WHERE number IN ("
        " SELECT number FROM flags WHERE number <= (SELECT max(number) FROM flags) - ?"
        " UNION SELECT number FROM flags WHERE time < ?"
        " ORDER BY number LIMIT ?)",
        [bounds.flag_rows, bounds.flags_since, MAX_TRIMMED],
    )


def _trim_quarantine(db: sqlite3.Connection, bounds: Trimmed) -> None:
    rows, size = _quarantine_usage(db)
    if rows <= bounds.quarantine_rows and size <= bounds.quarantine_bytes:
        return
    gone = []
    for number, raw_bytes in db.execute(
        "SELECT number, raw_bytes FROM quarantine WHERE rank < ? ORDER BY rank, number", [_REVENUE]
    ):
        if rows <= bounds.quarantine_rows and size <= bounds.quarantine_bytes:
            break
        gone.append([number])
        rows, size = rows - 1, size - raw_bytes
    db.executemany("DELETE FROM quarantine WHERE number = ?", gone)


def _quarantine_usage(db: sqlite3.Connection) -> tuple[int, int]:
    rows, size = db.execute("SELECT count(*), coalesce(sum(raw_bytes), 0) FROM quarantine").fetchone()
    return rows, size


def _rank(state: EntryState, carries_revenue: bool) -> int:
    if state.settled:
        return _SETTLED
    return _REVENUE if carries_revenue else _WITHOUT_REVENUE


_APPLY: dict[type[Record], Any] = {
    FlagRecord: _add_flags,
    QuarantineEntry: _add_entries,
    EntryMoved: _move_entries,
    OutboxEntry: sqlite_state.add_outbox,
    EntriesGone: sqlite_state.remove_outbox,
    StatePart: sqlite_state.set_parts,
    TagSeen: sqlite_state.add_tags,
    Outage: sqlite_state.set_outages,
    Trimmed: _trim,
}
_TURNS = {kind: number for number, kind in enumerate(_APPLY)}


def _turn(record: Record) -> int:
    return _TURNS[type(record)]
