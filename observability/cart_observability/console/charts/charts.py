"""Draws the console's charts, and any other metric as one.

A chart whose metrics nobody has shown has no lines. Times are ns since the epoch in what is asked, ms in what is drawn.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cart_observability.console.charts.chart_table import CHARTS, QUANTILES, Chart
from cart_observability.console.charts.figures import figures
from cart_observability.console.charts.measures import HANDLER, Question
from cart_observability.console.metrics import trends
from cart_observability.console.metrics.exemplars import points
from cart_observability.console.metrics.history import Steps, steps
from cart_observability.console.metrics.series import Where, labels_of
from cart_observability.console.metrics.tiers import MILLISECOND
from cart_observability.console.metrics.trends import Line

__all__ = ("CHARTS", "Chart", "UnknownChart", "draw", "figures", "known", "series")

Drawing = dict[str, Any]
"""A chart as the page reads it, in JSON: `times` in ms, where each step ends; None is not known."""


class UnknownChart(LookupError):  # noqa: N818  named by what it says
    """No chart, or no statistic, is called so."""


def draw(
    connection: sqlite3.Connection, name: str, start: int, end: int, points_: int, handler: str | None = None
) -> Drawing:
    """A chart over a range of time in at most so many points; of one handler where handlers are told apart.

    Raises:
        UnknownChart: No chart is called so.
    """
    chart = CHARTS.get(name)
    if chart is None:
        raise UnknownChart(f"no chart is called {name}: there are {', '.join(CHARTS)}")
    over = steps(start, end, points_)
    lines = chart.measure(Question(connection, over, handler))
    where = {HANDLER: handler} if handler else {}
    shown = points(connection, *chart.exemplars, over, where) if chart.exemplars else []
    return _drawing(chart.name, chart.title, chart.unit, over, end, lines, shown)


def series(
    connection: sqlite3.Connection,
    metric: str,
    statistic: str,
    by: Sequence[str],
    where: Where,
    start: int,
    end: int,
    points_: int,
) -> Drawing:
    """Any metric as a chart: its rate, value, p50, p95, p99 or mean, a line for each value of some labels.

    Raises:
        UnknownChart: No statistic is called so.
    """
    over = steps(start, end, points_)
    if statistic in QUANTILES:
        found = trends.quantiles(connection, metric, [QUANTILES[statistic]], over, by, where)
        lines = {label: line for label, (line,) in found.items()}
    elif statistic in _STATISTICS:
        lines = _STATISTICS[statistic](connection, metric, over, by, where)
    else:
        raise UnknownChart(f"no statistic is called {statistic}: there are {', '.join((*_STATISTICS, *QUANTILES))}")
    unit = "per_second" if statistic == "rate" else _unit(metric)
    return _drawing(metric, metric, unit, over, end, {label or metric: line for label, line in lines.items()}, [])


_STATISTICS: Final = {"rate": trends.rates, "value": trends.values, "mean": trends.means}


def known(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """The metrics that samples are kept of: name, kind, meaning and labels."""
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for name, text in connection.execute("SELECT DISTINCT name, labels FROM series"):
        labels[name] |= labels_of(text).keys()
    rows = connection.execute("SELECT name, kind, about FROM metrics ORDER BY name")
    return [
        {"name": name, "kind": kind, "about": about, "labels": sorted(labels[name])}
        for name, kind, about in rows
        if name in labels
    ]


def _drawing(
    name: str,
    title: str,
    unit: str,
    over: Steps,
    end: int,
    lines: Mapping[str, Line],
    exemplars: Sequence[Mapping[str, Any]],
) -> Drawing:
    return {
        "name": name,
        "title": title,
        "unit": unit,
        "times": [time / MILLISECOND for time in over.ends(end)],
        "series": [{"label": label, "values": lines[label]} for label in sorted(lines)],
        "exemplars": list(exemplars),
    }


def _unit(metric: str) -> str:
    stem = metric.removesuffix("_bucket").removesuffix("_sum")
    return next((unit for unit in ("seconds", "bytes") if stem.endswith(f"_{unit}")), "count")
