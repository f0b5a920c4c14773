"""Log lines: recorded as they come, searched newest first.

All times are in ns since the epoch, but in answers, which are those of the HTTP API.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, Final

from cart_observability.console.charts import marks
from cart_observability.console.events import events
from cart_observability.console.logs import line_groups, line_index, terms
from cart_observability.console.logs.bounds import START
from cart_observability.console.logs.conditions import Condition, Everything, within
from cart_observability.console.logs.line_groups import BUDGET_SECONDS, Contents, Reach, newest, oldest, snapshot
from cart_observability.console.logs.moments import FIRST, LAST
from cart_observability.console.records import Line

__all__ = (
    "SCHEMA",
    "fields",
    "newest",
    "oldest",
    "prune",
    "prune_before",
    "record",
    "search",
    "snapshot",
)

SCHEMA: Final = line_groups.SCHEMA + line_index.SCHEMA + marks.SCHEMA

AHEAD: Final = 256
"""Lines that are looked at one by one before the index is asked for a beginning."""
MANY: Final = AHEAD // 8
"""Of these: where so many are found the index, which collects what it has before it gives any, is not asked."""
SAMPLED: Final = 2_000
"""Lines of which the fields are counted."""
VALUES: Final = 10
"""Values given of each field: the most frequent."""
MILLISECOND: Final = 1_000_000


def record(connection: sqlite3.Connection, lines: Sequence[Line], subject_field: str | None = None) -> None:
    """Keep some lines, and what they tell of events.

    Args:
        connection: The writer's.
        lines: In any order; they are kept in that of their times.
        subject_field: The field that names what events are about.
    """
    if not lines:
        return
    ordered = sorted(lines, key=itemgetter(0))
    line_index.add(connection, line_groups.append(connection, ordered), ordered)
    marks.note(connection, ordered)
    sightings = (events.of_line(line, subject_field) for line in ordered)
    events.sight(connection, [sighting for sighting in sightings if sighting is not None])


def search(
    connection: sqlite3.Connection,
    condition: Condition,
    start: int,
    end: int,
    before: int | None = None,
    after: int | None = None,
    limit: int = 200,
    seconds: float = BUDGET_SECONDS,
) -> dict[str, Any]:
    """The newest lines of which a condition holds, as the HTTP API gives them.

    Args:
        connection: Any.
        condition: As `query.read` gives it.
        start: The earliest time.
        end: The first time that is too late.
        before: Only lines with a smaller id.
        after: Only lines with a larger id.
        limit: At most so many.
        seconds: How long to look for further ones.

    Returns:
        `lines`; whether there are, or may be, `more`; and then the id `before` which to go on. When time ran out, that
        is not the last line's.
    """
    with snapshot(connection):
        found = _Search(connection, condition, start, end, before, after, seconds)
        lines: list[dict[str, Any]] = []
        for id_, line in found:
            if len(lines) == limit:
                return {"lines": lines, "more": True, "before": lines[-1]["id"] if lines else before}
            lines.append(as_answer(id_, line))
    return {"lines": lines, "more": found.looked_until is not None, "before": found.looked_until}


def fields(
    connection: sqlite3.Connection, condition: Condition, start: int, end: int, seconds: float = BUDGET_SECONDS
) -> dict[str, Any]:
    """The fields of the newest lines of which a condition holds, with their values, as the HTTP API gives them.

    Arguments as those of `search`.
    """
    values: dict[str, Counter[str]] = {}
    sampled = 0
    with snapshot(connection):
        for _, line in _Search(connection, condition, start, end, None, None, seconds):
            sampled += 1
            for name, value in terms.values(line):
                if name != "message":
                    values.setdefault(name, Counter())[terms.spoken(value)] += 1
            if sampled == SAMPLED:
                break
    return {"sampled": sampled, "fields": [_field(name, values[name]) for name in sorted(values)]}


def _field(name: str, values: Counter[str]) -> dict[str, Any]:
    frequent = [{"value": value, "count": count} for value, count in values.most_common(VALUES)]
    return {"field": name, "distinct": len(values), "values": frequent}


def as_answer(id_: int, line: Line) -> dict[str, Any]:
    """A line as the HTTP API gives it."""
    return {"id": id_, **line._asdict(), "time": line.time / MILLISECOND}


class _Search:
    """Lines of which a condition holds, newest first.

    Attributes:
        looked_until: The last id that was come to when time ran out; None as long as it did not.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        condition: Condition,
        start: int,
        end: int,
        before: int | None,
        after: int | None,
        seconds: float,
    ) -> None:
        self.looked_until: int | None = None
        self._found = 0
        self._connection = connection
        self._deadline = time.monotonic() + seconds
        self._condition, start, end = within(condition, start, end)
        reach = line_groups.reach(connection, start, end)
        self._reach = reach and reach._replace(
            first=reach.first if after is None else max(reach.first, min(after + 1, LAST)),
            last=reach.last if before is None else min(reach.last, max(before - 1, FIRST)),
        )

    def __iter__(self) -> Iterator[tuple[int, Line]]:
        contents = Contents(self._connection)
        for first, ids in self._stretches(self._reach) if self._reach else ():
            for id_ in ids:
                line = contents.line(id_)
                if self._condition.holds(line):
                    self._found += 1
                    yield id_, line
                if self._is_over():
                    self.looked_until = id_
                    return
            if self._reach and first > self._reach.first and self._is_over():
                self.looked_until = first
                return

    def _stretches(self, reach: Reach) -> Iterator[tuple[int, Iterator[int]]]:
        """Candidates, newest first, and from which id on they are all there are; some stretches have none."""
        if isinstance(self._condition, Everything):
            yield reach.first, line_groups.ids(self._connection, reach)
            return
        expression = self._condition.bounds(line_index.vocabulary(self._connection)).possible
        if expression is None:
            return
        if START in expression:
            first = max(reach.first, reach.last - AHEAD + 1)
            yield first, line_groups.ids(self._connection, reach._replace(first=first))
            reach = reach._replace(last=first - 1)
            if self._found >= MANY:
                yield reach.first, line_groups.ids(self._connection, reach)
                return
        for part in line_index.parts_of(self._connection, reach):
            yield part * line_index.LINES, line_index.ids(self._connection, part, expression, reach)

    def _is_over(self) -> bool:
        return time.monotonic() > self._deadline


def prune(connection: sqlite3.Connection, rows: int) -> int:
    """Remove about so many of the oldest lines, the newest few excepted; the number of those removed, 0 at the end."""
    return _pruned(connection, line_groups.prune(connection, rows))


def prune_before(connection: sqlite3.Connection, time: int, rows: int) -> int:
    """Remove about so many of the lines from before a time, as `prune` does."""
    return _pruned(connection, line_groups.prune(connection, rows, time))


def _pruned(connection: sqlite3.Connection, removed: int) -> int:
    line_index.prune(connection)
    return removed
