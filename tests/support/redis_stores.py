"""Stores on Redis, and what happens to them on the way."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha1
from importlib.resources import files
from typing import Any

from cart_platform.cart import AddItem
from cart_platform.errors import Unavailable
from cart_platform.events import Event
from cart_platform.handler import UnitOfWork
from cart_platform.store import Origin
from cart_platform.store.redis import RedisStore
from conftest import skip_or_fail
from support.servers import RedisServer


@contextmanager
def throwaway_redis() -> Iterator[RedisServer]:
    """A Redis that one test may kill, fill and misconfigure."""
    if not RedisServer.available():
        skip_or_fail("redis-server")
    server = RedisServer()
    try:
        yield server.start()
    finally:
        server.stop()


@asynccontextmanager
async def started(url: str, **options: Any) -> AsyncIterator[RedisStore]:
    """A store that is closed whatever happens."""
    store = RedisStore(url, **options)
    await store.start()
    try:
        yield store
    finally:
        await store.close()


async def ask(store: RedisStore, *command: str | bytes | int) -> Any:
    """The server's answer to a command of the test's own."""
    [answer] = await store._client.ask([command])
    return answer


async def add(store: RedisStore, cart: str, key: str | None = None) -> Event:
    """Put one unit into a cart."""
    return (await store.execute(AddItem(cart, "milk", 1), Origin(), key)).event


def finished(store: RedisStore, event: Event) -> UnitOfWork:
    """A unit with an addition, a follow-up event and a result."""
    unit = UnitOfWork(event, "popularity", store.read)
    unit.add("popularity", "milk", 1)
    unit.emit("cart.threshold_reached", {"cart": event.subject})
    unit.finish({})
    return unit


async def logged(store: RedisStore) -> list[Event]:
    """The events of the log."""
    return [recorded.event async for recorded in store.log()]


async def answers_again(store: RedisStore) -> None:
    """Poll until the server answers; the test's own time-out bounds it."""
    while True:
        try:
            await store.ping()
        except Unavailable:
            continue
        return


class DroppingProxy:
    """Passes bytes on to Redis, but cuts the connection when the answer to a chosen script comes back."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._marked: bytes | None = None
        self._waiting = False
        self._clients: set[asyncio.Task[Any] | None] = set()
        self.cuts = 0

    def cut_answer_to(self, script: str) -> None:
        """Cut the connection once, after this script ran."""
        source = (files("cart_platform.store.redis") / "lua" / f"{script}.lua").read_bytes()
        self._marked = sha1(source).hexdigest().encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client, who asks one thing after the other."""
        self._clients.add(asyncio.current_task())
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        answers = asyncio.create_task(self._pass_answers(server_reader, writer))
        while request := await reader.read(1 << 20):
            self._waiting = self._waiting or (self._marked is not None and self._marked in request)
            server_writer.write(request)
        server_writer.close()
        await asyncio.gather(answers, server_writer.wait_closed())

    async def _pass_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (answer := await reader.read(1 << 20)) and not self._waiting:
            writer.write(answer)
        if self._waiting:
            self._marked, self._waiting, self.cuts = None, False, self.cuts + 1
        writer.close()
        await writer.wait_closed()

    async def done(self) -> None:
        """Wait until every client is gone."""
        await asyncio.gather(*(client for client in self._clients if client is not None))
