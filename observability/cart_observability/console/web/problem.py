"""What the console answers when it cannot do what was asked (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"
NOT_FOUND: Final = 404
SERVER_ERROR: Final = 500


class Problem(Exception):  # noqa: N818  an answer, as RFC 9457 names it
    """A request ends in this; `members` extend the document."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **members: object) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers
        self.members = members

    def response(self) -> Response:
        """The answer."""
        title = HTTPStatus(self.status).phrase
        body = {"status": self.status, "title": title, "detail": str(self), **self.members}
        return Response(msgspec.json.encode(body), self.status, self.headers, MEDIA_TYPE)


async def answer(request: Request, error: Exception) -> Response:
    """The answer to a request that ended in an exception: of Starlette, a Problem, or one that nobody expected."""
    if isinstance(error, Problem):
        return error.response()
    if isinstance(error, HTTPException):
        detail = f"there is nothing at {request.url.path}" if error.status_code == NOT_FOUND else error.detail
        return Problem(error.status_code, detail, error.headers).response()
    return Problem(SERVER_ERROR, "the console could not do it; its log knows why").response()


HANDLERS: Final = {Problem: answer, HTTPException: answer, Exception: answer}
"""For a Starlette application."""
