"""One process of the chain: telemetry, parts and signals round what it is there for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from cart_observability.logs import capture_standard_logging
from cart_observability.metrics import Metrics, watch_event_loop
from cart_observability.telemetry import Telemetry
from cart_platform import lifetime
from cart_platform.bootstrap import Parts, assemble
from cart_platform.errors import CartscopeError
from cart_platform.lifetime import Stop, patiently
from cart_platform.settings import Settings, load_settings
from cart_platform.store import Store

Role = Callable[[Parts, Telemetry, Stop], Awaitable[None]]
"""What a process is there for: works on started parts, under its own telemetry, until stopped."""


def run(service: str, role: Role) -> int:
    """Run one role as this process, under the service name, until a signal ends it; gives the exit code.

    Raises:
        CartscopeError: with one clear line, when the settings, the store or the bus cannot be used.
    """

    async def main(stop: Stop) -> int:
        settings = load_settings()
        telemetry = start_telemetry(service, settings)
        try:
            with ungrouped():
                async with started(assemble(settings, telemetry), stop) as parts:
                    await role(parts, telemetry, stop)
        except CartscopeError:
            raise
        except Exception:
            telemetry.log.exception("process failed", **{"event.action": "process.failed"})
            return 1
        else:
            return 0
        finally:
            telemetry.close()

    return lifetime.run(main)


@contextmanager
def ungrouped() -> Iterator[None]:
    """Raise the first CartscopeError of a group of tasks as itself: it has a line for a person, the group has none."""
    try:
        yield
    except BaseExceptionGroup as group:
        expected, others = group.split(CartscopeError)
        if expected is None or others is not None:
            raise
        error: BaseException = expected
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from group


def start_telemetry(service: str, settings: Settings, *, stdout: bool = True) -> Telemetry:
    """The telemetry of this process; raises CartscopeError when its port or its log folder cannot be used."""
    try:
        telemetry = Telemetry.start(
            service,
            log_folder=settings.log_dir,
            stdout=stdout,
            port=settings.telemetry_port,
            address=settings.host,
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise CartscopeError(str(error)) from error
    capture_standard_logging(telemetry)
    return telemetry


@asynccontextmanager
async def started(parts: Parts, stop: Stop) -> AsyncIterator[Parts]:
    """The parts, connected for as long as the block lasts.

    Raises:
        CartscopeError: with one clear line, when the store or the bus cannot be used; for servers that do not answer,
            after the patience of the settings.
    """
    log, metrics = parts.telemetry.log, parts.telemetry.metrics
    watches = [asyncio.create_task(watch_event_loop(metrics))]
    try:
        patience = parts.settings.start_patience
        # Said from the start: an alert counts who reaches the store, and a process that waits for it does not.
        metrics.store_available(False)
        await patiently(parts.store.start, stop, patience)
        watches.append(asyncio.create_task(watch_store(parts.store, metrics)))
        log.info("store connected", **{"event.action": "store.connected"})
        await patiently(parts.bus.start, stop, patience)
        log.info("process started", **{"event.action": "process.started", "url.full": parts.telemetry.metrics_url})
        yield parts
    finally:
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        await parts.close()
        log.info("process stopped", **{"event.action": "process.stopped"})


async def watch_store(store: Store, metrics: Metrics, interval: float = 5.0) -> None:
    """Show until cancelled whether the store answers, asked anew after so many seconds."""
    while True:
        try:
            await store.ping()
            metrics.store_available(True)
        except CartscopeError:
            metrics.store_available(False)
        await asyncio.sleep(interval)
