"""What is done to stores in tests, whichever they are."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

import msgspec

from cart_platform.cart import (
    CART_EVENTS,
    AddItem,
    CartEvent,
    Command,
)
from cart_platform.events import Event, new_id, now
from cart_platform.handler import DEAD_LETTERED, Result, UnitOfWork
from cart_platform.store import Origin, Pending, Recorded, Store
from cart_platform.store.redis import RedisStore
from cart_platform.store.sql import SqlStore

NOBODY = Origin()
LEASE = 60.0
SHORT_LEASE = 0.2
ALL = range(8)
Opener = Callable[..., Awaitable[Store]]


def build(url: str, **options: Any) -> Store:
    """The store that serves this URL."""
    return SqlStore(url, **options) if url.startswith("sqlite:") else RedisStore(url, **options)


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
