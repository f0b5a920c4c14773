"""The relay, on a real store and a bus that answers as told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart_observability.messaging import Messaging
from cart_observability.telemetry import Telemetry, silent
from cart_platform.bus import Outcome
from cart_platform.cart import AddItem, ItemAdded
from cart_platform.events import Event, now
from cart_platform.lifetime import Stop
from cart_platform.relay import Relay, waves
from cart_platform.store import Origin, Pending
from cart_platform.store.sql import SqlStore
from support.polling import eventually
from support.scripted_bus import ScriptedBus

AWAITED = frozenset({ItemAdded.type})


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    """A store of its own."""
    store = SqlStore(f"sqlite:///{tmp_path}/store.db")
    await store.start()
    yield store
    await store.close()


@asynccontextmanager
async def relaying(store: SqlStore, bus: ScriptedBus, telemetry: Telemetry, lease: float = 5.0) -> AsyncIterator[Relay]:
    """A relay that runs as long as the block."""
    relay = Relay(
        store, bus, awaited=AWAITED, telemetry=telemetry, messaging=Messaging(telemetry), batch=100, lease=lease
    )
    stop = Stop()
    running = asyncio.create_task(relay.run(stop))
    try:
        yield relay
    finally:
        stop.set()
        await running


async def append(store: SqlStore, *carts: str) -> list[str]:
    """Put one unit into each cart, in order; gives the ids of the events."""
    return [(await store.execute(AddItem(cart, "milk", 1), Origin())).event.id for cart in carts]


async def sent(store: SqlStore) -> bool:
    """Whether the outbox is empty."""
    return (await store.depth()).pending == 0


async def test_confirmed_events_leave_the_outbox(store: SqlStore) -> None:
    """Every event is published once under its id with its type as routing key, and then is no longer pending."""
    ids, bus = await append(store, "a", "b", "c"), ScriptedBus()
    async with relaying(store, bus, silent()):
        await eventually(lambda: sent(store))
    assert sorted(ids) == sorted(filter(None, bus.ids))
    assert {ItemAdded.type} == {publication.routing_key for publication in bus.published}


async def test_an_unknown_outcome_is_published_again_under_the_same_id(store: SqlStore) -> None:
    """An event whose confirm was lost stays pending and is published again."""
    ids, outcomes = await append(store, "a"), [Outcome.UNKNOWN]
    bus = ScriptedBus(lambda _: outcomes.pop() if outcomes else Outcome.CONFIRMED)
    async with relaying(store, bus, silent()):
        await eventually(lambda: sent(store))
    assert [*ids, *ids] == bus.ids


async def test_a_lost_confirm_does_not_change_the_order_within_a_cart(store: SqlStore) -> None:
    """The next event of a cart waits until the one before it is confirmed; other carts go on."""
    first, second, other = await append(store, "a", "a", "b")
    lost = {first}
    bus = ScriptedBus(lambda sent: Outcome.UNKNOWN if sent.message.message_id in lost else Outcome.CONFIRMED)
    async with relaying(store, bus, silent()):
        await eventually(lambda: other in bus.ids and bus.ids.count(first) > 1)
        assert second not in bus.ids
        lost.clear()
        await eventually(lambda: sent(store))
    assert bus.ids[-1] == second


async def test_an_unroutable_event_is_seen_and_kept(store: SqlStore) -> None:
    """An event that reaches no queue is counted as unroutable and stays in the outbox."""
    await append(store, "a")
    telemetry = silent()
    labels = {"event_type": ItemAdded.type, "outcome": "unroutable"}
    async with relaying(store, ScriptedBus(lambda _: Outcome.UNROUTABLE), telemetry):
        await eventually(lambda: bool(telemetry.registry.get_sample_value("cartscope_events_published_total", labels)))
    assert (await store.depth()).pending == 1


async def test_the_first_failure_to_publish_is_an_increase(store: SqlStore) -> None:
    """Every outcome of every awaited event type is shown at 0 before anything is published."""
    telemetry = silent()
    async with relaying(store, ScriptedBus(), telemetry):
        shown = {
            outcome: telemetry.registry.get_sample_value(
                "cartscope_events_published_total", {"event_type": ItemAdded.type, "outcome": outcome}
            )
            for outcome in Outcome
        }
    assert dict.fromkeys(Outcome, 0) == shown


async def test_the_depth_of_the_queues_is_told(store: SqlStore) -> None:
    """How many messages wait in each queue is a gauge of the relay."""
    telemetry, bus = silent(), ScriptedBus()
    bus.waiting = {"cart.threshold": 7}
    labels = {"queue": "cart.threshold"}
    async with relaying(store, bus, telemetry):
        await eventually(lambda: telemetry.registry.get_sample_value("cartscope_queue_messages", labels) == 7.0)


async def test_only_awaited_events_must_reach_a_queue(store: SqlStore) -> None:
    """An event that no handler reacts to may be routed nowhere."""
    await append(store, "a")
    bus = ScriptedBus()
    telemetry = silent()
    relay = Relay(
        store, bus, awaited=frozenset(), telemetry=telemetry, messaging=Messaging(telemetry), batch=1, lease=5
    )
    stop = Stop()
    running = asyncio.create_task(relay.run(stop))
    await eventually(lambda: sent(store))
    stop.set()
    await running
    assert [False] == [publication.mandatory for publication in bus.published]


async def test_shards_of_a_relay_that_died_are_taken_over(store: SqlStore) -> None:
    """Events in shards whose relay stopped renewing its lease are published by another one."""
    assert len(await store.hold_shards("dead relay", 0.5)) == store.shards
    ids, bus = await append(store, *(f"cart-{n}" for n in range(20))), ScriptedBus()
    async with relaying(store, bus, silent(), lease=0.5):
        await eventually(lambda: sent(store))
    assert sorted(ids) == sorted(filter(None, bus.ids))


async def test_relays_share_one_store(store: SqlStore) -> None:
    """Two relays side by side publish every event once, and each cart's in their order."""
    ids, bus = await append(store, *(f"cart-{n % 20}" for n in range(100))), ScriptedBus()
    async with relaying(store, bus, silent()), relaying(store, bus, silent()):
        await eventually(lambda: sent(store))
    assert sorted(ids) == sorted(filter(None, bus.ids))
    for cart in range(20):
        assert ids[cart::20] == [id_ for id_ in bus.ids if id_ in ids[cart::20]]


@given(st.lists(st.sampled_from(["a", "b", "c", None])))
def test_waves_hold_one_event_of_a_cart(subjects: list[str | None]) -> None:
    """Waves lose nothing, hold one event of a cart at most, and keep each cart's order."""
    pending = [
        Pending(0, str(n), Event(str(n), "/test", "t", now(), subject=subject)) for n, subject in enumerate(subjects)
    ]
    divided = waves(pending)
    assert all(len({entry.event.subject for entry in wave}) == len(wave) for wave in divided)
    for subject in set(subjects):
        of_cart = [entry for entry in pending if entry.event.subject == subject]
        assert of_cart == [entry for wave in divided for entry in wave if entry.event.subject == subject]
