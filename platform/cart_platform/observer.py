"""Watches a running chain: reads the metrics of its processes, and what the store counts."""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families

from cart_observability.readings import Readings
from cart_platform.bus import Bus
from cart_platform.cart import CART_EVENTS, PRODUCT_POPULARITY
from cart_platform.errors import Unavailable
from cart_platform.handler import Handler
from cart_platform.store import Depth, Store, Totals

Source = Callable[[], Awaitable[Iterable[Metric]]]
"""Gives the metric families that one process shows at this moment."""

ACCEPTED = "cartscope_events_accepted_total"
REJECTED = "cartscope_commands_rejected_total"
HANDLED = "cartscope_events_handled_total"
AGE = "cartscope_event_age_seconds"
PROCESS = "messaging_process_duration_seconds"
POPULAR_PRODUCTS = 10
SCRAPE_TIMEOUT = aiohttp.ClientTimeout(total=5)


def own(registry: CollectorRegistry) -> Source:
    """The metrics of this very process."""

    async def collect() -> Iterable[Metric]:
        return registry.collect()

    return collect


def served(url: str) -> Source:
    """The metrics that a process serves at a URL."""

    async def fetch() -> Iterable[Metric]:
        async with aiohttp.ClientSession(timeout=SCRAPE_TIMEOUT) as session, session.get(url) as response:
            return list(text_string_to_metric_families(await response.text()))

    return fetch


@dataclass(frozen=True, slots=True)
class HandlerView:
    """One handler at this moment: rates per second, times in seconds (NaN before the first event), counts."""

    rate: float
    p50: float
    p99: float
    age_p99: float
    done: int
    duplicates: int
    retried: int
    dead_lettered: int
    waiting: int


@dataclass(frozen=True, slots=True)
class View:
    """The chain at this moment. `arrival_rate` is lambda and `throughput` events finished, both per second.

    `finished` are the events appended less those that the slowest handler has not finished yet.
    """

    elapsed: float
    accepted: int
    finished: int
    rejected: Mapping[str, int]
    sent: int
    depth: Depth
    arrival_rate: float
    throughput: float
    handlers: Mapping[str, HandlerView]
    notifications: int
    popular: Sequence[tuple[str, int]]

    def as_dict(self, restarts: Mapping[str, int]) -> dict[str, Any]:
        """The view in the form of `cartscope status --json`."""
        return {
            "commands": {"accepted": self.accepted, "rejected": dict(self.rejected)},
            "events": {"published": self.sent, "pending": self.depth.pending},
            "handlers": {
                name: {
                    "done": view.done,
                    "duplicates": view.duplicates,
                    "retried": view.retried,
                    "dead_lettered": view.dead_lettered,
                }
                for name, view in self.handlers.items()
            },
            "notifications": self.notifications,
            "popular": [list(entry) for entry in self.popular],
            "rates": {"lambda": round(self.arrival_rate, 3), "throughput": round(self.throughput, 3)},
            "processing_seconds": {
                name: {"p50": _number(view.p50), "p99": _number(view.p99)} for name, view in self.handlers.items()
            },
            "restarts": dict(restarts),
        }


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else round(value, 6)


@dataclass(slots=True)
class Observer:
    """Reads the metrics of processes, by name, and looks at the store and the bus.

    What the store counts (accepted, published, done) is exact over crashes and restarts; duplicates, retries and
    refusals are what the processes counted since the observer began. Dead-lettered are the events that the store knows
    to be given up, or what the processes counted if that is more: unreadable messages are no events.
    """

    store: Store
    bus: Bus
    handlers: Sequence[Handler]
    sources: dict[str, Source]
    readings: Readings = field(default_factory=Readings)
    began: float = field(default_factory=time.monotonic)
    _moved: tuple[Totals | None, float] = (None, 0.0)

    async def scrape(self) -> None:
        """Read the metrics of every process; one that does not answer is left out."""
        await asyncio.gather(*(self._scrape(name, source) for name, source in list(self.sources.items())))

    async def _scrape(self, name: str, source: Source) -> None:
        with contextlib.suppress(OSError, TimeoutError, aiohttp.ClientError, ValueError):
            self.readings.read(name, await source())

    async def keep_scraping(self, seconds: float) -> None:
        """Scrape again and again until cancelled."""
        while True:
            await self.scrape()
            await asyncio.sleep(seconds)

    async def finished(self) -> bool:
        """Whether every event is published, and done or given up by every handler that reacts to it."""
        with contextlib.suppress(Unavailable):
            depth, totals = await self.store.depth(), await self.store.totals()
            return depth.pending == 0 and not any(self._waiting(handler, totals) for handler in self.handlers)
        return False

    async def stalled(self, seconds: float) -> bool:
        """Whether nothing was counted for so long, although no queue holds anything."""
        with contextlib.suppress(Unavailable):
            totals = await self.store.totals()
            if totals != self._moved[0]:
                self._moved = (totals, time.monotonic())
            if time.monotonic() > self._moved[1] + seconds:
                return not any((await self.bus.backlog()).values())
        return False

    def _waiting(self, handler: Handler, totals: Totals) -> int:
        """Events appended that a handler reacts to and has not finished, wherever they are."""
        meant = sum(totals.appended.get(event_type, 0) for event_type in handler.reacts_to)
        return max(0, meant - totals.done.get(handler.name, 0) - totals.given_up.get(handler.name, 0))

    async def view(self) -> View:
        """The chain at this moment; raises Unavailable when the store does not answer."""
        now = time.monotonic()
        totals = await self.store.totals()
        accepted = sum(count for event_type, count in totals.appended.items() if event_type in CART_EVENTS)
        handlers = {handler.name: self._handler(handler, totals, now) for handler in self.handlers}
        slowest = max((handler.waiting for handler in handlers.values()), default=0)
        finished = sum(totals.appended.values()) - slowest
        return View(
            elapsed=now - self.began,
            accepted=accepted,
            finished=finished,
            rejected={reason: int(n) for reason, n in self.readings.by("reason", REJECTED).items()},
            sent=totals.sent,
            depth=await self.store.depth(),
            arrival_rate=self.readings.rate("accepted", accepted, now),
            throughput=self.readings.rate("finished", finished, now),
            handlers=handlers,
            notifications=sum(totals.done.get(handler.name, 0) for handler in self.handlers if handler.acts_outside),
            popular=await self.store.top(PRODUCT_POPULARITY, POPULAR_PRODUCTS),
        )

    def _handler(self, handler: Handler, totals: Totals, now: float) -> HandlerView:
        name, readings = handler.name, self.readings
        outcomes = {outcome: int(n) for outcome, n in readings.by("outcome", HANDLED, handler=name).items()}
        done = totals.done.get(name, 0)
        return HandlerView(
            rate=readings.rate(f"done {name}", done, now),
            p50=readings.quantile(0.5, PROCESS, handler=name),
            p99=readings.quantile(0.99, PROCESS, handler=name),
            age_p99=readings.quantile(0.99, AGE, handler=name),
            done=done,
            duplicates=outcomes.get("duplicate", 0),
            retried=outcomes.get("retried", 0),
            dead_lettered=max(outcomes.get("dead_lettered", 0), totals.given_up.get(name, 0)),
            waiting=self._waiting(handler, totals),
        )
