"""The bus on one SQLite file: queues are tables, a delivery is a lease that ends with its process."""

import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count

from cart_observability.telemetry import Telemetry
from cart_platform.bus import RESULTS_EXCHANGE, DeadLetter, Delivery, Outcome, Publication, Subscription, Topology
from cart_platform.bus.sql.dead_letters import IDS, LISTING, PURGE, REPLAY, Chosen, Oldest, read_ids
from cart_platform.bus.sql.desk import Desk
from cart_platform.bus.sql.keeper import Keeper
from cart_platform.bus.sql.listener import Listener, Listeners
from cart_platform.bus.sql.presence import Ear, Presence
from cart_platform.bus.sql.queues import Published, Queues
from cart_platform.bus.sql.routes import Routes
from cart_platform.bus.sql.subscription import QueueSubscription
from cart_platform.bus.sql.transactions import Transactions
from cart_platform.errors import CartscopeError

LEASE_SECONDS = 10.0
"""After this long without a sign of life, what a process holds is delivered to others."""

REPLAY_BATCH = 100
"""Dead letters that go back to their queue in one transaction."""


FETCH = 1_000
"""Results that a listener takes from the file in one transaction."""


class SqlBus:
    """Carries messages through a file, between the parts of one process and between processes of one machine.

    A confirmed message is on the disk. Settling is written at once too, but a power cut may undo the last of it: then
    messages are delivered again. Routing keys are compared whole; a `listen` gets what is published after it returned.

    Args:
        url: `sqlite:///relative/file` or `sqlite:////absolute/file`, another file than the store's.
        topology: The handlers' queues; their bindings are kept in the file, for publishers that know none.
        telemetry: Of the process.
        lease_seconds: How long what a dead process held stays with it.

    Raises:
        UsageError: when the URL names no file.
    """

    system = "sqlite"
    address: str | None = None
    port: int | None = None

    def __init__(
        self, url: str, topology: Topology, *, telemetry: Telemetry, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self._holder = holder = secrets.randbits(62) + 1
        routes = Routes(holder)
        self._topology = topology
        self._telemetry = telemetry
        self._file = Transactions(url)
        self._queues = Queues(holder, routes)
        self._presence = Presence(holder, routes)
        self._listeners = Listeners()
        self._keeper = Keeper(
            self._file, self._presence, lease_seconds, self._listeners.ears, self._wake_all, telemetry
        )
        self._desk = Desk(self._file, self._queues, topology.retry_delays, self._wake, self._keeper.hurry)
        self._subscriptions: defaultdict[str, list[QueueSubscription]] = defaultdict(list)
        self._listener_numbers = count(1)

    async def start(self) -> None:
        """Open the file, making it if need be, and declare the topology.

        Raises:
            CartscopeError: when the file cannot be opened, written, or is none of this bus's.
        """
        await self._file.open()
        try:
            await self._file.run(self._presence.declare, self._topology.queues)
            await self._keeper.start()
        except BaseException:
            await self._file.close()
            raise

    async def close(self) -> None:
        """Give back what is not settled, let publishes under way come to an end, close the file."""
        if not self._file.is_open:
            return
        for subscription in [one for several in self._subscriptions.values() for one in several]:
            await subscription.close()
        for listener in self._listeners.all():
            await listener.close()
        await self._keeper.close()
        with suppress(CartscopeError):
            await self._file.run(self._presence.leave, None)
        await self._file.close()

    async def ping(self) -> None:
        """Return when the file answers, raise Unavailable when it does not."""
        await self._file.run(self._presence.ping, None)

    async def publish(self, publications: Sequence[Publication]) -> Sequence[Outcome]:
        """Publish a batch in one transaction; all of it is `unknown` when the file does not take it."""
        if not publications:
            return []
        lasting = any(publication.exchange != RESULTS_EXCHANGE for publication in publications)
        step = self._queues.publish if lasting else self._queues.report
        try:
            published = await self._file.run(step, publications, self._published)
        except CartscopeError:
            return [Outcome.UNKNOWN] * len(publications)
        except Exception as error:  # noqa: BLE001  a message that cannot be written must not raise, nor take others along
            return await self._publish_apart(publications, error)
        pairs = zip(publications, published.outcomes, strict=True)
        return [self._listeners.hand_out(publication, outcome) for publication, outcome in pairs]

    def _published(self, published: Published) -> None:
        for queue in published.queues:
            self._wake(queue)

    async def _publish_apart(self, publications: Sequence[Publication], error: Exception) -> Sequence[Outcome]:
        if len(publications) > 1:
            return [outcome for publication in publications for outcome in await self.publish([publication])]
        fields = {
            "event.action": "message.unsendable",
            "cartscope.event.id": publications[0].message.message_id or "",
            "cartscope.event.type": publications[0].routing_key,
            "cartscope.outcome": str(Outcome.UNKNOWN),
            "error.message": str(error),
        }
        self._telemetry.log.error("message cannot be written", **fields)
        return [Outcome.UNKNOWN]

    async def subscribe(self, queue: str, prefetch: int) -> QueueSubscription:
        """Take deliveries of a handler's queue."""
        subscription = QueueSubscription(queue, prefetch, self._desk, self._left)
        self._subscriptions[queue].append(subscription)
        return subscription

    def _left(self, subscription: QueueSubscription) -> None:
        with suppress(ValueError):
            self._subscriptions[subscription.queue].remove(subscription)

    async def listen(self, routing_key: str) -> Subscription:
        """Take deliveries from the results exchange; those of other processes come within a tenth of a second."""
        queue = f"listener.{self._holder}.{next(self._listener_numbers)}"

        async def fetch() -> Sequence[Delivery]:
            return await self._file.run(self._queues.take, (queue, FETCH))

        listener = Listener(routing_key, queue, fetch, self._ceased)
        self._listeners.add(listener)
        try:
            await self._file.run(self._presence.listen, Ear(queue, routing_key))
        except BaseException:
            self._listeners.remove(listener)
            raise
        return listener

    async def _ceased(self, listener: Listener) -> None:
        if self._listeners.remove(listener):
            with suppress(CartscopeError):
                await self._file.run(self._presence.forget, listener.queue)

    def _wake(self, queue: str) -> None:
        for subscription in self._subscriptions.get(queue, ()):
            subscription.wake()

    def _wake_all(self) -> None:
        """Other processes may have written for anyone."""
        for queue in self._subscriptions:
            self._wake(queue)
        for listener in self._listeners.all():
            listener.wake()

    async def backlog(self) -> Mapping[str, int]:
        """Messages that wait in each handler's queue, ready and unsettled, those in retry included."""
        counts = await self._file.run(self._presence.backlog, None)
        return {queue.name: counts.get(queue.name, 0) for queue in self._topology.queues}

    async def dead_letters(self, queue: str, limit: int | None = None) -> Sequence[DeadLetter]:
        """The dead letters of a handler's queue, oldest first; they stay where they are."""
        return await self._file.run(LISTING, Oldest(queue, limit))

    async def replay(self, queue: str, ids: Sequence[str] | None = None) -> int:
        """Deliver dead letters to their handler's queue again as a first attempt (None: all of them); how many."""
        chosen = await self._chosen(queue, ids)
        replayed = 0
        for start in range(0, len(chosen), REPLAY_BATCH):
            batch = Chosen(queue, chosen[start : start + REPLAY_BATCH])
            replayed += await self._file.run(REPLAY, batch, lambda _: self._wake(queue))
        return replayed

    async def purge(self, queue: str, ids: Sequence[str] | None = None) -> int:
        """Delete dead letters (None: all of them); how many."""
        return await self._file.run(PURGE, Chosen(queue, await self._chosen(queue, ids)))

    async def _chosen(self, queue: str, ids: Sequence[str] | None) -> Sequence[int]:
        return await self._file.run(IDS, queue) if ids is None else read_ids(ids)
