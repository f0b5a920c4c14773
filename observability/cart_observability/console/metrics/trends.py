"""What samples tell over a range of time: rates, values and quantiles for each of its steps; None is not known.

A rate is what was counted between the last scrape of one step and the last of the next, divided by the time between
those two, for each process by its own scrapes. So nothing counted is left out or told twice, however scrapes fall into
steps; where they are rarer than steps a rate holds for all steps between. Nothing is told across a gap.
"""

import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import add
from typing import Final

from cart_observability.console.metrics.history import Curve, History, Scrape, Span, Steps, spans
from cart_observability.console.metrics.series import HISTOGRAM, Parts, Series, Where, selected, unpacked
from cart_observability.readings import quantile

__all__ = ("means", "quantiles", "rates", "values")

Line = list[float | None]
Bounds = tuple[float, ...]

EVERYWHERE: Final[Where] = {}
SUM: Final = "sum"
LARGEST: Final = "largest"


def rates(
    connection: sqlite3.Connection, name: str, over: Steps, by: Sequence[str] = (), where: Where = EVERYWHERE
) -> dict[str, Line]:
    """What a counter, or the count or sum of a histogram, rose by in a second, for each value of the labels `by`."""
    history = History(connection, selected(connection, name, where), over)
    lines: defaultdict[str, Line] = defaultdict(lambda: [None] * over.points)
    for scrapes, every in history.by_process():
        told = spans(scrapes)
        for series in every:
            line = lines[series.group(by)]
            for span, before, after in history.curve(series).risen(told, series.number):
                if before is not None and after is not None:
                    _add(line, span, (after - before) / span.seconds)
    return dict(lines)


def means(
    connection: sqlite3.Connection, name: str, over: Steps, by: Sequence[str] = (), where: Where = EVERYWHERE
) -> dict[str, Line]:
    """The mean of what a histogram observed, for each value of the labels `by`."""
    sums = rates(connection, f"{name}_sum", over, by, where)
    counts = rates(connection, f"{name}_count", over, by, where)
    return {label: [_ratio(*both) for both in zip(sums[label], line, strict=True)] for label, line in counts.items()}


def quantiles(
    connection: sqlite3.Connection,
    name: str,
    shares: Sequence[float],
    over: Steps,
    by: Sequence[str] = (),
    where: Where = EVERYWHERE,
) -> dict[str, list[Line]]:
    """Quantiles of what a histogram observed, a line for each of the shares, for each value of the labels `by`."""
    history = History(connection, _histograms(connection, name, where), over)
    buckets: defaultdict[str, list[dict[Bounds, Sequence[float]]]]
    buckets = defaultdict(lambda: [{} for _ in range(over.points)])
    for scrapes, every in history.by_process():
        told = spans(scrapes)
        for series in every:
            group = buckets[series.group(by)]
            for span, before, after in history.curve(series).risen(told, unpacked):
                _add_buckets(group, span, series.bounds, before, after)
    return {
        label: [[quantile_of(share, step) for step in group] for share in shares] for label, group in buckets.items()
    }


def values(
    connection: sqlite3.Connection,
    name: str,
    over: Steps,
    by: Sequence[str] = (),
    where: Where = EVERYWHERE,
    together: str = SUM,
) -> dict[str, Line]:
    """The value of a gauge, or what a counter had counted, for each value of the labels `by`.

    The largest that a scrape of the step showed; series and processes that have the same label are added up, or with
    `together=LARGEST` told by the largest.
    """
    history = History(connection, selected(connection, name, where), over)
    lines: defaultdict[str, Line] = defaultdict(lambda: [None] * over.points)
    combine = max if together == LARGEST else add
    for scrapes, every in history.by_process():
        for series in every:
            line = lines[series.group(by)]
            for step, value in _shown(series, history.curve(series), scrapes):
                so_far = line[step]
                line[step] = value if so_far is None else combine(so_far, value)
    return dict(lines)


def quantile_of(share: float, found: Mapping[Bounds, Sequence[float]]) -> float | None:
    """A quantile of what fell into buckets, cumulative, by their bounds; None where nothing did."""
    told = quantile(share, _together(found))
    return None if math.isnan(told) else told


def _together(found: Mapping[Bounds, Sequence[float]]) -> Mapping[float, float]:
    """The buckets of all: versions of a service may differ in their bounds."""
    if len(found) == 1:
        [(bounds, counts)] = found.items()
        return dict(zip(bounds, counts, strict=True))
    cumulative: defaultdict[float, float] = defaultdict(float)
    for bounds, counts in found.items():
        for bound, count in zip(bounds, counts, strict=True):
            cumulative[bound] += count
    return cumulative


def _histograms(connection: sqlite3.Connection, name: str, where: Where) -> list[Series]:
    found = selected(connection, name.removesuffix("_bucket"), where)
    return [series for series in found if series.kind == HISTOGRAM and series.part is None]


def _ratio(total: float | None, count: float | None) -> float | None:
    return total / count if count and total is not None else None


def _add(line: Line, span: Span, amount: float) -> None:
    for step in range(span.first, span.last + 1):
        line[step] = amount + (line[step] or 0.0)


def _add_buckets(
    group: Sequence[dict[Bounds, Sequence[float]]], span: Span, bounds: Bounds, before: Parts, after: Parts
) -> None:
    if after[-1] == before[-1]:
        return
    seconds = span.seconds
    risen: Sequence[float] = [(later - earlier) / seconds for later, earlier in zip(after[1:], before[1:], strict=True)]
    for step in range(span.first, span.last + 1):
        so_far = group[step].get(bounds)
        group[step][bounds] = risen if so_far is None else list(map(add, so_far, risen))


def _shown(series: Series, curve: Curve, scrapes: Iterable[Scrape]) -> Iterator[tuple[int, float]]:
    """What a series was in each step: what the scrapes of the step showed, else the scrape before."""
    before: float | None = None
    done = -1
    for step, group in groupby(scrapes, lambda scrape: scrape.step):
        largest: float | None = None
        for scrape in group:
            if scrape.follows and before is not None:
                yield from ((between, before) for between in range(done + 1, step))
            done = step
            before = _value(series, curve, scrape)
            if before is not None and (largest is None or largest < before):
                largest = before
        if largest is not None and step >= 0:
            yield step, largest


def _value(series: Series, curve: Curve, scrape: Scrape) -> float | None:
    place = curve.at(scrape.time)
    if place < 0 or curve.times[place] < scrape.least:
        return None
    return series.number(curve.values[place])
