"""The HTTP API put together: pure wiring, nothing connects."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.telemetry import TelemetryConfig
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp

from cart_observability.messaging import Messaging
from cart_observability.telemetry import Telemetry
from cart_platform.api.carts import Carts
from cart_platform.api.commands import Commands
from cart_platform.api.documentation import Documentation
from cart_platform.api.events import Events
from cart_platform.api.explanations import Explanations
from cart_platform.api.health import Health
from cart_platform.api.middleware import Admission, LastResort, Observed, Target
from cart_platform.api.models import Problem
from cart_platform.api.products import Products
from cart_platform.api.refusals import Refusals
from cart_platform.api.waiters import Waiters
from cart_platform.bus import Bus
from cart_platform.handler import Handler
from cart_platform.store import Store

REQUESTS = 3_000
"""Requests that may be under way at once: more than may wait for results, and more than may wait for a commit."""

UNUSED_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI has spans and metrics of its own, for the global providers; here HttpTelemetry makes them."""


class CartApi(FastAPI):
    """FastAPI whose OpenAPI tells of problems in place of FastAPI's own validation errors."""

    def build_middleware_stack(self) -> ASGIApp:
        """The middleware of this application round its router.

        FastAPI would add a last resort, spans and a body limit, which have their own here.
        """
        routes = AsyncExitStackMiddleware(self.router)
        app: ASGIApp = ExceptionMiddleware(routes, handlers=self.exception_handlers)
        for middleware, arguments, options in reversed(self.user_middleware):
            app = middleware(app, *arguments, **options)
        return app

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document of the application."""
        document = super().openapi()
        schemas = document["components"]["schemas"]
        if "Problem" not in schemas:
            schemas["Problem"] = Problem.model_json_schema()
            for operation in (operation for path in document["paths"].values() for operation in path.values()):
                if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                    del operation["responses"]["422"]
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
        return document


def create_app(
    *, store: Store, bus: Bus, handlers: Sequence[Handler], telemetry: Telemetry, waiters: Waiters
) -> FastAPI:
    """Put the API together on a store and a bus; starting and closing them, and the waiters, is the caller's."""
    app = CartApi(
        title="Cartscope",
        summary="Carts whose every event can be seen",
        version=version("cartscope"),
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        telemetry=UNUSED_TELEMETRY,
        exception_handlers=Refusals(telemetry).handlers(),
        middleware=[
            Middleware(Observed, telemetry=telemetry),
            Middleware(LastResort, telemetry=telemetry),
            Middleware(Admission, telemetry=telemetry, limit=REQUESTS),
            Middleware(Target),
        ],
    )
    messaging = Messaging(telemetry, bus.system, bus.address, bus.port)
    commands = Commands(store, messaging, handlers, telemetry, waiters)
    rooms = (Carts(store, commands), Events(store), Products(store), Health(store, bus), Explanations())
    # Before FastAPI's own routes, because routes are tried in order and these are asked for most.
    app.router.routes[:0] = [route for room in rooms for route in room.routes()]
    app.router.routes += Documentation(app.title, str(app.openapi_url)).routes()
    return app
