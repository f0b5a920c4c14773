"""Taking deliveries of one queue, on a channel that is opened again whenever it ends."""

import asyncio
import random
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pika import spec
from pika.exceptions import AMQPError

from cart_observability.telemetry import Telemetry
from cart_platform.bus import Delivery, Failure, Outcome, Publication, Topology
from cart_platform.bus.rabbitmq.backoff import FIRST_WAIT_SECONDS, Trying
from cart_platform.bus.rabbitmq.connection import CLOSE_SECONDS, Channel, fulfil
from cart_platform.bus.rabbitmq.decoder import Properties
from cart_platform.bus.rabbitmq.envelope import arrived, given_up, to_retry
from cart_platform.bus.rabbitmq.link import Link
from cart_platform.bus.rabbitmq.publisher import Publisher
from cart_platform.bus.rabbitmq.refusals import refused_declaration
from cart_platform.bus.rabbitmq.topology import dead_queue, declare, delay_at_least, retry_queue
from cart_platform.errors import CartscopeError
from cart_platform.events import Message

Declare = Callable[[Channel], Awaitable[str]]
"""Makes sure that a queue is there, and gives its name."""


@dataclass(slots=True, eq=False)
class _Epoch:
    """One life of the channel. A delivery's tag has a meaning within it only."""

    channel: Channel
    consumer: str = field(default_factory=lambda: f"cartscope.{uuid.uuid4().hex}")
    unsettled: dict[int, None] = field(default_factory=dict)
    """Tags in the order of delivery."""

    def holds(self, number: int) -> bool:
        return number in self.unsettled and self.channel.is_open


class RabbitSubscription:
    """Deliveries of one queue.

    What is acked is acked in one frame up to the first delivery that is still under way, and one by one beyond it.

    Args:
        link: The connection that consumes.
        declare: Makes sure of the queue whenever the channel opens.
        prefetch: Deliveries that may be unsettled at a time.
        telemetry: Of the process.
        queue: As deliveries name it.
    """

    def __init__(self, link: Link, declare: Declare, prefetch: int, telemetry: Telemetry, queue: str) -> None:
        self.queue = queue
        self._link = link
        self._declare = declare
        self._prefetch = prefetch
        self._telemetry = telemetry
        self._epoch: _Epoch | None = None
        self._arrived: deque[Delivery] = deque()
        self._arrival = asyncio.Event()
        self._stopped = False
        self._keeper: asyncio.Task[None] | None = None
        fields = {"event.action": "bus.disconnected", "cartscope.bus.queue": queue}
        self._trying = Trying(telemetry, "bus consumer not opened", fields)

    async def open(self) -> None:
        """Begin to consume, and keep at it from then on.

        Raises:
            CartscopeError: why the first attempt failed; there is no second.
        """
        ended = await self._consume()
        self._keeper = asyncio.create_task(self._keep(ended), name=f"consume {self.queue}")

    async def _consume(self) -> asyncio.Future[str]:
        """Open a channel and consume on it; the future is done when that has ended, with the reason."""
        connection = await self._link.connection()
        channel = await Channel.open(connection)
        try:
            return await self._consume_on(channel)
        except BaseException as error:
            await channel.close()
            if isinstance(error, AMQPError):
                raise refused_declaration(connection.params, f"queue {self.queue!r}", error) from error
            raise

    async def _consume_on(self, channel: Channel) -> asyncio.Future[str]:
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        channel.lost.add_done_callback(lambda lost: fulfil(ended, str(lost.result())))
        channel.pika.add_on_cancel_callback(lambda _: fulfil(ended, "cancelled by the broker"))
        queue = await self._declare(channel)
        await channel.call(channel.pika.basic_qos, prefetch_count=self._prefetch)
        # Current before the broker answers: the first deliveries may come together with the answer.
        self._epoch = epoch = _Epoch(channel)
        consume = partial(channel.pika.basic_consume, queue, partial(self._on_message, epoch))
        await channel.call(consume, consumer_tag=epoch.consumer)
        return ended

    def _on_message(
        self, epoch: _Epoch, _: Any, method: spec.Basic.Deliver, properties: Properties, body: bytes
    ) -> None:
        if epoch is not self._epoch:
            return  # the channel is being closed: the broker takes it back
        number = method.delivery_tag
        epoch.unsettled[number] = None
        message = Message(body, properties.headers, properties.content_type, properties.message_id)
        self._arrived.append(
            arrived(self.queue, method.routing_key, message, redelivered=method.redelivered, tag=(epoch, number))
        )
        self._arrival.set()

    async def _keep(self, ended: asyncio.Future[str]) -> None:
        while True:
            reason = await ended
            await self._abandon(reason)
            await asyncio.sleep(random.uniform(0, FIRST_WAIT_SECONDS))  # noqa: S311  jitter, no secret
            ended = await self._trying.attempts()(self._consume)

    async def _abandon(self, reason: str) -> None:
        """What was delivered on the channel that ended is delivered again; nothing of it is to be settled."""
        epoch, self._epoch = self._epoch, None
        self._arrived.clear()
        if epoch is not None:
            await epoch.channel.close()
        fields = {"event.action": "bus.disconnected", "cartscope.bus.queue": self.queue, "error.message": reason}
        self._telemetry.log.warning("bus consumer ended", **fields)

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """As `Subscription.receive`."""
        while not self._arrived and not self._stopped:
            self._arrival.clear()
            await self._arrival.wait()
        if self._stopped:
            return ()
        return [self._arrived.popleft() for _ in range(min(limit, len(self._arrived)))]

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """As `Subscription.ack`; a delivery of an earlier life of the channel is left alone."""
        epoch = self._epoch
        if epoch is None:
            return
        numbers = [delivery.tag[1] for delivery in deliveries if delivery.tag[0] is epoch]
        self._settle(epoch, [number for number in dict.fromkeys(numbers) if epoch.holds(number)])

    def _settle(self, epoch: _Epoch, numbers: Sequence[int]) -> None:
        if not numbers:
            return
        for number in numbers:
            del epoch.unsettled[number]
        first_unsettled = next(iter(epoch.unsettled), max(numbers) + 1)
        up_to = max((number for number in numbers if number < first_unsettled), default=None)
        if up_to is not None:
            epoch.channel.pika.basic_ack(up_to, multiple=True)
        for number in numbers:
            if number > first_unsettled:
                epoch.channel.pika.basic_ack(number)
        epoch.channel.connection.flush()

    @property
    def unsettled(self) -> int:
        """Deliveries that have arrived and are not settled."""
        return len(self._epoch.unsettled) if self._epoch is not None else 0

    async def stop(self) -> None:
        """As `Subscription.stop`; returns when the broker has confirmed that it sends no more."""
        self._stopped = True
        self._arrival.set()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
            await self._cancel_consumer()

    async def _cancel_consumer(self) -> None:
        epoch = self._epoch
        if epoch is not None and epoch.channel.is_open:
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await epoch.channel.call(epoch.channel.pika.basic_cancel, epoch.consumer)
            except TimeoutError:
                epoch.channel.connection.abort()
            except AMQPError:
                return  # the channel has ended, and the consumer with it

    async def close(self) -> None:
        """As `Subscription.close`."""
        await self.stop()
        epoch, self._epoch = self._epoch, None
        self._arrived.clear()
        if epoch is not None:
            if epoch.unsettled and epoch.channel.is_open:
                epoch.channel.pika.basic_nack(0, multiple=True, requeue=True)
            await epoch.channel.close()

    async def retry(self, delivery: Delivery, delay: float, failure: Failure | None = None) -> None:
        """Results are not retried."""

    async def dead_letter(self, delivery: Delivery, reason: str, failure: Failure | None = None) -> None:
        """Results are not kept."""


class ResultSubscription(RabbitSubscription):
    """Deliveries that count as settled as soon as they are received."""

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """As `Subscription.receive`."""
        deliveries = await super().receive(limit)
        # Acked by hand all the same: without acks the broker sends more than a slow reader has memory for.
        await self.ack(deliveries)
        return deliveries


class HandlerSubscription(RabbitSubscription):
    """Deliveries of a handler's queue, which can be sent on to its retry queues and to its dead letters.

    Args:
        link: The connection that consumes.
        publisher: Sends on what is retried or given up.
        topology: Declared whenever the channel opens.
        telemetry: Of the process.
        queue: The handler's queue.
        prefetch: Deliveries that may be unsettled at a time.
    """

    def __init__(
        self, link: Link, publisher: Publisher, topology: Topology, telemetry: Telemetry, queue: str, prefetch: int
    ) -> None:
        super().__init__(link, self._declare_topology, prefetch, telemetry, queue)
        self._publisher = publisher
        self._topology = topology

    async def _declare_topology(self, channel: Channel) -> str:
        await declare(channel, self._topology)
        return self.queue

    async def retry(self, delivery: Delivery, delay: float, failure: Failure | None = None) -> None:
        """As `Subscription.retry`: confirmed in the retry queue first, then acked here.

        Does not raise: while the broker cannot be reached, there is nothing to settle.
        """
        delays = self._topology.retry_delays
        target = retry_queue(self.queue, delay_at_least(delays, delay)) if delays else self.queue
        await self._send_on(delivery, Publication("", target, to_retry(delivery, failure)))

    async def dead_letter(self, delivery: Delivery, reason: str, failure: Failure | None = None) -> None:
        """As `Subscription.dead_letter`: confirmed among the dead letters first, then acked here; does not raise."""
        await self._send_on(delivery, Publication("", dead_queue(self.queue), given_up(delivery, reason, failure)))

    async def _send_on(self, delivery: Delivery, publication: Publication) -> None:
        epoch: _Epoch
        epoch, number = delivery.tag
        while epoch is self._epoch and epoch.holds(number):
            [outcome] = await self._publisher.publish([publication])
            if outcome is Outcome.CONFIRMED:
                await self.ack([delivery])
                return
            await self._mend(epoch.channel, outcome)

    async def _mend(self, channel: Channel, outcome: Outcome) -> None:
        """The connection that publishes comes back by itself; a queue that somebody deleted does not."""
        await asyncio.sleep(random.uniform(0, FIRST_WAIT_SECONDS))  # noqa: S311  jitter, no secret
        if outcome is Outcome.UNROUTABLE:
            with suppress(CartscopeError):
                await declare(channel, self._topology)
