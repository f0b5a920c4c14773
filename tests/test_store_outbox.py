"""What every store keeps: what was accepted waits for its relay, and leaves once."""

from collections import defaultdict

from cart_platform.events import now
from cart_platform.store import Depth, Store, shard_of
from support.polling import eventually
from support.stores import accept_all, add, logged, waiting

pytest_plugins = ["support.store_fixtures"]


async def test_the_outbox_keeps_the_order_within_a_cart(store: Store) -> None:
    """Unsent events of a cart come in the order of its versions, in the cart's shard, oldest first under a limit."""
    events = await accept_all(store, [add(f"cart-{number % 7}") for number in range(70)])
    entries = await waiting(store)
    assert {event.id for event in events} == {entry.event.id for entry in entries}
    versions: dict[str, list[int]] = defaultdict(list)
    for entry in entries:
        assert shard_of(entry.event.subject or "", store.shards) == entry.shard
        versions[entry.event.subject or ""].append(entry.event.data["version"])
    assert all(list(range(1, 11)) == found for found in versions.values())
    [oldest] = await store.pending([shard_of("cart-0", store.shards)], 1)
    assert 1 == oldest.event.data["version"]


async def test_a_relay_sees_only_its_shards(store: Store) -> None:
    """Who asks for some shards gets theirs, and for none gets nothing."""
    await accept_all(store, [add(f"cart-{number}") for number in range(40)])
    shards = [1, 4, 6]
    assert set(shards) == {entry.shard for entry in await store.pending(shards, 1_000)}
    assert [] == list(await store.pending([], 1_000))


async def test_what_is_sent_leaves_the_outbox_once(store: Store) -> None:
    """Marked events are gone from the outbox and sent in the log; marking them again counts nothing."""
    events = await accept_all(store, [add(f"cart-{number}") for number in range(10)])
    entries = await waiting(store)
    for _ in range(2):
        await store.mark_sent(entries[:6])
    left = {entry.event.id for entry in await waiting(store)}
    assert {entry.event.id for entry in entries[6:]} == left
    assert {event.id: event.id not in left for event in events} == {
        recorded.event.id: recorded.sent for recorded in await logged(store)
    }
    assert 6 == (await store.totals()).sent


async def test_depth_tells_how_much_waits_and_how_long(store: Store) -> None:
    """The depth counts over all shards and ages with its oldest event; an empty outbox has none."""
    assert Depth(0, 0.0) == await store.depth()
    begun = now()
    await accept_all(store, [add(f"cart-{number}") for number in range(10)])

    async def aged() -> bool:
        depth = await store.depth()
        assert depth.pending == 10
        return 0.05 < depth.oldest_age <= (now() - begun).total_seconds() + 0.01

    await eventually(aged)
    await store.mark_sent(await waiting(store))
    assert Depth(0, 0.0) == await store.depth()
