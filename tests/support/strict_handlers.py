"""A table of handlers of which two give up on certain products, as CARTSCOPE_HANDLERS names it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cart_handlers import table
from cart_observability.telemetry import Telemetry
from cart_platform.events import Event
from cart_platform.handler import Handle, Handler, Reject, UnitOfWork
from cart_platform.settings import Settings

POISON, BROKEN = "poison", "broken"


def handlers(settings: Settings, telemetry: Telemetry) -> Sequence[Handler]:
    """The real table; threshold rejects what is poison, popularity fails at what is broken."""
    threshold, popularity, notification = table.handlers(settings, telemetry)
    rejecting = replace(threshold, handle=rejects(threshold.handle))
    return rejecting, replace(popularity, handle=fails(popularity.handle)), notification


def rejects(handle: Handle) -> Handle:
    """A handler that will never take poison."""

    async def strict(event: Event, unit: UnitOfWork) -> Mapping[str, Any] | None:
        if event.data.get("product") == POISON:
            raise Reject(POISON, "nobody may buy poison")
        return await handle(event, unit)

    return strict


def fails(handle: Handle) -> Handle:
    """A handler that fails at broken things, however often they come."""

    async def fragile(event: Event, unit: UnitOfWork) -> Mapping[str, Any] | None:
        if event.data.get("product") == BROKEN:
            raise RuntimeError("this is broken")
        return await handle(event, unit)

    return fragile
