"""Statements that every table needs, as functions of an open connection.

Parameters only; no statement contains a peer's text.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

_ROWS_PER_STATEMENT = 128


def select(
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


def insert(
    db: sqlite3.Connection, table: str, columns: Sequence[str], rows: list[list[Any]], rest: str = ""
) -> None:
    for values, parameters in _few(rows):
        db.execute(f"INSERT INTO {table} ({', '.join(columns)}) {values}{rest}", parameters)


def delete(db: sqlite3.Connection, table: str, columns: Sequence[str], rows: list[list[Any]]) -> None:
    """Remove what has these values in `columns`, of which there is an index.

    `CROSS JOIN` has SQLite look up each; it would read the whole table for `(a, b) IN (VALUES …)`.
    """
    same = " AND ".join(f"{table}.{column} = gone.column{n}" for n, column in enumerate(columns, 1))
    for values, parameters in _few(rows):
        db.execute(
            f"DELETE FROM {table} WHERE rowid IN"
            f" (SELECT {table}.rowid FROM ({values}) AS gone CROSS JOIN {table} ON {same})",
            parameters,
        )


def _few(rows: list[list[Any]]) -> Iterator[tuple[str, list[Any]]]:
    """`VALUES (?, …), …` and its parameters, for all rows at once or few times.

    After every statement the thread has to win Python's lock back from the event loop.
    """
    for begin in range(0, len(rows), _ROWS_PER_STATEMENT):
        some = rows[begin : begin + _ROWS_PER_STATEMENT]
        place = f"({', '.join('?' * len(some[0]))})"
        yield f"VALUES {', '.join([place] * len(some))}", list(chain.from_iterable(some))


def text(value: Any) -> Any:
    """`value` as SQLite can hold it: half a character (a lone surrogate) is written as an escape."""
    if isinstance(value, str) and not value.isascii():
        return value.encode(errors="backslashreplace").decode()
    return value
