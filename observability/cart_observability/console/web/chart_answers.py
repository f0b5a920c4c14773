"""What is asked of metrics: charts, any series, what charts mark, and capacity."""

import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cart_observability.console.charts import charts, marks, planning
from cart_observability.console.charts.charts import CHARTS, UnknownChart
from cart_observability.console.web.answers import Desk, json
from cart_observability.console.web.parameters import Range, parameters
from cart_observability.console.web.problem import NOT_FOUND, Problem

Points = Annotated[int, Meta(ge=2, le=2_000)]


class ChartAsked(Range):
    """How finely a chart is drawn, and of which handler."""

    points: Points = 300
    handler: str | None = None


class SeriesAsked(Range):
    """A metric, what is made of it, and of which of its series: `where` is label:value."""

    metric: Annotated[str, Meta(min_length=1)]
    statistic: str = "rate"
    by: list[str] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    points: Points = 300


class CapacityAsked(msgspec.Struct):
    """Over how many seconds it is measured, and what is supposed; `slots` is handler:n."""

    window_s: Annotated[float, Meta(ge=2, le=86_400)] = 60.0
    arrival_rate: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    slots: list[str] = field(default_factory=list)


class ChartAnswers:
    """The endpoints of metrics."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """The routes that lead to the endpoints."""
        return (
            Route("/api/charts", self.charts),
            Route("/api/charts/{name}", self.chart),
            Route("/api/series", self.series),
            Route("/api/metrics", self.metrics),
            Route("/api/marks", self.marks),
            Route("/api/capacity", self.capacity),
        )

    async def charts(self, _request: Request) -> Response:
        """Which charts there are."""
        return json([{name: getattr(chart, name) for name in TOLD} for chart in CHARTS.values()])

    async def chart(self, request: Request) -> Response:
        """One chart."""
        asked, name = parameters(request, ChartAsked), request.path_params["name"]
        start, end = asked.start, asked.end

        def question(connection: sqlite3.Connection) -> Any:
            return charts.draw(connection, name, start, end, asked.points, asked.handler)

        return await self._drawn(question)

    async def series(self, request: Request) -> Response:
        """Any metric as a chart."""
        asked = parameters(request, SeriesAsked)
        start, end, where = asked.start, asked.end, chosen(asked.where)

        def question(connection: sqlite3.Connection) -> Any:
            return charts.series(connection, asked.metric, asked.statistic, asked.by, where, start, end, asked.points)

        return await self._drawn(question)

    async def metrics(self, _request: Request) -> Response:
        """Which metrics there are."""
        return json(await self._desk.ask(charts.known))

    async def marks(self, request: Request) -> Response:
        """What charts mark."""
        asked = parameters(request, Range)
        start, end = asked.start, asked.end
        return json(await self._desk.ask(lambda connection: marks.between(connection, start, end)))

    async def capacity(self, request: Request) -> Response:
        """What the handlers can take, measured or supposed."""
        asked = parameters(request, CapacityAsked)
        slots = slots_of(asked.slots)

        def question(connection: sqlite3.Connection) -> Any:
            return planning.capacity(connection, time.time_ns(), asked.window_s, asked.arrival_rate, slots)

        try:
            return json(await self._desk.ask(question))
        except planning.Unsupposable as error:
            raise Problem(400, str(error)) from error

    async def _drawn(self, question: Callable[[sqlite3.Connection], Any]) -> Response:
        try:
            return json(await self._desk.ask(question))
        except UnknownChart as error:
            raise Problem(NOT_FOUND, str(error)) from error


TOLD: Final = ("name", "title", "unit", "about", "group")
MOST_SLOTS: Final = 1_000_000


def chosen(pairs: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """The values that labels may have, from `label:value`, of which a label may have several.

    Raises:
        Problem: when one is no pair.
    """
    values: defaultdict[str, list[str]] = defaultdict(list)
    for pair in pairs:
        label, is_pair, value = pair.partition(":")
        if not is_pair:
            raise Problem(400, f"where={pair!r} is not label:value")
        values[label].append(value)
    return values


def slots_of(pairs: Iterable[str]) -> Mapping[str, int]:
    """Slots by handler, from `handler:n`.

    Raises:
        Problem: when one is no pair, or no number of 1 or more.
    """
    slots = {}
    for pair in pairs:
        handler, _, number = pair.rpartition(":")
        if not handler or not number.isdecimal() or not 0 < int(number[:10]) <= MOST_SLOTS:
            raise Problem(400, f"slots={pair[:80]!r} is not handler:n, with 1 or more")
        slots[handler] = int(number)
    return slots
