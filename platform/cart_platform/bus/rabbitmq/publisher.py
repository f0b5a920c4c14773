"""Publishing with confirms: batches go out in few writes, and each message gets the outcome that the broker told."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from pika import frame, spec
from pika.connection import Parameters
from pika.exceptions import AMQPError

from cart_observability.telemetry import Telemetry
from cart_platform.bus import EVENTS_EXCHANGE, RESULTS_EXCHANGE, Outcome, Publication, Topology
from cart_platform.bus.rabbitmq.connection import Channel, Connection
from cart_platform.bus.rabbitmq.encoder import Unsendable, publish_frames
from cart_platform.bus.rabbitmq.link import Link
from cart_platform.bus.rabbitmq.refusals import lost
from cart_platform.bus.rabbitmq.topology import declare

NAME = "publish"
_EXCHANGES = frozenset({EVENTS_EXCHANGE, RESULTS_EXCHANGE, ""})
_COPY = "BCC"  # the broker's own header for further routing keys; unlike `CC` it is taken off before delivery


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be in flight, and how long `publish` waits.

    Attributes:
        messages: Unconfirmed at a time.
        body_bytes: Of their bodies together; one message may always go.
        room_seconds: For the broker to be reachable, to read, or to confirm what is in flight, before the rest of a
            batch is given up as `unknown`; it begins anew with each message that goes out.
        confirm_seconds: For the confirms of a batch, after its last message went out.
    """

    messages: int = 1_000
    body_bytes: int = 16_777_216
    room_seconds: float = 10.0
    confirm_seconds: float = 30.0


class _Batch:
    """The outcomes of one call, and a future that is done when all are known."""

    def __init__(self, size: int) -> None:
        self.outcomes = [Outcome.UNKNOWN] * size
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._missing = size

    def settle(self, index: int, outcome: Outcome) -> None:
        self.outcomes[index] = outcome
        self._missing -= 1
        if not self._missing and not self.done.done():
            self.done.set_result(None)


@dataclass(slots=True)
class _Sent:
    """One message in flight."""

    batch: _Batch
    index: int
    publication: Publication
    returned: bool = False

    def settle(self, outcome: Outcome) -> None:
        self.batch.settle(self.index, outcome)


class Publisher:
    """The publishing side of the bus, on a connection of its own: a broker that blocks publishers stops reading it.

    Args:
        parameters: Where to, and as whom.
        topology: Declared whenever the connection opens.
        telemetry: Of the process.
        limits: How much may be in flight, and how long to wait.
    """

    def __init__(self, parameters: Parameters, topology: Topology, telemetry: Telemetry, limits: Limits) -> None:
        self.link = Link(parameters, NAME, telemetry, self._prepare)
        self._topology = topology
        self._telemetry = telemetry
        self._limits = limits
        self._channel: Channel | None = None
        self._tag = 0
        self._in_flight: dict[int, _Sent] = {}
        self._bytes = 0
        self._blocked = False
        self._turn = asyncio.Lock()
        self._room = asyncio.Event()

    async def publish(self, publications: Sequence[Publication]) -> Sequence[Outcome]:
        """As `Bus.publish`."""
        if not publications:
            return []
        batch = _Batch(len(publications))
        async with self._turn:
            await self._send_all(batch, publications)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.confirm_seconds):
                await batch.done
        return list(batch.outcomes)  # a confirm that comes late changes no answer

    async def _send_all(self, batch: _Batch, publications: Sequence[Publication]) -> None:
        for index, publication in enumerate(publications):
            if self._has_room() or await self._wait_for_room():
                self._send(_Sent(batch, index, publication))
            else:
                for unsent in range(index, len(publications)):
                    batch.settle(unsent, Outcome.UNKNOWN)
                return

    def _has_room(self) -> bool:
        return (
            self._channel is not None
            and not self._blocked
            and len(self._in_flight) < self._limits.messages
            and (self._bytes < self._limits.body_bytes)
        )

    async def _wait_for_room(self) -> bool:
        try:
            async with asyncio.timeout(self._limits.room_seconds):
                while not self._has_room():
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError:
            return False
        return True

    def _send(self, sent: _Sent) -> None:
        assert self._channel is not None
        try:
            frames = self._frames(self._channel, sent.publication)
        except Unsendable as error:
            self._refuse(sent, error)
            return
        self._channel.connection.send(frames)
        self._tag += 1
        self._in_flight[self._tag] = sent
        self._bytes += len(sent.publication.message.body)

    def _refuse(self, sent: _Sent, error: Unsendable) -> None:
        """No broker would take it: `unroutable`, because it is to be seen and kept instead of tried for ever."""
        sent.settle(Outcome.UNROUTABLE)
        fields = {
            "event.action": "message.unsendable",
            "cartscope.event.id": sent.publication.message.message_id or "",
            "cartscope.event.type": sent.publication.routing_key,
            "cartscope.outcome": str(Outcome.UNROUTABLE),
            "error.message": str(error),
        }
        self._telemetry.log.error("message not sendable", **fields)

    def _frames(self, channel: Channel, publication: Publication) -> bytes:
        if publication.exchange not in _EXCHANGES:
            # The broker would close the channel, and with it what is in flight.
            raise Unsendable(f"there is no exchange {publication.exchange!r}")
        message = publication.message
        headers = message.headers
        if publication.copy_to is not None:
            headers = headers | {_COPY: [publication.copy_to]}
        return publish_frames(
            channel.number,
            channel.connection.frame_max,
            publication.exchange,
            publication.routing_key,
            mandatory=publication.mandatory,
            headers=headers,
            body=message.body,
            content_type=message.content_type,
            message_id=message.message_id,
        )

    async def _prepare(self, connection: Connection) -> None:
        channel = await Channel.open(connection)
        await declare(channel, self._topology)
        try:
            await channel.call(channel.pika.confirm_delivery, self._on_confirm)
        except AMQPError as error:
            raise lost(connection.params, error) from error
        channel.pika.add_on_return_callback(self._on_return)
        connection.add_on_connection_blocked_callback(lambda *_: self._on_blocked(blocked=True))
        connection.add_on_connection_unblocked_callback(lambda *_: self._on_blocked(blocked=False))
        channel.lost.add_done_callback(lambda _: self._on_lost(connection))
        self._tag = 0
        self._channel = channel
        self._room.set()

    def _on_confirm(self, answer: frame.Method) -> None:
        """The broker took one message, or all up to one; a nack says that it may not have it."""
        method = answer.method
        outcome = Outcome.CONFIRMED if isinstance(method, spec.Basic.Ack) else Outcome.UNKNOWN
        tag = method.delivery_tag
        for settled in self._up_to(tag) if method.multiple else (tag,):
            self._settle(settled, outcome)
        self._room.set()

    def _up_to(self, tag: int) -> Sequence[int]:
        return list(takewhile(lambda sent: sent <= tag, self._in_flight))

    def _settle(self, tag: int, outcome: Outcome) -> None:
        sent = self._in_flight.pop(tag, None)
        if sent is None:
            return
        self._bytes -= len(sent.publication.message.body)
        sent.settle(Outcome.UNROUTABLE if sent.returned and outcome is Outcome.CONFIRMED else outcome)

    def _on_return(self, _: Any, method: spec.Basic.Return, properties: Any, body: bytes) -> None:
        """A message that no queue takes comes back, before its confirm and in the order of publishing."""
        came_back = (method.exchange, method.routing_key, properties.message_id, body)
        for sent in self._in_flight.values():
            if not sent.returned and _identity(sent.publication) == came_back:
                sent.returned = True
                return

    def _on_blocked(self, *, blocked: bool) -> None:
        self._blocked = blocked
        self._telemetry.metrics.bus_blocked(NAME, blocked)
        text, log = (
            ("bus blocked", self._telemetry.log.warning) if blocked else ("bus unblocked", self._telemetry.log.info)
        )
        log(text, **{"event.action": "bus.blocked", "cartscope.bus.connection": NAME})
        self._room.set()

    def _on_lost(self, connection: Connection) -> None:
        """Nobody will tell what became of what was in flight."""
        self._channel = None
        for tag in list(self._in_flight):
            self._settle(tag, Outcome.UNKNOWN)
        if self._blocked:
            self._on_blocked(blocked=False)
        if connection.is_open:  # only the channel was lost: the link opens both again
            connection.close()

    async def close(self, seconds: float) -> None:
        """Let what is under way come to an end, for a bounded time, then disconnect."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._turn:
                while self._in_flight:
                    self._room.clear()
                    await self._room.wait()
        await self.link.close()


def _identity(publication: Publication) -> tuple[str, str, str | None, bytes]:
    message = publication.message
    return publication.exchange, publication.routing_key, message.message_id, message.body
