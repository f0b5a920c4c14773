"""The faults that one process acts on, kept as the switchboard says."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from cart_observability.telemetry import Telemetry
from cart_platform.errors import CartscopeError
from cart_platform.faults.switchboard import Key, Signature, Switchboard, SwitchedOn

POLL_SECONDS = 0.25
"""Time between two looks at the file: a look costs one stat, an event none."""


class Switch:
    """One fault, for one handler if it is a handler's: a plain flag for those who act, a wait for those who idle."""

    def __init__(self) -> None:
        self.on = False
        self._turned = {True: asyncio.Event(), False: asyncio.Event()}
        self._turned[False].set()

    def turn(self, *, on: bool) -> None:
        """Switch."""
        self.on = on
        self._turned[on].set()
        self._turned[not on].clear()

    async def until(self, *, on: bool) -> None:
        """Wait for the switch to be so."""
        await self._turned[on].wait()


class Switches:
    """All switches of a process. Those of a handler, or of the relay or shoppers (None), stay off until awakened.

    A process has parts that it never uses, as the API has handlers: what it never does cannot be disturbed in it.
    """

    def __init__(self, switchboard: Switchboard, telemetry: Telemetry) -> None:
        self._switchboard = switchboard
        self._log = telemetry.log
        self._switches: dict[Key, Switch] = {}
        self._happenings: dict[Key, Callable[[], Awaitable[None]]] = {}
        self._awake: set[str | None] = set()
        self._seen: Signature | None = None
        self._entries: list[SwitchedOn] = []
        self._watching: asyncio.Task[None] | None = None

    def switch(self, fault: str, handler: str | None = None) -> Switch:
        """The switch of a fault."""
        return self._switches.setdefault((fault, handler), Switch())

    def once(self, fault: str, handler: str, happen: Callable[[], Awaitable[None]]) -> None:
        """Let something happen whenever a fault is switched on that happens once."""
        self._happenings[fault, handler] = happen

    async def awaken(self, handler: str | None = None) -> None:
        """This process does the work of a handler, or of the relay or shoppers: act on its faults from now on."""
        if handler in self._awake:
            return
        self._awake.add(handler)
        await self._look()
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(), name="faults")

    async def close(self) -> None:
        """Switch everything off and look no more; may be called twice, or when nothing was ever awakened."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
        self._turn(set())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self._look()

    async def _look(self) -> None:
        signature = self._switchboard.signature()
        if signature != self._seen:
            self._seen = signature
            self._entries = self._read()
        on = [entry for entry in self._entries if entry.handler in self._awake and not entry.is_over]
        self._turn({entry.key for entry in on})
        for entry in on:
            if entry.key in self._happenings:
                await self._happen(entry)

    def _read(self) -> list[SwitchedOn]:
        try:
            return self._switchboard.read()
        except CartscopeError as error:
            self._refused(error)
            return []

    def _turn(self, wanted: set[Key]) -> None:
        for key, switch in self._switches.items():
            if switch.on != (key in wanted):
                switch.turn(on=not switch.on)
                self._tell(key, begins=switch.on)

    async def _happen(self, entry: SwitchedOn) -> None:
        """Let it happen, unless another process has taken it, or will be the one that can."""
        self._entries = [other for other in self._entries if other is not entry]
        try:
            taken = await asyncio.to_thread(self._switchboard.take, entry)
        except CartscopeError as error:
            self._refused(error)
            return
        if taken:
            self._tell(entry.key, begins=True)
            await self._happenings[entry.key]()
            self._tell(entry.key, begins=False)

    def _tell(self, key: Key, *, begins: bool) -> None:
        fault, handler = key
        fields = {"cartscope.fault": fault} | ({} if handler is None else {"cartscope.handler": handler})
        if begins:
            self._log.warning("fault injected", **{"event.action": "fault.injected", **fields})
        else:
            self._log.info("fault ended", **{"event.action": "fault.ended", **fields})

    def _refused(self, error: CartscopeError) -> None:
        self._log.warning("faults unusable", **{"event.action": "faults.unusable", "error.message": str(error)})
