"""A connection that is kept: opened again, with backoff and jitter, whenever it is lost."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

from pika.connection import Parameters

from cart_observability.telemetry import Telemetry
from cart_platform.bus.rabbitmq.backoff import FIRST_WAIT_SECONDS, Trying
from cart_platform.bus.rabbitmq.connection import Connection, connect
from cart_platform.bus.rabbitmq.refusals import place
from cart_platform.errors import Unavailable

Prepare = Callable[[Connection], Awaitable[None]]


class Link:
    """Keeps one connection open.

    Args:
        parameters: Where to, and as whom.
        name: In metrics and log lines, and, with the service's name, in the broker's list of connections.
        telemetry: Of the process.
        prepare: What makes a connection that was just opened ready for use; when it fails, the attempt has failed.
    """

    def __init__(self, parameters: Parameters, name: str, telemetry: Telemetry, prepare: Prepare | None = None) -> None:
        self.parameters = parameters
        self._name = name
        self._telemetry = telemetry
        self._prepare = prepare
        self._connection: asyncio.Future[Connection] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._trying = Trying(telemetry, "bus not reached", self._fields("bus.disconnected"))

    @property
    def is_up(self) -> bool:
        """Whether the connection is open and ready at this moment."""
        return self._connection is not None and self._connection.done()

    async def open(self) -> None:
        """Connect, and keep connected from then on; nothing to do when it is kept already.

        Raises:
            CartscopeError: why the first attempt failed; there is no second.
        """
        async with self._opening:
            if self._keeper is None:
                self._connection = asyncio.get_running_loop().create_future()
                await self._attempt(self._connection)
                self._keeper = asyncio.create_task(self._keep(), name=f"keep the {self._name} connection")

    async def connection(self) -> Connection:
        """The connection, as soon as it is up."""
        await self.open()
        assert self._connection is not None
        return await asyncio.shield(self._connection)

    async def connection_now(self) -> Connection:
        """The connection, if it is up at this moment; raises Unavailable if it is not."""
        await self.open()
        if self._connection is None or not self._connection.done():
            raise Unavailable(f"{place(self.parameters)} is not reached at present: connecting again")
        return self._connection.result()

    async def _attempt(self, up: asyncio.Future[Connection]) -> None:
        connection = await connect(self.parameters)
        try:
            if self._prepare is not None:
                await self._prepare(connection)
        except BaseException:
            await connection.disconnect()
            raise
        up.set_result(connection)
        self._telemetry.metrics.bus_connected(self._name, True)
        self._telemetry.log.info("bus connected", **self._fields("bus.connected"))

    async def _keep(self) -> None:
        while True:
            assert self._connection is not None
            reason = await asyncio.shield((await self._connection).lost)
            self._connection = asyncio.get_running_loop().create_future()
            self._telemetry.metrics.bus_connected(self._name, False)
            self._telemetry.log.warning("bus disconnected", **self._fields("bus.disconnected", reason))
            await self._reconnect(self._connection)
            self._telemetry.metrics.bus_reconnected(self._name)

    async def _reconnect(self, up: asyncio.Future[Connection]) -> None:
        # Before the first attempt too: all clients of a broker lose it at the same moment.
        await asyncio.sleep(random.uniform(0, FIRST_WAIT_SECONDS))  # noqa: S311  jitter, no secret
        await self._trying.attempts()(self._attempt, up)

    def _fields(self, action: str, reason: BaseException | None = None) -> dict[str, str]:
        fields = {"event.action": action, "cartscope.bus.connection": self._name}
        return fields if reason is None else fields | {"error.message": str(reason)}

    async def close(self) -> None:
        """Disconnect, and stay so. May be called twice, or on what never opened."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
        up, self._connection = self._connection, None
        if up is not None and up.done():
            await up.result().disconnect()
            self._telemetry.metrics.bus_connected(self._name, False)
        elif up is not None:
            up.set_exception(Unavailable("the bus is closed"))
            up.exception()  # marks it as seen where nobody waits
