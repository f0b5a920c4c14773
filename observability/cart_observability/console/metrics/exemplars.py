"""Exemplars: single observations of histograms that name their trace, as points of a chart."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from cart_observability.console.metrics.history import Steps
from cart_observability.console.metrics.series import Where, selected
from cart_observability.console.metrics.tiers import MILLISECOND, TEN_SECONDS

MOST: Final = 200
A_LINE: Final = 40
"""Points of one series in a chart: more of them hide one another."""

# Of each part of the range the largest: the slow ones are worth a look.
_LARGEST: Final = """
SELECT exemplars.series, time, max(exemplars.value), trace_id
FROM json_each(:slots) AS slots CROSS JOIN json_each(:series) AS wanted
CROSS JOIN exemplars
ON exemplars.slot = slots.value AND exemplars.series = wanted.value AND time >= :start AND time < :end
GROUP BY exemplars.series, (time - :start) / :width
ORDER BY 3 DESC LIMIT :most
"""


def points(connection: sqlite3.Connection, metric: str, label: str, over: Steps, where: Where) -> list[dict[str, Any]]:
    """The largest observations of a histogram over a range: time (ms), value, trace, and the value of a label."""
    wanted = {series.id: series for series in selected(connection, metric, where)}
    asked = {
        "slots": json.dumps(list(_slots(over))),
        "series": json.dumps(list(wanted)),
        "start": over.start,
        "end": over.end,
        "width": max(1, (over.end - over.start) // A_LINE),
        "most": MOST,
    }
    return [
        {"time": time / MILLISECOND, "value": value, "label": wanted[id_].label(label), "trace_id": trace_id}
        for id_, time, value, trace_id in sorted(connection.execute(_LARGEST, asked), key=lambda row: row[1])
    ]


def _slots(over: Steps) -> Sequence[int]:
    return range(over.start // TEN_SECONDS.slot, over.end // TEN_SECONDS.slot + 1)
