"""What the event log knows of an event: its payload, and what its handlers reported."""

from collections.abc import Mapping
from typing import Any

from cart_platform.api.events import plausible
from cart_platform.api.models import EventDocument
from cart_platform.console.watched import Watched
from cart_platform.errors import CartscopeError


async def content(watched: Watched, event_id: str) -> Mapping[str, Any] | None:
    """The event with its results, as the API shows it; None when there is none, or the store cannot be asked."""
    if not plausible(event_id):
        return None
    try:
        found = await (await watched.store()).event(event_id)
    except CartscopeError:
        return None
    return None if found is None else EventDocument.of(found).model_dump(mode="json")
