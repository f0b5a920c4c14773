"""The roles that this room has for a process: the API and the relay."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cart_observability.http_server import HttpServer
from cart_observability.telemetry import Telemetry
from cart_platform.api.app import create_app
from cart_platform.api.waiters import Waiters
from cart_platform.bootstrap import Parts
from cart_platform.lifetime import Stop
from cart_platform.listening import listen
from cart_platform.relay import Relay


async def api(parts: Parts, telemetry: Telemetry, stop: Stop) -> None:
    """Serve the HTTP API until stopped."""
    async with serving(parts, telemetry):
        await stop.wait()


@asynccontextmanager
async def serving(parts: Parts, telemetry: Telemetry) -> AsyncIterator[str]:
    """The HTTP API, served as long as the block; gives its URL.

    Raises:
        CartscopeError: when its address cannot be used.
    """
    waiters = Waiters(parts.bus, telemetry)
    app = create_app(store=parts.store, bus=parts.bus, handlers=parts.handlers, telemetry=telemetry, waiters=waiters)
    server = HttpServer(app, parts.settings.host, parts.settings.api_port)
    waiters.start()
    try:
        await listen(server, "the API", "CARTSCOPE_API_PORT")
        telemetry.log.info("api listening", **{"event.action": "api.listening", "url.full": server.url})
        yield server.url
    finally:
        # Waiters first: requests that wait are under way, and the server gives those time to come to an end.
        await waiters.close()
        await server.stop()


async def relay(parts: Parts, telemetry: Telemetry, stop: Stop) -> None:
    """Take events from the outbox to the bus until stopped."""
    awaited = frozenset[str]().union(*(handler.reacts_to for handler in parts.handlers))
    await Relay(
        parts.store,
        parts.bus,
        awaited=awaited,
        telemetry=telemetry,
        messaging=parts.messaging(telemetry),
        batch=parts.settings.batch,
        lease=parts.settings.relay_lease,
    ).run(stop)
