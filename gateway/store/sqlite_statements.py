"""Statements that every table needs, as functions of an open connection.

Parameters only; no statement contains a peer's text.
"""

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Any

_ROWS_PER_STATEMENT = (256, 32, 4, 1)


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


def text(value: Any) -> Any:
    """`value` as SQLite can hold it: half a character (a lone surrogate) is written as an escape."""
    if isinstance(value, str) and not value.isascii():
        return value.encode(errors="backslashreplace").decode()
    return value
