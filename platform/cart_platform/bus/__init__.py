"""What carries events: exchanges that route by key, a queue for each handler, retries with a delay, dead letters.

`Bus` is the contract; `sql.py` and `rabbitmq.py` keep it, and one behaviour suite runs against both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from cart_platform.events import Message
from cart_platform.handler import Handler

EVENTS_EXCHANGE = "cart.events"
RESULTS_EXCHANGE = "cart.results"
DEFAULT_EXCHANGE = ""
"""Leads to the queue that the routing key names."""


class Outcome(StrEnum):
    """What became of a published message.

    `unknown`: the connection was lost, or the broker refused it, before a confirm came; it may or may not have arrived,
    and is to be published again under the same message id.
    """

    CONFIRMED = "confirmed"
    UNROUTABLE = "unroutable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Publication:
    """A message on its way to an exchange.

    `mandatory`: it must reach at least one queue, else its outcome is `unroutable`. `copy_to` names one more routing
    key, so that somebody who waits for this very message gets it too.
    """

    exchange: str
    routing_key: str
    message: Message
    mandatory: bool = True
    copy_to: str | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue and the routing keys of the events exchange that lead to it."""

    name: str
    routing_keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Topology:
    """All queues of the handlers and the delays, in seconds and ascending, after which a retry may come."""

    queues: Sequence[Queue]
    retry_delays: Sequence[float]

    @classmethod
    def of(cls, handlers: Sequence[Handler], retry_delays: Sequence[float]) -> "Topology":
        """The topology that a table of handlers needs."""
        return cls([Queue(handler.queue, handler.reacts_to) for handler in handlers], sorted(retry_delays))


class Failure(msgspec.Struct, frozen=True):
    """One failed attempt: which one (from 1), when (RFC 3339), what went wrong, and the head of its traceback."""

    attempt: int
    time: str
    error: str
    traceback: str = ""


@dataclass(slots=True, eq=False)
class Delivery:
    """A message that arrived on a queue and waits to be settled; compared by identity.

    `attempt` counts from 1. `failures` is the history of the attempts before. `tag` is the bus's own handle.
    """

    queue: str
    routing_key: str
    message: Message
    attempt: int = 1
    redelivered: bool = False
    failures: tuple[Failure, ...] = ()
    tag: Any = None


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that was given up, with its original bytes and headers.

    `id` names it to `replay` and `purge`; it is unique within its queue. `event_id` and `event_type` are None when the
    message could not be read. `time` is when it was given up, RFC 3339.
    """

    id: str
    queue: str
    reason: str
    time: str
    attempts: int
    failures: tuple[Failure, ...]
    routing_key: str
    body: bytes
    headers: Mapping[str, Any] = {}
    content_type: str | None = None
    event_id: str | None = None
    event_type: str | None = None


class Subscription(Protocol):
    """Deliveries of one queue, at most `prefetch` of them unsettled at a time.

    Settling a delivery whose connection is gone has no effect: the message is delivered again.
    """

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """Wait until something has arrived and give what is there, at most `limit`; empty once the subscription ended.

        Reconnects by itself, with backoff.
        """

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Done with these: their effect is committed."""

    async def retry(self, delivery: Delivery, delay: float, failure: Failure | None = None) -> None:
        """Deliver it again after `delay` seconds (rounded up to a delay of the topology), then forget this delivery.

        With a failure the next delivery counts one attempt more and carries it in its history; without one it is the
        same attempt once more.
        """

    async def dead_letter(self, delivery: Delivery, reason: str, failure: Failure | None = None) -> None:
        """Give it up: keep it among the queue's dead letters with its reason, history, bytes and headers."""

    async def stop(self) -> None:
        """Take no more deliveries; a waiting `receive` returns. What has been received can still be settled."""

    async def close(self) -> None:
        """Give back what was received and not settled, then end. May be called twice."""


class Bus(Protocol):
    """Carries messages. Methods raise `Unavailable` while the broker cannot be reached, unless they say otherwise."""

    system: str  # messaging.system of the OpenTelemetry conventions
    address: str | None  # server.address
    port: int | None  # server.port

    async def start(self) -> None:
        """Connect and declare the topology.

        Raises:
            CartscopeError: one clear line for what waiting does not mend: a wrong password, an absent virtual host, a
                queue that is declared otherwise.
        """

    async def close(self) -> None:
        """Let publishes under way come to an end, then disconnect. May be called twice, or on what never started."""

    async def ping(self) -> None:
        """Return when the bus answers, raise Unavailable when it does not."""

    async def publish(self, publications: Sequence[Publication]) -> Sequence[Outcome]:
        """Publish a batch, persistent and confirmed, in order; gives the outcome of each, never a guess.

        Waits while the broker is unreachable or blocks publishers, for a bounded time; what could not be confirmed in
        it is `unknown`. Does not raise for a single message.
        """

    async def subscribe(self, queue: str, prefetch: int) -> Subscription:
        """Take deliveries of a handler's queue."""

    async def listen(self, routing_key: str) -> Subscription:
        """Take deliveries from the results exchange by a routing key, through a queue that ends with this process.

        Nothing is kept while nobody listens; deliveries need no settling.
        """

    async def backlog(self) -> Mapping[str, int]:
        """Messages that wait in each handler's queue, ready and unsettled, those in retry included."""

    async def dead_letters(self, queue: str, limit: int | None = None) -> Sequence[DeadLetter]:
        """The dead letters of a handler's queue, oldest first; they stay where they are."""

    async def replay(self, queue: str, ids: Sequence[str] | None = None) -> int:
        """Deliver dead letters to their handler's queue again as a first attempt (None: all of them); how many."""

    async def purge(self, queue: str, ids: Sequence[str] | None = None) -> int:
        """Delete dead letters (None: all of them); how many."""
