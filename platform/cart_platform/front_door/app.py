"""The front door as an ASGI application, and the process that serves it."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cart_platform.api.server import ApiServer
from cart_platform.front_door.checks import Checks
from cart_platform.front_door.page import ASSETS, render
from cart_platform.front_door.places import Places
from cart_platform.lifetime import Stop
from cart_platform.process import start_telemetry
from cart_platform.settings import load_settings

SERVICE = "cartscope-front-door"

HOSTS: Sequence[str] = ("127.0.0.1", "localhost")
"""What a visitor may call this machine: any other name may be a foreign page that reaches for it (DNS rebinding)."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Guarded:
    """Adds the headers that keep a page to what it was made of."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and the headers with its answer."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, add)


def create_app(places: Places, checks: Checks) -> Starlette:
    """Put the page together; closing the checks is the caller's."""

    async def page(request: Request) -> HTMLResponse:
        return HTMLResponse(render(places, await checks.states(), request.url.hostname or HOSTS[0]))

    async def states(_request: Request) -> JSONResponse:
        return JSONResponse(dict(await checks.states()))

    return Starlette(
        routes=[
            Route("/", page),
            Route("/states", states),
            Mount("/assets", StaticFiles(directory=str(ASSETS))),
        ],
        middleware=[Middleware(Guarded), Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)],
    )


async def serve(places: Places, port: int, stop: Stop) -> int:
    """Serve the page on the host of the settings until stopped; gives the exit code.

    Raises:
        CartscopeError: when the address cannot be used.
    """
    settings = load_settings()
    telemetry = start_telemetry(SERVICE, settings)
    checks = Checks(places.servers)
    server = ApiServer(create_app(places, checks), settings.host, port)
    try:
        await server.start()
        telemetry.log.info("process started", **{"event.action": "process.started", "url.full": server.url})
        await stop.wait()
    finally:
        await server.stop()
        await checks.close()
        telemetry.log.info("process stopped", **{"event.action": "process.stopped"})
        telemetry.close()
    return 0
