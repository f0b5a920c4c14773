"""How log lines are counted of which all are meant: by what is kept beside their groups, and beside blocks of these.

Of groups and blocks whose lines are all of one time of an answer no line is looked at; few are at the ends of times.
"""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from cart_observability.console.logs import line_groups
from cart_observability.console.logs.counted import Tally
from cart_observability.console.logs.line_groups import Reach, decode_levels


class Run(NamedTuple):
    """The lines from one id to another, both included, all of the time that starts then, in ns since the epoch."""

    start: int
    first: int
    last: int


def tally(connection: sqlite3.Connection, reach: Reach, width: int) -> Tally:
    """How many lines there are, by level and the start of a time of a given width in ns."""
    what = "SELECT time / ? * ?, level, count(*) FROM lines"
    where = "WHERE id BETWEEN ? AND ? AND time >= ? AND time < ? GROUP BY 1, 2"
    found = connection.execute(f"{what} {where}", (width, width, *reach))
    return Counter({(start, level): lines for start, level, lines in found})


def whole(connection: sqlite3.Connection, reach: Reach, width: int) -> list[Run]:
    """Stretches of groups all of whose lines are of one time, from a multiple of `width` to the next.

    Args:
        connection: Any.
        reach: Where to look; a group is in it as a whole or not at all.
        width: From one time to the next, in ns.
    """
    runs = _runs(connection, "line_blocks", line_groups.LINES * line_groups.BLOCK, reach, width)
    for gap in gaps(runs, reach):
        runs += _runs(connection, "line_groups", line_groups.LINES, gap, width)
    return _joined(runs)


def gaps(runs: Sequence[Run], reach: Reach) -> list[Reach]:
    """What is within reach beside some stretches."""
    ordered = sorted(runs, key=attrgetter("first"))
    ends = [reach.first - 1, *(run.last for run in ordered)]
    starts = [*(run.first for run in ordered), reach.last + 1]
    return [
        reach._replace(first=end + 1, last=start - 1)
        for end, start in zip(ends, starts, strict=True)
        if end + 1 < start
    ]


def _runs(connection: sqlite3.Connection, table: str, lines: int, reach: Reach, width: int) -> list[Run]:
    """Those that are made of rows of one table, each of so many lines."""
    rows = connection.execute(
        f"SELECT earliest / ? * ?, min(number), max(number) FROM {table} WHERE number BETWEEN ? AND ?"  # noqa: S608  ours
        # The signs keep to the numbers: by its index of times, all groups would be looked through each time.
        " AND +earliest >= ? AND +latest < ? AND earliest / ? = latest / ? GROUP BY 1"
        # With others in between it is no stretch.
        " HAVING max(number) - min(number) + 1 = count(*)",
        (
            width,
            width,
            -(-reach.first // lines),
            (reach.last + 1) // lines - 1,
            *reach[2:],
            width,
            width,
        ),
    )
    return [Run(time, first * lines, last * lines + lines - 1) for time, first, last in rows]


def _joined(runs: Sequence[Run]) -> list[Run]:
    """The same with those made one that are of one time and follow one another."""
    joined: list[Run] = []
    for run in sorted(runs, key=attrgetter("first")):
        before = joined[-1] if joined else None
        follows = before and (before.start, before.last + 1) == (run.start, run.first)
        if before and follows:
            joined[-1] = before._replace(last=run.last)
        else:
            joined.append(run)
    return joined


def levels(connection: sqlite3.Connection, first: int, last: int) -> Counter[str]:
    """How many lines there are of each level, in whole groups from one id to another."""
    size = line_groups.LINES * line_groups.BLOCK
    blocks = range(-(-first // size), (last + 1) // size)
    kept = "SELECT count(*) FROM line_blocks WHERE number BETWEEN ? AND ?"
    if not blocks or connection.execute(kept, (blocks[0], blocks[-1])).fetchone() != (len(blocks),):
        return _levels(connection, "line_groups", first // line_groups.LINES, last // line_groups.LINES)
    before = _levels(connection, "line_groups", first // line_groups.LINES, blocks.start * line_groups.BLOCK - 1)
    inner = _levels(connection, "line_blocks", blocks[0], blocks[-1])
    after = _levels(connection, "line_groups", blocks.stop * line_groups.BLOCK, last // line_groups.LINES)
    return before + inner + after


def _levels(connection: sqlite3.Connection, table: str, first: int, last: int) -> Counter[str]:
    found: Counter[str] = Counter()
    asked = f"SELECT levels, count(*) FROM {table} WHERE number BETWEEN ? AND ? GROUP BY 1"  # noqa: S608  ours
    for known, rows in connection.execute(asked, (first, last)):
        for level, lines in decode_levels(known).items():
            found[level] += lines * rows
    return found
