"""What every store keeps: an effect, its result and its follow-ups come together, once."""

import asyncio
from collections import Counter

from cart_platform.cart import (
    ThresholdReached,
)
from cart_platform.handler import DEAD_LETTERED, DONE, UnitOfWork
from cart_platform.store import Store, home_of
from support.stores import LEASE, accept, add, finished, foreign, given_up, logged, own, waiting

pytest_plugins = ["support.store_fixtures"]


async def test_a_unit_is_committed_once(store: Store, other: Store) -> None:
    """A unit for an event that was done changes nothing and learns the result that stands."""
    event = await accept(store, add())
    first, second = finished(store, event, amount=3), finished(other, event, amount=100)
    assert [True] == own([first], await store.commit("popularity", [first]))
    [standing] = await other.commit("popularity", [second])
    assert first.result == standing
    assert 3 == await other.read("products", "milk")
    recorded = await store.event(event.id)
    assert recorded is not None
    assert {"popularity": first.result} == recorded.results


async def test_an_event_twice_in_a_batch_counts_once(store: Store) -> None:
    """Of two units for one event in the same batch one is applied, and both get its result."""
    event = foreign()
    units = [finished(store, event, amount=3), finished(store, event, amount=100), finished(store, foreign())]
    standing = await store.commit("popularity", units)
    assert [True, False, True] == own(units, standing)
    assert standing[0] == standing[1]
    assert 4 == await store.read("products", "milk")


async def test_two_workers_commit_the_same_events(store: Store, other: Store) -> None:
    """Two processes that commit the same events at once apply each of them once."""
    events = [foreign(subject=f"cart-{number % 9}") for number in range(60)]
    pairs = [(side, finished(side, event)) for event in events for side in (store, other)]
    answers = await asyncio.gather(*(side.commit("popularity", [unit]) for side, unit in pairs))
    applied = Counter(
        unit.event.id for (_, unit), [result] in zip(pairs, answers, strict=True) if unit.result is result
    )
    assert {event.id: 1 for event in events} == applied
    assert 60 == await store.read("products", "milk")
    assert {"popularity": 60} == (await other.totals()).done


async def test_handlers_do_not_share_what_is_done(store: Store) -> None:
    """Each handler commits its own unit for an event, at once too."""
    event = await accept(store, add())
    units = [finished(store, event, handler) for handler in ("popularity", "threshold")]
    answers = await asyncio.gather(*(store.commit(unit.handler, [unit]) for unit in units))
    assert [True, True] == own(units, [result for [result] in answers])
    recorded = await store.event(event.id)
    assert recorded is not None
    assert {"popularity", "threshold"} == set(recorded.results)


async def test_a_follow_up_comes_with_its_effect_once(store: Store) -> None:
    """An emitted event is in log and outbox of the handled event's shard, once, however often it is handled."""
    event = await accept(store, add("basket", quantity=10))
    emitted = []
    for _ in range(2):
        unit = UnitOfWork(event, "threshold", store.read, {"traceparent": "00-1-2-01"})
        emitted.append(unit.emit(ThresholdReached.type, {"cart": "basket", "units": 10}))
        unit.finish(None)
        await store.commit("threshold", [unit])
    assert [event.id, emitted[0].id] == [recorded.event.id for recorded in await logged(store)]
    follow_up = (await waiting(store))[-1]
    assert (emitted[0], home_of(event, store.shards)) == (follow_up.event, follow_up.shard)
    assert {"cart.item_added": 1, "cart.threshold_reached": 1} == (await store.totals()).appended


async def test_events_of_others_can_be_handled(store: Store) -> None:
    """An event that this store did not append is committed once, though the log does not know it."""
    for event in (foreign(), foreign(subject=None)):
        assert [True] == own(*(units := [finished(store, event)], await store.commit("popularity", units)))
        assert [False] == own(*(units := [finished(store, event)], await store.commit("popularity", units)))
        [standing] = await store.begin("popularity", [event])
        assert standing.result is not None
        assert await store.event(event.id) is None
    assert 2 == await store.read("products", "milk")


async def test_a_large_batch_is_committed_whole(store: Store) -> None:
    """More units than one round trip takes are committed all the same, in order."""
    units = [finished(store, foreign(subject=f"cart-{number}"), amount=number) for number in range(1_200)]
    assert all(own(units, await store.commit("popularity", units)))
    assert sum(range(1_200)) == await store.read("products", "milk")
    assert [] == list(await store.commit("popularity", []))


async def test_a_unit_that_cannot_be_stored_fails_alone(store: Store) -> None:
    """An emitted event that is no JSON fails its own commit and changes nothing; the one beside it stands."""
    broken, sound = finished(store, foreign()), finished(store, foreign())
    broken.emit("cart.threshold_reached", object())
    failure, standing = await asyncio.gather(
        store.commit("popularity", [broken]), store.commit("popularity", [sound]), return_exceptions=True
    )
    assert isinstance(failure, TypeError)
    assert [sound.result] == standing
    assert 1 == await store.read("products", "milk")


async def test_done_overrides_given_up(store: Store) -> None:
    """A dead-lettered result, the latest, stands until the event is done, and never comes back after."""
    event = await accept(store, add())
    for text in ("first", "second"):
        await store.record_dead_letter(event, given_up(event, text))
    recorded = await store.event(event.id)
    assert recorded is not None
    assert (DEAD_LETTERED, "second") == (
        recorded.results["popularity"].outcome,
        recorded.results["popularity"].data["reason"],
    )
    assert {"popularity": 1} == (await store.totals()).given_up
    units = [finished(store, event)]
    assert [True] == own(units, await store.commit("popularity", units))
    await store.record_dead_letter(event, given_up(event))
    recorded = await store.event(event.id)
    assert recorded is not None
    assert DONE == recorded.results["popularity"].outcome
    totals = await store.totals()
    assert ({"popularity": 1}, 0) == (totals.done, totals.given_up.get("popularity", 0))


async def test_a_dead_letter_is_no_done_mark(store: Store) -> None:
    """An event that was given up can be begun again, as a replay does."""
    event = foreign()
    await store.record_dead_letter(event, given_up(event))
    [standing] = await store.begin("popularity", [event], "worker", LEASE)
    assert (None, 0.0) == (standing.result, standing.claimed_for)
