"""Routes that keep an encoded slash apart from a separator, and that cost little.

FastAPI's own handling of a request (dependencies, exit stacks, body) takes several times what a command takes here;
see benchmarks/api.py for the figures. Its OpenAPI and its error handlers stay in use.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar, cast
from urllib.parse import unquote

from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from cart_platform.api.problems import ProblemError
from cart_platform.cart import Refused, check_identifier

MAXIMUM_BODY = 65_536
"""Bytes of a request's body."""

READ_BEYOND = 1_048_576
"""Bytes read and thrown away of a body that is too large: a client that is still sending hears no answer."""

BODY_SECONDS = 10.0
"""In which the whole body must have come."""

REASON_OF_MEMBER: Mapping[object, str] = {
    "cart": "invalid_identifier",
    "product": "invalid_identifier",
    "quantity": "invalid_quantity",
}
"""A member or parameter that can be invalid by a rule of the cart, and the word of that rule."""

Model = TypeVar("Model", bound=BaseModel)


class Route(APIRoute):
    """A route on the undecoded path: parameters are decoded after the split (RFC 3986, section 2.4)."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As APIRoute does, with the path parameters percent-decoded."""
        match, child_scope = super().matches(scope)
        if match is Match.FULL:
            child_scope["path_params"] = {name: decoded(value) for name, value in child_scope["path_params"].items()}
        return match, child_scope


def decoded(text: str) -> str:
    """The text percent-decoded; what does not give UTF-8 stays as it is, and is no identifier."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


class CommandRoute(Route):
    """A route for a command, which its name is: identifiers in the path, text in headers, one JSON object as body.

    The endpoint takes these and the request, by the names of its parameters, and gives a ready response.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # FastAPI's own application opens two exit stacks for dependencies, of which a command has none.
        self.app = answering(self.get_route_handler())

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler that is called for a request."""
        endpoint = self.endpoint
        headers = [(field.name, field.alias.encode()) for field in self.dependant.header_params]
        bodies = [
            (field.name, cast("type[BaseModel]", field.field_info.annotation)) for field in self.dependant.body_params
        ]

        async def handle(request: Request) -> Response:
            arguments: dict[str, Any] = identifiers(request.path_params)
            for name, model in bodies:
                arguments[name] = await read_body(request, model)
            for name, header in headers:
                arguments[name] = header_text(request.scope, header)
            response: Response = await endpoint(request=request, **arguments)
            return response

        return handle


def answering(handle: Callable[[Request], Coroutine[Any, Any, Response]]) -> ASGIApp:
    """The application that answers a request with what `handle` gives; what it raises is for the middleware."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await handle(Request(scope, receive))
        await response(scope, receive, send)

    return app


def identifiers(parameters: Mapping[str, str]) -> dict[str, str]:
    """The path's parameters, each held against the rule for identifiers.

    Raises:
        Refused: with the reason `invalid_identifier`.
    """
    for what, text in parameters.items():
        check_identifier(text, what)
    return dict(parameters)


def header_text(scope: Scope, name: bytes) -> str | None:
    """The values of a header, joined as RFC 9110 (section 5.3) says; None when it was not sent."""
    values = [value for header, value in scope["headers"] if header == name]
    return b", ".join(values).decode("latin-1") if values else None


async def read_body(request: Request, model: type[Model]) -> Model:
    """The request's body as the model describes it.

    Raises:
        ProblemError: when it is not JSON by its content type, too large, or too slow.
        Refused: when it is not what the model describes.
    """
    content_type = header_text(request.scope, b"content-type") or ""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise ProblemError("unsupported_media_type", f"the body must be application/json, not {content_type[:80]!r}")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _bytes(request)
    except TimeoutError:
        raise ProblemError("body_too_slow", f"the body did not come within {BODY_SECONDS:g} seconds") from None
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise refusal(error.errors(include_url=False, include_context=False, include_input=False)) from None


async def _bytes(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAXIMUM_BODY:
            chunks.append(chunk)
        elif size > READ_BEYOND:
            break
    if size > MAXIMUM_BODY:
        raise ProblemError("body_too_large", f"the body must have {MAXIMUM_BODY} bytes at most")
    return b"".join(chunks)


def refusal(errors: Sequence[Any]) -> Refused:
    """The first of pydantic's errors as a refusal, in the words of the cart's rules where one of them was broken."""
    error = errors[0]
    place = error["loc"]
    member = place[-1] if place else None
    reason = "invalid_request" if error["type"] == "missing" else REASON_OF_MEMBER.get(member, "invalid_request")
    return Refused(reason, f"{'.'.join(map(str, place)) or 'body'}: {error['msg']}")
