"""Middleware: what happens to every request before a route is looked for. Pure ASGI."""

from urllib.parse import quote

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cart_observability.http import HttpTelemetry
from cart_observability.telemetry import Telemetry
from cart_platform.api.health import LIVE, READY
from cart_platform.api.problems import problem


class HttpMiddleware:
    """Middleware for requests; what else a server may send (lifespan, websockets) passes it by."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what comes."""
        await (self.request if scope["type"] == "http" else self._app)(scope, receive, send)

    async def request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        raise NotImplementedError


class Observed(HttpMiddleware):
    """Traces and measures requests, but for those of supervisors: they come every second and tell nothing."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        super().__init__(app)
        self._observed = HttpTelemetry(app, telemetry)

    async def request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        await (self._app if scope["path"] in {LIVE, READY} else self._observed)(scope, receive, send)


class LastResort(HttpMiddleware):
    """Answers what nobody expected with a problem that tells nothing, and logs it with everything."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        super().__init__(app)
        self._log = telemetry.log

    async def request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            return  # Nobody is left to be answered.
        except Exception as error:  # noqa: BLE001  whatever it is, it must neither reach the client nor the server
            self._log.error("request failed", exc_info=error, **{"event.action": "request.failed"})
            if not started:
                await problem("internal_error", "the request failed; the log knows why")(scope, receive, send)


class Admission(HttpMiddleware):
    """Turns requests away when `limit` of them are under way: memory does not grow with the load."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry, limit: int) -> None:
        super().__init__(app)
        self._metrics = telemetry.metrics
        self._limit = limit
        self._under_way = 0

    async def request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if self._under_way >= self._limit and scope["path"] not in {LIVE, READY}:
            self._metrics.overloaded()
            refused = problem("overloaded", f"{self._limit:,} requests are under way already", {"Retry-After": "1"})
            await refused(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1


class Target(HttpMiddleware):
    """Has the routes see the path as it was sent, and HEAD as GET.

    Decoded before it is split, `a%2Fb` would be two segments. The server sends no body in answer to HEAD.
    """

    async def request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        method, path = scope["method"], scope["path"]
        raw = scope.get("raw_path")
        scope["path"] = raw.decode("latin-1") if raw is not None else quote(path)
        scope["method"] = "GET" if method == "HEAD" else method
        try:
            await self._app(scope, receive, send)
        finally:
            scope["path"], scope["method"] = path, method
