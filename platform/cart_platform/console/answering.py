"""Endpoints of the console: what they are sent, and what they answer when they cannot do what was asked."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cart_observability.console.web.problem import Problem
from cart_platform.errors import CartscopeError, UsageError

Endpoint = Callable[[Request], Awaitable[Response]]
Body = TypeVar("Body")

UNPROCESSABLE, UNAVAILABLE = 422, 503


def answering(endpoint: Callable[[Request], Awaitable[Any]]) -> Endpoint:
    """The endpoint, its document as JSON; what cannot be done is a problem in one line.

    What was asked wrongly is 422; a store, a bus, an API or a file that cannot be used is 503.
    """

    @wraps(endpoint)
    async def answer(request: Request) -> Response:
        try:
            return Response(msgspec.json.encode(await endpoint(request)), media_type="application/json")
        except Problem as problem:
            return problem.response()
        except UsageError as error:
            return Problem(UNPROCESSABLE, str(error)).response()
        except CartscopeError as error:
            return Problem(UNAVAILABLE, str(error)).response()

    return answer


async def body_of(request: Request, kind: type[Body]) -> Body:
    """The request's JSON body; raises UsageError when it is not what is meant to be sent."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(str(error)) from error


def limit_of(request: Request, default: int, largest: int) -> int:
    """The query's `limit`, within its bounds; raises UsageError when it is no whole number."""
    text = request.query_params.get("limit", str(default))
    try:
        return max(1, min(int(text[:9]), largest))
    except ValueError:
        raise UsageError(f"limit is {text[:9]!r}: give a whole number up to {largest}") from None
