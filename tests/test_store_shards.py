"""What every store keeps: relays share them, and no two hold one."""

import asyncio
from collections.abc import Sequence

from cart_platform.store import Store
from support.polling import eventually
from support.stores import ALL, LEASE, SHORT_LEASE, Opener

pytest_plugins = ["support.store_fixtures"]


async def shares(store: Store, *names: str) -> list[set[int]]:
    """What each relay holds after each has asked twice: once to be known, once to give back or take."""
    for _ in range(2):
        held = [set(await store.hold_shards(name, LEASE)) for name in names]
    return held


async def test_relays_share_the_shards_fairly(store: Store, other: Store) -> None:
    """One relay holds all; when others come it gives back, and together they hold every shard once."""
    assert set(ALL) == set(await store.hold_shards("a", LEASE))
    assert [] == list(await other.hold_shards("b", LEASE))
    two = await shares(store, "a", "b")
    assert ([4, 4], set(ALL)) == ([len(held) for held in two], set[int]().union(*two))
    three = await shares(store, "a", "b", "c")
    assert 8 == sum(len(held) for held in three) == len(set[int]().union(*three))
    assert 3 == max(len(held) for held in three)


async def test_no_shard_is_held_twice(store: Store, other: Store) -> None:
    """Relays that ask at once, in two processes, never hold the same shard."""
    names = [f"relay-{number}" for number in range(5)]
    held: dict[str, Sequence[int]] = {}

    async def renew(name: str, side: Store) -> None:
        for _ in range(4):
            held[name] = await side.hold_shards(name, LEASE)

    await asyncio.gather(*(renew(name, (store, other)[place % 2]) for place, name in enumerate(names)))
    together = [shard for shards in held.values() for shard in shards]
    assert len(set(together)) == len(together)


async def test_more_relays_than_shards_leaves_some_idle(opened: Opener) -> None:
    """Two shards keep two relays; the third waits."""
    store = await opened(shards=2)
    assert [0, 1, 1] == sorted(len(held) for held in await shares(store, "a", "b", "c"))


async def test_a_relay_takes_over_from_a_dead_one(store: Store) -> None:
    """The shards of a relay that stopped renewing go to the living when its lease is over."""
    assert 8 == len(await store.hold_shards("dead", SHORT_LEASE))

    async def took_over() -> bool:
        return set(ALL) == set(await store.hold_shards("next", LEASE))

    await eventually(took_over)


async def test_shards_are_given_back_at_once(store: Store) -> None:
    """A relay that stops in good order leaves its shards to the next one without a wait."""
    await store.hold_shards("a", LEASE)
    await store.release_shards("a")
    await store.release_shards("never held any")
    assert set(ALL) == set(await store.hold_shards("b", LEASE))
