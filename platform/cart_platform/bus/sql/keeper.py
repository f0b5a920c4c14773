"""The keeper: renews the lease of this bus, sets free what is overdue, and notices what other processes did."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from cart_observability.telemetry import Telemetry
from cart_platform.bus.sql.presence import Ear, Presence
from cart_platform.bus.sql.transactions import Transactions

LOOK_SECONDS = 0.05
NAME = "file"
"""The one connection of this bus, as metrics and log lines call it."""


class Keeper:
    """Looks at the file every `LOOK_SECONDS`; `wake` is called when something may have become ready."""

    def __init__(
        self,
        file: Transactions,
        presence: Presence,
        lease_seconds: float,
        ears: Callable[[], Sequence[Ear]],
        wake: Callable[[], None],
        telemetry: Telemetry,
    ) -> None:
        self._file = file
        self._presence = presence
        self._lease_seconds = lease_seconds
        self._ears = ears
        self._wake = wake
        self._telemetry = telemetry
        self._renewal = 0.0
        self._version: int | None = None
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._up = False

    async def start(self) -> None:
        """Take the first lease and begin; raises CartscopeError when the file cannot be used."""
        await self._look()
        self._tell(None)
        self._task = asyncio.create_task(self._run(), name="bus keeper")

    async def close(self) -> None:
        """Cease. May be called twice, or on what never started."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self._telemetry.metrics.bus_connected(NAME, False)

    def hurry(self) -> None:
        """Look at once."""
        self._hurry.set()

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._hurry.wait()
            self._hurry.clear()
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001  whatever it is, the lease must go on being renewed
                self._tell(error)
            else:
                self._tell(None)

    async def _look(self) -> None:
        if time.monotonic() >= self._renewal:
            await self._file.run(self._presence.renew, (self._lease_seconds, self._ears()))
            self._renewal = time.monotonic() + self._lease_seconds / 4
        signs = await self._file.run(self._presence.look, None)
        if signs.overdue:
            await self._file.run(self._presence.tend, None)
        if signs.overdue or signs.version != self._version:
            self._version = signs.version
            self._wake()

    def _tell(self, error: Exception | None) -> None:
        """One log line for each change between a file that can be used and one that cannot."""
        up = error is None
        if up is self._up:
            return
        self._up = up
        self._telemetry.metrics.bus_connected(NAME, up)
        if error is None:
            self._telemetry.log.info("bus connected", **self._fields("bus.connected"))
        else:
            fields = self._fields("bus.disconnected") | {"error.message": str(error)}
            self._telemetry.log.warning("bus disconnected", **fields)

    def _fields(self, action: str) -> dict[str, str]:
        return {"event.action": action, "cartscope.bus.connection": NAME}
