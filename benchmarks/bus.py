"""What RabbitMQ's bus carries, beside what pika's BlockingConnection does on the same broker in the same run.

    python benchmarks/bus.py amqp://user:password@127.0.0.1:5672/%2F [--messages 50000] [--batch 100] [--rounds 3]

Both publish persistent, mandatory messages with confirms into a quorum queue, and take them out again with acks: the
bus in batches, BlockingConnection as its own documentation shows it. The messages are events with a trace context.
Best of the rounds: the machine is shared. The queues are deleted afterwards.
"""

import argparse
import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import pika
import uvloop
from rich.console import Console
from rich.table import Table

from cart_observability.telemetry import silent
from cart_platform.bus import EVENTS_EXCHANGE, Outcome, Publication, Queue, Topology
from cart_platform.bus.rabbitmq import RabbitBus
from cart_platform.bus.rabbitmq.topology import declarations
from cart_platform.events import Event, encode, new_id, now

PREFETCH = 300
BLOCKING_SHARE = 10
"""BlockingConnection gets a tenth of the messages: it waits for the broker after each."""
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass(frozen=True, slots=True)
class Load:
    """Where to, how many messages, and how many at a time."""

    url: str
    messages: int
    batch: int


@dataclass(frozen=True, slots=True)
class Measured:
    """Messages a second, and microseconds of this process's processor time for each."""

    rate: float
    processor: float


class Clock:
    """Wall and processor time from here on."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._processor = time.process_time()

    def measured(self, messages: int) -> Measured:
        """What so many messages took."""
        wall, processor = time.perf_counter() - self._wall, time.process_time() - self._processor
        return Measured(messages / wall, processor / messages * 1e6)


def publications(queue: str, count: int) -> Sequence[Publication]:
    """Events as the API makes them."""
    data = {"product": "whole_milk", "quantity": 2, "units_before": 3, "units_after": 5, "version": 4}
    events = (
        Event(new_id(), "/cartscope/api", queue, now(), data, f"cart-{number}", TRACEPARENT, replyto="api.1")
        for number in range(count)
    )
    return [Publication(EVENTS_EXCHANGE, queue, encode(event)) for event in events]


async def of_the_bus(load: Load) -> Sequence[Measured]:
    """Publish, then consume, through the bus."""
    queue = f"benchmark.{uuid.uuid4().hex[:8]}"
    bus = RabbitBus(load.url, Topology([Queue(queue, frozenset({queue}))], [1.0]), telemetry=silent())
    await bus.start()
    try:
        return [await publish(bus, publications(queue, load.messages), load.batch), await consume(bus, queue, load)]
    finally:
        await bus.close()
        delete(load.url, queue)


async def publish(bus: RabbitBus, messages: Sequence[Publication], batch: int) -> Measured:
    """Batch after batch, each confirmed before the next."""
    clock = Clock()
    for start in range(0, len(messages), batch):
        outcomes = await bus.publish(messages[start : start + batch])
        assert all(outcome is Outcome.CONFIRMED for outcome in outcomes)
    return clock.measured(len(messages))


async def consume(bus: RabbitBus, queue: str, load: Load) -> Measured:
    """What has arrived is acked at once."""
    clock = Clock()
    subscription = await bus.subscribe(queue, PREFETCH)
    remaining = load.messages
    while remaining:
        deliveries = await subscription.receive(load.batch)
        await subscription.ack(deliveries)
        remaining -= len(deliveries)
        await asyncio.sleep(0)  # a worker waits for its store here
    return clock.measured(load.messages)


async def of_blocking_connection(load: Load) -> Sequence[Measured]:
    """The same, one message at a time."""
    count = load.messages // BLOCKING_SHARE
    queue = f"benchmark.{uuid.uuid4().hex[:8]}"
    with pika.BlockingConnection(pika.URLParameters(load.url)) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        channel.queue_bind(queue, EVENTS_EXCHANGE, queue)
        channel.confirm_delivery()
        published = publish_blocking(channel, publications(queue, count))
        consumed = consume_blocking(channel, queue, count)
        channel.queue_delete(queue)
    return [published, consumed]


def publish_blocking(channel: Any, messages: Sequence[Publication]) -> Measured:
    """Each confirmed before the next."""
    clock = Clock()
    for publication in messages:
        message = publication.message
        properties = pika.BasicProperties(
            content_type=message.content_type, headers=message.headers, delivery_mode=2, message_id=message.message_id
        )
        channel.basic_publish(EVENTS_EXCHANGE, publication.routing_key, message.body, properties, mandatory=True)
    return clock.measured(len(messages))


def consume_blocking(channel: Any, queue: str, count: int) -> Measured:
    """Each acked alone."""
    clock = Clock()
    channel.basic_qos(prefetch_count=PREFETCH)
    for number, (method, _, _) in enumerate(channel.consume(queue), 1):
        channel.basic_ack(method.delivery_tag)
        if number == count:
            break
    channel.cancel()
    return clock.measured(count)


def delete(url: str, queue: str) -> None:
    """Delete what the bus declared for a queue."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        for declaration in declarations(queue, [1.0], (3, 10)):
            channel.queue_delete(declaration.name)


def best(rounds: int, measure: Callable[[], Coroutine[Any, Any, Sequence[Measured]]]) -> Sequence[Measured]:
    """The best of several rounds for each figure."""
    found: list[Sequence[Measured]] = [uvloop.run(measure()) for _ in range(rounds)]
    return [max(column, key=lambda measured: measured.rate) for column in zip(*found, strict=True)]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    load = Load(arguments.url, arguments.messages, arguments.batch)
    bus = best(arguments.rounds, lambda: of_the_bus(load))
    blocking = best(arguments.rounds, lambda: of_blocking_connection(load))
    table = Table("", "BlockingConnection", "bus", "times", "bus: processor time a message")
    for name, ours, theirs in zip(("publish and confirm", "consume and ack"), bus, blocking, strict=True):
        rates = (f"{theirs.rate:,.0f}/s", f"{ours.rate:,.0f}/s", f"{ours.rate / theirs.rate:.1f}")
        table.add_row(name, *rates, f"{ours.processor:.1f} us")
    Console().print(table)


if __name__ == "__main__":
    main()
