"""What samples tell of this moment: rates, values and quantiles of the last seconds, cheap enough for every second.

Processes are added up, and told apart by the label `process`; one that is not scraped any more tells nothing but its
totals. `label` is by what the answers are told apart, None for all together under the empty name; `now` is in ns since
the epoch, by default the time.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from operator import add, itemgetter, sub
from time import time_ns
from typing import Final, NamedTuple

from cart_observability.console.metrics.recording import newest
from cart_observability.console.metrics.series import HISTOGRAM, UP, Parts, Series, Stored, selected, unpacked
from cart_observability.console.metrics.tiers import SCRAPES, SECOND
from cart_observability.console.metrics.trends import quantile_of

WINDOW_SECONDS: Final = 10.0
LATE: Final = 2
"""A process is silent when it was last scraped longer ago than this many times what lies between its scrapes."""

_SCRAPES: Final = """
SELECT series.process, samples.slot, samples.at
FROM series CROSS JOIN json_each(?) AS slots
CROSS JOIN samples ON samples.tier = 0 AND samples.slot = slots.value AND samples.series = series.id
WHERE series.name = ? AND samples.value = 1
"""
_VALUE: Final = """
SELECT value FROM samples WHERE tier = 0 AND slot = :{end}_slot AND series = wanted.value AND at <= :{end}_at
ORDER BY at DESC LIMIT 1
"""
_FIRST: Final = """
SELECT value FROM samples WHERE tier = 0 AND slot = :{slot} AND series = wanted.value AND at > {after}
ORDER BY at LIMIT 1
"""
# A series that was not there when the window began counts from its first value.
_ENDS: Final = f"""
SELECT
    wanted.value,
    coalesce(
        ({_VALUE.format(end="start")}),
        ({_FIRST.format(slot="start_slot", after=":start_at")}),
        ({_FIRST.format(slot="end_slot", after="-1")})
    ),
    ({_VALUE.format(end="end")})
FROM json_each(:series) AS wanted
"""  # noqa: S608  constants of this module


class Window(NamedTuple):
    """Two scrapes of a process: its last, and the one a window before; the same one where it was scraped but once."""

    start: int
    end: int

    @property
    def seconds(self) -> float:
        """Between the two."""
        return (self.end - self.start) / SECOND


def rate_by(
    connection: sqlite3.Connection,
    name: str,
    label: str | None = None,
    window: float = WINDOW_SECONDS,
    *,
    now: int | None = None,
    **where: str | Collection[str],
) -> dict[str, float]:
    """What a counter, or the count or sum of a histogram, rose by in a second over the last `window` seconds."""
    rates: defaultdict[str, float] = defaultdict(float)
    for series, rate in each_rate(connection, name, window, now=now, **where):
        rates[series.group(_by(label))] += rate
    return dict(rates)


def each_rate(
    connection: sqlite3.Connection,
    name: str,
    window: float = WINDOW_SECONDS,
    *,
    now: int | None = None,
    **where: str | Collection[str],
) -> Iterator[tuple[Series, float]]:
    """As `rate_by`, of each series by itself."""
    for series, seconds, start, end in _ends(connection, selected(connection, name, where), window, now):
        before, after = series.number(start), series.number(end)
        if seconds and before is not None and after is not None:
            yield series, (after - before) / seconds


def value_by(
    connection: sqlite3.Connection,
    name: str,
    label: str | None = None,
    window: float = WINDOW_SECONDS,
    *,
    now: int | None = None,
    largest: bool = False,
    **where: str | Collection[str],
) -> dict[str, float]:
    """The value of a gauge as last scraped: added up where several have the label's value, or the largest of them."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for series, _, _, end in _ends(connection, selected(connection, name, where), window, now):
        value = series.number(end)
        if value is not None:
            values[series.group(_by(label))].append(value)
    return {name: max(found) if largest else sum(found) for name, found in values.items()}


def total_by(
    connection: sqlite3.Connection, name: str, label: str | None = None, **where: str | Collection[str]
) -> dict[str, float]:
    """What a counter, or the count or sum of a histogram, has counted in all; by processes long gone as well."""
    totals: defaultdict[str, float] = defaultdict(float)
    for series in selected(connection, name, where):
        parts = newest(connection, series.id, series.seen)
        if parts:
            totals[series.group(_by(label))] += parts[0 if series.part == "sum" else -1]
    return dict(totals)


def quantile_by(
    connection: sqlite3.Connection,
    share: float,
    name: str,
    label: str | None = None,
    window: float = WINDOW_SECONDS,
    *,
    now: int | None = None,
    **where: str | Collection[str],
) -> dict[str, float]:
    """A quantile of what a histogram observed in the last `window` seconds; nothing for what observed nothing."""
    return {
        name: quantile
        for name, (quantile,) in quantiles_by(connection, (share,), name, label, window, now=now, **where).items()
    }


def quantiles_by(
    connection: sqlite3.Connection,
    shares: Sequence[float],
    name: str,
    label: str | None = None,
    window: float = WINDOW_SECONDS,
    *,
    now: int | None = None,
    **where: str | Collection[str],
) -> dict[str, list[float]]:
    """As `quantile_by`, several of them at once."""
    buckets: defaultdict[str, dict[tuple[float, ...], Parts]] = defaultdict(dict)
    histograms = [series for series in selected(connection, name, where) if series.kind == HISTOGRAM]
    for series, _, start, end in _ends(connection, histograms, window, now):
        group = buckets[series.group(_by(label))]
        risen = list(map(sub, unpacked(end)[1:], unpacked(start)[1:]))
        if not risen[-1]:
            continue
        so_far = group.get(series.bounds)
        group[series.bounds] = risen if so_far is None else list(map(add, so_far, risen))
    quantiles = {name: [quantile_of(share, found) for share in shares] for name, found in buckets.items()}
    return {
        name: [value for value in found if value is not None] for name, found in quantiles.items() if None not in found
    }


def _by(label: str | None) -> Sequence[str]:
    return () if label is None else (label,)


def _ends(
    connection: sqlite3.Connection, wanted: Sequence[Series], window: float, now: int | None
) -> Iterator[tuple[Series, float, Stored, Stored]]:
    """Of each series of a process that is scraped: the seconds between two values, the one before, and the last."""
    by_id = {series.id: series for series in wanted}
    windows = _windows(connection, time_ns() if now is None else now, round(window * SECOND)) if by_id else {}
    ordered = sorted(wanted, key=lambda series: series.process)
    for process, every in groupby(ordered, lambda series: series.process):
        if found := windows.get(process):
            for id_, start, end in connection.execute(_ENDS, _asked([series.id for series in every], found)):
                if end is not None:
                    yield by_id[id_], found.seconds, start, end


def _asked(series: Sequence[int], window: Window) -> dict[str, object]:
    (start_slot, start_at), (end_slot, end_at) = SCRAPES.place(window.start), SCRAPES.place(window.end)
    return {
        "series": json.dumps(series),
        "start_slot": start_slot,
        "start_at": start_at,
        "end_slot": end_slot,
        "end_at": end_at,
    }


def _windows(connection: sqlite3.Connection, now: int, window: int) -> dict[str, Window]:
    """The window of each process that is not silent."""
    slots = range((now - window) // SCRAPES.slot - 1, now // SCRAPES.slot + 1)
    rows = connection.execute(_SCRAPES, (json.dumps(list(slots)), UP)).fetchall()
    found = {}
    for process, every in groupby(sorted(rows), itemgetter(0)):
        times = [time for _, slot, at in every if (time := SCRAPES.time(slot, at)) <= now]
        if times and (told := _window(times, now, window)):
            found[process] = told
    return found


def _window(times: Sequence[int], now: int, window: int) -> Window | None:
    end = times[-1]
    apart = end - times[-2] if len(times) > 1 else 0
    if now - end > max(window, LATE * apart):
        return None
    start = end
    for time in reversed(times[:-1]):
        if start - time > SCRAPES.gap or (start < end and end - start >= window):
            break
        start = time
    return Window(start, end)
