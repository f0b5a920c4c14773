"""A native run: real servers and every process of the chain, started in order, kept running, ended in order."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from cart_platform.data_folder import DataFolder
from cart_platform.errors import CartscopeError
from cart_platform.native import installed, leftovers
from cart_platform.native.child import Child
from cart_platform.native.layout import CARTSCOPE, Layout
from cart_platform.native.program import Program
from cart_platform.native.running import RunningFile
from cart_platform.native.supervisor import Supervisor

READY_SECONDS = 90.0
"""How long each program may take to serve for the first time; RabbitMQ takes 5 to 10 s on two cores."""

BESIDE_SECONDS = 300.0
"""How long one may take for which nobody waits."""

# What the machine's own RabbitMQ and Erlang are told must not reach ours.
_FOREIGN = ("RABBITMQ_", "ERL_")


class Native:
    """A native run on a data folder that is taken; an async context manager."""

    def __init__(
        self,
        folder: DataFolder,
        workers: Sequence[str],
        settings_environment: Mapping[str, str],
        progress: Callable[[str], None],
        cartscope: tuple[str, ...] = CARTSCOPE,
        *,
        has_console: bool = True,
    ) -> None:
        """Prepare; nothing starts before `start`.

        Args:
            folder: Whose block the caller has entered.
            workers: Names of handlers; each gets a worker process.
            settings_environment: Variables for all processes on top of the caller's own environment.
            progress: Takes one line at a time for the person who waits.
            cartscope: The command whose subcommands `api`, `relay`, `worker NAME` and `console` are run.
            has_console: Whether the page is served.
        """
        self._has_console = has_console
        self._folder = folder
        self._workers = workers
        self._settings = settings_environment
        self._progress = progress
        self._cartscope = cartscope
        self._layout: Layout | None = None
        self._running: RunningFile | None = None
        self._supervisor: Supervisor | None = None
        self._beside: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def urls(self) -> Mapping[str, str | Mapping[str, str]]:
        """Addresses as `running.json` gives them; empty before `start`."""
        return self._layout.urls if self._layout else {}

    @property
    def processes(self) -> Mapping[str, int]:
        """Process ids of what runs at this moment."""
        return self._supervisor.processes if self._supervisor else {}

    @property
    def restarts(self) -> Mapping[str, int]:
        """How often each program had to be started again."""
        return self._supervisor.restarts if self._supervisor else {}

    async def start(self) -> None:
        """Start everything and return when the API says that it is ready; what watches may come later.

        Raises:
            CartscopeError: when a server that the chain needs is not installed or cannot start; nothing is left running
                then.
        """
        async with self._whole_or_not_at_all():
            layout, supervisor = await self._prepare()
            for line in layout.missing:
                self._progress(line)
            folders = {"logs": self._folder.logs, "mail": self._folder.mail}
            self._running = RunningFile(self._folder.path, layout.urls, folders)
            # First, so that they are the last to end and miss nothing.
            self._start_beside(supervisor, layout.watchers())
            await self._start_servers(layout, supervisor)
            await self._start_chain(layout, supervisor)

    async def start_servers(self) -> Mapping[str, str]:
        """Start Redis and RabbitMQ alone, leave running.json as it is, and give the settings by which they are reached.

        Raises:
            CartscopeError: as `start`.
        """
        async with self._whole_or_not_at_all():
            layout, supervisor = await self._prepare()
            await self._start_servers(layout, supervisor)
        return layout.settings

    async def stop(self) -> None:
        """End everything: the API, then relay and workers, then the servers. May be called again."""
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        if self._supervisor:
            await self._supervisor.stop()

    @asynccontextmanager
    async def _whole_or_not_at_all(self) -> AsyncIterator[None]:
        try:
            yield
        except BaseException as error:
            await self.stop()
            if isinstance(error, OSError):
                raise CartscopeError(
                    f"cannot use {error.filename or self._folder.path} ({error.strerror}): "
                    "make room there and make it writable, or choose another --data-dir"
                ) from error
            raise

    async def _prepare(self) -> tuple[Layout, Supervisor]:
        servers = installed.servers()
        if ended := await asyncio.to_thread(leftovers.end, self._folder.path):
            self._progress(f"ended {ended} processes that an earlier run on this folder left behind")
        self._layout = Layout(self._folder, servers, self._workers, self._cartscope, has_console=self._has_console)
        self._supervisor = Supervisor(_environment(self._folder, self._settings), self._folder.output, self._changed)
        return self._layout, self._supervisor

    def _start_beside(self, supervisor: Supervisor, programs: Sequence[Program]) -> None:
        """Start what the chain can do without, each a group of its own; nobody waits for it."""
        for program in programs:
            for child in supervisor.launch(program):
                self._beside.append(asyncio.create_task(self._announce_or_do_without(child)))

    async def _announce_or_do_without(self, child: Child) -> None:
        try:
            await self._announce(child, BESIDE_SECONDS)
        except CartscopeError as error:
            await child.stop()
            self._progress(f"going on without {child.program.name}: {error}")

    async def _start_servers(self, layout: Layout, supervisor: Supervisor) -> None:
        await self._ready(supervisor.launch(layout.epmd()))
        await self._ready(supervisor.launch(layout.redis(), layout.rabbitmq()))

    async def _start_chain(self, layout: Layout, supervisor: Supervisor) -> None:
        """Start relay, workers and API together, yet in two groups: the API is to end first."""
        movers = supervisor.launch(*layout.movers())
        await self._ready([*movers, *supervisor.launch(layout.api())])

    async def _ready(self, children: Sequence[Child]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for child in children:
                    group.create_task(self._announce(child, READY_SECONDS))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures

    async def _announce(self, child: Child, patience: float) -> None:
        seconds = await child.wait_ready(patience)
        self._progress(f"{child.program.name} ready after {seconds:.1f} s")

    def _changed(self) -> None:
        if self._running is None:
            return
        try:
            self._running.write(self.processes, self.restarts)
        except OSError as error:
            self._progress(f"cannot write running.json ({error.strerror}): it tells what was, until it can")


def _environment(folder: DataFolder, settings: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return inherited | dict(settings) | {leftovers.MARK: str(folder.path)}
