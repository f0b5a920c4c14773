"""The behaviour of every store: the same promises on SQLite and on Redis."""

import asyncio
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from cart_platform.cart import (
    CART_EVENTS,
    AddItem,
    Cart,
    CartEvent,
    ChangeQuantity,
    CheckOut,
    Command,
    Refused,
    RemoveItem,
    ThresholdReached,
)
from cart_platform.errors import CartscopeError, Overloaded, Unavailable
from cart_platform.events import Event, new_id, now
from cart_platform.handler import DEAD_LETTERED, DONE, Result, UnitOfWork
from cart_platform.store import Depth, IdempotencyKeyReused, Origin, Pending, Recorded, Store, Totals, home_of, shard_of
from cart_platform.store.redis import RedisStore
from cart_platform.store.sql import SqlStore
from support.polling import eventually

NOBODY = Origin()
LEASE = 60.0
SHORT_LEASE = 0.2
ALL = range(8)
Opener = Callable[..., Awaitable[Store]]


def build(url: str, **options: Any) -> Store:
    """The store that serves this URL."""
    return SqlStore(url, **options) if url.startswith("sqlite:") else RedisStore(url, **options)


@pytest.fixture(params=["sqlite", "redis"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    address: str = request.getfixturevalue("redis_server").url
    async with Redis.from_url(address) as redis:
        await redis.flushall()
    return address


@pytest.fixture
async def opened(url: str) -> AsyncIterator[Opener]:
    """Opens stores on the same data, as several processes do; closes them in the end."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> Store:
            store = build(url, **options)
            stack.push_async_callback(store.close)
            await store.start()
            return store

        yield start


@pytest.fixture
async def store(opened: Opener) -> Store:
    """A store on the data."""
    return await opened()


@pytest.fixture
async def other(opened: Opener) -> Store:
    """Another store on the same data."""
    return await opened()


def add(cart: str = "cart", product: str = "milk", quantity: int = 1) -> AddItem:
    """A command that is accepted."""
    return AddItem(cart, product, quantity)


async def accept(store: Store, command: Command, key: str | None = None) -> Event:
    """The event of a command."""
    return (await store.execute(command, NOBODY, key)).event


async def accept_all(store: Store, commands: Sequence[Command]) -> list[Event]:
    """The events of commands that arrive at once."""
    return list(await asyncio.gather(*(accept(store, command) for command in commands)))


async def logged(store: Store) -> list[Recorded]:
    """The whole log."""
    return [recorded async for recorded in store.log()]


async def waiting(store: Store) -> list[Pending]:
    """The whole outbox."""
    return list(await store.pending(range(store.shards), 10_000))


def on_cart(name: str, command: Command) -> Command:
    """The same command on another cart."""
    return msgspec.structs.replace(command, cart=name)


def change(event: Event) -> CartEvent:
    """What a cart event says."""
    return msgspec.convert(event.data, CART_EVENTS[event.type])


def foreign(event_id: str | None = None, subject: str | None = "cart") -> Event:
    """An event that another system published."""
    return Event(event_id or new_id(), "/elsewhere", "cart.item_added", now(), {"any": 1}, subject)


def finished(store: Store, event: Event, handler: str = "popularity", key: str = "milk", amount: int = 1) -> UnitOfWork:
    """A unit that adds to a projection."""
    unit = UnitOfWork(event, handler, store.read)
    unit.add("products", key, amount)
    unit.finish({"added": amount, "by": uuid4().hex})
    return unit


def own(units: Sequence[UnitOfWork], standing: Sequence[Result]) -> list[bool]:
    """Which of the units were applied."""
    return [unit.result is result for unit, result in zip(units, standing, strict=True)]


def given_up(event: Event, text: str = "no use", handler: str = "popularity") -> Result:
    """The result of an event that was dead-lettered."""
    return Result(event.id, event.type, handler, DEAD_LETTERED, now(), {"reason": text})


# Commands


async def test_an_accepted_command_changes_cart_log_and_outbox(store: Store) -> None:
    """The cart holds what was added, and the same event is in the log and in the outbox."""
    event = await accept(store, add("basket", "milk", 3))
    assert Cart("basket", 1, {"milk": 3}) == await store.cart("basket")
    assert Recorded(event, {}, sent=False) == await store.event(event.id)
    assert [event] == [entry.event for entry in await waiting(store)]


async def test_an_event_says_where_its_command_comes_from(store: Store) -> None:
    """The trace context and the reply address of the command are the event's."""
    origin = Origin({"traceparent": "00-1-2-01", "tracestate": "a=b", "baggage": "c"}, "api-1")
    event = (await store.execute(add("basket"), origin)).event
    assert ("00-1-2-01", "a=b", "api-1") == (event.traceparent, event.tracestate, event.replyto)
    assert ("/cartscope/carts", "cart.item_added", "basket") == (event.source, event.type, event.subject)
    recorded = await store.event(event.id)
    assert recorded is not None
    assert event == recorded.event


@pytest.mark.parametrize("command", [RemoveItem("cart", "milk"), CheckOut("cart"), add(quantity=0), add(product="ü")])
async def test_a_refused_command_changes_nothing(store: Store, command: Command) -> None:
    """The rules' refusal reaches who asked, and neither cart nor event exists."""
    with pytest.raises(Refused):
        await store.execute(command, NOBODY, "key")
    assert await store.cart("cart") is None
    assert ([], []) == (await logged(store), await waiting(store))


@pytest.mark.parametrize("cart", ["", "a" * 65, "a b", "\ud800", "{x}"])
async def test_a_cart_that_cannot_be_named_is_refused(store: Store, cart: str) -> None:
    """A name outside the limits is refused by its reason, whatever characters it has."""
    with pytest.raises(Refused) as refused:
        await store.execute(add(cart), NOBODY, "key")
    assert "invalid_identifier" == refused.value.reason


async def test_commands_of_one_batch_build_on_each_other(store: Store) -> None:
    """Commands on one cart that arrive at once are decided in order, a refused one among them alone."""
    commands: list[Command] = [
        add(),
        ChangeQuantity("cart", "milk", 5),
        RemoveItem("cart", "bread"),
        CheckOut("cart"),
        add(),
    ]
    answers = await asyncio.gather(*(store.execute(command, NOBODY) for command in commands), return_exceptions=True)
    reasons = [answer.reason if isinstance(answer, Refused) else None for answer in answers]
    assert [None, None, "item_not_in_cart", None, "cart_checked_out"] == reasons
    assert Cart("cart", 3, {"milk": 5}, checked_out=True) == await store.cart("cart")


async def test_versions_chain_under_concurrent_submitters(store: Store, other: Store) -> None:
    """Two processes change the same carts at once: no version is missing or twice, units before follow units after."""
    commands = [add(f"cart-{number % 3}", "milk", 1 + number % 5) for number in range(120)]
    await asyncio.gather(accept_all(store, commands[::2]), accept_all(other, commands[1::2]))
    chains: dict[str, list[CartEvent]] = defaultdict(list)
    for recorded in await logged(store):
        chains[recorded.event.subject or ""].append(change(recorded.event))
    for cart, chain in chains.items():
        assert list(range(1, 41)) == [event.version for event in chain]
        assert all(before.units_after == after.units_before for before, after in pairwise(chain))
        kept = await other.cart(cart)
        assert kept is not None
        assert chain[-1].units_after == kept.units


async def test_the_same_key_gives_the_same_event(store: Store) -> None:
    """A command that is asked again under its key is answered by the event it brought about, and repeats nothing."""
    first = await store.execute(add(), NOBODY, "key")
    again = await store.execute(add(), Origin(replyto="elsewhere"), "key")
    assert (False, True) == (first.repeated, again.repeated)
    assert first.event == again.event
    assert [first.event] == [recorded.event for recorded in await logged(store)]


async def test_the_same_key_at_once_gives_one_event(store: Store, other: Store) -> None:
    """Many askers with one key, in two processes, get one event; one of them brought it about."""
    answers = await asyncio.gather(
        *(asked.execute(add(), NOBODY, "key") for asked in (store, other) for _ in range(20))
    )
    assert 1 == len({answer.event.id for answer in answers})
    assert 1 == sum(not answer.repeated for answer in answers)
    assert 1 == len(await logged(store))


async def test_a_key_stands_for_one_command(store: Store) -> None:
    """Another command under a known key is an error, in the same batch and later, and changes nothing."""
    answers = await asyncio.gather(
        store.execute(add(), NOBODY, "key"), store.execute(add(quantity=2), NOBODY, "key"), return_exceptions=True
    )
    assert [False, True] == [isinstance(answer, IdempotencyKeyReused) for answer in answers]
    with pytest.raises(IdempotencyKeyReused):
        await store.execute(ChangeQuantity("cart", "milk", 1), NOBODY, "key")
    assert Cart("cart", 1, {"milk": 1}) == await store.cart("cart")


async def test_a_key_belongs_to_its_cart(store: Store) -> None:
    """Two carts may use the same key for different commands, at once too."""
    answers = await asyncio.gather(
        store.execute(add("a"), NOBODY, "key"), store.execute(add("b", quantity=2), NOBODY, "key")
    )
    assert [False, False] == [answer.repeated for answer in answers]


async def test_a_refusal_is_not_remembered(store: Store) -> None:
    """A key whose command was refused is still free."""
    with pytest.raises(Refused):
        await store.execute(RemoveItem("cart", "milk"), NOBODY, "key")
    assert not (await store.execute(add(), NOBODY, "key")).repeated


async def test_keys_are_any_text(store: Store) -> None:
    """What a client takes for a key is no syntax here."""
    keys = ["", "}{", "a:b", "a\nb", "ü💥", "'; --", "k" * 2_000]
    events = [await accept(store, add(), key) for key in keys]
    again = [await store.execute(add(), NOBODY, key) for key in keys]
    assert [(event, True) for event in events] == [(answer.event, answer.repeated) for answer in again]


async def test_more_than_the_limit_is_turned_away(opened: Opener) -> None:
    """When more commands wait than the store may hold, the rest is refused at once, and what was accepted is there."""
    store = await opened(limit=5)
    answers = await asyncio.gather(*(store.execute(add(), NOBODY) for _ in range(40)), return_exceptions=True)
    accepted = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert {Overloaded} == {type(answer) for answer in answers if isinstance(answer, BaseException)}
    assert 5 == len(accepted) == len(await logged(store))


async def test_a_client_that_went_away_disturbs_nobody(store: Store) -> None:
    """A cancelled command leaves those of its batch as they are."""
    tasks = [asyncio.ensure_future(accept(store, add(product=f"p{number}"))) for number in range(10)]
    await eventually(lambda: bool(tasks[0].get_coro()))
    tasks[3].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[3], asyncio.CancelledError)
    accepted = {answer.id for answer in answers if isinstance(answer, Event)}
    assert 9 == len(accepted)
    assert accepted <= {recorded.event.id for recorded in await logged(store)}


PRODUCTS = st.sampled_from(["milk", "bread", "tea", "not a product"])
COMMANDS = st.lists(
    st.one_of(
        st.builds(AddItem, st.just(""), PRODUCTS, st.integers(-1, 12)),
        st.builds(ChangeQuantity, st.just(""), PRODUCTS, st.integers(0, 12)),
        st.builds(RemoveItem, st.just(""), PRODUCTS),
        st.builds(CheckOut, st.just("")),
    ),
    max_size=12,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commands=COMMANDS, at_once=st.booleans())
async def test_the_log_folds_to_the_cart(store: Store, commands: list[Command], at_once: bool) -> None:  # noqa: FBT001  an example
    """Whatever is asked, the accepted events folded are the stored cart."""
    name = uuid4().hex
    asked = [store.execute(on_cart(name, command), NOBODY) for command in commands]
    if at_once:
        answers = await asyncio.gather(*asked, return_exceptions=True)
    else:
        answers = [(await asyncio.gather(one, return_exceptions=True))[0] for one in asked]
    folded = Cart(name)
    for answer in answers:
        if not isinstance(answer, BaseException):
            folded = folded.apply(change(answer.event))
    assert (folded if folded.version else None) == await store.cart(name)


# Outbox


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


# Units of work


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


# Claims


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


# Shards


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


# Projections, log, retention


async def test_top_adds_up_over_the_shards(store: Store) -> None:
    """The largest totals over all carts come first, equals by name, and only of the projection asked for."""
    amounts = {"milk": 5, "bread": 7, "tea": 5, "ale": 5, "salt": 1}
    units = [
        finished(store, foreign(subject=f"cart-{number}"), key=product)
        for product, amount in amounts.items()
        for number in range(amount)
    ]
    stray = UnitOfWork(foreign(), "popularity", store.read)
    stray.add("elsewhere", "gold", 1_000)
    stray.finish(None)
    await store.commit("popularity", [*units, stray])
    assert [("bread", 7), ("ale", 5), ("milk", 5), ("tea", 5)] == list(await store.top("products", 4))
    assert 5 == await store.read("products", "tea")
    assert [0, 0] == [await store.read("products", "nothing"), await store.read("nowhere", "tea")]
    assert [] == list(await store.top("nowhere", 4))


async def test_totals_count_since_the_store_was_made(store: Store) -> None:
    """Accepted and emitted events, what was sent and what handlers finished are counted by their names."""
    assert Totals({}, 0, {}, {}) == await store.totals()
    events = await accept_all(store, [add(), add(), CheckOut("cart")])
    await store.mark_sent((await waiting(store))[:2])
    await store.commit("popularity", [finished(store, event) for event in events])
    await store.record_dead_letter(events[0], given_up(events[0], handler="notification"))
    expected = Totals({"cart.item_added": 2, "cart.checked_out": 1}, 2, {"popularity": 3}, {"notification": 1})
    assert expected == await store.totals()


async def test_the_log_gives_every_event_once_with_its_results(store: Store) -> None:
    """All events come, in order within a cart, each with what handlers reported; however many there are."""
    events = await accept_all(store, [add(f"cart-{number % 11}") for number in range(1_100)])
    units = [finished(store, event) for event in events[::2]]
    await store.commit("popularity", units)
    results = {unit.event.id: {"popularity": unit.result} for unit in units}
    versions: dict[str, list[int]] = defaultdict(list)
    for recorded in await logged(store):
        versions[recorded.event.subject or ""].append(recorded.event.data["version"])
        assert results.get(recorded.event.id, {}) == recorded.results
    assert {f"cart-{number}": list(range(1, 101)) for number in range(11)} == versions


async def test_trim_forgets_only_what_is_sent(opened: Opener) -> None:
    """Past the retention sent events and their keys are forgotten; unsent ones, carts and counts stay."""
    store = await opened(retention=timedelta(milliseconds=1))
    sent = await accept(store, add(), "key")
    await store.mark_sent(await waiting(store))
    unsent = await accept(store, add(), "other key")
    forgotten = 0

    async def trimmed() -> bool:
        nonlocal forgotten
        forgotten += await store.trim()
        return await store.event(sent.id) is None and forgotten > 0

    await eventually(trimmed)
    assert 1 == forgotten
    assert [unsent.id] == [recorded.event.id for recorded in await logged(store)]
    assert [unsent.id] == [entry.event.id for entry in await waiting(store)]
    assert {"cart.item_added": 2} == (await store.totals()).appended
    assert Cart("cart", 2, {"milk": 2}) == await store.cart("cart")
    assert not (await store.execute(add(), NOBODY, "key")).repeated


async def test_trim_forgets_nothing_within_the_retention(store: Store) -> None:
    """Young events stay, sent or not, with their results and keys."""
    event = await accept(store, add(), "key")
    await store.commit("popularity", [finished(store, event)])
    await store.mark_sent(await waiting(store))
    assert 0 == await store.trim()
    recorded = await store.event(event.id)
    assert recorded is not None
    assert {"popularity"} == set(recorded.results)
    assert (await store.execute(add(), NOBODY, "key")).repeated


async def test_what_an_unsent_event_left_is_kept(opened: Opener) -> None:
    """A result past the retention stays while its event is unsent: the relay may still publish it again."""
    store = await opened(retention=timedelta(milliseconds=1))
    event = await accept(store, add())
    await store.commit("popularity", [finished(store, event)])
    begun = now()
    await eventually(lambda: now() - begun > timedelta(milliseconds=20))
    assert 0 == await store.trim()
    units = [finished(store, event)]
    assert [False] == own(units, await store.commit("popularity", units))


# Life and death


async def test_another_number_of_shards_is_refused(opened: Opener) -> None:
    """A store made with 8 shards is not opened with 4, and says both numbers in one line."""
    await opened()
    with pytest.raises(CartscopeError, match=r"8 shards.*4") as refused:
        await opened(shards=4)
    assert "\n" not in str(refused.value)


async def test_everything_is_there_after_a_restart(opened: Opener) -> None:
    """A closed and reopened store has carts, log, outbox, keys, effects and counts as they were."""
    before = await opened()
    events = await accept_all(before, [add(f"cart-{number}") for number in range(5)])
    keyed = await accept(before, add("keyed"), "key")
    await before.commit("popularity", [finished(before, event) for event in events])
    await before.record_dead_letter(keyed, given_up(keyed))
    await before.mark_sent((await waiting(before))[:2])
    kept = (await logged(before), await waiting(before), await before.totals(), await before.top("products", 3))
    await before.close()
    after = await opened()
    assert kept == (await logged(after), await waiting(after), await after.totals(), await after.top("products", 3))
    assert keyed == await accept(after, add("keyed"), "key")
    units = [finished(after, event) for event in events]
    assert [False] * 5 == own(units, await after.commit("popularity", units))


async def test_a_closed_store_is_unavailable(url: str) -> None:
    """Before start and after close, which may be called twice, every question is turned away."""
    store = build(url)
    await store.close()
    await store.start()
    await store.ping()
    for _ in range(2):
        await store.close()
    for question in (
        store.ping(),
        store.execute(add(), NOBODY),
        store.depth(),
        store.commit("h", [finished(store, foreign())]),
    ):
        with pytest.raises(Unavailable):
            await question
    await store.start()
    assert await store.cart("cart") is None
    await store.close()


async def test_close_finishes_what_is_under_way(store: Store, other: Store) -> None:
    """Commands that were waiting at the close are committed or turned away, never half of it."""
    asked = [asyncio.ensure_future(accept(store, add(f"cart-{number}"))) for number in range(50)]
    await other.ping()
    await store.close()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    accepted = {answer.id for answer in answers if isinstance(answer, Event)}
    assert {Unavailable} >= {type(answer) for answer in answers if isinstance(answer, BaseException)}
    assert accepted == {recorded.event.id for recorded in await logged(other)}


async def test_what_is_measured(opened: Opener) -> None:
    """Each round trip of the operations that carry the load is told, with its items."""
    told: list[tuple[str, float, int]] = []
    store = await opened(measure=lambda *words: told.append(words))
    event = await accept(store, add())
    await store.begin("popularity", [event])
    await store.commit("popularity", [finished(store, event)])
    await store.mark_sent(await store.pending(ALL, 10))
    assert [(name, 1) for name in ("execute", "begin", "commit", "pending", "mark_sent")] == [
        (operation, items) for operation, _, items in told
    ]
    assert all(seconds > 0 for _, seconds, _ in told)


SUBMITTERS = """
import asyncio, sys
sys.path.insert(0, sys.argv[2])
from cart_platform.cart import AddItem
from cart_platform.store import Origin
from test_store import build

async def submit(store, submitter):
    number = 0
    while True:
        cart = f"cart-{submitter}-{number // 5}"
        execution = await store.execute(AddItem(cart, "milk", 1), Origin(), f"key-{number}")
        print(execution.event.id, cart, flush=True)
        number += 1

async def main():
    store = build(sys.argv[1])
    await store.start()
    await asyncio.gather(*(submit(store, submitter) for submitter in range(16)))

asyncio.run(main())
"""


async def test_what_was_accepted_survives_a_kill(url: str, opened: Opener) -> None:
    """Every event that a process reported before it was killed with -9 is in log, outbox and cart."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUBMITTERS, url, str(Path(__file__).parent), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(300)]
    process.kill()
    lines += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    accepted = dict(line.decode().split() for line in lines if line.endswith(b"\n"))
    store = await opened()
    log = await logged(store)
    assert 300 <= len(accepted)
    assert (
        set(accepted) <= {recorded.event.id for recorded in log} == {entry.event.id for entry in await waiting(store)}
    )
    events = Counter(recorded.event.subject for recorded in log)
    for name in set(accepted.values()):
        cart = await store.cart(name)
        assert cart is not None
        assert events[name] == cart.version == cart.units
