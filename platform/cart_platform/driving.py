"""Drives a running chain for a person: sends the load, shows what happens, waits for the last event, sums up."""

import asyncio
import contextlib
import json
import math
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cart_platform.errors import Unavailable
from cart_platform.lifetime import Stop
from cart_platform.live import Screen, summary
from cart_platform.loading import until_stopped
from cart_platform.observer import Observer, View
from cart_platform.shoppers import Load, Progress, Replay, Summary, parse_columns, run_load, run_replay
from cart_platform.shoppers.replay_file import ReplayFile

REPLAY_CARTS = 256
"""Carts that a replay keeps going at once: so many commands at most wait together, and are committed together."""
POLL_SECONDS = 0.1
STALLED_SECONDS = 20.0
"""Longer than a claim lasts: after so long without progress, what no queue holds will not come."""
GRACE_SECONDS = 5.0
"""How long a run that was stopped waits for the events under way; what is left is handled when it is resumed."""

REPLAY_SAMPLING = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.02"}
"""A replay runs as fast as it can: one trace in fifty is kept, unless the environment says otherwise."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a demo or native run is asked to do; rates per second, times in seconds.

    `has_console`: whether the page is served; `opens_browser`: whether it is shown in a browser.
    """

    rate: float
    duration: float | None
    seed: int
    replay: Path | None = None
    layout: str = "baskets"
    columns: str | None = None
    as_json: bool = False
    has_console: bool = True
    opens_browser: bool = False

    def load(self, url: str) -> Load | Replay:
        """The load for the API at this URL.

        Raises:
            UsageError: when it cannot be as asked.
        """
        if self.replay is None:
            return Load(url, self.rate, math.inf if self.duration is None else self.duration, seed=self.seed)
        names = parse_columns(self.columns) if self.columns else None
        return Replay(url, self.replay, self.layout, names, concurrency=REPLAY_CARTS)

    def check(self) -> None:
        """Hold what is asked against what can be sent, before anything starts; a file is read to its end.

        Raises:
            UsageError: when it cannot be as asked.
        """
        load = self.load("http://127.0.0.1")
        if isinstance(load, Replay):
            ReplayFile(load.file, load.layout, load.columns).count()

    def sampling(self) -> Mapping[str, str]:
        """The environment of the processes that says which traces are kept."""
        return {} if self.replay is None or "OTEL_TRACES_SAMPLER" in os.environ else REPLAY_SAMPLING


@dataclass(frozen=True, slots=True)
class Chain:
    """A running chain: where its API is, who observes it, and how often its processes had to be started again.

    `disturbing` surrounds a load with the faults of shoppers; `console` is the address of the page, if there is one.
    """

    api: str
    observer: Observer
    disturbing: Callable[[Load | Replay], AbstractAsyncContextManager[None]]
    restarts: Callable[[], Mapping[str, int]] = dict
    console: str | None = None


@dataclass(slots=True)
class Troubles:
    """Says once that the API does not take commands, so that nobody watches a table stand still without a word."""

    screen: Screen
    told: bool = False

    def tell(self, progress: Progress) -> None:
        """Look at how the load is doing."""
        if progress.retried and not self.told:
            self.told = True
            self.screen.note(
                "the API did not take a command (a server away, overload, a full disk): commands are sent again "
                "until it does; the logs say why"
            )


async def drive(run: Run, chain: Chain, screen: Screen, stop: Stop) -> tuple[str, int]:
    """Send the load, wait until every event is handled, and give the summary to print and the exit code.

    Stopped, it sends no more and gives what is under way some seconds. The exit code is 1 when commands were given up.

    Raises:
        CartscopeError: when the load cannot be sent as asked.
    """
    load = run.load(chain.api)
    observer = chain.observer
    before = await observer.view()
    async with shown(observer, screen):
        began = time.monotonic()
        tell = Troubles(screen).tell
        work = run_load(load, tell) if isinstance(load, Load) else run_replay(load, tell)
        async with chain.disturbing(load):
            sent = await until_stopped(work, stop)
        loaded = time.monotonic()
        await _handled(observer, stop, screen)
        ended = time.monotonic()
    await observer.scrape()
    view = await observer.view()
    view = replace(
        view,
        rejected=sent.rejected,
        arrival_rate=(view.accepted - before.accepted) / max(loaded - began, 1e-9),
        throughput=(view.finished - before.finished) / max(ended - began, 1e-9),
    )
    return _summary(run, chain, view, sent, ended - began), 1 if sent.failed else 0


def _summary(run: Run, chain: Chain, view: View, sent: Summary, seconds: float) -> str:
    if run.as_json:
        return json.dumps({**view.as_dict(chain.restarts()), "load": sent.as_dict()})
    return summary(view, seconds)


async def _handled(observer: Observer, stop: Stop, screen: Screen) -> None:
    """Wait until every event is handled; once stopped, for the grace and no longer."""
    grace = GRACE_SECONDS
    while grace > 0 and not await observer.finished():
        if await observer.stalled(STALLED_SECONDS):
            screen.note("some events wait in no queue: a handler that was added later does not get earlier events")
            return
        if await stop.wait(POLL_SECONDS):
            await asyncio.sleep(POLL_SECONDS)
            grace -= POLL_SECONDS


@asynccontextmanager
async def shown(observer: Observer, screen: Screen) -> AsyncIterator[None]:
    """Scrape and show the chain as long as the block lasts."""
    tasks = [
        asyncio.create_task(observer.keep_scraping(screen.seconds)),
        asyncio.create_task(_keep_showing(observer, screen)),
    ]
    try:
        yield
    finally:
        await _ended(tasks)


async def _ended(tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Cancel until all have ended: a time limit of the store's client that runs out at that moment swallows it."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1.0)
    await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_showing(observer: Observer, screen: Screen) -> None:
    while True:
        await asyncio.sleep(screen.seconds)
        # While the store is away the screen stays as it is; the processes say why in their logs.
        with contextlib.suppress(Unavailable):
            screen.show(await observer.view())
