"""The lifetime of a process: it runs until it is asked to stop, stops in order, and at once when asked twice."""

import asyncio
import contextlib
import math
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import uvloop
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from cart_platform.errors import Unavailable

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SIGNALLED = 128
"""Added to a signal's number it gives the exit code of a program that the signal ended (POSIX shells)."""

Value = TypeVar("Value")


class Stop:
    """The wish that a process come to its end; waited for by everything that runs in it."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Ask for the end."""
        self._event.set()

    @property
    def wished(self) -> bool:
        """Whether the end was asked for."""
        return self._event.is_set()

    async def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the wish."""
        await self.wait(seconds)

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait for the wish, at most for some seconds; whether it came."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)
        return self.wished


def run(main: Callable[[Stop], Coroutine[Any, Any, int]]) -> int:
    """Run the main coroutine of a process; SIGINT or SIGTERM sets its `Stop`, a second one ends the process at once.

    Gives the exit code that it returns.
    """
    return uvloop.run(_until_stopped(main))


async def _until_stopped(main: Callable[[Stop], Coroutine[Any, Any, int]]) -> int:
    stop = Stop()
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, _asked, stop, number)
    return await main(stop)


def _asked(stop: Stop, number: signal.Signals) -> None:
    if stop.wished:
        # Nothing is lost by it: what was not settled is delivered again, what was not sent stays in the outbox.
        os._exit(SIGNALLED + number)
    stop.set()


async def patiently(call: Callable[[], Awaitable[Value]], stop: Stop, seconds: float = math.inf) -> Value:
    """Call until it does not raise `Unavailable`, with full jitter between attempts (0 to 5 s).

    Raises:
        Unavailable: the last one, when the stop is wished for, or some seconds are over.
    """
    deadline = time.monotonic() + seconds
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(Unavailable),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        stop=lambda _: stop.wished or time.monotonic() >= deadline,
        sleep=stop.pause,
        reraise=True,
    ):
        with attempt:
            return await call()
    raise AssertionError("tenacity returns or raises")  # pragma: no cover
