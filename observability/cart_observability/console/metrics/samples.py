"""Metric samples: what is kept of them, how they are recorded, and what they tell.

Counters and histograms are kept as totals that go on where a process starts again from zero, over a restart of the
console too. A metric goes by the name of its samples (`orders_total`), a histogram by its own or by that of its
`_count` or `_sum`.
"""

import sqlite3
from collections.abc import Sequence

from cart_observability.console.metrics.condensing import condense
from cart_observability.console.metrics.forgetting import expire, oldest, prune, prune_before, room
from cart_observability.console.metrics.history import Steps, steps
from cart_observability.console.metrics.present import quantile_by, quantiles_by, rate_by, total_by, value_by
from cart_observability.console.metrics.recording import Recorder
from cart_observability.console.metrics.series import SCHEMA
from cart_observability.console.metrics.trends import means, quantiles, rates, values
from cart_observability.console.records import Family

__all__ = (
    "SCHEMA",
    "Recorder",
    "Steps",
    "condense",
    "expire",
    "means",
    "oldest",
    "prune",
    "prune_before",
    "quantile_by",
    "quantiles",
    "quantiles_by",
    "rate_by",
    "rates",
    "record",
    "room",
    "steps",
    "total_by",
    "value_by",
    "values",
)


def record(connection: sqlite3.Connection, process: str, time: int, families: Sequence[Family]) -> None:
    """Record what a process shows at a time, in ns since the epoch.

    Who does so again and again keeps a `Recorder`, which need not read back what it recorded before.
    """
    Recorder(process).record(connection, time, families)
