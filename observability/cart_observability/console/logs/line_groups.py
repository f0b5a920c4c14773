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
CREATE INDEX IF NOT EXISTS line_groups_in_time ON line_groups (latest, earliest);
CREATE INDEX IF NOT EXISTS line_groups_by_start ON line_groups (earliest);
CREATE TABLE IF NOT EXISTS line_contents (number INTEGER PRIMARY KEY, content BLOB NOT NULL);
"""

LINES: Final = 128
"""In a full group: more compress better, fewer are read faster when few of them are wanted."""
COMPRESSION: Final = 3
"""The level above which zlib takes more time than it saves room."""

BUDGET_SECONDS: Final = 0.05
"""How long one answer looks for further lines. What it has by then is given, and said to be not all."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode
_decode_levels = msgspec.json.Decoder(dict[str, int]).decode


class Reach(NamedTuple):
    """The lines from one id to another, both included, of a time from `start` to before `end`."""

    first: int
    last: int
    start: int
    end: int


class Run(NamedTuple):
    """The lines from one id to another, both included, all of the time that starts then, in ns since the epoch."""

    start: int
    first: int
    last: int


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
    return first


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
    first, last = connection.execute(
        "SELECT min(number), max(number) FROM line_groups WHERE latest >= ? AND earliest < ?", (start, end)
    ).fetchone()
    return None if first is None else Reach(first * LINES, last * LINES + LINES - 1, start, end)


def ids(connection: sqlite3.Connection, reach: Reach) -> Iterator[int]:
    """All lines within reach, newest first."""
    asked = "SELECT id FROM lines WHERE id BETWEEN ? AND ? AND time >= ? AND time < ? ORDER BY id DESC"
    return (id_ for (id_,) in connection.execute(asked, reach))


def tally(connection: sqlite3.Connection, reach: Reach, width: int) -> Iterator[tuple[int, str, int]]:
    """How many lines there are: the start of a time, of a given width in ns, a level, the lines of both."""
    what = "SELECT time / ? * ?, level, count(*) FROM lines"
    where = "WHERE id BETWEEN ? AND ? AND time >= ? AND time < ? GROUP BY 1, 2"
    return iter(connection.execute(f"{what} {where}", (width, width, *reach)))


def whole(connection: sqlite3.Connection, reach: Reach, width: int, apart: int) -> list[Run]:
    """Stretches of groups all of whose lines are of one time, from a multiple of `width` to the next.

    Args:
        connection: Any.
        reach: Where to look; a group is in it as a whole or not at all.
        width: From one time to the next, in ns.
        apart: No stretch goes over an id that is a multiple of this.
    """
    rows = connection.execute(
        "SELECT earliest / ? * ?, min(number), max(number) FROM line_groups WHERE number BETWEEN ? AND ?"
        # The signs keep to the numbers: by its index of times, all groups would be looked through each time.
        " AND +earliest >= ? AND +latest < ? AND earliest / ? = latest / ? GROUP BY 1, number / ?"
        # With others in between it is no stretch.
        " HAVING max(number) - min(number) + 1 = count(*)",
        (width, width, reach.first // LINES, reach.last // LINES, *reach[2:], width, width, apart // LINES),
    )
    return [Run(time, first * LINES, last * LINES + LINES - 1) for time, first, last in rows]


def levels(connection: sqlite3.Connection, first: int, last: int) -> Counter[str]:
    """How many lines there are of each level, in whole groups from one id to another."""
    found: Counter[str] = Counter()
    asked = "SELECT levels, count(*) FROM line_groups WHERE number BETWEEN ? AND ? GROUP BY 1"
    for known, groups in connection.execute(asked, (first // LINES, last // LINES)):
        for level, lines in _decode_levels(known).items():
            found[level] += lines * groups
    return found


def has_any(connection: sqlite3.Connection, first: int, last: int) -> bool:
    """Whether any line is kept from one id to another, which begin and end a group."""
    asked = "SELECT 1 FROM line_groups WHERE number BETWEEN ? AND ?"
    return connection.execute(asked, (first // LINES, last // LINES)).fetchone() is not None


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
    spans = [(number * LINES, number * LINES + LINES - 1) for number, _ in removed]
    connection.executemany("DELETE FROM lines WHERE id BETWEEN ? AND ?", spans)
    return sum(lines for _, lines in removed)
