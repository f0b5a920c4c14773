"""The strict handlers, of which popularity takes its time over one product, as CARTSCOPE_HANDLERS names them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cart_observability.telemetry import Telemetry
from cart_platform.events import Event
from cart_platform.handler import Handle, Handler, UnitOfWork
from cart_platform.settings import Settings
from support import strict_handlers

SLOW = "slow"


def handlers(settings: Settings, telemetry: Telemetry) -> Sequence[Handler]:
    """The strict table, with a popularity that is slow at what is slow."""
    threshold, popularity, notification = strict_handlers.handlers(settings, telemetry)
    return threshold, replace(popularity, handle=_takes_time(popularity.handle)), notification


def _takes_time(handle: Handle) -> Handle:
    async def slow(event: Event, unit: UnitOfWork) -> Mapping[str, Any] | None:
        if event.data.get("product") == SLOW:
            await asyncio.sleep(0.06)
        return await handle(event, unit)

    return slow
