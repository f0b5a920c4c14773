"""A small HTTP server that stands in for the API: it keeps what it is asked, and misbehaves when told to."""

import asyncio
import json
import socket
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from aiohttp import web


@dataclass(frozen=True)
class Asked:
    """One request as it came: `path` as on the wire, `cart` decoded from it."""

    method: str
    path: str
    cart: str
    body: Any
    key: str
    prefer: str | None


Behaviour = Callable[[Asked], Awaitable[web.StreamResponse | None]]


class Drop(Exception):  # noqa: N818  asks for something, reports nothing
    """Raised by a behaviour: end the connection without an answer."""


def problem(status: int, reason: str) -> web.Response:
    """A refusal as RFC 9457 has it."""
    body = json.dumps({"type": f"https://cartscope.invalid/problems/{reason}", "status": status})
    return web.Response(status=status, text=body, content_type="application/problem+json")


class ShopServer:
    """Accepts every command once per Idempotency-Key; an async context manager that may be stopped and started again.

    `behaviour` sees a request before it takes effect, `afterwards` once it has; either may answer in place of the
    server, or raise `Drop`.
    """

    def __init__(self, behaviour: Behaviour | None = None, afterwards: Behaviour | None = None) -> None:
        self.asked: list[Asked] = []
        self.effects: dict[str, Asked] = {}
        self.in_flight: Counter[str] = Counter()
        self._behaviour = behaviour
        self._afterwards = afterwards
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._changed = asyncio.Condition()

    @property
    def url(self) -> str:
        """The root, the same after a restart."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def _port(self) -> int:
        port: int = self._reserved.getsockname()[1]
        return port

    @property
    def by_cart(self) -> dict[str, list[Asked]]:
        """What took effect, in order for each cart."""
        carts = defaultdict(list)
        for asked in self.effects.values():
            carts[asked.cart].append(asked)
        return carts

    async def start(self) -> None:
        """Listens; on the port it had before, if it was stopped."""
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_port=True).start()

    async def stop(self) -> None:
        """Ends every connection and refuses further ones."""
        await self._runner.cleanup()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Returns once `reached` is true; it is asked again at every request."""
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(reached)

    async def __aenter__(self) -> Self:
        # Bound and never listening: while the server is down, connections are refused and nobody else takes the port.
        self._reserved.bind(("127.0.0.1", 0))
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        self._reserved.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/livez":
            return web.Response()
        body = await request.read()
        asked = Asked(
            method=request.method,
            path=request.raw_path,
            cart=unquote(request.raw_path.split("/")[2]),
            body=json.loads(body) if body else None,
            key=request.headers["Idempotency-Key"],
            prefer=request.headers.get("Prefer"),
        )
        self.in_flight[asked.cart] += 1
        try:
            return await self._answer(asked)
        except Drop:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        finally:
            self.in_flight[asked.cart] -= 1

    async def _answer(self, asked: Asked) -> web.StreamResponse:
        async with self._changed:
            self.asked.append(asked)
            self._changed.notify_all()
        answer = await self._behaviour(asked) if self._behaviour else None
        if answer is None:
            self.effects.setdefault(asked.key, asked)
            answer = await self._afterwards(asked) if self._afterwards else None
        return answer or web.json_response({"id": asked.key}, status=202)
