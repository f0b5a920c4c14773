"""How long messages wait in queues, as the spans of those show it that were taken last.

A message waits from the end of the span that its process span comes from, by which it was made or sent, to the start of
that. Where most of what was taken lately had waited for long, more has come than was taken, whoever counts it.
"""

import sqlite3
from collections import defaultdict
from statistics import median
from typing import Final

from cart_observability.console.events.sightings import PROCESS
from cart_observability.console.logs.moments import SECOND

LATELY: Final = 15 * SECOND
"""What was taken longer ago, in ns, says nothing of now."""
LOOKED_AT: Final = 3_000
"""The latest spans."""
LATEST: Final = 20
"""Of what was taken from a queue: so many tell."""

_TAKEN: Final = """
SELECT queues.name, taken.start - sent.end
FROM (SELECT trace, parent, point, start FROM spans ORDER BY rowid DESC LIMIT ?) AS taken
JOIN (
    SELECT number, json_extract(point, '$[5]') AS name FROM points WHERE json_extract(point, '$[3]') = ?
) AS queues ON queues.number = taken.point
JOIN spans AS sent ON sent.trace = taken.trace AND sent.id = taken.parent
WHERE taken.start >= ?
ORDER BY taken.start DESC
"""


def waits(connection: sqlite3.Connection, now: int) -> dict[str, float]:
    """For how long what was taken from each queue lately had waited, in seconds; `now` in ns.

    It is the median, for what is taken again waits for that on purpose, and no queue is told of whose messages come
    from no span that is known.
    """
    found: defaultdict[str, list[int]] = defaultdict(list)
    for queue, waited in connection.execute(_TAKEN, (LOOKED_AT, PROCESS, now - LATELY)):
        if len(found[queue]) < LATEST:
            found[queue].append(waited)
    # Clocks of two machines may differ.
    return {queue: max(0.0, median(every) / SECOND) for queue, every in found.items()}
