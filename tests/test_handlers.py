"""The three handlers, each with an event and a unit of work and nothing else."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart_handlers import notification, popularity, threshold
from cart_observability.telemetry import silent
from cart_platform.bootstrap import load_handlers
from cart_platform.cart import (
    CART_EVENTS,
    PRODUCT_POPULARITY,
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
    ThresholdReached,
)
from cart_platform.errors import UsageError
from cart_platform.events import Event, follow_up_id
from cart_platform.handler import Handle, Reject, UnitOfWork
from cart_platform.settings import Settings

TIME = datetime(2026, 1, 1, tzinfo=UTC)


def event_of(change: CartEvent | ThresholdReached, **data: Any) -> Event:
    """An event that tells of the change, with some of its data replaced."""
    return Event("e-1", "/test", change.type, TIME, {**msgspec.to_builtins(change), **data}, subject=change.cart)


async def handle(handler: Handle, event: Event) -> tuple[UnitOfWork, Mapping[str, Any]]:
    """Handle one event; gives the unit of work and the report."""

    async def read(_projection: str, _key: str) -> int:
        return 0

    unit = UnitOfWork(event, "test", read)
    return unit, await handler(event, unit) or {}


@pytest.mark.parametrize(
    ("change", "reached"),
    [
        (ItemAdded("c", 1, "milk", 9, 0, 9), False),
        (ItemAdded("c", 2, "milk", 1, 9, 10), True),
        (ItemAdded("c", 1, "milk", 50, 0, 50), True),
        (ItemAdded("c", 3, "milk", 1, 10, 11), False),
        (QuantityChanged("c", 3, "milk", 2, 12, 2, 12), True),
        (ItemRemoved("c", 3, "milk", 12, 15, 3), False),
        (CheckedOut("c", 3, 12, 12), False),
    ],
)
async def test_threshold_is_reached_once_on_the_way_up(change: CartEvent, reached: bool) -> None:  # noqa: FBT001  a case
    """A follow-up event is emitted when the units go from below 10 to 10 or more, and at no other time."""
    unit, report = await handle(threshold.handle, event_of(change))
    expected = [ThresholdReached(change.cart, change.version, 10, change.units_after)] if reached else []
    assert [msgspec.to_builtins(data) for data in expected] == [follow_up.data for follow_up in unit.emitted]
    assert reached == report["reached"]


async def test_a_follow_up_names_its_cause() -> None:
    """The follow-up is about the same cart, names the event that it follows from, and has an id derived from it."""
    unit, _ = await handle(threshold.handle, event_of(ItemAdded("c", 1, "milk", 10, 0, 10)))
    (follow_up,) = unit.emitted
    assert ("c", "e-1", follow_up_id("e-1", "test", 0)) == (follow_up.subject, follow_up.causationid, follow_up.id)


@pytest.mark.parametrize(
    ("change", "added"),
    [
        (ItemAdded("c", 1, "milk", 3, 0, 3), [(PRODUCT_POPULARITY, "milk", 3)]),
        (QuantityChanged("c", 2, "milk", 3, 5, 3, 5), [(PRODUCT_POPULARITY, "milk", 2)]),
        (QuantityChanged("c", 2, "milk", 5, 3, 5, 3), []),
        (ItemRemoved("c", 2, "milk", 3, 3, 0), []),
        (CheckedOut("c", 2, 3, 3), []),
    ],
)
async def test_popularity_counts_what_is_put_into_carts(change: CartEvent, added: list[tuple[str, str, int]]) -> None:
    """Units put into a cart are added to their product; what is taken out is not subtracted."""
    unit, _ = await handle(popularity.handle, event_of(change))
    assert added == unit.additions


COMMANDS = st.one_of(
    st.builds(AddItem, st.just("c"), st.sampled_from("ab"), st.integers(1, 6)),
    st.builds(ChangeQuantity, st.just("c"), st.sampled_from("ab"), st.integers(1, 12)),
    st.builds(RemoveItem, st.just("c"), st.sampled_from("ab")),
    st.just(CheckOut("c")),
)


@given(st.lists(COMMANDS, max_size=30), st.randoms(use_true_random=False))
async def test_order_does_not_change_what_comes_out(commands: list[Command], random: Any) -> None:
    """Handled in any order, the same events give the same totals and the same follow-up events."""
    cart, events = Cart("c"), list[Event]()
    for command in commands:
        try:
            change = cart.decide(command)
        except Refused:
            continue
        cart = cart.apply(change)
        events.append(msgspec.structs.replace(event_of(change), id=f"e-{change.version}"))
    shuffled = random.sample(events, len(events))
    assert await _outcome(events) == await _outcome(shuffled)


async def _outcome(events: list[Event]) -> tuple[dict[str, int], set[str]]:
    totals, follow_ups = dict[str, int](), set[str]()
    for event in events:
        follow_ups |= {follow_up.id for follow_up in (await handle(threshold.handle, event))[0].emitted}
        for _, key, amount in (await handle(popularity.handle, event))[0].additions:
            totals[key] = totals.get(key, 0) + amount
    return totals, follow_ups


@pytest.mark.parametrize("handler", [threshold.handle, popularity.handle])
@pytest.mark.parametrize("data", [{"units_after": "many"}, {"units_before": None}, {"cart": 7}])
async def test_unreadable_data_is_rejected(handler: Handle, data: dict[str, Any]) -> None:
    """An event whose data is not what its type says is rejected for good."""
    with pytest.raises(Reject) as rejected:
        await handle(handler, event_of(ItemAdded("c", 1, "milk", 1, 0, 1), **data))
    assert rejected.value.reason == "invalid_data"


async def test_an_amount_that_no_store_counts_exactly_is_refused() -> None:
    """More than 2^53 cannot be added at once, up or down."""

    async def add(_event: Event, unit: UnitOfWork) -> None:
        for amount in (2**53, -(2**53)):
            unit.add("count", "all", amount)
        with pytest.raises(ValueError, match="too much"):
            unit.add("count", "all", 2**53 + 1)

    unit, _ = await handle(add, event_of(ItemAdded("c", 1, "milk", 1, 0, 1)))
    assert len(unit.additions) == 2


class Outbox:
    """A mailer that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []

    async def send(self, message: EmailMessage) -> None:
        """Keep it."""
        self.messages.append(message)


async def test_notification_sends_the_same_mail_for_the_same_event() -> None:
    """The e-mail tells of the cart, and handled again it is the same to the byte, Message-ID included."""
    outbox = Outbox()
    event = event_of(ThresholdReached("cart-7", 4, 10, 12))
    for _ in range(2):
        _, report = await handle(notification.handler(outbox), event)
    first, second = outbox.messages
    assert first.as_bytes() == second.as_bytes()
    assert "cart-7" in first["Subject"]
    assert msgspec.json.encode(report) == b'{"message_id":"<e-1@cartscope>"}'


def test_the_table_names_who_reacts_to_what() -> None:
    """Every cart event has its handlers, and the threshold event has the notification."""
    table = load_handlers(Settings(), silent())
    reactions = {handler.name: handler.reacts_to for handler in table}
    cart_events = frozenset(CART_EVENTS)
    assert {
        "threshold": cart_events,
        "popularity": cart_events,
        "notification": frozenset({ThresholdReached.type}),
    } == reactions


@pytest.mark.parametrize("path", ["nowhere:handlers", "cart_handlers.table:nothing", "", "cart_platform.cart:EVENTS"])
def test_a_wrong_table_is_one_clear_error(path: str) -> None:
    """A table of handlers that is not there, or is none, is told by its path."""
    with pytest.raises(UsageError, match=r"CARTSCOPE_HANDLERS|no table of handlers"):
        load_handlers(Settings(handlers=path), silent())
