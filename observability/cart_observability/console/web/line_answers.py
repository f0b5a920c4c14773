"""What is asked of log lines."""

import sqlite3
from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cart_observability.console.logs import line_counts, lines
from cart_observability.console.logs.conditions import Condition
from cart_observability.console.logs.counted import Counted
from cart_observability.console.logs.query import UnreadableError, read
from cart_observability.console.web.answers import Desk, json
from cart_observability.console.web.parameters import Id, Range, parameters
from cart_observability.console.web.problem import Problem


class Search(Range):
    """A search in the language of log searches; an empty one finds everything."""

    q: str = ""

    @property
    def condition(self) -> Condition:
        """What it asks for; raises Problem with the position of what cannot be read."""
        try:
            return read(self.q)
        except UnreadableError as error:
            raise Problem(400, str(error), position=error.position) from error


class Listing(Search):
    """Lines on one side of one, by its id."""

    before: Id | None = None
    after: Id | None = None
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 200


class Counting(Search):
    """How finely to count."""

    bins: Annotated[int, Meta(ge=1, le=500)] = 60


class LineAnswers:
    """The endpoints of log lines."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._counted = Counted()

    def routes(self) -> Sequence[Route]:
        """The routes that lead to the endpoints."""
        return (
            Route("/api/lines", self.found),
            Route("/api/lines/counts", self.counts),
            Route("/api/lines/fields", self.fields),
        )

    async def found(self, request: Request) -> Response:
        """The newest lines that a search finds."""
        asked = parameters(request, Listing)
        condition, start, end = asked.condition, asked.start, asked.end

        def question(connection: sqlite3.Connection) -> Any:
            return lines.search(connection, condition, start, end, asked.before, asked.after, asked.limit)

        return json(await self._desk.ask(question))

    async def counts(self, request: Request) -> Response:
        """How many of them there are over time, by level."""
        asked = parameters(request, Counting)
        condition, start, end = asked.condition, asked.start, asked.end

        def question(connection: sqlite3.Connection) -> Any:
            return line_counts.count(connection, condition, start, end, asked.bins, counted=self._counted)

        return json(await self._desk.ask(question))

    async def fields(self, request: Request) -> Response:
        """Which fields they have, and with which values."""
        asked = parameters(request, Search)
        condition, start, end = asked.condition, asked.start, asked.end
        return json(await self._desk.ask(lambda connection: lines.fields(connection, condition, start, end)))
