"""Who listens to results in this process."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

from cart_platform.bus import RESULTS_EXCHANGE, Delivery, Failure, Outcome, Publication
from cart_platform.bus.sql.inbox import Fetch, Inbox
from cart_platform.bus.sql.presence import Ear


class Listener:
    """Results for one routing key; its bus puts in what this process publishes, and fetches what others wrote.

    The oldest are dropped when more than `CAPACITY` wait: who waits for a result asks the store in the end.
    """

    CAPACITY = 65_536

    def __init__(
        self,
        routing_key: str,
        queue: str,
        fetch: Fetch,
        left: Callable[["Listener"], Awaitable[None]],
    ) -> None:
        self.routing_key = routing_key
        self.queue = queue
        self._left = left
        self._inbox = Inbox(fetch, self.CAPACITY)
        self.put = self._inbox.put
        self.wake = self._inbox.wake

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """Wait until something has arrived and give what is there, at most `limit`; empty once ended."""
        return await self._inbox.receive(limit)

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Needs not be done."""

    async def retry(self, delivery: Delivery, delay: float, failure: Failure | None = None) -> None:
        """Has no effect: results are not kept."""

    async def dead_letter(self, delivery: Delivery, reason: str, failure: Failure | None = None) -> None:
        """Has no effect: results are not kept."""

    async def stop(self) -> None:
        """Take no more deliveries; a waiting `receive` returns."""
        await self._inbox.end()

    async def close(self) -> None:
        """End. May be called twice."""
        await self.stop()
        await self._left(self)


class Listeners:
    """The listeners of one bus; its own publications reach them without the file."""

    def __init__(self) -> None:
        self._by_key: defaultdict[str, list[Listener]] = defaultdict(list)

    def add(self, listener: Listener) -> None:
        """Hand out to it from here on."""
        self._by_key[listener.routing_key].append(listener)

    def remove(self, listener: Listener) -> bool:
        """Hand out to it no more; False if it was removed before."""
        several = self._by_key.get(listener.routing_key, [])
        if listener not in several:
            return False
        several.remove(listener)
        if not several:
            del self._by_key[listener.routing_key]
        return True

    def all(self) -> Sequence[Listener]:
        """Everyone who listens."""
        return [listener for several in self._by_key.values() for listener in several]

    def ears(self) -> Sequence[Ear]:
        """What the file has to say of them to other processes."""
        return [Ear(listener.queue, listener.routing_key) for listener in self.all()]

    def hand_out(self, publication: Publication, outcome: Outcome) -> Outcome:
        """Give copies to those who listen to one of its keys; what one of them got is confirmed."""
        if publication.exchange != RESULTS_EXCHANGE or not self._by_key:
            return outcome
        keys = {publication.routing_key, publication.copy_to}
        heard = [listener for key in keys if key is not None for listener in self._by_key.get(key, ())]
        for listener in heard:
            listener.put([Delivery(listener.queue, publication.routing_key, publication.message)])
        return Outcome.CONFIRMED if heard else outcome
