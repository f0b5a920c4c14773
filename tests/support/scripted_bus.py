"""A bus that answers as a test tells it to."""

from collections.abc import Callable, Mapping, Sequence

from cart_platform.bus import DeadLetter, Outcome, Publication, Subscription


class ScriptedBus:
    """Keeps what is published; `answer` gives the outcome of each publication, confirmed unless told otherwise."""

    system = "scripted"
    address: str | None = None
    port: int | None = None

    def __init__(self, answer: Callable[[Publication], Outcome] = lambda _: Outcome.CONFIRMED) -> None:
        self.answer = answer
        self.published: list[Publication] = []
        self.waiting: dict[str, int] = {}

    @property
    def ids(self) -> list[str | None]:
        """The message ids in the order in which they were published."""
        return [publication.message.message_id for publication in self.published]

    async def start(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Nothing to close."""

    async def ping(self) -> None:
        """It is always there."""

    async def publish(self, publications: Sequence[Publication]) -> Sequence[Outcome]:
        """Keep them, and answer for each."""
        self.published.extend(publications)
        return [self.answer(publication) for publication in publications]

    async def subscribe(self, queue: str, prefetch: int) -> Subscription:
        """There are no queues."""
        raise NotImplementedError

    async def listen(self, routing_key: str) -> Subscription:
        """There are no queues."""
        raise NotImplementedError

    async def backlog(self) -> Mapping[str, int]:
        """As told."""
        return self.waiting

    async def dead_letters(self, queue: str, limit: int | None = None) -> Sequence[DeadLetter]:
        """There are none."""
        return []

    async def replay(self, queue: str, ids: Sequence[str] | None = None) -> int:
        """There are none."""
        return 0

    async def purge(self, queue: str, ids: Sequence[str] | None = None) -> int:
        """There are none."""
        return 0
