"""The bus on RabbitMQ."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

from pika import URLParameters
from pika.exceptions import AMQPError

from cart_observability.telemetry import Telemetry
from cart_platform.bus import (
    EVENTS_EXCHANGE,
    RESULTS_EXCHANGE,
    DeadLetter,
    Outcome,
    Publication,
    Queue,
    Topology,
)
from cart_platform.bus.rabbitmq.connection import CLOSE_SECONDS, Channel
from cart_platform.bus.rabbitmq.dead_letters import DeadLetters
from cart_platform.bus.rabbitmq.link import Link
from cart_platform.bus.rabbitmq.publisher import Limits, Publisher
from cart_platform.bus.rabbitmq.refusals import lost
from cart_platform.bus.rabbitmq.subscription import HandlerSubscription, RabbitSubscription, ResultSubscription
from cart_platform.bus.rabbitmq.topology import retry_queue
from cart_platform.errors import Unavailable, UsageError

PING_SECONDS = 5.0
RESULT_PREFETCH = 1_000
RESULTS_KEPT = 100_000
"""Results that wait for one process at most; a reader that is slower than that loses the oldest."""

SCHEMES = ("amqp", "amqps")
CONNECTION = {
    "heartbeat": 10,  # below 5 s a busy loop looks like a dead peer
    "blocked_connection_timeout": 45,
    "connection_attempts": 1,  # the link tries again, with jitter
    "socket_timeout": 5,
    "stack_timeout": 10,
}
"""Settings of a connection, in seconds, unless the URL's query says otherwise."""


class RabbitBus:
    """Carries messages over RabbitMQ 3.8 or later; from 3.10 on no message is lost between its queues either.

    One connection publishes, another consumes, each opened when it is first needed and again whenever it is lost.

    Args:
        url: `amqp://user:password@host:port/vhost`; pika's settings of a connection may follow as a query.
        topology: What is declared at the start and whenever a connection opens.
        telemetry: Of the process.
        limits: How much may be in flight, and how long `publish` waits.

    Raises:
        UsageError: when the URL is none.
    """

    system = "rabbitmq"

    def __init__(self, url: str, topology: Topology, *, telemetry: Telemetry, limits: Limits | None = None) -> None:
        self._telemetry = telemetry
        self._topology = topology
        parameters = _parameters(url, f"{telemetry.service} publish")
        self.address: str | None = parameters.host
        self.port: int | None = parameters.port
        self._publisher = Publisher(parameters, topology, telemetry, limits or Limits())
        self._consuming = Link(_parameters(url, f"{telemetry.service} consume"), "consume", telemetry)
        self._dead_letters = DeadLetters(self._consuming, self._publisher)
        self._subscriptions: list[RabbitSubscription] = []

    async def start(self) -> None:
        """As `Bus.start`; raises Unavailable when the broker cannot be reached."""
        await self._publisher.link.open()

    async def close(self) -> None:
        """As `Bus.close`."""
        # Settled and given back first: what was acked until now has then reached the broker.
        for subscription in self._subscriptions:
            await subscription.close()
        self._subscriptions.clear()
        await self._publisher.close(CLOSE_SECONDS)
        await self._consuming.close()

    async def publish(self, publications: Sequence[Publication]) -> Sequence[Outcome]:
        """As `Bus.publish`; `Limits` says how long it waits."""
        return await self._publisher.publish(publications)

    async def subscribe(self, queue: str, prefetch: int) -> HandlerSubscription:
        """As `Bus.subscribe`."""
        subscription = HandlerSubscription(
            self._consuming, self._publisher, self._topology, self._telemetry, queue, prefetch
        )
        await self._open(subscription)
        return subscription

    async def listen(self, routing_key: str) -> ResultSubscription:
        """As `Bus.listen`: through an exclusive queue that the broker names, made again after a lost connection."""

        async def declare_results(channel: Channel) -> str:
            arguments = {"x-max-length": RESULTS_KEPT}
            answer = await channel.call(
                channel.pika.queue_declare, "", exclusive=True, auto_delete=True, arguments=arguments
            )
            queue = str(answer.method.queue)
            await channel.call(channel.pika.queue_bind, queue, RESULTS_EXCHANGE, routing_key)
            return queue

        subscription = ResultSubscription(
            self._consuming, declare_results, RESULT_PREFETCH, self._telemetry, RESULTS_EXCHANGE
        )
        await self._open(subscription)
        return subscription

    async def _open(self, subscription: RabbitSubscription) -> None:
        await self._consuming.connection_now()
        await subscription.open()
        self._subscriptions.append(subscription)

    async def ping(self) -> None:
        """As `Bus.ping`."""
        try:
            async with asyncio.timeout(PING_SECONDS), self._channel() as channel:
                await channel.call(channel.pika.exchange_declare, EVENTS_EXCHANGE, passive=True)
        except TimeoutError as error:
            raise Unavailable(f"RabbitMQ does not answer within {PING_SECONDS:g} s") from error

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[Channel]:
        connection = await self._consuming.connection_now()
        channel = await Channel.open(connection)
        try:
            yield channel
        except AMQPError as error:
            raise lost(connection.params, error) from error
        finally:
            await channel.close()

    async def backlog(self) -> Mapping[str, int]:
        """Messages that are ready in each handler's queue and in its retry queues, and what this process holds.

        What other processes hold unsettled is not in it: AMQP does not tell.
        """
        async with self._channel() as channel:
            return {queue.name: await self._waiting(channel, queue) for queue in self._topology.queues}

    async def _waiting(self, channel: Channel, queue: Queue) -> int:
        names = [queue.name, *(retry_queue(queue.name, delay) for delay in self._topology.retry_delays)]
        answers = [await channel.call(channel.pika.queue_declare, name, passive=True) for name in names]
        held = sum(subscription.unsettled for subscription in self._subscriptions if subscription.queue == queue.name)
        return held + sum(int(answer.method.message_count) for answer in answers)

    async def dead_letters(self, queue: str, limit: int | None = None) -> Sequence[DeadLetter]:
        """As `Bus.dead_letters`; all of them are in memory at once, so give a limit where there may be many."""
        return await self._dead_letters.list(queue, limit)

    async def replay(self, queue: str, ids: Sequence[str] | None = None) -> int:
        """As `Bus.replay`: one that was published again and not yet deleted when the process dies comes twice."""
        return await self._dead_letters.replay(queue, ids)

    async def purge(self, queue: str, ids: Sequence[str] | None = None) -> int:
        """As `Bus.purge`."""
        return await self._dead_letters.purge(queue, ids)


def _parameters(url: str, name: str) -> URLParameters:
    try:
        if urlsplit(url).scheme not in SCHEMES:
            raise ValueError(f"it begins with none of {', '.join(SCHEMES)}")  # noqa: TRY301  one text for both
        parameters = URLParameters(url)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"CARTSCOPE_BUS_URL is no address of RabbitMQ ({error}): write amqp://user:password@host:port/vhost"
        ) from error
    given = parse_qs(urlsplit(url).query)
    for setting, value in CONNECTION.items():
        if setting not in given:
            setattr(parameters, setting, value)
    parameters.client_properties = {"connection_name": name}
    return parameters
