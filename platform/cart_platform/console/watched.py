"""The chain that a console shows, opened when something of it is first asked for."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cart_observability.telemetry import Telemetry
from cart_platform.bootstrap import Parts, assemble
from cart_platform.bus import Bus
from cart_platform.data_folder import DataFolder
from cart_platform.faults.switchboard import Switchboard
from cart_platform.handler import Handler
from cart_platform.settings import load_settings
from cart_platform.store import Store
from cart_platform.whereabouts import find, read_running, settings_of


class Opening:
    """Opens something once, when it is first asked for, and tries anew as long as that fails."""

    def __init__(self, start: Callable[[], Awaitable[None]], *, is_open: bool = False) -> None:
        self._start = start
        self._is_open = is_open
        self._alone = asyncio.Lock()

    async def __call__(self) -> None:
        """Return when it is open; raises CartscopeError as its start does."""
        if self._is_open:
            return
        async with self._alone:
            if not self._is_open:
                await self._start()
                self._is_open = True


@dataclass(frozen=True, slots=True)
class Watched:
    """A chain as a console needs it: its parts, the URL of its API, and the file of its faults if they can be switched.

    `openings` are those of the store and of the bus; `is_own` says whether `close` closes them.
    """

    parts: Parts
    api: str
    faults: Switchboard | None
    openings: tuple[Opening, Opening]
    is_own: bool

    @classmethod
    def within(cls, parts: Parts, api: str) -> Self:
        """The chain of this process; its parts are started, and closed, by whoever made them."""
        file = parts.settings.faults_file
        openings = (Opening(parts.store.start, is_open=True), Opening(parts.bus.start, is_open=True))
        return cls(parts, api, None if file is None else Switchboard(file), openings, is_own=False)

    @classmethod
    def beside(cls, telemetry: Telemetry, data_dir: Path | None = None, api: str | None = None) -> Self:
        """The chain of other processes: in a data folder, by the environment, or of the run that was the latest.

        Nothing is opened yet. Without `api` it is where the folder says, or the settings of this process.

        Raises:
            UsageError: when there is no such chain, or its settings cannot be used.
        """
        folder = find(data_dir)
        parts = assemble(settings_of(folder), telemetry)
        file = load_settings().faults_file if folder is None else DataFolder(folder).faults
        openings = (Opening(parts.store.start), Opening(parts.bus.start))
        return cls(parts, api or _api(folder), None if file is None else Switchboard(file), openings, is_own=True)

    @property
    def handlers(self) -> Sequence[Handler]:
        """The table of handlers."""
        return self.parts.handlers

    async def store(self) -> Store:
        """The store, open; raises CartscopeError when it cannot be used."""
        await self.openings[0]()
        return self.parts.store

    async def bus(self) -> Bus:
        """The bus, open; raises CartscopeError when it cannot be used."""
        await self.openings[1]()
        return self.parts.bus

    async def close(self) -> None:
        """Close what was opened here; may be called twice, or when nothing was."""
        if self.is_own:
            await self.parts.close()


def _api(folder: Path | None) -> str:
    if folder is not None:
        return str(read_running(folder)["urls"]["api"])
    settings = load_settings()
    return f"http://{settings.host}:{settings.api_port}"
