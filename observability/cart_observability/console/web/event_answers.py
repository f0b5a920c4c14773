"""What is asked of events and traces."""

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cart_observability.console.events import event_search
from cart_observability.console.events.event_search import Filters
from cart_observability.console.events.story import LONGEST_ID, find, story
from cart_observability.console.traces import spans
from cart_observability.console.web.answers import Desk, json
from cart_observability.console.web.parameters import NANOSECONDS, Id, Range, parameters
from cart_observability.console.web.problem import NOT_FOUND, Problem

Content = Callable[[str], Awaitable[Mapping[str, Any] | None]]
"""Gives the payload of an event, where it is known."""


class EventsAsked(Range):
    """Events on one side of one, by its revision, that have all of these."""

    type: str | None = None
    handler: str | None = None
    outcome: str | None = None
    subject: str | None = None
    id: str | None = None
    before: Id | None = None
    after: Id | None = None
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100


class TracesAsked(Range):
    """Traces that have all of these; `min_ms` is how long they lasted at least."""

    service: str | None = None
    errors: bool = False
    min_ms: Annotated[float, Meta(ge=0, le=1e12)] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class FindAsked(msgspec.Struct):
    """An id of any sort."""

    id: str = ""


class EventAnswers:
    """The endpoints of events and traces."""

    def __init__(self, desk: Desk, content: Content) -> None:
        self._desk = desk
        self._content = content

    def routes(self) -> Sequence[Route]:
        """The routes that lead to the endpoints; an event's id may hold slashes."""
        return (
            Route("/api/events", self.events),
            Route("/api/events/{id:path}", self.story),
            Route("/api/traces", self.traces),
            Route("/api/traces/{id}", self.trace),
            Route("/api/find", self.find),
        )

    async def events(self, request: Request) -> Response:
        """The events that changed last."""
        asked = parameters(request, EventsAsked)
        filters = Filters(asked.type, asked.handler, asked.outcome, asked.subject, asked.id)
        start, end = asked.start, asked.end

        def question(connection: sqlite3.Connection) -> Any:
            return event_search.find(connection, filters, start, end, asked.before, asked.after, asked.limit)

        return json(await self._desk.ask(question))

    async def story(self, request: Request) -> Response:
        """Everything known of one event."""
        event_id = request.path_params["id"]
        found = await self._desk.ask(lambda connection: story(connection, event_id))
        if found is None:
            raise Problem(NOT_FOUND, f"no event {event_id[:LONGEST_ID]} is kept")
        return json({**found, "content": await self._content(event_id)})

    async def traces(self, request: Request) -> Response:
        """The traces that began last."""
        asked = parameters(request, TracesAsked)
        start, end = asked.start, asked.end
        shortest = None if asked.min_ms is None else int(asked.min_ms * NANOSECONDS)
        found = await self._desk.ask(
            lambda connection: spans.traces(connection, start, end, asked.service, asked.errors, shortest, asked.limit)
        )
        return json({"traces": found})

    async def trace(self, request: Request) -> Response:
        """One trace."""
        trace_id = request.path_params["id"].lower()
        found = await self._desk.ask(lambda connection: spans.trace(connection, trace_id))
        if found is None:
            raise Problem(NOT_FOUND, f"no trace {trace_id[:LONGEST_ID]} is kept")
        return json(found)

    async def find(self, request: Request) -> Response:
        """Where an id leads."""
        text = parameters(request, FindAsked).id
        return json(await self._desk.ask(lambda connection: find(connection, text)))
