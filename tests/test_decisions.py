"""What a batch of commands on a cart brings about, without a store."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart_platform.cart import CART_EVENTS, AddItem, Cart, ChangeQuantity, CheckOut, Command, Refused, RemoveItem
from cart_platform.events import decode_structured, encode_structured, now
from cart_platform.store import Execution, IdempotencyKeyReused, Origin
from cart_platform.store.decisions import SOURCE, Asked, Decision, Remembered, ask, by_cart, decide

PRODUCTS = st.sampled_from(["milk", "bread", "not a product"])
COMMANDS = st.one_of(
    st.builds(AddItem, st.just("cart"), PRODUCTS, st.integers(-1, 9)),
    st.builds(ChangeQuantity, st.just("cart"), PRODUCTS, st.integers(0, 9)),
    st.builds(RemoveItem, st.just("cart"), PRODUCTS),
    st.builds(CheckOut, st.just("cart")),
)
BATCHES = st.lists(
    st.builds(ask, COMMANDS, st.just(Origin()), st.none() | st.sampled_from(["key-1", "key-2", ""])), max_size=15
)


def remembered(decision: Decision) -> dict[str, Remembered]:
    """What a store remembers of a decision."""
    return {
        entry.asked.key: Remembered(entry.asked.fingerprint, entry.body)
        for entry in decision.appended
        if entry.asked.key is not None
    }


def words(decision: Decision) -> list[tuple[object, ...]]:
    """The answers without ids and times, which differ between two decisions."""
    return [
        (answer.event.type, answer.event.data, answer.repeated)
        if isinstance(answer, Execution)
        else (type(answer), str(answer))
        for answer in decision.answers
    ]


@given(BATCHES)
def test_the_events_lead_to_the_cart(batch: Sequence[Asked]) -> None:
    """Folding what is appended gives the cart; versions and units chain; every command has its answer."""
    decision = decide(Cart("cart"), batch, {})
    changes = [msgspec.convert(entry.event.data, CART_EVENTS[entry.event.type]) for entry in decision.appended]
    folded = Cart("cart")
    for event in changes:
        folded = folded.apply(event)
    assert folded == decision.cart
    assert 0 == decision.version
    assert all(before.units_after == after.units_before for before, after in pairwise(changes))
    assert len(batch) == len(decision.answers)
    accepted = [answer.event for answer in decision.answers if isinstance(answer, Execution) and not answer.repeated]
    assert accepted == [entry.event for entry in decision.appended]
    assert len(accepted) == len({event.id for event in accepted})


@given(BATCHES)
def test_what_is_stored_is_what_is_answered(batch: Sequence[Asked]) -> None:
    """The structured JSON of an appended event reads as that event."""
    for entry in decide(Cart("cart"), batch, {}).appended:
        assert entry.event == decode_structured(entry.body)
        assert encode_structured(entry.event) == entry.body


@given(BATCHES, st.integers(0, 15))
def test_how_commands_fall_into_batches_changes_nothing(batch: Sequence[Asked], cut: int) -> None:
    """One batch brings about what its two parts do, when the second knows what the first left."""
    whole = decide(Cart("cart"), batch, {})
    first = decide(Cart("cart"), batch[:cut], {})
    second = decide(first.cart, batch[cut:], remembered(first))
    assert whole.cart == second.cart
    assert first.cart.version == second.version
    assert words(whole) == words(first) + words(second)


@given(BATCHES)
def test_a_key_brings_about_one_event(batch: Sequence[Asked]) -> None:
    """Of the commands with one key one is accepted; equal ones repeat its event, others are errors."""
    decision = decide(Cart("cart"), batch, {})
    first: dict[str, tuple[Command, Execution]] = {}
    for asked, answer in zip(batch, decision.answers, strict=True):
        if asked.key is None or (asked.key not in first and isinstance(answer, Refused)):
            continue
        if asked.key not in first:
            assert isinstance(answer, Execution)
            assert not answer.repeated
            first[asked.key] = (asked.command, answer)
            continue
        command, execution = first[asked.key]
        if asked.command == command:
            assert Execution(execution.event, repeated=True) == answer
        else:
            assert isinstance(answer, IdempotencyKeyReused)


def test_a_known_key_is_answered_whatever_became_of_the_cart() -> None:
    """A repeat of a command that the cart would refuse by this time is answered by its event all the same."""
    asked = ask(AddItem("cart", "milk", 1), Origin(), "key")
    first = decide(Cart("cart"), [asked], {})
    closed = decide(first.cart, [ask(CheckOut("cart"), Origin(), None)], {})
    again = decide(closed.cart, [asked], remembered(first))
    assert [Execution(first.appended[0].event, repeated=True)] == again.answers
    assert (closed.cart, []) == (again.cart, again.appended)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (AddItem("cart", "milk", 1), AddItem("cart", "milk", 2)),
        (AddItem("cart", "milk", 1), ChangeQuantity("cart", "milk", 1)),
        (AddItem("cart", "a", 11), AddItem("cart", "a1", 1)),
    ],
)
def test_fingerprints_tell_commands_apart(first: Command, second: Command) -> None:
    """Two commands that differ in kind or content do not pass for one another."""
    assert ask(first, Origin(), "key").fingerprint != ask(second, Origin(), "key").fingerprint
    assert ask(first, Origin(), "key").fingerprint == ask(first, Origin(replyto="other"), "another").fingerprint


def test_an_event_carries_its_origin() -> None:
    """Source, subject, trace context and reply address are the command's, the time is the present."""
    origin = Origin({"traceparent": "00-1-2-01", "tracestate": "a=b"}, "api-1")
    [entry] = decide(Cart("cart"), [ask(AddItem("cart", "milk", 1), origin, None)], {}).appended
    event = entry.event
    assert (SOURCE, "cart", "00-1-2-01", "a=b", "api-1") == (
        event.source,
        event.subject,
        event.traceparent,
        event.tracestate,
        event.replyto,
    )
    assert timedelta() <= now() - event.time < timedelta(minutes=1)


@pytest.mark.parametrize("cart", ["", "a b", "\ud800", "x" * 65])
def test_a_cart_without_a_proper_name_is_refused_before_it_waits(cart: str) -> None:
    """A name that finds no shard is refused when it is asked, not in the batch of others."""
    with pytest.raises(Refused):
        ask(CheckOut(cart), Origin(), "key")


@given(st.lists(st.sampled_from("abc"), max_size=12))
def test_commands_are_grouped_by_cart_in_order(names: list[str]) -> None:
    """Each position of the batch is in its cart's group once, in the order of arrival."""
    grouped = by_cart([ask(CheckOut(name), Origin(), None) for name in names])
    assert {name: [place for place, found in enumerate(names) if found == name] for name in names} == grouped
