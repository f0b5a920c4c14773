"""What every store keeps: everything can be read back, for as long as it is kept."""

from collections import defaultdict
from datetime import timedelta

from cart_platform.cart import (
    Cart,
    CheckOut,
)
from cart_platform.events import now
from cart_platform.handler import UnitOfWork
from cart_platform.store import Store, Totals
from support.polling import eventually
from support.stores import NOBODY, Opener, accept, accept_all, add, finished, foreign, given_up, logged, own, waiting

pytest_plugins = ["support.store_fixtures"]


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
