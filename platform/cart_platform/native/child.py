"""One program that is started again whenever it ends."""

import asyncio
import contextlib
import os
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cart_platform.errors import CartscopeError
from cart_platform.native.program import Program

RESTART_SECONDS = 1.0
"""A program that ends sooner than this after its start waits for the rest of it: no busy loop, and no giving up."""

_POLL_SECONDS = 0.05
_FAILED_STARTS = 3
_LAST_WORDS = 400


@dataclass(frozen=True)
class Surroundings:
    """What all programs of a supervisor share.

    Attributes:
        environment: The variables that each starts with.
        output: The folder that receives what they print, a file each.
        prefix: Words put before every command.
        changed: Called whenever one of them has started or ended.
    """

    environment: Mapping[str, str]
    output: Path
    prefix: tuple[str, ...]
    changed: Callable[[], None]


class Child:
    """A program, running or about to run again, from its construction until `stop`."""

    def __init__(self, program: Program, surroundings: Surroundings) -> None:
        self.program = program
        self.pid: int | None = None
        self.starts = 0
        self._surroundings = surroundings
        self._stop = asyncio.Event()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {program.name}")

    @property
    def restarts(self) -> int:
        """How often the program was started after its first start."""
        return max(0, self.starts - 1)

    @property
    def output(self) -> Path:
        """The file that receives what the program prints."""
        return self._surroundings.output / f"{self.program.name}.log"

    async def _keep(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            await self._run()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), max(0.0, began + RESTART_SECONDS - time.monotonic()))

    async def _run(self) -> None:
        self.starts += 1
        try:
            process = await self._spawn()
        except OSError as error:
            self.output.write_text(f"cannot be started: {error}\n", encoding="utf-8")
            return
        self._note(process.pid)
        if self._stop.is_set():
            self._signal(self.program.stop_signal)
        await process.wait()
        # What the program had started itself would keep its ports.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        self._note(None)

    def _note(self, pid: int | None) -> None:
        self.pid = pid
        self._surroundings.changed()

    async def _spawn(self) -> Process:
        with self.output.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *self._surroundings.prefix,
                *self.program.command,
                cwd=self.program.folder,
                env={**self._surroundings.environment, **self.program.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output if self.program.keeps_stdout else asyncio.subprocess.DEVNULL,
                stderr=output,
                # Ctrl-C in a terminal reaches the whole foreground group; the order of the end is ours.
                start_new_session=True,
            )

    async def wait_ready(self, seconds: float) -> float:
        """Wait until the program serves and give the seconds that it took.

        Raises:
            CartscopeError: with its last words, when it takes longer than allowed or keeps ending instead.
        """
        began, starts = time.monotonic(), self.starts
        while not (self.pid and await asyncio.to_thread(self.program.ready)):
            if self.starts - starts > _FAILED_STARTS:
                raise CartscopeError(f"{self.program.name} ends as soon as it starts: {self._last_words()}")
            if time.monotonic() - began > seconds:
                raise CartscopeError(f"{self.program.name} is not ready after {seconds:g} s: {self._last_words()}")
            await asyncio.sleep(_POLL_SECONDS)
        return time.monotonic() - began

    def _last_words(self) -> str:
        lines = self.output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"{lines[-1][:_LAST_WORDS] if lines else 'it said nothing'} (see {self.output} and the logs beside it)"

    async def stop(self) -> None:
        """End the program in good order, by force when that takes too long; it does not start again."""
        self._stop.set()
        for number in (self.program.stop_signal, signal.SIGKILL):
            self._signal(number)
            await asyncio.wait([self._keeper], timeout=self.program.stop_seconds)
            if self._keeper.done():
                break

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
