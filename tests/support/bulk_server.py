"""Stands in for Elasticsearch where the real one cannot be made to: short of room, half refusing, away."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from cart_platform.native.ports import LOOPBACK, free_ports

Verdict = Callable[[str, dict[str, Any]], int]
"""The status for a document, by its stream and its fields."""


class BulkServer:
    """Keeps documents by stream and id, as far as it takes them.

    Attributes:
        streams: What was taken.
        requests: The number of documents in each bulk request that was read.
        put: Bodies put to other paths.
        status: Answers every bulk request, where it is not 200.
        verdict: Answers for each document; one that is known is a conflict in any case.
    """

    def __init__(self) -> None:
        self.streams: dict[str, dict[str, Any]] = {}
        self.requests: list[int] = []
        self.put: dict[str, Any] = {}
        self.status = 200
        self.verdict: Verdict = lambda _stream, _document: 201
        [self._port] = free_ports(1)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Its address, also while it is away."""
        return f"http://{LOOPBACK}:{self._port}"

    def documents(self, stream: str) -> list[Any]:
        """What a stream holds."""
        return list(self.streams.get(stream, {}).values())

    async def start(self) -> None:
        """Serve; what was taken before is still there."""
        app = web.Application(client_max_size=100_000_000)
        app.router.add_post("/_bulk", self._bulk)
        app.router.add_put("/{path:.*}", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self._port).start()

    async def stop(self) -> None:
        """Be away."""
        if self._runner:
            await self._runner.cleanup()
        self._runner = None

    async def _take(self, request: web.Request) -> web.Response:
        self.put[request.path.strip("/")] = await request.json()
        return web.json_response({"acknowledged": True})

    async def _bulk(self, request: web.Request) -> web.Response:
        lines = [json.loads(line) for line in (await request.read()).splitlines()]
        self.requests.append(len(lines) // 2)
        if self.status != 200:
            return web.json_response({"error": {"reason": "no"}, "status": self.status}, status=self.status)
        items = [self._item(action["create"], source) for action, source in zip(lines[::2], lines[1::2], strict=True)]
        return web.json_response({"items": [{"create": item} for item in items]})

    def _item(self, create: dict[str, str], source: dict[str, Any]) -> dict[str, Any]:
        stream = self.streams.setdefault(create["_index"], {})
        status = 409 if create["_id"] in stream else self.verdict(create["_index"], source)
        if status == 201:
            stream[create["_id"]] = source
            return {"status": status}
        return {"status": status, "error": {"type": "some_exception", "reason": f"answered {status}"}}


@asynccontextmanager
async def bulk_server() -> AsyncIterator[BulkServer]:
    """One that serves for as long as the block lasts."""
    server = BulkServer()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
