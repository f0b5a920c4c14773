"""The store on Redis while its server dies, hangs, fills up, becomes read-only or loses an answer."""

import asyncio
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest

from cart_platform.errors import Unavailable
from cart_platform.events import Event
from cart_platform.native.ports import free_ports
from cart_platform.store.redis import RedisStore
from cart_platform.store.redis import client as redis_client
from support.polling import eventually
from support.redis_stores import DroppingProxy, add, answers_again, ask, finished, logged, started, throwaway_redis
from support.servers import RedisServer

BOUND = 60.0


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis for one test."""
    with throwaway_redis() as server:
        yield server


async def test_memory_full(own_redis: RedisServer) -> None:
    """A full Redis refuses a change whole, still lets the outbox drain, and goes on when it has room."""
    async with started(own_redis.url) as store:
        event = await add(store, "c")
        await ask(store, "CONFIG SET", "maxmemory", 1)
        with pytest.raises(Unavailable, match="maxmemory"):
            await add(store, "c")
        with pytest.raises(Unavailable, match="maxmemory"):
            await store.commit("popularity", [finished(store, event)])
        await store.mark_sent(await store.pending(range(8), 10))
        await ask(store, "CONFIG SET", "maxmemory", 0)
        assert [event] == await logged(store)
        assert (await store.depth()).pending == 0
        assert (await add(store, "c")).data["version"] == 2
        assert await store.read("popularity", "milk") == 0


async def test_disk_that_cannot_be_written(own_redis: RedisServer) -> None:
    """A Redis that cannot write its snapshot refuses changes with its own words, until it need not."""
    async with started(own_redis.url) as store:
        await ask(store, "CONFIG SET", "save", "3600 1")
        shutil.rmtree(own_redis.folder)
        await ask(store, "BGSAVE")
        await eventually(lambda: refused(store))
        await ask(store, "CONFIG SET", "save", "")
        assert await add(store, "c")


async def refused(store: RedisStore) -> bool:
    """Whether the server refuses a change for want of snapshots."""
    try:
        await add(store, "other")
    except Unavailable as unavailable:
        return "snapshot" in str(unavailable)
    return False


async def test_read_only(own_redis: RedisServer) -> None:
    """A server that became a replica is unavailable for changes, with its own words, until it is promoted again."""
    [port] = free_ports(1)
    async with started(own_redis.url) as store:
        await ask(store, "REPLICAOF", "127.0.0.1", port)
        with pytest.raises(Unavailable, match="read only"):
            await add(store, "c")
        await ask(store, "REPLICAOF", "NO", "ONE")
        assert await add(store, "c")


async def test_server_hangs(own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts and never answers does not hold its callers: they hear of it after the time-out."""
    monkeypatch.setattr(redis_client, "ANSWER_SECONDS", 0.3)
    async with asyncio.timeout(BOUND), started(own_redis.url) as store, started(own_redis.url) as other:
        await ask(other, "CLIENT PAUSE", 1_000)
        with pytest.raises(Unavailable, match="Timeout"):
            await store.ping()
        await answers_again(store)
        assert await add(store, "c")


async def keep_adding(store: RedisStore, cart: str, total: int, acknowledged: list[Event]) -> None:
    """A shopper who repeats a command under its key until it is acknowledged."""
    while len(acknowledged) < total:
        with suppress(Unavailable):
            acknowledged.append(await add(store, cart, f"{cart}-{len(acknowledged)}"))


async def test_killed_under_load(own_redis: RedisServer) -> None:
    """Every command acknowledged before, between and after two kills is in the log once, and so are its effects."""
    carts: dict[str, list[Event]] = {f"cart-{number}": [] for number in range(20)}
    async with asyncio.timeout(BOUND), started(own_redis.url) as store:
        shoppers = [asyncio.create_task(keep_adding(store, cart, 100, events)) for cart, events in carts.items()]
        for reached in (300, 1200):
            while sum(map(len, carts.values())) < reached:
                await asyncio.wait(shoppers, timeout=0.01)
            await asyncio.to_thread(own_redis.restart)
        await asyncio.gather(*shoppers)
        recorded = await logged(store)
        assert Counter(event.id for events in carts.values() for event in events) == Counter(e.id for e in recorded)
        for cart in carts:
            assert list(range(1, 101)) == [event.data["version"] for event in recorded if event.subject == cart]


async def test_commits_while_killed(own_redis: RedisServer) -> None:
    """A commit that is repeated until it is acknowledged counts once, wherever the kill fell."""
    async with asyncio.timeout(BOUND), started(own_redis.url) as store:
        events = await asyncio.gather(*(add(store, f"cart-{number}") for number in range(200)))
        restarting = asyncio.create_task(asyncio.to_thread(own_redis.restart))
        for start in range(0, 200, 20):
            batch = events[start : start + 20]
            while not await committed(store, batch):
                pass
        await restarting
        await answers_again(store)
        assert await store.read("popularity", "milk") == 200
        assert (await store.totals()).done == {"popularity": 200}


async def committed(store: RedisStore, events: list[Event]) -> bool:
    """Whether a commit was acknowledged."""
    try:
        await store.commit("popularity", [finished(store, event) for event in events])
    except Unavailable:
        return False
    return True


async def test_file_broken_off(own_redis: RedisServer) -> None:
    """Of a change that the machine's crash wrote to the disk in part nothing is left; the ones before it are whole."""
    async with started(own_redis.url) as store:
        event = await add(store, "c")
        await add(store, "c", "key")
        own_redis.kill()
        [file] = (own_redis.folder / "appendonlydir").glob("*.incr.aof")
        os.truncate(file, file.stat().st_size - 20)
        await asyncio.to_thread(own_redis.start)
        assert [event] == await logged(store)
        assert (await store.depth()).pending == 1
        assert (await store.totals()).appended == {"cart.item_added": 1}
        assert (await add(store, "c", "key")).data["version"] == 2


async def test_loading(own_redis: RedisServer) -> None:
    """While a restarted server reads its file the store is unavailable and says so; then it goes on."""
    async with asyncio.timeout(BOUND), started(own_redis.url) as store:
        event = await add(store, "c")
        await store._client.ask([("INCR", "filler")] * 20_000)
        own_redis.kill()
        with (own_redis.folder / "redis.conf").open("a") as configuration:
            configuration.write("key-load-delay 100\n")
        restarting = asyncio.create_task(asyncio.to_thread(own_redis.start))
        words: set[str] = set()
        while not restarting.done():
            try:
                await store.cart("c")
            except Unavailable as unavailable:
                words.add(str(unavailable))
        await restarting
        assert any("loading" in text for text in words), words
        assert [event] == await logged(store)


@pytest.fixture
async def proxy(own_redis: RedisServer) -> AsyncIterator[tuple[DroppingProxy, RedisStore]]:
    """A store whose connection can be cut, while its server is well."""
    dropping = DroppingProxy(own_redis.port)
    async with await asyncio.start_server(dropping.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with started(f"redis://:{own_redis.password}@127.0.0.1:{port}/0") as behind:
            yield dropping, behind
        await dropping.done()


async def test_answer_to_append_lost(proxy: tuple[DroppingProxy, RedisStore]) -> None:
    """A command whose answer was lost on the way succeeds without an idempotency key, and once."""
    dropping, store = proxy
    dropping.cut_answer_to("append")
    event = await add(store, "c")
    assert dropping.cuts == 1
    assert [event] == await logged(store)
    assert (await store.totals()).appended == {"cart.item_added": 1}


async def test_answer_to_commit_lost(proxy: tuple[DroppingProxy, RedisStore]) -> None:
    """A commit whose answer was lost on the way gives its own result, not a duplicate's, and counts once."""
    dropping, store = proxy
    unit = finished(store, await add(store, "c"))
    dropping.cut_answer_to("commit")
    [result] = await store.commit("popularity", [unit])
    assert dropping.cuts == 1
    assert result is unit.result
    assert await store.read("popularity", "milk") == 1
    assert (await store.depth()).pending == 2
