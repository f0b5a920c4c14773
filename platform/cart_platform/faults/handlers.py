"""Handlers that can be disturbed: slowed down, made to fail, cut off from the mail server."""

import asyncio
import errno
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import Any

from cart_platform.events import Event
from cart_platform.faults.catalogue import FAILING_HANDLER, MAIL_DOWN, SLOW_HANDLER, SLOW_SECONDS
from cart_platform.faults.switches import Switches
from cart_platform.handler import Handler, UnitOfWork


class InjectedFault(Exception):  # noqa: N818  the name under which metrics and logs show it
    """A handler failed because somebody wanted it to."""


def disturbable(handler: Handler, switches: Switches) -> Handler:
    """The handler, with the faults that concern it; an undisturbed event pays for a look at three flags."""
    slow, failing, mail_down = (
        switches.switch(fault, handler.name) for fault in (SLOW_HANDLER, FAILING_HANDLER, MAIL_DOWN)
    )
    handle = handler.handle

    async def suffer(event: Event, unit: UnitOfWork) -> Mapping[str, Any] | None:
        if slow.on:
            await asyncio.sleep(SLOW_SECONDS)
        if failing.on:
            raise InjectedFault(f"fault injected: {FAILING_HANDLER}")
        if mail_down.on:
            # What a connection to a port without a listener raises.
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"fault injected: {MAIL_DOWN}: the mail server is away")
        return await handle(event, unit)

    def disturbed(event: Event, unit: UnitOfWork) -> Awaitable[Mapping[str, Any] | None]:
        return suffer(event, unit) if slow.on or failing.on or mail_down.on else handle(event, unit)

    return replace(handler, handle=disturbed)
