"""Rows that are written many at a time.

SQLite works without the interpreter's lock from the first row of a statement to its last: what is decoded at the same
time goes on. A statement for each row gives the lock back and waits for it anew as often as there are rows.
"""

import sqlite3
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

MOST: Final = 256
"""Rows of one statement; 32,766 values are what SQLite takes."""


def insert(connection: sqlite3.Connection, into: str, rows: Sequence[Sequence[Any]], then: str = "") -> None:
    """Insert rows, all of the same length.

    Args:
        connection: The writer's.
        into: The statement up to its `VALUES`.
        rows: Their values.
        then: What follows them in the statement.
    """
    start = 0
    while start < len(rows):
        # Powers of two: few statements, each of which is compiled once.
        count = min(MOST, 1 << (len(rows) - start).bit_length() - 1)
        values = list(chain.from_iterable(rows[start : start + count]))
        connection.execute(f"{into} {_values(len(rows[0]), count)} {then}", values)
        start += count


@cache
def _values(columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"VALUES {', '.join([row] * rows)}"
