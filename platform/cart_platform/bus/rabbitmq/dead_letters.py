"""The dead letters of a queue: looked at, delivered again, deleted.

They are taken without an ack on a channel of its own: whatever is not settled when that channel ends, the death of the
process included, returns to the queue. While one process looks at them, others do not see them.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from pika import spec
from pika.exceptions import AMQPError

from cart_platform.bus import DeadLetter, Outcome, Publication
from cart_platform.bus.rabbitmq.connection import Channel
from cart_platform.bus.rabbitmq.decoder import Properties
from cart_platform.bus.rabbitmq.envelope import Numbering, dead_letter, dead_letter_id, to_replay
from cart_platform.bus.rabbitmq.link import Link
from cart_platform.bus.rabbitmq.publisher import Publisher
from cart_platform.bus.rabbitmq.refusals import refused_declaration
from cart_platform.bus.rabbitmq.topology import dead_queue
from cart_platform.errors import Unavailable
from cart_platform.events import Message

REPLAY_BATCH = 100
"""Dead letters that are published again at a time."""
GIVE_BACK_SECONDS = 1.0
POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class _Taken:
    """A dead letter that was taken and is not settled."""

    tag: int
    id: str
    message: Message


class _Reader:
    """Takes the messages of a queue one by one."""

    def __init__(self, channel: Channel, queue: str) -> None:
        self._channel = channel
        self._queue = queue
        self._numbering = Numbering()
        self._unsettled: set[int] = set()
        self._answer: asyncio.Future[_Taken | None]
        channel.pika.add_callback(lambda _: self._answer.set_result(None), [spec.Basic.GetEmpty], one_shot=False)

    async def count(self) -> int:
        """How many are there."""
        answer = await self._channel.call(self._channel.pika.queue_declare, self._queue, passive=True)
        return int(answer.method.message_count)

    async def take(self) -> _Taken | None:
        """The next one; None when there is no further one."""
        self._answer = asyncio.get_running_loop().create_future()
        self._channel.pika.basic_get(self._queue, self._on_message)
        taken: _Taken | None = await self._channel.answer(self._answer)
        return taken

    def _on_message(self, _: Any, method: spec.Basic.GetOk, properties: Properties, body: bytes) -> None:
        message = Message(body, properties.headers, properties.content_type, properties.message_id)
        identity = self._numbering.name(dead_letter_id(message))
        self._unsettled.add(method.delivery_tag)
        self._answer.set_result(_Taken(method.delivery_tag, identity, message))

    async def first(self, limit: int | None = None) -> AsyncIterator[_Taken]:
        """The first `limit`, or all."""
        for _ in repeat(None) if limit is None else range(limit):
            taken = await self.take()
            if taken is None:
                return
            yield taken

    async def named(self, ids: Sequence[str]) -> AsyncIterator[_Taken]:
        """Those with these ids."""
        wanted = set(ids)
        while wanted and (taken := await self.take()):
            if taken.id in wanted:
                wanted.remove(taken.id)
                yield taken

    def settle(self, taken: _Taken) -> None:
        """Delete it from the queue."""
        self._unsettled.remove(taken.tag)
        self._channel.pika.basic_ack(taken.tag)

    async def give_back(self) -> None:
        """Return what is not settled; who looks next finds it there again."""
        if not self._unsettled or not self._channel.is_open:
            return
        self._channel.pika.basic_nack(0, multiple=True, requeue=True)
        # A quorum queue writes the return down before it shows.
        with suppress(TimeoutError):
            async with asyncio.timeout(GIVE_BACK_SECONDS):
                while await self.count() < len(self._unsettled):  # noqa: ASYNC110  the broker has no event for it
                    await asyncio.sleep(POLL_SECONDS)

    async def purge(self) -> int:
        """Delete all that nobody has taken; how many."""
        answer = await self._channel.call(self._channel.pika.queue_purge, self._queue)
        return int(answer.method.message_count)


class DeadLetters:
    """The dead letters of all queues.

    Args:
        link: The connection that consumes.
        publisher: Delivers again.
    """

    def __init__(self, link: Link, publisher: Publisher) -> None:
        self._link = link
        self._publisher = publisher

    @asynccontextmanager
    async def _reading(self, queue: str) -> AsyncIterator[_Reader]:
        connection = await self._link.connection_now()
        channel = await Channel.open(connection)
        try:
            reader = _Reader(channel, dead_queue(queue))
            yield reader
            await reader.give_back()
        except AMQPError as error:
            raise refused_declaration(connection.params, f"queue {dead_queue(queue)!r}", error) from error
        finally:
            await channel.close()

    async def list(self, queue: str, limit: int | None) -> Sequence[DeadLetter]:
        """As `Bus.dead_letters`."""
        async with self._reading(queue) as reader:
            return [dead_letter(queue, taken.message, taken.id) async for taken in reader.first(limit)]

    async def replay(self, queue: str, ids: Sequence[str] | None) -> int:
        """As `Bus.replay`; raises Unavailable, with how many were, when not all could be delivered again."""
        replayed = 0
        async with self._reading(queue) as reader:
            batch: list[_Taken] = []
            # No more than there are: what fails again meanwhile is not to go round for ever.
            letters = reader.first(await reader.count()) if ids is None else reader.named(ids)
            async for taken in letters:
                batch.append(taken)
                if len(batch) == REPLAY_BATCH:
                    replayed += await self._replay(reader, queue, batch, replayed)
                    batch = []
            return replayed + await self._replay(reader, queue, batch, replayed)

    async def _replay(self, reader: _Reader, queue: str, batch: Sequence[_Taken], before: int) -> int:
        """Publish a batch to its handler's queue and delete what was confirmed there."""
        outcomes = await self._publisher.publish([Publication("", queue, to_replay(taken.message)) for taken in batch])
        confirmed = [taken for taken, outcome in zip(batch, outcomes, strict=True) if outcome is Outcome.CONFIRMED]
        for taken in confirmed:
            reader.settle(taken)
        if len(confirmed) < len(batch):
            raise Unavailable(
                f"{before + len(confirmed)} dead letters of {queue} were delivered again, then RabbitMQ ceased to"
                " confirm: try again for the rest"
            )
        return len(confirmed)

    async def purge(self, queue: str, ids: Sequence[str] | None) -> int:
        """As `Bus.purge`."""
        async with self._reading(queue) as reader:
            if ids is None:
                return await reader.purge()
            purged = 0
            async for taken in reader.named(ids):
                reader.settle(taken)
                purged += 1
            return purged
