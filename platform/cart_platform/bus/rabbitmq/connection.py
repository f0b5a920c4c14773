"""A pika connection and its channels whose callbacks can be awaited."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from pika import frame, spec
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel as PikaChannel
from pika.connection import Parameters
from pika.exceptions import AMQPError, StreamLostError

from cart_platform.bus.rabbitmq.decoder import Properties
from cart_platform.bus.rabbitmq.refusals import lost, refused_connection

WRITE_BYTES = 65_536
"""Gathered frames are written as soon as they are this many bytes, otherwise once a turn of the loop."""
CLOSE_SECONDS = 3.0
"""How long a broker may take to confirm a close; a broker that blocks publishers does not answer at all.
Each step of a shutdown takes this long at most, so that all together end before a supervisor loses its patience."""

_HEADER_FRAME = bytes((spec.FRAME_HEADER,))


def fulfil(future: asyncio.Future[Any], value: Any) -> None:
    """Give a future its result, unless it has one: of several ends of a connection, the first tells the reason."""
    if not future.done():
        future.set_result(value)


class Connection(AsyncioConnection):  # type: ignore[misc]  # pika ships no types
    """A connection that joins what it sends into few socket writes and takes headers of every kind.

    `lost` is done, with the reason as its result, when the connection has ended, whoever ended it.
    """

    def __init__(self, parameters: Parameters) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[BaseException | None] = loop.create_future()
        self.lost: asyncio.Future[BaseException] = loop.create_future()
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        super().__init__(
            parameters,
            on_open_callback=lambda _: self._on_opened(None),
            on_open_error_callback=lambda _, error: self._on_opened(error),
            on_close_callback=lambda _, reason: fulfil(self.lost, reason),
        )

    def _on_opened(self, error: BaseException | None) -> None:
        fulfil(self.opened, error)
        if error is not None:
            fulfil(self.lost, error)

    def _adapter_emit_data(self, data: bytes) -> None:
        # pika would hand each frame to the socket alone: three system calls a message.
        self._gathered.append(data)
        self._gathered_bytes += len(data)
        if self._gathered_bytes >= WRITE_BYTES:
            self.flush()
        elif len(self._gathered) == 1:
            self.ioloop.call_soon(self.flush)

    def flush(self) -> None:
        """Hand what has been gathered to the socket."""
        data = b"".join(self._gathered)
        self._gathered.clear()
        self._gathered_bytes = 0
        if data and self._transport is not None:
            self._transport.write(data)

    def send(self, frames: bytes) -> None:
        """Send frames that are already encoded."""
        self.bytes_sent += len(frames)
        self._adapter_emit_data(frames)

    @property
    def frame_max(self) -> int:
        """The largest frame, in bytes, that this connection may send."""
        return int(self.params.frame_max)

    def _read_frame(self) -> tuple[int, Any]:
        buffer = self._frame_buffer
        if buffer[:1] != _HEADER_FRAME or len(buffer) < spec.FRAME_HEADER_SIZE:
            return frame.decode_frame(buffer)  # type: ignore[no-any-return]  # pika ships no types
        end = spec.FRAME_HEADER_SIZE + int.from_bytes(buffer[3:7])
        if len(buffer) <= end:
            return 0, None
        payload = buffer[spec.FRAME_HEADER_SIZE : end]
        size = int.from_bytes(payload[4:12])
        return end + 1, frame.Header(int.from_bytes(buffer[1:3]), size, Properties(payload))

    def abort(self) -> None:
        """End the connection without asking the broker."""
        if not self.is_closed:
            self._terminate_stream(StreamLostError("given up"))

    async def disconnect(self) -> None:
        """Close in good order: what was sent before has reached the broker. May be called twice."""
        if self.is_open:
            self.close()
        await asyncio.wait((self.lost,), timeout=CLOSE_SECONDS)
        self.abort()
        await asyncio.wait((self.lost,))


async def connect(parameters: Parameters) -> Connection:
    """Open a connection.

    Raises:
        Unavailable: when the broker cannot be reached.
        CartscopeError: when it refuses the user or the virtual host.
    """
    # The bus tells of lost and refused connections itself, in one line where pika's loggers write ten.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    connection = Connection(parameters)
    try:
        error = await asyncio.shield(connection.opened)
    except asyncio.CancelledError:
        connection.abort()
        await asyncio.wait((connection.lost,), timeout=CLOSE_SECONDS)
        raise
    if error is not None:
        raise refused_connection(parameters, error) from error
    return connection


class Channel:
    """A channel of a connection.

    `lost` is done, with the reason as its result, when the channel has ended, whoever ended it.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.lost: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.pika: PikaChannel = connection.channel(on_open_callback=self._opened.set_result)
        self.pika.add_on_close_callback(lambda _, reason: fulfil(self.lost, reason))

    @classmethod
    async def open(cls, connection: Connection) -> "Channel":
        """Open a channel; raises Unavailable when the connection is lost."""
        try:
            channel = cls(connection)
            await channel._opening()
        except AMQPError as error:
            raise lost(connection.params, error) from error
        return channel

    async def _opening(self) -> None:
        try:
            await self.answer(self._opened)
        except asyncio.CancelledError:
            if not self.lost.done():
                self.pika.close()  # the broker may yet open it, and nobody would close it
            raise

    @property
    def number(self) -> int:
        """Its number within the connection."""
        return int(self.pika.channel_number)

    @property
    def is_open(self) -> bool:
        """Whether it can be used at this moment."""
        return bool(self.pika.is_open)

    async def call(self, operation: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Call a method of the pika channel that takes a `callback`, and give what the broker answered.

        Raises:
            AMQPError: when the channel or its connection ends, or has ended, instead.
        """
        answer = asyncio.get_running_loop().create_future()
        operation(*arguments, **options, callback=lambda *reply: fulfil(answer, reply[-1]))
        return await self.answer(answer)

    async def answer(self, answer: asyncio.Future[Any]) -> Any:
        """What a future gives that the broker's answer fulfils; raises as `call` does."""
        await asyncio.wait((answer, self.lost), return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        raise _amqp_error(self.lost.result())

    async def close(self) -> None:
        """Close it in good order; what was delivered on it and not settled returns to its queue."""
        if self.is_open:
            self.pika.close()
        await asyncio.wait((self.lost,), timeout=CLOSE_SECONDS)


def _amqp_error(reason: BaseException) -> AMQPError:
    return reason if isinstance(reason, AMQPError) else StreamLostError(repr(reason))
