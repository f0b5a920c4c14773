"""What happens now: told to all alike, worked out once, never queued for who is slow, ended at once."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from cart_observability.console.web.live import GREETING, HEARTBEAT, MEDIA_TYPE, Live
from cart_observability.http_server import HttpServer
from support.polling import eventually

QUICK = 0.05
BROWSERS = 100


class Counting:
    """Counts how often it was asked, and by which threads."""

    def __init__(self, size: int = 0) -> None:
        self.calls = 0
        self.threads: set[int] = set()
        self.failing = False
        self._ballast = "x" * size

    def __call__(self) -> Mapping[str, Any]:
        """The next number."""
        self.threads.add(threading.get_ident())
        if self.failing:
            raise OSError("the disk is gone")
        self.calls += 1
        return {"number": self.calls, "ballast": self._ballast}


def number_of(event: bytes) -> int:
    """Which tick an event tells of."""
    kind, data = event.decode().removesuffix("\n\n").split("\n")
    assert "event: tick" == kind
    return int(msgspec.json.decode(data.removeprefix("data: "))["number"])


async def take(stream: AsyncIterator[bytes], count: int) -> list[bytes]:
    """The next events of a stream."""
    async with asyncio.timeout(10):
        return [await anext(stream) for _ in range(count)]


async def test_all_hear_the_same() -> None:
    """However many listen, a tick is worked out once, away from the event loop, and is the same bytes for all."""
    counting = Counting()
    live = Live(counting, QUICK)
    streams = [live.listen() for _ in range(BROWSERS)]
    heard = await asyncio.gather(*(take(stream, 4) for stream in streams))
    assert {GREETING} == {events[0] for events in heard}
    objects = {id(event) for events in heard for event in events[1:]}
    assert len(objects) <= counting.calls <= 6
    assert all(sorted(set(numbers)) == numbers for numbers in [[number_of(each) for each in e[1:]] for e in heard])
    assert threading.get_ident() not in counting.threads
    await live.close()


async def test_nothing_is_worked_out_for_nobody() -> None:
    """Without listeners the console is at rest; the first to come again hears something new."""
    counting = Counting()
    live = Live(counting, QUICK)
    stream = live.listen()
    before = number_of((await take(stream, 2))[1])
    await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
    await eventually(lambda: live.listeners == 0 and (live._ticking is None or live._ticking.done()))
    calls = counting.calls
    again = number_of((await take(live.listen(), 2))[1])
    assert (calls + 1, True) == (again, again > before)
    await live.close()


async def test_the_slow_hear_the_newest() -> None:
    """Who is not ready for a tick is told the newest when they are, and none of those between."""
    counting = Counting()
    live = Live(counting, QUICK)
    slow = live.listen()
    first = number_of((await take(slow, 2))[1])
    await eventually(lambda: counting.calls >= first + 5)
    newest = counting.calls
    assert newest <= number_of((await take(slow, 1))[0])
    await live.close()


async def test_silence_is_broken() -> None:
    """A console that cannot say what happens is still heard, and goes on when it can."""
    counting = Counting()
    counting.failing = True
    live = Live(counting, QUICK, heartbeat=QUICK)
    stream = live.listen()
    assert [GREETING, HEARTBEAT, HEARTBEAT] == await take(stream, 3)
    counting.failing = False
    async with asyncio.timeout(10):
        while await anext(stream) == HEARTBEAT:
            continue
    await live.close()


async def test_a_failure_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """What keeps the console from telling is logged once for as long as it lasts."""
    counting = Counting()
    counting.failing = True
    live = Live(counting, QUICK, heartbeat=QUICK)
    await take(live.listen(), 6)
    await live.close()
    assert 1 == len(caplog.records)
    assert "the disk is gone" in caplog.text


async def test_the_end_comes_at_once() -> None:
    """Whoever listens when the console ends is let go then, and who comes later too."""
    live = Live(Counting(), seconds=60, heartbeat=60)
    streams = [live.listen() for _ in range(BROWSERS)]
    await asyncio.gather(*(take(stream, 2) for stream in streams))
    rest = [asyncio.create_task(_rest(stream)) for stream in streams]
    async with asyncio.timeout(2):
        await live.close()
        assert [[]] * BROWSERS == await asyncio.gather(*rest)
        assert [GREETING] == await _rest(live.listen())
        await live.close()


async def _rest(stream: AsyncIterator[bytes]) -> list[bytes]:
    return [event async for event in stream]


@asynccontextmanager
async def served(live: Live) -> AsyncIterator[HttpServer]:
    """The stream over HTTP."""

    async def endpoint(_request: Request) -> StreamingResponse:
        return StreamingResponse(live.listen(), media_type=MEDIA_TYPE)

    server = HttpServer(Starlette(routes=[Route("/", endpoint)]), "127.0.0.1", 0)
    await server.start()
    try:
        yield server
    finally:
        await live.close()
        await server.stop()


async def test_browsers_come_and_go() -> None:
    """A hundred browsers hear over HTTP, and those that leave are forgotten."""
    live = Live(Counting(), QUICK)
    async with served(live) as server, AsyncExitStack() as browsers:
        connector = aiohttp.TCPConnector(limit=0)
        session = await browsers.enter_async_context(aiohttp.ClientSession(connector=connector))
        answers = [await browsers.enter_async_context(session.get(server.url)) for _ in range(BROWSERS)]
        async with asyncio.timeout(10):
            for answer in answers:
                assert (await answer.content.readuntil(b"\n\n")) == GREETING
                assert number_of(await answer.content.readuntil(b"\n\n")) > 0
        assert BROWSERS == live.listeners
        for answer in answers[10:]:
            answer.close()
        await eventually(lambda: live.listeners == 10)


async def test_a_browser_that_does_not_read() -> None:
    """One that stops reading is sent what fits on the way to it, and then nothing: no tick waits for it in memory."""
    counting, taken = Counting(size=2_000_000), 0
    live = Live(counting, QUICK)
    listen = live.listen

    async def watched() -> AsyncIterator[bytes]:
        nonlocal taken
        async for event in listen():
            taken += 1
            yield event

    live.listen = watched  # type: ignore[method-assign]  # what is sent is counted on the way
    async with served(live) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port, limit=1_000)
        writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert b"200" in await reader.readline()
        await eventually(lambda: counting.calls >= 40)
        assert 0 < taken < 20
        writer.close()
