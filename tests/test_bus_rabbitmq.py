"""What RabbitMQ's bus keeps beyond the suite of every bus: what cannot be sent, strangers' messages, lost channels."""

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from cart_observability.telemetry import silent
from cart_platform.bus import Outcome
from cart_platform.bus.rabbitmq import RabbitBus
from cart_platform.bus.rabbitmq.publisher import Limits
from cart_platform.bus.rabbitmq.subscription import RabbitSubscription
from cart_platform.bus.rabbitmq.topology import DELIVERY_LIMIT
from support.buses import HEADERS, Line, backlog_is, bodies, eventually, kept, receive
from support.servers import RabbitServer


@pytest.fixture
def line(rabbitmq_server: RabbitServer) -> Line:
    """Two queues of this test's own."""
    return Line(rabbitmq_server.url)


@pytest.fixture
async def bus(line: Line) -> AsyncIterator[RabbitBus]:
    """A started bus."""
    bus = RabbitBus(line.url, line.topology, telemetry=silent())
    await bus.start()
    yield bus
    await bus.close()


@pytest.fixture
async def threshold(line: Line, bus: RabbitBus) -> RabbitSubscription:
    """A subscription of the queue threshold."""
    return await bus.subscribe(line.threshold, 100)


@pytest.fixture
def stranger(line: Line) -> Iterator[BlockingChannel]:
    """A channel of a client that is not Cartscope."""
    with pika.BlockingConnection(pika.URLParameters(line.url)) as connection:
        yield connection.channel()


async def test_unsendable(line: Line, bus: RabbitBus) -> None:
    """What AMQP cannot carry is unroutable, and takes nothing of its batch with it."""
    batch = [
        line.event(),
        line.event(message_id="i" * 256),
        line.event(headers={"large": "h" * 140_000}),
        line.event(headers={"n" * 256: 1}),
        replace(line.event(), routing_key="k" * 256),
        replace(line.event(), exchange="no.such.exchange"),
        line.event(),
    ]
    outcomes = await bus.publish(batch)
    assert [Outcome.CONFIRMED, *[Outcome.UNROUTABLE] * 5, Outcome.CONFIRMED] == outcomes


async def test_equal_ids(line: Line, bus: RabbitBus) -> None:
    """Of messages with one id in flight together, those that no queue takes are told from the others."""
    batch = [line.event(key, message_id="same") for key in ("changed", "lost", "changed", "lost", "lost")]
    outcomes = await bus.publish(batch)
    assert [publication.routing_key == line.key("lost") for publication in batch] == [
        outcome is Outcome.UNROUTABLE for outcome in outcomes
    ]


async def test_small_window(line: Line) -> None:
    """A batch that is larger than what may be in flight goes through it in turns."""
    bus = RabbitBus(line.url, line.topology, telemetry=silent(), limits=Limits(messages=7, body_bytes=1_000))
    await bus.start()
    batches = [[line.event(body=b"b" * size) for size in range(0, 2_000, 40)] for _ in range(3)]
    outcomes = await asyncio.gather(*map(bus.publish, batches))
    assert [[Outcome.CONFIRMED] * 50] * 3 == outcomes
    await backlog_is(bus, line.threshold, 150)
    await bus.close()


class Raw(pika.BasicProperties):  # type: ignore[misc]  # pika ships no types
    """Properties whose header table is given as bytes, as a client of another language may write it."""

    def __init__(self, table: bytes) -> None:
        super().__init__()
        self._table = table

    def encode(self) -> list[bytes]:
        """The flags of headers and nothing else, then the table."""
        return [struct.pack(">H", self.FLAG_HEADERS), struct.pack(">I", len(self._table)), self._table]


def field(name: bytes, value: bytes) -> bytes:
    """A field of a header table."""
    return bytes((len(name),)) + name + value


def nested(depth: int) -> bytes:
    """Tables in tables."""
    value = b"V"
    for _ in range(depth):
        table = field(b"t", value)
        value = b"F" + struct.pack(">I", len(table)) + table
    return value


STRANGE = {
    "year_500000000000": field(b"x", b"T" + struct.pack(">Q", 2**63 - 1)),
    "not_utf8": field(b"\xff", b"S" + struct.pack(">I", 1) + b"\xff"),
    "deep": field(b"x", nested(2_000)),
    "every_type": b"".join(
        field(bytes((number,)), kind + bytes(size))
        for number, (kind, size) in enumerate(
            {b"t": 1, b"b": 1, b"B": 1, b"s": 2, b"u": 2, b"I": 4, b"i": 4, b"l": 8, b"f": 4, b"d": 8}.items(), 65
        )
    )
    + field(b"D", b"D" + struct.pack(">Bi", 2, -314))
    + field(b"A", b"A" + struct.pack(">I", 1) + b"V"),
}


@pytest.mark.parametrize("table", STRANGE.values(), ids=STRANGE.keys())
async def test_strange_headers(
    line: Line, bus: RabbitBus, threshold: RabbitSubscription, stranger: BlockingChannel, table: bytes
) -> None:
    """Headers of every kind arrive, can be retried and given up, and the messages behind them arrive too."""
    stranger.basic_publish("", line.threshold, b"strange", Raw(table))
    [delivery] = await receive(threshold, 1)
    await threshold.retry(delivery, 0)
    [again] = await receive(threshold, 1)
    await threshold.dead_letter(again, "strange")
    await kept(bus, line.threshold, 1)
    await bus.publish([line.event(body=b"behind")])
    assert [b"behind"] == bodies(await receive(threshold, 1))


async def test_large_headers(line: Line, bus: RabbitBus, threshold: RabbitSubscription) -> None:
    """Headers that leave no room for the bus's notes give way to them; the body and the small ones stay."""
    headers = HEADERS | {"large": "h" * 120_000}
    await bus.publish([line.event(body=b"body", headers=headers)])
    [delivery] = await receive(threshold, 1)
    await threshold.dead_letter(delivery, "too_large")
    await kept(bus, line.threshold, 1)
    [letter] = await bus.dead_letters(line.threshold)
    assert (b"body", "too_large", HEADERS) == (letter.body, letter.reason, letter.headers)


async def test_ack_out_of_order(line: Line, bus: RabbitBus, threshold: RabbitSubscription) -> None:
    """Deliveries acked in any order, alone or together, are gone, and the others are given back."""
    names = [b"%d" % number for number in range(10)]
    await bus.publish([line.event(body=name) for name in names])
    deliveries = await receive(threshold, 10)
    for numbers in ((3,), (0, 1, 8), (6, 5, 2), (9,)):
        await threshold.ack([deliveries[number] for number in numbers])
    await threshold.close()
    assert [b"4", b"7"] == sorted(bodies(await receive(await bus.subscribe(line.threshold, 100), 2)))
    await backlog_is(bus, line.threshold, 2)


def break_channel(subscription: RabbitSubscription) -> None:
    """Have the broker close the channel, as it does for an ack that takes too long."""
    assert subscription._epoch is not None
    subscription._epoch.channel.pika.basic_ack(999_999)


async def test_channel_closed(line: Line, bus: RabbitBus, threshold: RabbitSubscription) -> None:
    """After the broker closed the channel, unsettled messages come again; settling the old deliveries does nothing."""
    await bus.publish([line.event(body=b"1"), line.event(body=b"2")])
    stale = await receive(threshold, 2)
    break_channel(threshold)
    fresh = await receive(threshold, 2)
    assert ([b"1", b"2"], [True, True]) == (bodies(fresh), [delivery.redelivered for delivery in fresh])
    await threshold.ack(stale)
    await threshold.retry(stale[0], 0)
    await threshold.dead_letter(stale[1], "stale")
    assert {line.threshold: 2, line.popularity: 0} == await bus.backlog()
    await threshold.ack(fresh)
    await backlog_is(bus, line.threshold, 0)


async def test_queue_deleted(
    line: Line, bus: RabbitBus, threshold: RabbitSubscription, stranger: BlockingChannel
) -> None:
    """A queue that somebody deletes is declared and consumed again."""
    waiting = asyncio.create_task(receive(threshold, 1))
    stranger.queue_delete(line.threshold)

    async def published() -> bool:
        return [Outcome.CONFIRMED] == await bus.publish([line.event(body=b"after")])

    await eventually(published)
    assert [b"after"] == bodies(await waiting)


async def test_retry_queue_deleted(
    line: Line, bus: RabbitBus, threshold: RabbitSubscription, stranger: BlockingChannel
) -> None:
    """A message whose retry queue somebody deleted is not lost: the queue is declared again."""
    stranger.queue_delete(f"{line.threshold}.retry.50ms")
    await bus.publish([line.event(body=b"1")])
    [delivery] = await receive(threshold, 1)
    await threshold.retry(delivery, 0)
    assert [b"1"] == bodies(await receive(threshold, 1))


async def test_poison(line: Line, bus: RabbitBus, stranger: BlockingChannel) -> None:
    """A message that ends every worker which takes it becomes a dead letter, and can be replayed."""
    await bus.publish([line.event(body=b"poison", headers=HEADERS)])
    for _ in range(DELIVERY_LIMIT + 1):
        method = None
        while method is None:
            method, _properties, _body = stranger.basic_get(line.threshold)
        stranger.basic_nack(method.delivery_tag)
    await kept(bus, line.threshold, 1)
    [letter] = await bus.dead_letters(line.threshold)
    assert ("delivery_limit", line.key("changed"), HEADERS) == (letter.reason, letter.routing_key, letter.headers)
    assert 1 == await bus.replay(line.threshold, [letter.id])
    [delivery] = await receive(await bus.subscribe(line.threshold, 1), 1)
    assert (b"poison", 1, line.key("changed")) == (
        delivery.message.body,
        delivery.attempt,
        delivery.routing_key,
    )


async def give_up_many(line: Line, bus: RabbitBus, threshold: RabbitSubscription, count: int) -> None:
    """Make dead letters."""
    await bus.publish([line.event(body=b"%d" % number) for number in range(count)])
    await asyncio.gather(*(threshold.dead_letter(delivery, "given_up") for delivery in await receive(threshold, count)))
    await kept(bus, line.threshold, count)


async def test_interrupted_listing(line: Line, bus: RabbitBus, threshold: RabbitSubscription) -> None:
    """Dead letters stay where they are when the one who lists them is interrupted."""
    await give_up_many(line, bus, threshold, 30)
    listing = asyncio.create_task(bus.dead_letters(line.threshold))
    await bus.ping()  # meanwhile the listing has begun
    listing.cancel()
    await asyncio.gather(listing, return_exceptions=True)
    await kept(bus, line.threshold, 30)


async def test_many_looks(line: Line, bus: RabbitBus, threshold: RabbitSubscription) -> None:
    """Dead letters stay however often they are looked at, far beyond the limit of deliveries."""
    await give_up_many(line, bus, threshold, 1)
    for _ in range(2 * DELIVERY_LIMIT):
        assert 1 == len(await bus.dead_letters(line.threshold, 1))
