"""Handlers that can be disturbed: slowed down, made to fail, cut off from the mail server."""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cart_platform.events import Event
from cart_platform.faults.catalogue import FAILING_HANDLER, MAIL_DOWN, SLOW_HANDLER, SLOW_SECONDS
from cart_platform.faults.switches import Switch, Switches
from cart_platform.handler import Handler, UnitOfWork


class InjectedFault(Exception):  # noqa: N818  the name under which metrics and logs show it
    """A handler failed because somebody wanted it to."""


async def _slow() -> None:
    await asyncio.sleep(SLOW_SECONDS)


async def _fail() -> None:
    raise InjectedFault(f"fault injected: {FAILING_HANDLER}")


async def _refuse() -> None:
    # What a connection to a port without a listener raises.
    raise ConnectionRefusedError(errno.ECONNREFUSED, f"fault injected: {MAIL_DOWN}: the mail server is away")


Disturbance = tuple[Switch, Callable[[], Awaitable[None]]]


def disturbable(handler: Handler, switches: Switches) -> Handler:
    """The handler, with the faults that concern it; an undisturbed event pays for a look at two flags."""
    acts = {SLOW_HANDLER: _slow, FAILING_HANDLER: _fail} | ({MAIL_DOWN: _refuse} if handler.acts_outside else {})
    disturbances = [(switches.switch(fault, handler.name), act) for fault, act in acts.items()]
    return replace(handler, handle=_disturbed(handler, disturbances))


def _disturbed(
    handler: Handler, disturbances: Sequence[Disturbance]
) -> Callable[[Event, UnitOfWork], Awaitable[Mapping[str, Any] | None]]:
    async def suffer(event: Event, unit: UnitOfWork) -> Mapping[str, Any] | None:
        for switch, act in disturbances:
            if switch.on:
                await act()
        return await handler.handle(event, unit)

    def handle(event: Event, unit: UnitOfWork) -> Awaitable[Mapping[str, Any] | None]:
        for switch, _ in disturbances:
            if switch.on:
                return suffer(event, unit)
        return handler.handle(event, unit)

    return handle
