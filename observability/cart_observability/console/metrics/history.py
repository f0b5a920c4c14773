"""The stored samples of some series over a range of time, and how its steps are told by scrapes."""

import json
import sqlite3
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple, TypeVar

from cart_observability.console.metrics.extents import available, end, known
from cart_observability.console.metrics.series import UP, Series, Stored, selected
from cart_observability.console.metrics.tiers import MILLISECOND, SECOND, Tier, fitting, stretches

STEPS: Final = (2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)
"""Seconds that a step of a chart may have."""

Value = TypeVar("Value")

_READ: Final = """
SELECT series, at, value FROM samples
WHERE tier = ? AND slot = ? AND at >= ? AND at < ? AND series IN (SELECT value FROM json_each(?))
"""


class Steps(NamedTuple):
    """A range of time in steps of equal length; all in ns."""

    start: int
    step: int
    points: int

    @property
    def end(self) -> int:
        """Where the last step ends."""
        return self.start + self.step * self.points

    def ends(self, latest: int) -> list[int]:
        """Where each step ends, none later than a time."""
        return [min(self.start + self.step * (number + 1), latest) for number in range(self.points)]

    def step_of(self, time: int) -> int:
        """The step that a time is in, -1 before the first."""
        return max(-1, (time - self.start) // self.step)


def steps(start: int, end: int, points: int) -> Steps:
    """The shortest steps of which a range takes no more than so many; they begin at whole ones, to hold as it moves."""
    widths = [seconds * SECOND for seconds in STEPS]
    step = next((width for width in widths if _count(start, end, width) <= points), 0)
    if not step:
        # One point less than there may be: the first begins before the range does.
        step = widths[-1] * -(-(end - start) // (widths[-1] * max(1, points - 1)))
    return Steps(start // step * step, step, _count(start, end, step))


def _count(start: int, end: int, step: int) -> int:
    return max(1, -(-end // step) - start // step)


class Scrape(NamedTuple):
    """One time that a process was scraped.

    Attributes:
        time: When.
        step: Which step that is in, -1 before the first.
        least: Samples older than that tell nothing of it.
        follows: Whether the scrape before is so near that nothing is missing between them.
    """

    time: int
    step: int
    least: int
    follows: bool


class Span(NamedTuple):
    """Steps, from the first to the last, that are told by what rose between two scrapes."""

    first: int
    last: int
    start: int
    end: int

    @property
    def seconds(self) -> float:
        """How long it rose."""
        return (self.end - self.start) / SECOND


def spans(scrapes: Iterable[Scrape]) -> list[Span]:
    """How steps are told by the scrapes of a process."""
    found: list[Span] = []
    before: Scrape | None = None
    for step, group in groupby(scrapes, lambda scrape: scrape.step):
        first, *others = group
        last = others[-1] if others else first
        if before and first.follows:
            found.append(Span(before.step + 1, step, before.time, last.time))
        elif others:
            found.append(Span(step, step, first.time, last.time))
        before = last
    return [span for span in found if span.first >= 0]


class Curve(NamedTuple):
    """The samples of one series: when it changed, and to what."""

    times: list[int]
    values: list[Stored]

    def at(self, time: int) -> int:
        """The number of the last sample at or before a time; -1 before the first."""
        return bisect_right(self.times, time) - 1

    def risen(self, spans: Sequence[Span], read: Callable[[Stored], Value]) -> Iterator[tuple[Span, Value, Value]]:
        """What the series was at the beginning and at the end of each span."""
        place, value = -1, None
        for span in spans:
            end = self.at(span.end)
            if end < 0:
                continue
            # A series that is not there yet is told from its first sample on.
            start = max(0, self.at(span.start))
            before = value if start == place and value is not None else read(self.values[start])
            value = before if end == start else read(self.values[end])
            place = end
            yield span, before, value


class History:
    """The samples of some series over a range, and the scrapes of their processes.

    Args:
        connection: To the file.
        series: Whose samples.
        over: The range, in steps.
    """

    def __init__(self, connection: sqlite3.Connection, series: Sequence[Series], over: Steps) -> None:
        self._over = over
        processes = {each.process for each in series}
        self._series = series
        self._ups = {up.process: up.id for up in selected(connection, UP, {}) if up.process in processes}
        lead = fitting(over.step).gap
        made, there = known(connection), available(connection)
        self._stretches = list(stretches(over.start - lead, min(over.end, end(connection)), over.step, made, there))
        self._curves = self._read(connection, [*(each.id for each in series), *self._ups.values()])

    def _read(self, connection: sqlite3.Connection, ids: Sequence[int]) -> Mapping[int, Curve]:
        curves: defaultdict[int, Curve] = defaultdict(lambda: Curve([], []))
        listed = json.dumps(ids)
        for number, stretch in enumerate(self._stretches):
            for slot in stretch.slots():
                begin = stretch.tier.time(slot, 0)
                # The first slot is read from its beginning, where it is told in full.
                least = (stretch.start - begin) // MILLISECOND if number else 0
                most = -(-(stretch.end - begin) // MILLISECOND)
                for id_, at, value in connection.execute(_READ, (stretch.tier.number, slot, least, most, listed)):
                    times, values = curves[id_]
                    times.append(begin + at * MILLISECOND)
                    values.append(value)
        return curves

    def curve(self, series: Series) -> Curve:
        """The samples of one series, oldest first."""
        return self._curves.get(series.id, Curve([], []))

    def by_process(self) -> Iterator[tuple[list[Scrape], list[Series]]]:
        """The scrapes of each process, oldest first, and its series."""
        ordered = sorted(self._series, key=lambda series: series.process)
        for process, series in groupby(ordered, lambda series: series.process):
            yield list(self._scrapes(process)), list(series)

    def _scrapes(self, process: str) -> Iterator[Scrape]:
        before: int | None = None
        times, values = self._curves.get(self._ups.get(process, 0), Curve([], []))
        for time, up in zip(times, values, strict=True):
            if up:
                follows = before is not None and time - before <= self._tier(before).gap
                yield Scrape(time, self._over.step_of(time), time - self._tier(time).held, follows)
                before = time

    def _tier(self, time: int) -> Tier:
        """The tier that a time was read from."""
        within = (stretch.tier for stretch in reversed(self._stretches) if stretch.start <= time)
        return next(within, self._stretches[0].tier)
