"""How many lines there are of each level over time.

Of groups of lines that are all of one time of the answer, the index tells how many have what is asked for, without a
look at any. The lines of the others, mostly a few for each such time, are looked at.
"""

import sqlite3
import time
from collections import Counter, defaultdict
from typing import Any, Final

from cart_observability.console.logs import line_groups, line_index, line_runs
from cart_observability.console.logs.bounds import START, without
from cart_observability.console.logs.conditions import Condition, Everything, within
from cart_observability.console.logs.line_groups import BUDGET_SECONDS, Contents, Reach, snapshot
from cart_observability.console.logs.line_runs import Run
from cart_observability.console.logs.moments import stored

MILLISECOND: Final = 1_000_000
LEVELS: Final = 8
"""Levels told apart; the others, which are the rarest, are one."""
OTHER: Final = "other"
FEW: Final = 5_000
"""Lines that are looked at one by one sooner than counted time by time."""
AT_ONCE: Final = 1 << 15
"""Lines that are looked at without a look at the time in between."""
COLLECTED: Final = 4 * AT_ONCE
"""Lines from which what starts with a text is collected in less than half of the time there is."""
_SECONDS: Final = (1, 2, 5, 10, 15, 30)
_WIDTHS_MS: Final = (
    *(step * size for size in (1, 10, 100) for step in (1, 2, 5)),
    *(step * 1_000 for step in _SECONDS),
    *(step * 60_000 for step in _SECONDS),
    *(step * 3_600_000 for step in (1, 2, 3, 6, 12)),
)
_DAY_MS: Final = 86_400_000


class Counts:
    """Counts by time and level.

    Attributes:
        complete: Whether all there is was counted.
        width: Of each time, in ns.
    """

    def __init__(self, width: int) -> None:
        self.complete = True
        self.width = width
        self._lines: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def add(self, start: int, level: str, lines: int) -> None:
        """Some lines more, of the time that starts then."""
        self._lines[level][start] += lines

    def answer(self, start: int, end: int) -> dict[str, Any]:
        """As the HTTP API gives them, for a time from `start` to before `end`, in ns since the epoch."""
        times = range(start // self.width * self.width, end, self.width)
        frequent = sorted(self._lines, key=lambda level: -self._lines[level].total())
        told = {level: self._lines[level] for level in frequent[:LEVELS]}
        if rest := frequent[LEVELS:]:
            told[OTHER] = sum((self._lines[level] for level in rest), told.get(OTHER, Counter()))
        return {
            "times": [time / MILLISECOND for time in times],
            "width_ms": self.width / MILLISECOND,
            "levels": {level: [lines[time] for time in times] for level, lines in told.items() if lines},
            "complete": self.complete,
        }


def count(
    connection: sqlite3.Connection,
    condition: Condition,
    start: int,
    end: int,
    bins: int = 60,
    seconds: float = BUDGET_SECONDS,
) -> dict[str, Any]:
    """How many lines there are of each level over time, of which a condition holds, as the HTTP API gives them.

    Args:
        connection: Any.
        condition: As `query.read` gives it.
        start: The earliest time, in ns since the epoch.
        end: The first time that is too late.
        bins: About how many times to tell apart. They start at round ones; the first may be before `start`, but nothing
            from before that is counted.
        seconds: How long to count at most; what is left then is of the older lines.
    """
    start, end = stored(start), stored(end)
    counts = Counts(width_for(end - start, bins))
    counter = _Counter(connection, counts, *within(condition, start, end), time.monotonic() + seconds)
    with snapshot(connection):
        counter.count()
    return counts.answer(start, end)


def width_for(span: int, bins: int) -> int:
    """The least round time, in ns, of which about so many make up a span."""
    wanted = span / MILLISECOND / max(1, bins)
    days = int(-(-wanted // _DAY_MS)) * _DAY_MS
    return next((width for width in _WIDTHS_MS if width >= wanted), max(days, _DAY_MS)) * MILLISECOND


class _Counter:
    """Counts what there is, the newest first, until a deadline."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        counts: Counts,
        condition: Condition,
        start: int,
        end: int,
        deadline: float,
    ) -> None:
        self._connection = connection
        self._counts = counts
        self._condition = condition
        self._start = start
        self._end = end
        self._deadline = deadline
        self._longest = 0.0

    def count(self) -> None:
        reach = line_groups.reach(self._connection, self._start, self._end)
        if reach is None:
            return
        if isinstance(self._condition, Everything):
            self._all(reach)
            return
        bounds = self._condition.bounds(line_index.vocabulary(self._connection))
        if bounds.sure is not None:
            for part in line_index.parts_of(self._connection, reach):
                if self._is_over():
                    return
                self._indexed(
                    part, bounds.sure, _narrowed(reach, part * line_index.LINES, (part + 1) * line_index.LINES - 1)
                )
        if bounds.possible is not None and bounds.possible != bounds.sure:
            self._looked_at(without(bounds.possible, bounds.sure) or bounds.possible, reach)

    def _all(self, reach: Reach) -> None:
        """Groups know their levels."""
        runs, gaps = self._pieces(reach)
        for run in runs:
            for level, lines in line_runs.levels(self._connection, run.first, run.last).items():
                self._counts.add(run.start, level, lines)
        for gap in gaps:
            if self._is_over():
                return
            for found in line_runs.tally(self._connection, gap, self._counts.width):
                self._counts.add(*found)

    def _indexed(self, part: int, expression: str, reach: Reach) -> None:
        """A part of the index."""
        self._tally(part, line_index.OTHER, expression, reach)
        # Each search for what starts with a text collects all there is in a part before it gives any.
        is_collected = START in expression
        if is_collected or line_index.count(self._connection, part, expression, reach.first, reach.last, FEW) < FEW:
            self._tally(part, line_index.USUAL, expression, reach)
            return
        runs, gaps = self._pieces(reach)
        for gap in gaps:
            self._tally(part, line_index.USUAL, expression, gap)
        for run in runs:
            if self._is_over():
                return
            lines = line_index.count(self._connection, part, expression, run.first, run.last)
            self._counts.add(run.start, line_index.USUAL_LEVEL, lines)

    def _tally(self, part: int, kind: str, expression: str, reach: Reach) -> None:
        # What starts with a text is collected first: where that takes long, little time is left to look at lines.
        is_slow = START in expression and reach.last - reach.first > COLLECTED
        looked = at_once = FEW if is_slow else AT_ONCE
        # What cannot be stopped once it is begun is not begun where it would not end in time.
        while looked == at_once and not self._is_over(ahead=self._longest):
            began = time.monotonic()
            found = line_index.tally(self._connection, part, kind, expression, reach, self._counts.width, at_once)
            self._longest = max(self._longest, time.monotonic() - began)
            for start, level, lines, _ in found:
                self._counts.add(start, level, lines)
            looked = sum(lines for _, _, lines, _ in found)
            reach = reach._replace(last=min((first for *_, first in found), default=0) - 1)

    def _looked_at(self, expression: str, reach: Reach) -> None:
        """Lines of which the index does not know enough."""
        contents = Contents(self._connection)
        for part in line_index.parts_of(self._connection, reach):
            if self._is_over():
                return
            for id_ in line_index.ids(self._connection, part, expression, reach):
                if self._is_over():
                    return
                line = contents.line(id_)
                if self._condition.holds(line):
                    self._counts.add(line.time // self._counts.width * self._counts.width, line.level, 1)

    def _is_over(self, *, ahead: float = 0.0) -> bool:
        if time.monotonic() + ahead > self._deadline:
            self._counts.complete = False
        return not self._counts.complete

    def _pieces(self, reach: Reach) -> tuple[list[Run], list[Reach]]:
        """The stretches that are of one time each, newest first, and what is between them."""
        runs = line_runs.whole(self._connection, reach, self._counts.width, line_index.LINES)
        return runs[::-1], line_runs.gaps(runs, reach)[::-1]


def _narrowed(reach: Reach, first: int, last: int) -> Reach:
    return reach._replace(first=max(first, reach.first), last=min(last, reach.last))
