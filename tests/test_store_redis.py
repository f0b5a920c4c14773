"""What only the store on Redis can get wrong while its server is well: what it starts on, and how it uses it.

What holds for every store is in the tests on support/store_fixtures.py, what happens when the server fails in
test_store_redis_outages.py.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from random import Random

import pytest
from redis.asyncio import Redis

from cart_platform.errors import CartscopeError, Unavailable, UsageError
from cart_platform.events import Event
from cart_platform.handler import Result
from cart_platform.native.ports import free_ports
from cart_platform.store.redis import RedisStore
from cart_platform.store.redis import client as redis_client
from cart_platform.store.redis import ranking as redis_ranking
from support.redis_stores import add, ask, finished, logged, started, throwaway_redis
from support.servers import RedisServer

BOUND = 60.0


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis for one test."""
    with throwaway_redis() as server:
        yield server


@pytest.fixture
def shared_url(redis_server: RedisServer) -> str:
    """A database of these tests' own on the session's server."""
    return redis_server.url.removesuffix("/0") + "/9"


@pytest.fixture
async def store(shared_url: str) -> AsyncIterator[RedisStore]:
    """A store without anything in it."""
    async with started(shared_url) as store:
        await store._client.ask([("FLUSHDB",), ("SET", "cartscope:shards", 8)])
        yield store


@pytest.mark.parametrize(
    "url",
    ["http://secret@127.0.0.1:1", "redis://:secret/word@127.0.0.1:1/0", "redis://127.0.0.1:1/?secret=1"],
)
async def test_address_that_cannot_be(url: str) -> None:
    """An address that is none of Redis's gets one line that does not repeat what may be a password."""
    with pytest.raises(UsageError, match="CARTSCOPE_STORE_URL") as raised:
        await RedisStore(url).start()
    assert "secret" not in str(raised.value)


async def test_nobody_listens() -> None:
    """A server that is not there is named with its address and what to do."""
    [port] = free_ports(1)
    with pytest.raises(Unavailable) as raised:
        await RedisStore(f"redis://127.0.0.1:{port}/0").start()
    expected = f"cannot reach Redis at 127.0.0.1:{port} (connection refused): start it, or set CARTSCOPE_STORE_URL"
    assert expected == str(raised.value)


async def test_unknown_host() -> None:
    """A host without an address is named with the resolver's words."""
    with pytest.raises(Unavailable, match=r"cannot reach Redis at nowhere\.invalid:6379 \([a-z ]+\): start it"):
        await RedisStore("redis://nowhere.invalid").start()


@pytest.mark.parametrize("login", [":wrong@", "nobody:wrong@", ""])
async def test_login_refused(redis_server: RedisServer, login: str) -> None:
    """A wrong password is no outage: the line says what to correct, and not what was tried."""
    with pytest.raises(CartscopeError, match="refuses the login") as raised:
        await RedisStore(f"redis://{login}127.0.0.1:{redis_server.port}/0").start()
    assert not isinstance(raised.value, Unavailable)
    assert "wrong@" not in str(raised.value)


async def test_eviction_refused(own_redis: RedisServer) -> None:
    """A Redis that may evict is refused, because a cart or a done mark would be gone without a trace."""
    async with started(own_redis.url) as store:
        await ask(store, "CONFIG SET", "maxmemory-policy", "volatile-ttl")
    with pytest.raises(CartscopeError, match=r"may evict.*volatile-ttl.*noeviction"):
        await RedisStore(own_redis.url).start()


async def test_version_too_old(shared_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that does not understand the scripts is refused with both versions named."""
    monkeypatch.setattr(redis_client, "OLDEST_VERSION", 99)
    with pytest.raises(CartscopeError, match=r"is version \d+\.\d+\.\d+: install Redis 99.0 or later"):
        await RedisStore(shared_url).start()


async def test_configuration_hidden(own_redis: RedisServer) -> None:
    """A server that forbids CONFIG, as managed ones do, can be used."""
    async with started(own_redis.url) as store:
        await ask(store, "ACL SETUSER", "shop", "on", ">pass", "~*", "&*", "+@all", "-config")
    async with started(f"redis://shop:pass@127.0.0.1:{own_redis.port}/0") as store:
        assert await add(store, "c")


async def test_other_number_of_shards(store: RedisStore, shared_url: str) -> None:
    """Another number of shards than at the first start is refused, because carts would not be found."""
    with pytest.raises(CartscopeError, match="8 shards, not 4"):
        await RedisStore(shared_url, shards=4).start()


async def test_scripts_forgotten(store: RedisStore) -> None:
    """A server that forgot the scripts is given them again, without a caller noticing."""
    for step in range(5):
        await ask(store, "SCRIPT FLUSH")
        event = await add(store, "c")
        await ask(store, "SCRIPT FLUSH")
        await store.commit("popularity", [finished(store, event)])
        assert step + 1 == await store.read("popularity", "milk")


async def test_stores_race_for_a_cart(store: RedisStore, shared_url: str) -> None:
    """Two processes that change one cart at the same time both succeed, and no version is skipped or given twice."""
    async with started(shared_url) as other:
        await asyncio.gather(*(add(one, "c", f"k{n}") for n in range(50) for one in (store, other)))
        versions = [event.data["version"] for event in await logged(other)]
    assert list(range(1, 51)) == versions


async def test_expiry(store: RedisStore) -> None:
    """What is known of an event expires only after it was sent, even when a handler was done with it before."""
    event = await add(store, "c")
    await store.commit("popularity", [finished(store, event)])
    [key] = [found async for found in store._client._redis.scan_iter(match=f"*:event:{event.id}")]
    assert await ask(store, "PTTL", key) == -1
    await store.mark_sent([pending for pending in await store.pending(range(8), 10) if pending.event == event])
    assert await ask(store, "PTTL", key) > 0


async def test_foreign_event_expires(store: RedisStore) -> None:
    """A result for an event that somebody else appended is kept for the retention, not for ever."""
    foreign = Event("theirs", "/elsewhere", "cart.item_added", (await add(store, "c")).time, subject="c")
    await store.commit("popularity", [finished(store, foreign)])
    [key] = [found async for found in store._client._redis.scan_iter(match="*:event:theirs")]
    assert await ask(store, "PTTL", key) > 0


@pytest.mark.parametrize("limit", [0, 1, 7, 40, 500])
async def test_ranking_without_reading_all(
    store: RedisStore, shared_url: str, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """The largest totals over all shards are exact, though only the heads of the shards' rankings are read."""
    monkeypatch.setattr(redis_ranking, "SHORTEST_HEAD", 2)
    random = Random(limit)
    totals: Counter[str] = Counter()
    async with Redis.from_url(shared_url) as redis:
        for shard in range(8):
            scores = {f"product-{number}": int(random.paretovariate(1)) for number in random.sample(range(300), 200)}
            totals.update(scores)
            await redis.zadd(f"cartscope:{{{shard}}}:projection:sold", scores)
    assert sorted(totals.items(), key=lambda row: (-row[1], row[0]))[:limit] == await store.top("sold", limit)


async def test_one_slot_a_shard(own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """No script touches keys of two slots, so that a Redis Cluster can hold the store."""
    own_redis.halt()
    # By default the nodes' own port is 10,000 above the clients', where any program's outgoing connection may sit.
    [nodes_port] = free_ports(1)
    with (own_redis.folder / "redis.conf").open("a") as configuration:
        configuration.write(f"cluster-enabled yes\ncluster-port {nodes_port}\n")
    own_redis.start()
    with pytest.raises(CartscopeError, match="cluster"):
        await RedisStore(own_redis.url).start()
    monkeypatch.setattr(redis_client, "_check", lambda *_: None)
    async with asyncio.timeout(BOUND):
        await hold_all_slots(own_redis.url)
        async with started(own_redis.url) as store:
            await use_everything(store)


async def hold_all_slots(url: str) -> None:
    """Make a lone node a whole cluster."""
    async with Redis.from_url(url) as redis:
        await redis.cluster("addslotsrange", 0, 16383)
        while (await redis.cluster("info"))["cluster_state"] != "ok":
            pass


async def use_everything(store: RedisStore) -> None:
    """Run every script, over several shards each."""
    events = await asyncio.gather(*(add(store, f"cart-{number}", "key") for number in range(30)))
    await asyncio.gather(*(add(store, f"cart-{number}", "key") for number in range(30)))
    await store.begin("popularity", events, "worker", 5.0)
    await store.release("popularity", events, "worker")
    result = Result(events[0].id, events[0].type, "popularity", "dead_lettered", events[0].time)
    await store.record_dead_letter(events[0], result)
    await store.commit("popularity", [finished(store, event) for event in events])
    assert list(range(8)) == list(await store.hold_shards("relay", 5.0))
    await store.release_shards("relay")
    assert (await store.depth()).pending == 60
    await store.mark_sent(await store.pending(range(8), 1_000))
    assert await store.event(events[0].id) is not None
    assert await store.top("popularity", 1) == [("milk", 30)]
    assert await store.trim() == 0
    assert len(await logged(store)) == 60
