"""A server that answers the requests that its API documents, and notes down every other as a fault."""

from base64 import b64encode
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Undocumented(Exception):  # noqa: N818  what a request is
    """The API has no such request."""


@dataclass
class Documented:
    """A server for one user; `upsets` are the answers that it gives first, in the place of its own, one a request.

    `requests` are those that were answered in earnest, as "METHOD path"; `faults` what was wrong with the others.
    """

    user: str = "elastic"
    password: str = "of elastic"
    upsets: deque[tuple[int, str]] = field(default_factory=deque)
    requests: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer a request; raises Undocumented."""
        raise NotImplementedError

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.upsets:
            status, text = self.upsets.popleft()
            return web.Response(status=status, text=text)
        token = b64encode(f"{self.user}:{self.password}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {token}":
            return web.json_response({"error": {"reason": f"unable to authenticate user [{self.user}]"}}, status=401)
        try:
            answer = await self.respond(request)
        except Undocumented as error:
            self.faults.append(f"{request.method} {request.path}: {error}")
            return web.json_response({"error": {"reason": f"undocumented: {error}"}}, status=400)
        self.requests.append(f"{request.method} {request.path.lstrip('/')}")
        return answer

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """Serve on a free port; gives the URL."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        async with TestServer(app) as server:
            yield str(server.make_url("")).rstrip("/")


def keys(what: str, value: Any, required: Collection[str], allowed: Collection[str] = ()) -> Mapping[str, Any]:
    """A JSON object that has the required keys and no others than those allowed; raises Undocumented."""
    if not isinstance(value, dict):
        raise Undocumented(f"{what} is no object")
    if missing := set(required) - value.keys():
        raise Undocumented(f"{what} lacks {sorted(missing)}")
    if unknown := value.keys() - set(required) - set(allowed):
        raise Undocumented(f"{what} has {sorted(unknown)}")
    return value
