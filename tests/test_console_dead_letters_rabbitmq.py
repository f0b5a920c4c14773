"""The dead letters of a console in a process of its own, on real servers that come and go."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from cart_handlers.console_dead_letters import DeadLettersExtension
from cart_observability.telemetry import silent
from cart_platform.bus import EVENTS_EXCHANGE, Publication
from cart_platform.console.watched import Watched
from cart_platform.events import Message
from conftest import skip_or_fail
from support.embedded import Visitor, embedded
from support.polling import eventually
from support.redis_stores import throwaway_redis
from support.servers import RabbitServer, RedisServer


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis of this test's own."""
    with throwaway_redis() as server:
        yield server


@pytest.fixture
def rabbit() -> Iterator[RabbitServer]:
    """A RabbitMQ of this test's own, not started."""
    if not RabbitServer.available():
        skip_or_fail("rabbitmq-server")
    server = RabbitServer()
    yield server
    server.stop()


async def test_a_broker_that_comes_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis: RedisServer, rabbit: RabbitServer
) -> None:
    """A console that is there before its broker finds it when it comes, tells when it goes, and finds it again."""
    monkeypatch.setenv("CARTSCOPE_STORE_URL", redis.url)
    monkeypatch.setenv("CARTSCOPE_BUS_URL", rabbit.url)
    watched = Watched.beside(silent())
    async with Visitor(DeadLettersExtension(watched)) as letters:

        async def status() -> int:
            return (await letters.asking("GET", "/api/dead-letters")).status

        async def kept() -> int:
            return len((await letters.get("/api/dead-letters"))["letters"]) if await status() == 200 else -1

        async def two() -> bool:
            return await kept() == 2

        assert 503 == await status()
        await asyncio.to_thread(rabbit.start)
        async with embedded(tmp_path, store_url=redis.url, bus_url=rabbit.url) as chain:
            garbage = Publication(EVENTS_EXCHANGE, "cart.item_added", Message(b"\xff", {}, "text/plain", "garbage"))
            await chain.parts.bus.publish([garbage])
            await eventually(two)
            assert {"replayed": 2} == await letters.post("/api/dead-letters/replay", {"ids": None})
            await eventually(two)
        await asyncio.to_thread(rabbit.halt)

        async def away() -> bool:
            return await status() == 503

        await eventually(away)
        await asyncio.to_thread(rabbit.start)
        await eventually(two, 60)
        assert {"purged": 2} == await letters.post("/api/dead-letters/purge", {"ids": None})
        assert [2] == [replay["count"] for replay in (await letters.get("/api/dead-letters"))["replays"]]
    await watched.close()
