"""Where log lines are kept: in groups that are compressed, with their times and levels beside them to be counted by.

A line's id says in which group it is, and where in it. The last group is written anew until it is full. What is read of
a few lines is the few groups they are in.
"""

import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import msgspec

from cart_observability.console import bulk
from cart_observability.console.logs.moments import stored
from cart_observability.console.records import Line

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS lines (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, level TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS line_groups (
    number INTEGER PRIMARY KEY,
    lines INTEGER NOT NULL,
    earliest INTEGER NOT NULL,
    latest INTEGER NOT NULL,
    levels TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS line_blocks (
    number INTEGER PRIMARY KEY,
    earliest INTEGER NOT NULL,
    latest INTEGER NOT NULL,
    levels TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS line_groups_in_time ON line_groups (latest, earliest);
CREATE INDEX IF NOT EXISTS line_groups_by_start ON line_groups (earliest);
CREATE TABLE IF NOT EXISTS line_contents (number INTEGER PRIMARY KEY, content BLOB NOT NULL);
"""

LINES: Final = 128
"""In a full group: more compress better, fewer are read faster when few of them are wanted."""
BLOCK: Final = 64
"""Groups whose times and levels are kept together as well, once all are full: to count much, few rows are read."""
COMPRESSION: Final = 3
"""The level above which zlib takes more time than it saves room."""

NEAR: Final = 1_000
"""Groups at either end among which the end of a time is looked for first."""
BUDGET_SECONDS: Final = 0.05
"""How long one answer looks for further lines. What it has by then is given, and said to be not all."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode
decode_levels = msgspec.json.Decoder(dict[str, int]).decode


class Reach(NamedTuple):
    """The lines from one id to another, both included, of a time from `start` to before `end`."""

    first: int
    last: int
    start: int
    end: int


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is read within is of one moment."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def newest(connection: sqlite3.Connection) -> int:
    """The id of the line recorded last; 0 when there is none."""
    row = connection.execute("SELECT number, lines FROM line_groups ORDER BY number DESC LIMIT 1").fetchone()
    return 0 if row is None else int(row[0]) * LINES + int(row[1]) - 1


def append(connection: sqlite3.Connection, lines: Sequence[Line]) -> int:
    """Keep some lines behind all others; the id of the first."""
    first = (newest(connection) or LINES - 1) + 1
    number, place = divmod(first, LINES)
    stamps = [(line[0], line[1]) for line in lines]
    texts = list(map(_encode, lines))
    if place:
        stamps[:0] = connection.execute("SELECT time, level FROM lines WHERE id >= ?", (number * LINES,)).fetchall()
        texts[:0] = _content(connection, number)
    for start in range(0, len(texts), LINES):
        _write(connection, number + start // LINES, stamps[start : start + LINES], texts[start : start + LINES])
    rows = [(id_, line[0], line[1]) for id_, line in enumerate(lines, first)]
    bulk.insert(connection, "INSERT INTO lines", rows)
    for block in range(number // BLOCK, (first + len(lines)) // LINES // BLOCK):
        _close(connection, block)
    return first


def _close(connection: sqlite3.Connection, block: int) -> None:
    """Keep of a block what its groups have together; where some were removed already, nothing."""
    asked = "SELECT earliest, latest, levels FROM line_groups WHERE number BETWEEN ? AND ?"
    groups = connection.execute(asked, (block * BLOCK, block * BLOCK + BLOCK - 1)).fetchall()
    if len(groups) == BLOCK:
        earliest, latest = min(each[0] for each in groups), max(each[1] for each in groups)
        levels = _encode(sum((Counter(decode_levels(each[2])) for each in groups), Counter())).decode()
        connection.execute("INSERT INTO line_blocks VALUES (?, ?, ?, ?)", (block, earliest, latest, levels))


def _write(
    connection: sqlite3.Connection, number: int, stamps: Sequence[tuple[int, str]], texts: Sequence[bytes]
) -> None:
    times = [time for time, _ in stamps]
    levels = _encode(Counter(level for _, level in stamps)).decode()
    connection.execute(
        "INSERT OR REPLACE INTO line_groups VALUES (?, ?, ?, ?, ?)",
        (number, len(times), min(times), max(times), levels),
    )
    # A line of JSON has no line ends within.
    content = zlib.compress(b"\n".join(texts), COMPRESSION)
    connection.execute("INSERT OR REPLACE INTO line_contents VALUES (?, ?)", (number, content))


def _content(connection: sqlite3.Connection, number: int) -> list[bytes]:
    row = connection.execute("SELECT content FROM line_contents WHERE number = ?", (number,)).fetchone()
    return [] if row is None else zlib.decompress(row[0]).split(b"\n")


class Contents:
    """Reads lines by their ids, fastest when those come in order."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._number = -1
        self._texts: list[bytes] = []

    def line(self, id_: int) -> Line:
        """A line that is there."""
        number, place = divmod(id_, LINES)
        if number != self._number:
            self._number, self._texts = number, _content(self._connection, number)
        return _decode(self._texts[place])


def reach(connection: sqlite3.Connection, start: int, end: int) -> Reach | None:
    """Where the lines of a time from `start` to before `end` are; None when there are none."""
    start, end = stored(start), stored(end)
    first, last = (_end(connection, *of, start, end) for of in (("min", "ASC"), ("max", "DESC")))
    if first is None or last is None:
        return None
    return Reach(first * LINES, last * LINES + LINES - 1, start, end)


def _end(connection: sqlite3.Connection, which: str, order: str, start: int, end: int) -> int | None:
    """The first, or the last, group that has lines of a time."""
    # Mostly it is near the end of all: by the index of times, each group of that time would be looked at.
    near = f"(SELECT * FROM line_groups ORDER BY number {order} LIMIT {NEAR})"  # noqa: S608  ours
    for source in (near, "line_groups"):
        asked = f"SELECT {which}(number) FROM {source} WHERE latest >= ? AND earliest < ?"  # noqa: S608  ours
        (number,) = connection.execute(asked, (start, end)).fetchone()
        if number is not None:
            return int(number)
    return None


def ids(connection: sqlite3.Connection, reach: Reach) -> Iterator[int]:
    """All lines within reach, newest first."""
    asked = "SELECT id FROM lines WHERE id BETWEEN ? AND ? AND time >= ? AND time < ? ORDER BY id DESC"
    return (id_ for (id_,) in connection.execute(asked, reach))


def blocks(connection: sqlite3.Connection, first: int, last: int) -> dict[int, tuple[int, int]]:
    """The earliest and the latest time of each block, from one number to another; what is in them does not change."""
    asked = "SELECT number, earliest, latest FROM line_blocks WHERE number BETWEEN ? AND ?"
    return {number: (earliest, latest) for number, earliest, latest in connection.execute(asked, (first, last))}


def extent(connection: sqlite3.Connection, first: int, last: int) -> tuple[int, ...]:
    """What differs as soon as a line from one id to another, of whole groups, comes or goes."""
    asked = "SELECT min(number), max(number), count(*), sum(lines) FROM line_groups WHERE number BETWEEN ? AND ?"
    found: tuple[int, ...] = connection.execute(asked, (first // LINES, last // LINES)).fetchone()
    return found


def has_any(connection: sqlite3.Connection, first: int, last: int) -> bool:
    """Whether any line is kept from one id to another, which begin and end a group."""
    asked = "SELECT 1 FROM line_groups WHERE number BETWEEN ? AND ?"
    return connection.execute(asked, (first // LINES, last // LINES)).fetchone() is not None


def oldest_id(connection: sqlite3.Connection) -> int:
    """The id of the line that was recorded first of those that are kept; 0 when there is none."""
    (number,) = connection.execute("SELECT min(number) FROM line_groups").fetchone()
    return 0 if number is None else int(number) * LINES


def oldest(connection: sqlite3.Connection) -> int | None:
    """The earliest time of a line that is kept, in ns since the epoch."""
    (earliest,) = connection.execute("SELECT min(earliest) FROM line_groups").fetchone()
    return None if earliest is None else int(earliest)


def prune(connection: sqlite3.Connection, rows: int, before: int | None = None) -> int:
    """Remove whole groups, the oldest first, of about so many lines together; the number of lines removed.

    The last group stays: the next line's id follows from it.

    Args:
        connection: The writer's.
        rows: How many lines, if there are so many; at least one group of them.
        before: Only groups of which no line is of this time, in ns since the epoch, or later.
    """
    some = "SELECT number, lines FROM line_groups WHERE number < (SELECT max(number) FROM line_groups)"
    # The one is a question for the key, the other for an index: neither looks at what stays.
    chosen = f"{some} ORDER BY number LIMIT ?" if before is None else f"{some} AND latest < ? ORDER BY latest LIMIT ?"
    groups = max(1, rows // LINES)
    removed = connection.execute(chosen, (groups,) if before is None else (before, groups)).fetchall()
    numbers = [(number,) for number, _ in removed]
    connection.executemany("DELETE FROM line_groups WHERE number = ?", numbers)
    connection.executemany("DELETE FROM line_contents WHERE number = ?", numbers)
    blocks = {(number // BLOCK,) for (number,) in numbers}
    connection.executemany("DELETE FROM line_blocks WHERE number = ?", blocks)
    spans = [(number * LINES, number * LINES + LINES - 1) for number, _ in removed]
    connection.executemany("DELETE FROM lines WHERE id BETWEEN ? AND ?", spans)
    return sum(lines for _, lines in removed)
