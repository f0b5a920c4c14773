"""Which exchanges and queues there are on RabbitMQ, and how they are declared.

Each handler has its queue, one queue of dead letters, and one queue for each delay after which a retry may come: what
lies there past its time to live is dead-lettered by the broker back to the handler's queue. Every process declares all
of it whenever it connects, so no process depends on another having started before.

Arguments are the same on every version from 3.10 on: a queue's arguments never change after it is declared, and would
otherwise be refused after the broker was upgraded. Bindings are only ever added: a queue whose handler has ceased to
react to an event type goes on receiving it until it is unbound by hand.
"""

from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pika.exceptions import AMQPError

from cart_platform.bus import EVENTS_EXCHANGE, RESULTS_EXCHANGE, Queue, Topology
from cart_platform.bus.rabbitmq.connection import Channel, Connection
from cart_platform.bus.rabbitmq.refusals import refused_declaration

DELIVERY_LIMIT = 20
"""After so many deliveries that were neither settled nor retried, each ended by the death of its worker, the broker
itself makes a message a dead letter: one that kills every worker must not stop the queue for good."""

ENDLESS_LIMIT = 1_000_000_000
"""For dead letters: each look at them counts as a delivery, and 4.x drops at 20 what sets no limit. An explicit
`-1` means none there, but 3.10 refuses it."""

_QUORUM_SINCE = (3, 8)
_AT_LEAST_ONCE_SINCE = (3, 10)  # dead-lettering with confirms, and a time to live in quorum queues


@dataclass(frozen=True, slots=True)
class Declaration:
    """A durable queue and its arguments."""

    name: str
    arguments: Mapping[str, Any]


def dead_queue(queue: str) -> str:
    """Where the dead letters of a handler's queue are kept."""
    return f"{queue}.dead"


def retry_queue(queue: str, delay: float) -> str:
    """Where messages wait that are to come back after a delay in seconds."""
    return f"{queue}.retry.{_milliseconds(delay)}ms"


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def delay_at_least(delays: Sequence[float], wanted: float) -> float:
    """The shortest of the ascending delays that is long enough; the longest when none is."""
    return next((delay for delay in delays if delay >= wanted), delays[-1])


def version_of(connection: Connection) -> tuple[int, ...]:
    """The broker's version; `(0,)` for a broker that is not RabbitMQ."""
    properties = connection.server_properties or {}
    if properties.get("product") != "RabbitMQ":
        return (0,)
    return tuple(int(part) for part in str(properties.get("version", "")).split(".")[:2] if part.isdigit())


def declarations(queue: str, delays: Iterable[float], version: tuple[int, ...]) -> Iterator[Declaration]:
    """The queues of one handler, each after those that it dead-letters to."""
    kept = _quorum(version, ENDLESS_LIMIT)
    yield Declaration(dead_queue(queue), kept)
    dead_letters = _dead_lettering(version, dead_queue(queue))
    yield Declaration(queue, _quorum(version, DELIVERY_LIMIT) | dead_letters)
    for delay in delays:
        lifetime = {"x-message-ttl": _milliseconds(delay)}
        yield Declaration(retry_queue(queue, delay), _waiting(version) | lifetime | _dead_lettering(version, queue))


def _quorum(version: tuple[int, ...], delivery_limit: int) -> dict[str, Any]:
    if version < _QUORUM_SINCE:
        return {}
    return {"x-queue-type": "quorum", "x-delivery-limit": delivery_limit}


def _waiting(version: tuple[int, ...]) -> dict[str, Any]:
    return {"x-queue-type": "quorum"} if version >= _AT_LEAST_ONCE_SINCE else {}


def _dead_lettering(version: tuple[int, ...], target: str) -> dict[str, Any]:
    """By way of the default exchange; confirmed where the broker can, which asks for `reject-publish`."""
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": target}
    if version >= _AT_LEAST_ONCE_SINCE:
        arguments |= {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}
    return arguments


async def declare(channel: Channel, topology: Topology) -> None:
    """Declare all exchanges, queues and bindings; what is there already stays as it is.

    Raises:
        CartscopeError: when one of them is declared otherwise, or the user may not declare it.
        Unavailable: when the connection is lost.
    """
    for exchange in (EVENTS_EXCHANGE, RESULTS_EXCHANGE):
        answer = channel.call(channel.pika.exchange_declare, exchange, exchange_type="topic", durable=True)
        await _declared(channel, f"exchange {exchange!r}", answer)
    for queue in topology.queues:
        await _declare_queue(channel, queue, topology.retry_delays)


async def _declare_queue(channel: Channel, queue: Queue, delays: Sequence[float]) -> None:
    for declaration in declarations(queue.name, delays, version_of(channel.connection)):
        answer = channel.call(
            channel.pika.queue_declare, declaration.name, durable=True, arguments=dict(declaration.arguments)
        )
        await _declared(channel, f"queue {declaration.name!r}", answer)
    for routing_key in sorted(queue.routing_keys):
        answer = channel.call(channel.pika.queue_bind, queue.name, EVENTS_EXCHANGE, routing_key)
        await _declared(channel, f"binding of {queue.name!r} to {routing_key!r}", answer)


async def _declared(channel: Channel, name: str, answer: Awaitable[Any]) -> None:
    try:
        await answer
    except AMQPError as error:
        raise refused_declaration(channel.connection.params, name, error) from error
