"""The cart's rules."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart_platform.cart import (
    EVENT_OF_COMMAND,
    MAXIMUM_PRODUCTS,
    AddItem,
    Cart,
    CartEvent,
    ChangeQuantity,
    CheckedOut,
    CheckOut,
    Command,
    ItemAdded,
    ItemRemoved,
    QuantityChanged,
    Refused,
    RemoveItem,
)

PRODUCTS = st.sampled_from(["milk", "rolls/buns", "flower_(seeds)", "a"])
QUANTITIES = st.integers(-1, 12) | st.sampled_from([10_000, 10_001])
COMMANDS = st.one_of(
    st.builds(AddItem, st.just("c"), PRODUCTS, QUANTITIES),
    st.builds(ChangeQuantity, st.just("c"), PRODUCTS, QUANTITIES),
    st.builds(RemoveItem, st.just("c"), PRODUCTS),
    st.just(CheckOut("c")),
)


def run(commands: Sequence[Command]) -> tuple[Cart, list[CartEvent]]:
    """The cart after all commands that its rules allow, and their events."""
    cart, events = Cart("c"), []
    for command in commands:
        try:
            event = cart.decide(command)
        except Refused:
            continue
        cart = cart.apply(event)
        events.append(event)
    return cart, events


@given(st.lists(COMMANDS, max_size=40))
def test_events_folded_give_the_cart(commands: Sequence[Command]) -> None:
    """For any sequence of commands, folding the events gives the cart that the commands left."""
    cart, events = run(commands)
    folded = Cart("c")
    for event in events:
        folded = folded.apply(event)
    assert cart == folded


@given(st.lists(COMMANDS, max_size=40))
def test_units_chain_without_a_gap(commands: Sequence[Command]) -> None:
    """Each event begins with the units that the one before it ended with, and versions count from 1."""
    cart, events = run(commands)
    assert list(range(1, len(events) + 1)) == [event.version for event in events]
    assert [0, *(event.units_after for event in events)] == [
        *(event.units_before for event in events),
        cart.units,
    ]


@given(st.lists(COMMANDS, max_size=20), COMMANDS)
def test_a_command_gives_its_own_kind_of_event_or_is_refused(before: Sequence[Command], command: Command) -> None:
    """A command brings about the event that the table names for it, or is refused with a word for a reason."""
    cart, _ = run(before)
    try:
        event = cart.decide(command)
    except Refused as refused:
        assert refused.reason.replace("_", "").isalpha()  # noqa: PT017  either outcome is right
    else:
        assert EVENT_OF_COMMAND[type(command)] == event.type


@pytest.mark.parametrize(
    ("command", "event"),
    [
        (AddItem("c", "soda", 3), ItemAdded("c", 2, "soda", 3, 2, 5)),
        (AddItem("c", "milk", 3), ItemAdded("c", 2, "milk", 3, 2, 5)),
        (ChangeQuantity("c", "milk", 9), QuantityChanged("c", 2, "milk", 2, 9, 2, 9)),
        (RemoveItem("c", "milk"), ItemRemoved("c", 2, "milk", 2, 2, 0)),
        (CheckOut("c"), CheckedOut("c", 2, 2, 2)),
    ],
)
def test_what_each_command_brings_about(command: Command, event: CartEvent) -> None:
    """Each command tells in its event what it changed."""
    assert event == Cart("c", 1, {"milk": 2}).decide(command)


@pytest.mark.parametrize(
    ("cart", "command", "reason"),
    [
        (Cart("c"), AddItem("c", "", 1), "invalid_identifier"),
        (Cart("c"), AddItem("c", "x" * 65, 1), "invalid_identifier"),
        (Cart("c"), AddItem("c", "white milk", 1), "invalid_identifier"),
        (Cart("c"), AddItem("c", "milk\n", 1), "invalid_identifier"),
        (Cart("a(b)"), AddItem("a(b)", "milk", 1), "invalid_identifier"),
        (Cart(""), AddItem("", "milk", 1), "invalid_identifier"),
        (Cart("c"), AddItem("c", "milk", 0), "invalid_quantity"),
        (Cart("c"), AddItem("c", "milk", 10_001), "invalid_quantity"),
        (Cart("c"), ChangeQuantity("c", "milk", 1), "item_not_in_cart"),
        (Cart("c"), RemoveItem("c", "milk"), "item_not_in_cart"),
        (Cart("c"), CheckOut("c"), "cart_empty"),
        (Cart("c", 2, {"milk": 1}, checked_out=True), AddItem("c", "milk", 1), "cart_checked_out"),
        (Cart("c", 2, {"milk": 1}, checked_out=True), CheckOut("c"), "cart_checked_out"),
        (Cart("c", 1, dict.fromkeys(map(str, range(MAXIMUM_PRODUCTS)), 1)), AddItem("c", "milk", 1), "cart_full"),
    ],
)
def test_refusals_name_their_reason(cart: Cart, command: Command, reason: str) -> None:
    """What the rules do not allow is refused with a named reason."""
    with pytest.raises(Refused) as refused:
        cart.decide(command)
    assert reason == refused.value.reason


@pytest.mark.parametrize("event", [ItemAdded("d", 1, "milk", 1, 0, 1), ItemAdded("c", 3, "milk", 1, 0, 1)])
def test_only_the_next_event_of_the_same_cart_applies(event: CartEvent) -> None:
    """Another cart's event, or one that skips a version, is not applied."""
    with pytest.raises(ValueError, match="does not follow"):
        Cart("c").apply(event)
