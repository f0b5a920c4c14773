"""What every store keeps: commands are accepted once, in order, or refused."""

import asyncio
from collections import defaultdict
from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cart_platform.cart import (
    AddItem,
    Cart,
    CartEvent,
    ChangeQuantity,
    CheckOut,
    Command,
    Refused,
    RemoveItem,
)
from cart_platform.errors import Overloaded
from cart_platform.events import Event
from cart_platform.store import IdempotencyKeyReused, Origin, Recorded, Store
from support.polling import eventually
from support.stores import NOBODY, Opener, accept, accept_all, add, change, logged, on_cart, waiting

pytest_plugins = ["support.store_fixtures"]


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
