"""Refusals: which exception of an endpoint becomes which problem, counted and logged where it is a command's."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from cart_observability.telemetry import Telemetry
from cart_platform.api.problems import ProblemError, problem
from cart_platform.api.routing import CommandRoute, refusal
from cart_platform.cart import Refused
from cart_platform.errors import Overloaded, Unavailable

NOT_ALLOWED = 405
RETRY_AFTER = "1"
REASON_OF_STATUS: Mapping[int, str] = {404: "not_found", NOT_ALLOWED: "method_not_allowed"}


class Refusals:
    """The exception handlers of the application."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def handlers(self) -> dict[int | type[Exception], Callable[..., Any]]:
        """Which handler answers for which exception."""
        return {
            Refused: self.refused,
            ProblemError: self.refused,
            RequestValidationError: self.invalid,
            HTTPException: self.unrouted,
            Overloaded: self.overloaded,
            Unavailable: self.unavailable,
        }

    async def refused(self, request: Request, error: Refused | ProblemError) -> Response:
        """A rule, of the cart or of the API, does not allow it."""
        route = request.scope.get("route")
        if isinstance(route, CommandRoute):
            self._note(route.name, request, error)
        return problem(error.reason, str(error))

    def _note(self, command: str, request: Request, error: Refused | ProblemError) -> None:
        self._telemetry.metrics.command_rejected(command, error.reason)
        self._telemetry.log.info(
            "command rejected",
            **{
                "event.action": "command.rejected",
                "event.reason": error.reason,
                "cartscope.command": command,
                "cartscope.cart.id": request.path_params["cart"][:64],
            },
        )

    async def invalid(self, _request: Request, error: RequestValidationError) -> Response:
        """A parameter is not what OpenAPI says."""
        found = refusal(error.errors())
        return problem(found.reason, str(found))

    async def unrouted(self, request: Request, error: HTTPException) -> Response:
        """No route takes the path, or not by this method."""
        if error.status_code != NOT_ALLOWED:
            return problem(REASON_OF_STATUS.get(error.status_code, "invalid_request"), "nothing is found at this path")
        allow = {"Allow": ", ".join(allowed_methods(request))}
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=allow)
        return problem("method_not_allowed", f"this path takes {allow['Allow']}", allow)

    async def overloaded(self, _request: Request, error: Overloaded) -> Response:
        """More work waits than may."""
        self._telemetry.metrics.overloaded()
        return problem("overloaded", str(error), {"Retry-After": str(max(1, round(error.retry_after)))})

    async def unavailable(self, _request: Request, error: Unavailable) -> Response:
        """A server behind the API does not answer."""
        self._telemetry.log.warning(
            "store unavailable", **{"event.action": "store.unavailable", "error.message": str(error)}
        )
        return problem("unavailable", "a server behind the API does not answer", {"Retry-After": RETRY_AFTER})


def allowed_methods(request: Request) -> list[str]:
    """The methods that the path takes, over all routes."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    methods = {"OPTIONS"}.union(*(route.methods for route in routes))
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)
