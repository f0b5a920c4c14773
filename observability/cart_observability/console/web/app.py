"""The console's HTTP API and page as an ASGI application."""

from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route

from cart_observability.console.web.guard import Guard, Rules
from cart_observability.console.web.live import MEDIA_TYPE, Live
from cart_observability.console.web.problem import HANDLERS, NOT_FOUND, Problem
from cart_observability.console.web.static import ASSETS, Assets


def create_app(routes: Iterable[BaseRoute], live: Live, rules: Rules, extensions: Assets) -> Starlette:
    """Put the application together.

    Args:
        routes: Everything under /api but what happens now.
        live: What happens now.
        rules: Who is let in.
        extensions: The files of what extends the console.
    """

    async def listen(_request: Request) -> Response:
        return StreamingResponse(live.listen(), media_type=MEDIA_TYPE)

    async def nothing(request: Request) -> Response:
        raise Problem(NOT_FOUND, f"there is nothing at {request.url.path}")

    return Starlette(
        routes=[
            Route("/api/live", listen),
            *routes,
            Route("/api/{path:path}", nothing),
            Mount("/extensions", extensions),
            Mount("/", Assets(ASSETS)),
        ],
        middleware=[Middleware(Guard, rules=rules)],
        exception_handlers=HANDLERS,
    )
