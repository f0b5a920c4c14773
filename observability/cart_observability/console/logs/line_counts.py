"""How many lines there are of each level over time.

Of groups of lines that are all of one time of the answer, the index tells how many have what is asked for, without a
look at any. The lines of the others, mostly a few for each such time, are looked at.

Lines are counted stretch by stretch, the newest first, until time is up. What was found is kept: who asks again, be it
that an answer was not all or to follow what comes, counts what is left and what has changed.
"""

import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from cart_observability.console.logs import line_groups, line_index, line_runs
from cart_observability.console.logs.bounds import START, without
from cart_observability.console.logs.conditions import Condition, Everything, within
from cart_observability.console.logs.counted import Counted, Known, Stamp, Tally
from cart_observability.console.logs.line_groups import BUDGET_SECONDS, Contents, Reach, snapshot
from cart_observability.console.logs.line_runs import Run
from cart_observability.console.logs.moments import stored

MILLISECOND: Final = 1_000_000
LEVELS: Final = 8
"""Levels told apart; the others, which are the rarest, are one."""
OTHER: Final = "other"
FEW: Final = 5_000
"""Lines that are looked at one by one sooner than counted time by time."""
ALL_BLOCKS: Final = 32
INDEXED_BLOCKS: Final = 8
READ_BLOCKS: Final = 1
"""Blocks of groups in a stretch, by what is done with its lines: counted as they stand, looked up in the index, or read
one by one. Each takes some milliseconds, seldom more than there are for an answer; all divide a part of the index."""
_SECONDS: Final = (1, 2, 5, 10, 15, 30)
_WIDTHS_MS: Final = (
    *(step * size for size in (1, 10, 100) for step in (1, 2, 5)),
    *(step * 1_000 for step in _SECONDS),
    *(step * 60_000 for step in _SECONDS),
    *(step * 3_600_000 for step in (1, 2, 3, 6, 12)),
)
_DAY_MS: Final = 86_400_000


def count(
    connection: sqlite3.Connection,
    condition: Condition,
    start: int,
    end: int,
    bins: int = 60,
    seconds: float = BUDGET_SECONDS,
    counted: Counted | None = None,
) -> dict[str, Any]:
    """How many lines there are of each level over time, of which a condition holds, as the HTTP API gives them.

    Args:
        connection: Any.
        condition: As `query.read` gives it.
        start: The earliest time, in ns since the epoch.
        end: The first time that is too late.
        bins: About how many times to tell apart. They start at round ones; the first may be before `start`, but nothing
            from before that is counted.
        seconds: How long to count, about.
        counted: What was counted before in the same file; what is counted is added to it.

    Returns:
        `times` in ms since the epoch, each `width_ms` long; by `levels` the lines of each time; whether it is
        `complete`. Where it is not, lines are missing, the older ones; with `counted`, the next answer has more.
    """
    start, end = stored(start), stored(end)
    width = width_for(end - start, bins)
    counter = _Counter(connection, *within(condition, start, end), width, time.monotonic() + seconds)
    with snapshot(connection):
        is_complete = counter.count(Counted() if counted is None else counted)
    return _answer(counter.tally, width, start, end) | {"complete": is_complete}


def _answer(tally: Tally, width: int, start: int, end: int) -> dict[str, Any]:
    lines: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for (begin, level), number in tally.items():
        lines[level][begin] += number
    frequent = sorted(lines, key=lambda level: -lines[level].total())
    told = {level: lines[level] for level in frequent[:LEVELS]}
    if rest := frequent[LEVELS:]:
        told[OTHER] = sum((lines[level] for level in rest), told.get(OTHER, Counter()))
    times = range(start // width * width, end, width)
    return {
        "times": [begin / MILLISECOND for begin in times],
        "width_ms": width / MILLISECOND,
        "levels": {level: [numbers[begin] for begin in times] for level, numbers in told.items() if numbers},
    }


def width_for(span: int, bins: int) -> int:
    """The least round time, in ns, of which about so many make up a span."""
    wanted = span / MILLISECOND / max(1, bins)
    days = int(-(-wanted // _DAY_MS)) * _DAY_MS
    return next((width for width in _WIDTHS_MS if width >= wanted), max(days, _DAY_MS)) * MILLISECOND


class _Stretch(NamedTuple):
    """Some lines; what was counted of them holds as long as the stamp is the same."""

    number: int
    reach: Reach
    stamp: Stamp


class _Way(NamedTuple):
    """How lines are counted: some blocks at a time, all like this; `name` tells the ways of a condition apart."""

    name: str
    blocks: int
    look: Callable[[Reach], Tally]


class _Counter:
    """Counts what there is, the newest first, until a deadline.

    Attributes:
        tally: What was counted.
    """

    def __init__(
        self, connection: sqlite3.Connection, condition: Condition, start: int, end: int, width: int, deadline: float
    ) -> None:
        self.tally: Tally = Counter()
        self._connection = connection
        self._condition = condition
        self._start = start
        self._end = end
        self._width = width
        self._deadline = deadline
        self._longest: float | None = None

    def count(self, counted: Counted) -> bool:
        """Count; whether that was all."""
        reach = line_groups.reach(self._connection, self._start, self._end)
        if reach is None:
            return True
        oldest = line_groups.oldest_id(self._connection)
        for name, blocks, look in self._ways():
            lines = blocks * line_groups.BLOCK * line_groups.LINES
            # Fields and terms that are seen later say nothing of the lines before them.
            known = counted.of((self._condition, self._width, name), oldest // lines)
            self._longest = None
            if not self._finished(self._stretches(reach, blocks, lines), look, known):
                return False
        return True

    def _ways(self) -> Iterator[_Way]:
        """Those that together count what is meant."""
        if isinstance(self._condition, Everything):
            yield _Way("all", ALL_BLOCKS, self._all)
            return
        sure, possible = self._condition.bounds(line_index.vocabulary(self._connection))
        if sure is not None:
            yield _Way("indexed", INDEXED_BLOCKS, lambda reach: self._indexed(sure, reach))
        if possible is not None and possible != sure:
            left = without(possible, sure) or possible
            yield _Way("read", READ_BLOCKS, lambda reach: self._read(left, reach))

    def _finished(self, stretches: Iterable[_Stretch], look: Callable[[Reach], Tally], known: Known) -> bool:
        """Count stretches; whether there was time for all."""
        changed: list[tuple[_Stretch, Tally]] = []
        for stretch in stretches:
            stamp, tally = known.get(stretch.number, (None, None))
            if tally is not None and stamp == stretch.stamp:
                self.tally.update(tally)
            elif tally is not None and stamp and stamp[:2] == (self._start, self._end):
                # What was never counted comes before what changes all the time.
                changed.append((stretch, tally))
            elif not self._looked(stretch, look, known):
                break
        else:
            while changed and self._looked(changed[-1][0], look, known):
                changed.pop()
            if not changed:
                return True
        for _, tally in changed:
            self.tally.update(tally)
        return False

    def _looked(self, stretch: _Stretch, look: Callable[[Reach], Tally], known: Known) -> bool:
        """Count a stretch, if there is time; for the first there always is."""
        began = time.monotonic()
        # What cannot be stopped once it is begun is not begun where it would not end in time.
        if self._longest is not None and began + self._longest > self._deadline:
            return False
        tally = look(stretch.reach)
        self._longest = max(self._longest or 0.0, time.monotonic() - began)
        known[stretch.number] = stretch.stamp, tally
        self.tally.update(tally)
        return True

    def _stretches(self, reach: Reach, blocks: int, lines: int) -> Iterator[_Stretch]:
        """Newest first, each of so many blocks, of so many lines together."""
        numbers = range(reach.last // lines, reach.first // lines - 1, -1)
        kept = line_groups.blocks(self._connection, numbers[-1] * blocks, (numbers[0] + 1) * blocks - 1)
        parts = set(line_index.parts_of(self._connection, reach))
        for number in numbers:
            first, last = max(number * lines, reach.first), min(number * lines + lines - 1, reach.last)
            if first // line_index.LINES in parts:
                here = [kept[block] for block in range(number * blocks, (number + 1) * blocks) if block in kept]
                stamp = self._stamp(first, last, here, is_full=len(here) == blocks)
                yield _Stretch(number, reach._replace(first=first, last=last), stamp)

    def _stamp(self, first: int, last: int, times: Sequence[tuple[int, int]], *, is_full: bool) -> Stamp:
        if not is_full:
            return self._start, self._end, *line_groups.extent(self._connection, first, last)
        is_whole = all(self._start <= earliest and latest < self._end for earliest, latest in times)
        return () if is_whole else (self._start, self._end)

    def _all(self, reach: Reach) -> Tally:
        """Groups know their levels."""
        tally: Tally = Counter()
        runs, gaps = self._pieces(reach)
        for run in runs:
            for level, lines in line_runs.levels(self._connection, run.first, run.last).items():
                tally[run.start, level] += lines
        for gap in gaps:
            tally.update(line_runs.tally(self._connection, gap, self._width))
        return tally

    def _indexed(self, expression: str, reach: Reach) -> Tally:
        """Lines of which the index knows all."""
        part = reach.first // line_index.LINES
        tally = self._found(part, line_index.OTHER, expression, reach)
        runs, gaps = self._pieces(reach)
        # What starts with a text is collected from all of a part before any is given: once is enough.
        if START in expression:
            is_at_once = len(runs) + len(gaps) > 1
        else:
            is_at_once = line_index.count(self._connection, part, expression, reach.first, reach.last, FEW) < FEW
        if is_at_once:
            return tally + self._found(part, line_index.USUAL, expression, reach)
        for gap in gaps:
            tally.update(self._found(part, line_index.USUAL, expression, gap))
        for run in runs:
            lines = line_index.count(self._connection, part, expression, run.first, run.last)
            tally[run.start, line_index.USUAL_LEVEL] += lines
        return +tally

    def _found(self, part: int, kind: str, expression: str, reach: Reach) -> Tally:
        return line_index.tally(self._connection, part, kind, expression, reach, self._width)

    def _read(self, expression: str, reach: Reach) -> Tally:
        """Lines of which the index does not know enough."""
        tally: Tally = Counter()
        contents = Contents(self._connection)
        for id_ in line_index.ids(self._connection, reach.first // line_index.LINES, expression, reach):
            line = contents.line(id_)
            if self._condition.holds(line):
                tally[line.time // self._width * self._width, line.level] += 1
        return tally

    def _pieces(self, reach: Reach) -> tuple[list[Run], list[Reach]]:
        """The stretches that are of one time each, and what is between them."""
        runs = line_runs.whole(self._connection, reach, self._width)
        return runs, line_runs.gaps(runs, reach)
