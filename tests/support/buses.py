"""Buses for tests: a line of two handlers' queues whose names and keys belong to one test alone."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cart_observability.telemetry import silent
from cart_platform.bus import (
    EVENTS_EXCHANGE,
    RESULTS_EXCHANGE,
    Bus,
    DeadLetter,
    Delivery,
    Failure,
    Publication,
    Queue,
    Subscription,
    Topology,
)
from cart_platform.events import Message

SHORT, LONG = 0.05, 0.2
LEASE_SECONDS = 1.0
PATIENCE = 20.0
HEADERS = {"text": "grün", "number": 42, "real": 0.5, "flag": True, "raw": b"\xff\x00"}


def build(url: str, topology: Topology) -> Bus:
    """The bus that serves this URL, with the lease of `LEASE_SECONDS` where a bus has leases."""
    if url.startswith("sqlite:"):
        from cart_platform.bus.sql import SqlBus  # noqa: PLC0415  each bus is tested without the other's driver

        return SqlBus(url, topology, telemetry=silent(), lease_seconds=LEASE_SECONDS)
    from cart_platform.bus.rabbitmq import RabbitBus  # noqa: PLC0415  as above

    return RabbitBus(url, topology, telemetry=silent())


@dataclass(frozen=True)
class Line:
    """`added` leads to both queues, `changed` to threshold alone, `lost` to none."""

    url: str
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    @property
    def threshold(self) -> str:
        """A queue."""
        return f"cart.{self.run}.threshold"

    @property
    def popularity(self) -> str:
        """A queue."""
        return f"cart.{self.run}.popularity"

    def key(self, name: str) -> str:
        """A routing key that no other test uses."""
        return f"{name}.{self.run}"

    @property
    def topology(self) -> Topology:
        """Two queues and the delays SHORT and LONG."""
        both = self.key("added")
        return Topology(
            [
                Queue(self.threshold, frozenset({both, self.key("changed")})),
                Queue(self.popularity, frozenset({both})),
            ],
            [SHORT, LONG],
        )

    def bus(self) -> Bus:
        """A bus on this line, not started."""
        return build(self.url, self.topology)

    def event(self, key: str = "changed", *, mandatory: bool = True, **message: Any) -> Publication:
        """A publication to the events exchange."""
        return Publication(EVENTS_EXCHANGE, self.key(key), _message(message), mandatory=mandatory)

    def result(self, key: str, copy_to: str | None = None, **message: Any) -> Publication:
        """A publication to the results exchange."""
        copy = self.key(copy_to) if copy_to else None
        return Publication(RESULTS_EXCHANGE, self.key(key), _message(message), mandatory=False, copy_to=copy)


def _message(values: dict[str, Any]) -> Message:
    return Message(**{"body": b"{}", "message_id": uuid.uuid4().hex} | values)


async def receive(subscription: Subscription, count: int) -> Sequence[Delivery]:
    """Exactly so many deliveries, however they are spread over calls."""
    deliveries: list[Delivery] = []
    async with asyncio.timeout(PATIENCE):
        while len(deliveries) < count:
            arrived = await subscription.receive(count - len(deliveries))
            assert arrived, "the subscription ended"
            deliveries += arrived
    return deliveries


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll until the condition holds; raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110  a broker's state has no event to wait on
            await asyncio.sleep(0.02)


async def backlog_is(bus: Bus, queue: str, count: int) -> None:
    """Wait until a queue's backlog is this."""

    async def counted() -> bool:
        return (await bus.backlog())[queue] == count

    await eventually(counted)


def failure(attempt: int) -> Failure:
    """The failure of an attempt."""
    return Failure(attempt, "2026-11-23T10:00:00Z", f"attempt {attempt} broke", "Traceback: line 1")


def bodies(deliveries: Sequence[Delivery]) -> list[bytes]:
    """The bodies of deliveries, in order."""
    return [delivery.message.body for delivery in deliveries]


def assert_carries(message: Message, expected: Message) -> None:
    """Everything of the expected message is there; the bus may have added headers of its own."""
    assert (expected.body, expected.content_type, expected.message_id) == (
        message.body,
        message.content_type,
        message.message_id,
    )
    assert expected.headers == {name: message.headers.get(name) for name in expected.headers}


async def give_up(
    bus: Bus, line: Line, subscription: Subscription, *names: bytes, key: str = "changed"
) -> Sequence[DeadLetter]:
    """Publish messages, dead-letter each, and give the dead letters."""
    await bus.publish([line.event(key, body=name) for name in names])
    for delivery in await receive(subscription, len(names)):
        await subscription.dead_letter(delivery, "rejected", failure(1))
    await kept(bus, line.threshold, len(names))
    return await bus.dead_letters(line.threshold)


async def kept(bus: Bus, queue: str, count: int) -> None:
    """Wait until so many dead letters are kept."""

    async def counted() -> bool:
        return len(await bus.dead_letters(queue)) == count

    await eventually(counted)
