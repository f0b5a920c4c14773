"""Events: one event of the log, with what has become of it."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Path

from cart_platform.api.models import EventDocument
from cart_platform.api.problems import ProblemError, documented
from cart_platform.api.routing import Route
from cart_platform.store import Store

LONGEST_ID = 255

EventId = Annotated[str, Path(description="The event's id.", examples=["019ab1c2-3d4e-7f50-8a9b-0c1d2e3f4a5b"])]


class Events:
    """The endpoints of events."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> Iterator[Route]:
        """The routes that lead to the endpoints."""
        yield Route(
            "/events/{event_id:path}",
            self.read_event,
            summary="An event and what has become of it",
            tags=["events"],
            responses=documented("event_not_found", "overloaded", "unavailable", "internal_error"),
        )

    async def read_event(self, event_id: EventId) -> EventDocument:
        """The event as CloudEvents JSON, each handler's result, the id of its trace, and whether it is published."""
        found = await self._store.event(event_id) if plausible(event_id) else None
        if found is None:
            raise ProblemError("event_not_found", f"there is no event {event_id[:LONGEST_ID]}")
        return EventDocument.of(found)


def plausible(event_id: str) -> bool:
    """Whether a store can be asked for it: not every database takes a NUL."""
    return len(event_id) <= LONGEST_ID and event_id.isprintable()
