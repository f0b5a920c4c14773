"""A load or a replay from its first command to its summary."""

import asyncio
import math
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from uuid import uuid4

from cart_platform.errors import UsageError
from cart_platform.shoppers.arrivals import PROFILES, arrivals
from cart_platform.shoppers.client import PATIENCE, Client
from cart_platform.shoppers.lanes import Lanes
from cart_platform.shoppers.replay_file import ReplayFile
from cart_platform.shoppers.request import Request
from cart_platform.shoppers.shopper import crowd
from cart_platform.shoppers.summary import Progress, Summary, Tally

PROGRESS_INTERVAL = 0.5
"""Seconds between two reports of progress."""

STOP_GRACE = 1.0
"""Seconds that requests in flight have to end once the run is interrupted."""

LAST_START = 1.0
"""Seconds after the end of a load in which commands that are late are still begun."""

_TIMER_RESOLUTION = 0.001
_RUN = re.compile(r"[A-Za-z0-9._-]{1,40}")

Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Load:
    """Shoppers who arrive whether or not the API keeps up.

    Attributes:
        url: The API's root.
        rate: Mean commands per second.
        duration: Seconds; `math.inf` to go on until interrupted.
        profile: How the rate moves, one of `PROFILES`.
        seed: The same seed gives the same commands at the same times, apart from the names of the carts.
        run: Begins the name of every cart: 1 to 40 letters, digits, dots, underscores or hyphens.
        wait: Seconds for which the API is asked to wait for results (`Prefer: wait`), or None.
        concurrency: Carts at most with a request in flight; beyond it, commands wait and are late.
        patience: Seconds from its first failure on after which a command is given up.

    Raises:
        UsageError: for a value out of these bounds.
    """

    url: str
    rate: float
    duration: float
    profile: str = "steady"
    seed: int = 1
    run: str = field(default_factory=lambda: uuid4().hex[:8])
    wait: int | None = None
    concurrency: int = 256
    patience: float = PATIENCE

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise UsageError(f"there is no profile {self.profile!r}: choose one of {', '.join(PROFILES)}")
        if not 0 < self.rate < math.inf or not self.duration > 0:
            raise UsageError(f"a load of {self.rate} commands a second for {self.duration} s: both must be above 0")
        if not _RUN.fullmatch(self.run):
            raise UsageError(f"a run cannot be named {self.run!r}: use 1 to 40 letters, digits or . _ -")
        _check_concurrency(self.concurrency)


@dataclass(frozen=True)
class Replay:
    """The commands of a file, as fast as the API takes them, in order within each cart.

    Attributes:
        url: The API's root.
        file: A UTF-8 file.
        layout: One of `replay_file.LAYOUTS`.
        columns: Names of the columns that hold cart, product and quantity, in the layout `lines`.
        wait: Seconds for which the API is asked to wait for results (`Prefer: wait`), or None.
        concurrency: Carts at most with a request in flight.
        patience: Seconds from its first failure on after which a command is given up.

    Raises:
        UsageError: for a concurrency below 1.
    """

    url: str
    file: Path
    layout: str = "baskets"
    columns: Mapping[str, str] | None = None
    wait: int | None = None
    concurrency: int = 64
    patience: float = PATIENCE

    def __post_init__(self) -> None:
        _check_concurrency(self.concurrency)


def _check_concurrency(concurrency: int) -> None:
    if concurrency < 1:
        raise UsageError(f"no command can be sent with {concurrency} carts at once: give at least 1")


async def run_load(load: Load, progress: Report | None = None) -> Summary:
    """Drives an API with a load and calls `progress` every half second and at the end.

    Cancelled, it forgets what has not begun, ends what is in flight and returns the summary of what was done.

    Raises:
        Unavailable: when the API cannot be reached at the start.
        UsageError: when the URL is none.
    """
    tally = Tally(total=None)
    client = Client(load.url, wait=load.wait, patience=load.patience, on_trouble=tally.trouble)
    return await _run(client, _arriving(load, tally), load.concurrency, tally, progress)


async def run_replay(replay: Replay, progress: Report | None = None) -> Summary:
    """Drives an API with the commands of a file and calls `progress` every half second and at the end.

    The file is read to its end before the first command is sent. Cancelled, it forgets what has not begun, ends what is
    in flight and returns the summary of what was done. Repeated, it sends the same idempotency keys.

    Raises:
        ReplayFileError: when the file cannot be replayed as asked.
        Unavailable: when the API cannot be reached at the start.
        UsageError: when the URL or the layout is none.
    """
    file = ReplayFile(replay.file, replay.layout, replay.columns)
    tally = Tally(total=await asyncio.to_thread(file.count))
    client = Client(replay.url, wait=replay.wait, patience=replay.patience, on_trouble=tally.trouble)
    return await _run(client, _at_once(file), replay.concurrency, tally, progress)


Source = AsyncGenerator[tuple[Request, float | None], None]


async def _arriving(load: Load, tally: Tally) -> Source:
    commands = crowd(load.run, load.rate, load.seed)
    start = time.perf_counter()
    for at in arrivals(load.profile, load.rate, load.duration, load.seed):
        await _until(start + at)
        if time.perf_counter() < start + load.duration + LAST_START:
            yield next(commands), start + at
        else:
            tally.skip()


async def _until(due: float) -> None:
    """Returns at `due` or within a timer's resolution after it, never before: a latency is never flattered."""
    while (pause := due - time.perf_counter()) > 0:  # noqa: ASYNC110  waits for the clock, not for an event
        await asyncio.sleep(max(pause, _TIMER_RESOLUTION))


async def _at_once(file: ReplayFile) -> Source:
    for request in file.requests():
        yield request, None


async def _run(client: Client, source: Source, concurrency: int, tally: Tally, progress: Report | None) -> Summary:
    async def send(request: Request, due: float | None) -> None:
        since = tally.begin(due)
        tally.end(await client.send(request), since)

    async with client:
        await client.greet()
        tally.start()
        try:
            async with asyncio.TaskGroup() as group:
                reporter = group.create_task(_report(tally, progress))
                await _dispatch(source, Lanes(group, send, concurrency), tally)
                reporter.cancel()
        except ExceptionGroup as errors:
            # Those who call know the kinds of error, not that tasks were grouped.
            raise errors.exceptions[0] from errors
    if progress is not None:
        progress(tally.progress())
    return tally.summary()


async def _dispatch(source: Source, lanes: Lanes, tally: Tally) -> None:
    try:
        async with aclosing(source):
            async for request, due in source:
                await lanes.submit(request, due)
        await lanes.finish()
    except asyncio.CancelledError:
        # Swallowed: who asked for the end still wants the summary. A failed task's error is raised by the task group.
        cast("asyncio.Task[Summary]", asyncio.current_task()).uncancel()
        tally.interrupted = True
        await lanes.stop(STOP_GRACE)


async def _report(tally: Tally, progress: Report | None) -> None:
    while progress is not None:
        progress(tally.progress())
        await asyncio.sleep(PROGRESS_INTERVAL)
