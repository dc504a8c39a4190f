"""What the records look like in SQLite: every statement there is, each a function of an open connection.

Parameters only; no statement contains a peer's text.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain, groupby
from typing import Any

import orjson

from gateway.store.protocol import (
    MAX_TRIMMED,
    EntryMoved,
    EntryState,
    FlagQuery,
    FlagRecord,
    QuarantineEntry,
    QuarantineQuery,
    Record,
    Trimmed,
    Usage,
)

_FLAG_COLUMNS = (
    "time", "charger", "code", "severity", "consequence", "brand", "firmware", "version", "kind", "action",
    "path", "before", "after", "author", "raw_ref",
)  # fmt: skip
_ENTRY_COLUMNS = (
    "id", "time", "charger", "sender", "raw", "brand", "firmware", "version", "action", "flags",
    "carries_revenue", "state", "outcome",
)  # fmt: skip

_ROWS_PER_STATEMENT = (256, 32, 4, 1)

# The order in which quarantine goes when there is too much of it; what has the last rank stays.
_SETTLED, _WITHOUT_REVENUE, _REVENUE = 0, 1, 2


def apply(db: sqlite3.Connection, records: Iterable[Record]) -> None:
    """Carry out `records` in their order, within the transaction that is open."""
    for kind, same in groupby(records, type):
        _APPLY[kind](db, list(same))


def flags(db: sqlite3.Connection, query: FlagQuery) -> list[FlagRecord]:
    names = [n for n in ("code", "brand", "firmware", "charger", "severity") if getattr(query, n)]
    found = _select(
        db,
        f"SELECT number, {', '.join(_FLAG_COLUMNS)} FROM flags",
        [
            *((f"{name} = ?", _text(getattr(query, name))) for name in names),
            ("time >= ?", query.since),
            ("time < ?", query.until),
            ("number < ?", query.before),
            ("number > ?", query.after),
        ],
        "number DESC" if query.after is None else "number",
        query.limit,
    )
    return [FlagRecord(**row) for row in found]


def quarantine(db: sqlite3.Connection, query: QuarantineQuery) -> list[QuarantineEntry]:
    conditions: list[tuple[str, Any]] = [
        ("state = ?", query.state),
        ("charger = ?", _text(query.charger) or None),
        ("number < ?", query.before),
    ]
    return _entries(db, conditions, query.limit)


def quarantine_entry(db: sqlite3.Connection, id: str) -> QuarantineEntry | None:
    found = _entries(db, [("id = ?", _text(id))], 1)
    return found[0] if found else None


def usage(db: sqlite3.Connection) -> Usage:
    (flag_rows,) = db.execute("SELECT count(*) FROM flags").fetchone()
    return Usage(flag_rows, *_quarantine_usage(db))


def _entries(db: sqlite3.Connection, conditions: list[tuple[str, Any]], limit: int) -> list[QuarantineEntry]:
    columns = f"SELECT number, {', '.join(_ENTRY_COLUMNS)} FROM quarantine"
    rows = _select(db, columns, conditions, "number DESC", limit)
    return [_entry(row) for row in rows]


def _entry(row: dict[str, Any]) -> QuarantineEntry:
    row |= {
        "flags": tuple(orjson.loads(row["flags"])),
        "state": EntryState(row["state"]),
        "carries_revenue": bool(row["carries_revenue"]),
    }
    return QuarantineEntry(**row)


def _select(
    db: sqlite3.Connection, selected: str, conditions: Sequence[tuple[str, Any]], order: str, limit: int
) -> list[dict[str, Any]]:
    """Rows by column name; a condition whose value is None does not count. The texts here are all ours."""
    asked = [(text, value) for text, value in conditions if value is not None]
    where = " AND ".join(text for text, _ in asked) or "TRUE"
    rows = db.execute(
        f"{selected} WHERE {where} ORDER BY {order} LIMIT ?", [*(value for _, value in asked), limit]
    )
    names = [column[0] for column in rows.description]
    return [dict(zip(names, row, strict=True)) for row in rows]


def _add_flags(db: sqlite3.Connection, records: list[FlagRecord]) -> None:
    rows = [[_text(getattr(record, column)) for column in _FLAG_COLUMNS] for record in records]
    _insert(db, "flags", _FLAG_COLUMNS, rows)


def _add_entries(db: sqlite3.Connection, records: list[QuarantineEntry]) -> None:
    rows = [
        [
            *(_text(getattr(record, column)) for column in _ENTRY_COLUMNS if column != "flags"),
            orjson.dumps(record.flags).decode(),
            len(record.raw),
            _rank(record.state, record.carries_revenue),
        ]
        for record in records
    ]
    columns = [*(column for column in _ENTRY_COLUMNS if column != "flags"), "flags", "raw_bytes", "rank"]
    _insert(db, "quarantine", columns, rows, " ON CONFLICT (id) DO NOTHING")


def _move_entries(db: sqlite3.Connection, records: list[EntryMoved]) -> None:
    for record in records:
        db.execute(
            "UPDATE quarantine SET state = ?, outcome = ?,"
            " rank = CASE WHEN ? THEN ? WHEN carries_revenue THEN ? ELSE ? END WHERE id = ?",
            [
                record.state,
                _text(record.outcome),
                record.state.settled,
                _SETTLED,
                _REVENUE,
                _WITHOUT_REVENUE,
                _text(record.id),
            ],
        )


def _trim(db: sqlite3.Connection, records: list[Trimmed]) -> None:
    for bounds in records:
        _trim_flags(db, bounds)
        _trim_quarantine(db, bounds)


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


def _insert(
    db: sqlite3.Connection, table: str, columns: Sequence[str], rows: list[list[Any]], rest: str = ""
) -> None:
    """Many rows with each statement: after every statement the thread has to win Python's lock back from a
    busy event loop, which may take 5 ms.
    """
    place = f"({', '.join('?' * len(columns))})"
    begin = 0
    for size in _ROWS_PER_STATEMENT:
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([place] * size)}{rest}"
        while len(rows) - begin >= size:
            db.execute(statement, list(chain.from_iterable(rows[begin : begin + size])))
            begin += size


def _text(value: Any) -> Any:
    """`value` as SQLite can hold it: half a character (a lone surrogate) is written as an escape."""
    if isinstance(value, str) and not value.isascii():
        return value.encode(errors="backslashreplace").decode()
    return value


_APPLY: dict[type[Record], Any] = {
    FlagRecord: _add_flags,
    QuarantineEntry: _add_entries,
    EntryMoved: _move_entries,
    Trimmed: _trim,
}
