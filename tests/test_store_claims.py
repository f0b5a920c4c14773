"""What every store keeps: an event is in one worker's hands at a time."""

import asyncio

from cart_platform.store import Store
from support.polling import eventually
from support.stores import LEASE, SHORT_LEASE, finished, foreign

pytest_plugins = ["support.store_fixtures"]


async def test_begin_tells_what_was_done(store: Store) -> None:
    """Done events give their result in the order asked; others are free."""
    events = [foreign() for _ in range(3)]
    unit = finished(store, events[1])
    await store.commit("popularity", [unit])
    assert [None, unit.result, None] == [one.result for one in await store.begin("popularity", events)]
    assert [None] * 3 == [one.result for one in await store.begin("threshold", events)]
    assert [] == list(await store.begin("popularity", []))


async def test_a_claim_keeps_others_off(store: Store, other: Store) -> None:
    """A claimed event is free for its claimant alone, and only for that handler."""
    event = foreign()
    [mine] = await store.begin("notification", [event], "a", LEASE)
    [theirs] = await other.begin("notification", [event], "b", LEASE)
    [anyone] = await other.begin("notification", [event])
    [renewed] = await store.begin("notification", [event], "a", LEASE)
    [elsewhere] = await other.begin("popularity", [event], "b", LEASE)
    assert (0.0, 0.0, 0.0) == (mine.claimed_for, renewed.claimed_for, elsewhere.claimed_for)
    assert 0 < theirs.claimed_for <= LEASE
    assert 0 < anyone.claimed_for <= LEASE


async def test_one_of_many_claimants_gets_the_event(store: Store, other: Store) -> None:
    """Claimants that come at once, in two processes, share the events without an overlap."""
    events = [foreign(subject=f"cart-{number}") for number in range(10)]
    answers = await asyncio.gather(
        *(
            side.begin("notification", events, f"{place}-{number}", LEASE)
            for place, side in enumerate((store, other))
            for number in range(8)
        )
    )
    for standings in zip(*answers, strict=True):
        assert 1 == sum(one.claimed_for == 0 for one in standings)


async def test_a_claim_ends_with_its_lease(store: Store) -> None:
    """The claim of a worker that died is free when its lease is over."""
    event = foreign()
    await store.begin("notification", [event], "dead", SHORT_LEASE)

    async def free() -> bool:
        [standing] = await store.begin("notification", [event], "next", LEASE)
        return standing.claimed_for == 0

    await eventually(free)


async def test_a_claim_is_renewed_by_its_holder(store: Store) -> None:
    """Who claims again before the lease is over holds the event for the longer lease."""
    event = foreign()
    await store.begin("notification", [event], "a", SHORT_LEASE)
    await store.begin("notification", [event], "a", LEASE)
    [standing] = await store.begin("notification", [event], "b", LEASE)
    assert SHORT_LEASE < standing.claimed_for


async def test_a_claim_is_given_back_by_its_holder_alone(store: Store) -> None:
    """A release ends one's own claims and leaves those of others."""
    mine, theirs = foreign(), foreign()
    await store.begin("notification", [mine], "a", LEASE)
    await store.begin("notification", [theirs], "b", LEASE)
    await store.release("notification", [mine, theirs], "a")
    assert [True, False] == [
        one.claimed_for == 0 for one in await store.begin("notification", [mine, theirs], "c", LEASE)
    ]


async def test_a_commit_ends_the_claim(store: Store) -> None:
    """After the commit others see the result, not a claim."""
    event = foreign()
    await store.begin("notification", [event], "a", LEASE)
    unit = finished(store, event, "notification")
    await store.commit("notification", [unit])
    [standing] = await store.begin("notification", [event], "b", LEASE)
    assert (unit.result, 0.0) == (standing.result, standing.claimed_for)
