"""Shoppers of whom a burst can be made."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from cart_observability.telemetry import Telemetry
from cart_platform.errors import CartscopeError
from cart_platform.faults.catalogue import BURST, BURST_FACTOR
from cart_platform.faults.switchboard import Switchboard
from cart_platform.faults.switches import Switch, Switches
from cart_platform.shoppers import Load, Replay, run_load

SERVICE = "cartscope-shoppers"
SETBACK_SECONDS = 1.0


@asynccontextmanager
async def bursting_alone(load: Load | Replay, file: Path | None, log_folder: Path | None) -> AsyncIterator[None]:
    """As `bursting`, in a process that has no telemetry: bursts are told in a log file of the shoppers' own.

    Raises:
        CartscopeError: when the folder cannot be written.
    """
    if file is None:
        yield
        return
    try:
        telemetry = Telemetry.start(SERVICE, log_folder=log_folder, stdout=False)
    except (RuntimeError, ValueError) as error:
        raise CartscopeError(str(error)) from error
    try:
        async with bursting(load, file, telemetry):
            yield
    finally:
        telemetry.close()


@asynccontextmanager
async def bursting(load: Load | Replay, file: Path | None, telemetry: Telemetry) -> AsyncIterator[None]:
    """Let more shoppers come beside a load while a burst is on, as long as the block lasts.

    A file that is replayed has no rate to multiply, and without a switchboard nothing can be switched: then nothing is
    done.
    """
    if file is None or isinstance(load, Replay):
        yield
        return
    switches = Switches(Switchboard(file), telemetry)
    more = asyncio.create_task(_keep_bursting(load, switches.switch(BURST)), name="burst")
    try:
        await switches.awaken()
        yield
    finally:
        more.cancel()
        await asyncio.gather(more, return_exceptions=True)
        await switches.close()


async def _keep_bursting(load: Load, burst: Switch) -> None:
    while True:
        await burst.until(on=True)
        await _burst(load, burst)


async def _burst(load: Load, burst: Switch) -> None:
    """One burst, on carts of its own, from its beginning to its end; an API that is away is asked again."""
    more = replace(load, rate=load.rate * (BURST_FACTOR - 1), duration=math.inf, run=uuid4().hex[:8])
    shoppers = asyncio.create_task(run_load(more))
    over = asyncio.create_task(burst.until(on=False))
    try:
        await asyncio.wait([shoppers, over], return_when=asyncio.FIRST_COMPLETED)
    finally:
        over.cancel()
        shoppers.cancel()
        [outcome] = await asyncio.gather(shoppers, return_exceptions=True)
    if isinstance(outcome, CartscopeError):
        await asyncio.sleep(SETBACK_SECONDS)
