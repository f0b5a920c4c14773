"""The role that this room has for a process: the worker."""

import asyncio
from collections.abc import Sequence

from cart_handlers.worker import Worker
from cart_observability.telemetry import Telemetry
from cart_platform.bootstrap import Parts
from cart_platform.errors import UsageError
from cart_platform.handler import Handler
from cart_platform.lifetime import Stop
from cart_platform.process import Role


def workers(names: Sequence[str]) -> Role:
    """The role of running the handlers with these names."""

    async def role(parts: Parts, telemetry: Telemetry, stop: Stop) -> None:
        chosen = choose(parts.handlers, names)
        async with asyncio.TaskGroup() as group:
            for handler in chosen:
                group.create_task(worker(parts, handler, telemetry).run(stop, parts.settings.drain))

    return role


def worker(parts: Parts, handler: Handler, telemetry: Telemetry) -> Worker:
    """A worker for one handler, as the settings want it."""
    settings = parts.settings
    return Worker(
        handler,
        parts.store,
        parts.bus,
        telemetry=telemetry,
        messaging=parts.messaging(telemetry),
        retry_delays=settings.retry_delays,
        prefetch=settings.prefetch,
        batch=settings.batch,
        claim_lease=settings.claim_lease,
    )


def choose(handlers: Sequence[Handler], names: Sequence[str]) -> list[Handler]:
    """The handlers with these names, each once.

    Raises:
        UsageError: naming those that are not in the table.
    """
    table = {handler.name: handler for handler in handlers}
    unknown = [name for name in names if name not in table]
    if unknown:
        raise UsageError(f"no handler is called {', '.join(unknown)}: the table has {', '.join(table)}")
    return [table[name] for name in dict.fromkeys(names)]
