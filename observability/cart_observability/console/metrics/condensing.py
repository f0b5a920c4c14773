"""Makes coarser samples of finer ones, a slot at a time, for the writer's thread.

A point of a coarser tier is what the last scrape of its time showed, so that counters stay exact; of a gauge it is the
largest value that a scrape showed, so that no peak is lost. The first scrape after a gap is a point of its own: what is
counted from there on begins with it.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Final, NamedTuple

from cart_observability.console import bulk
from cart_observability.console.metrics.extents import first_slot, known
from cart_observability.console.metrics.series import CUMULATIVE, GONE, UP, Stored
from cart_observability.console.metrics.tiers import SECOND, TEN_SECONDS, TIERS, Tier

__all__ = ("condense",)

GRACE: Final = 15 * SECOND
"""How long after its end a slot is still recorded to: scrapes take time, and so does their way through the writer."""

Point = tuple[int, Stored]
"""A time, and the value."""

_STORE: Final = "INSERT OR REPLACE INTO samples (tier, slot, series, at, value)"
_MADE: Final = "INSERT OR REPLACE INTO condensed (tier, until) VALUES (?, ?)"
# Of each point's time the largest exemplar of a series.
_THIN_OUT: Final = """
DELETE FROM exemplars WHERE slot = :slot AND (series, time) NOT IN (
    SELECT series, time FROM (
        SELECT series, time, max(value) FROM exemplars WHERE slot = :slot GROUP BY series, time / :step
    )
)
"""


def condense(connection: sqlite3.Connection, now: int) -> bool:
    """Condense one slot that is complete, if there is one; answers whether there was. `now` in ns since the epoch."""
    for finer, coarser in pairwise(TIERS):
        slot = _complete(connection, finer, coarser, now)
        if slot is not None:
            _condense(connection, finer, coarser, slot)
            return True
    return False


def _complete(connection: sqlite3.Connection, finer: Tier, coarser: Tier, now: int) -> int | None:
    """The first slot of a finer tier that the coarser one has not, and that nothing is added to any more."""
    made = known(connection)
    slot = first_slot(connection, finer, made[coarser.number] // finer.slot)
    if slot is None:
        return None
    end = (slot + 1) * finer.slot
    if finer.number:
        return slot if end <= made[finer.number] else None
    (newest,) = connection.execute("SELECT max(slot) FROM samples WHERE tier = 0").fetchone()
    return slot if newest > slot and end + GRACE <= now else None


class _Series(NamedTuple):
    process: str
    kind: str
    name: str


def _condense(connection: sqlite3.Connection, finer: Tier, coarser: Tier, slot: int) -> None:
    rows = connection.execute("SELECT id, process, kind, name FROM series")
    series = {id_: _Series(*rest) for id_, *rest in rows}
    ups = _ups(connection, finer, slot, series)
    groups = {
        process: list(_groups(shown, slot * finer.slot, coarser.step, finer.gap)) for process, shown in ups.items()
    }
    made: list[tuple[int, int, int, int, Stored]] = []
    for id_, shown in _shown(connection, finer, slot, list(series)):
        process, kind, name = series[id_]
        if name == UP:
            points = _coarse_ups(shown, groups.get(process, ()), coarser.step)
        else:
            points = _coarse(shown, groups.get(process, ()), is_cumulative=kind in CUMULATIVE)
        for time, value in points:
            in_slot, at = coarser.place(time)
            made.append((coarser.number, in_slot, id_, at, value))
    bulk.insert(connection, _STORE, made)
    connection.execute(_MADE, (coarser.number, (slot + 1) * finer.slot))
    if finer.slot == TEN_SECONDS.slot:
        connection.execute(_THIN_OUT, {"slot": slot, "step": coarser.step})


def _ups(
    connection: sqlite3.Connection, tier: Tier, slot: int, series: Mapping[int, _Series]
) -> Mapping[str, list[int]]:
    """When each process was scraped in a slot and in the one before."""
    wanted = [id_ for id_, (_, _, name) in series.items() if name == UP]
    found: defaultdict[str, list[int]] = defaultdict(list)
    for each in (slot - 1, slot):
        for id_, shown in _shown(connection, tier, each, wanted):
            found[series[id_].process] += [time for time, up in shown if up]
    return found


def _shown(
    connection: sqlite3.Connection, tier: Tier, slot: int, series: Sequence[int]
) -> Iterator[tuple[int, list[Point]]]:
    """The samples of a slot, series by series."""
    rows = connection.execute(
        "SELECT series, at, value FROM samples WHERE tier = ? AND slot = ? "
        "AND series IN (SELECT value FROM json_each(?)) ORDER BY series, at",
        (tier.number, slot, json.dumps(series)),
    )
    for id_, points in groupby(rows, itemgetter(0)):
        yield id_, [(tier.time(slot, at), value) for _, at, value in points]


def _groups(scrapes: Iterable[int], start: int, step: int, gap: int) -> Iterator[list[int]]:
    """The scrapes from `start` on, those together that make one point."""
    group: list[int] = []
    before, is_alone = -1 - gap, False
    for scrape in scrapes:
        follows = scrape - before <= gap
        if group and (is_alone or not follows or scrape // step != before // step):
            yield group
            group = []
        if scrape >= start:
            group.append(scrape)
        before, is_alone = scrape, not follows
    if group:
        yield group


def _coarse_ups(shown: Iterable[Point], groups: Iterable[Sequence[int]], step: int) -> Iterator[Point]:
    """The scrapes that are points, and in a step that has none the last failure."""
    scraped = [group[-1] for group in groups]
    failed = {time // step: time for time, up in shown if not up}
    for time in scraped:
        failed.pop(time // step, None)
    yield from ((time, 1.0) for time in scraped)
    yield from ((time, 0.0) for time in failed.values())


def _coarse(shown: Sequence[Point], groups: Iterable[Sequence[int]], *, is_cumulative: bool) -> Iterator[Point]:
    """What the scrapes of each group showed of a series, where that is not what those before did."""
    place, held, told = 0, None, None
    for group in groups:
        point: Stored | None = None
        for scrape in group:
            while place < len(shown) and shown[place][0] <= scrape:
                held = shown[place][1]
                place += 1
            point = held if is_cumulative else _larger(point, held)
        if point is not None and point != told:
            told = point
            yield group[-1], point


def _larger(one: Stored | None, other: Stored | None) -> Stored | None:
    """The larger of two values; what is gone is less than any."""
    if one is None or one == GONE:
        return other
    return one if other is None or other == GONE else max(one, other)
