"""Scrapes the `/metrics` of processes into the file, and knows how each of them does.

The text is asked for uncompressed: it comes from near by, and to be watched should be little work for a process.
"""

import asyncio
import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

import aiohttp

from cart_observability.console.file import Full, SignalFile
from cart_observability.console.metrics.openmetrics import Reader, Unreadable
from cart_observability.console.metrics.samples import Recorder
from cart_observability.console.metrics.tiers import MILLISECOND
from cart_observability.console.records import Family

__all__ = ("Scraper", "Target")

SECONDS: Final = 2.0
TIMEOUT_SECONDS: Final = 5.0
LAST_SECONDS: Final = 1.0
"""How long a last scrape may take when all comes to its end."""
LARGEST_BODY: Final = 8 * 1024 * 1024
"""Bytes of one answer."""
MOST_SAMPLES: Final = 20_000
"""Samples of one answer: what shows more is not a process but many, or labels its metrics with ids."""
MOST_TARGETS: Final = 200
LONGEST_REASON: Final = 300
LATE: Final = 3
"""A process is silent that was last scraped longer ago than so many scrapes take, or so many seconds; one that never
was, and may only be starting, after more failures than that."""
SAMPLES_A_WEIGHT: Final = 20
"""Samples that are as much work for the writer as a line or a span: most are not stored, for they do not change."""

_OPENMETRICS: Final = "application/openmetrics-text"
_HEADERS: Final = {
    "Accept": f"{_OPENMETRICS};version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "Accept-Encoding": "identity",
}

_log = logging.getLogger(__name__)

Targets = Mapping[str, str] | Callable[[], Mapping[str, str]]
"""The addresses of metrics, by the names of the processes; or what gives them at this moment."""


class _Failed(Exception):  # noqa: N818  named by what it says: a scrape failed, which is counted
    """A scrape came to nothing, for a reason that a person can read."""


@dataclass(slots=True)
class Target:
    """What is known of one process as a source of metrics.

    Attributes:
        url: Where it was last scraped.
        last: When it was last scraped with success, in ns since the epoch; None before the first time.
        samples: Samples that were recorded.
        failures: Scrapes that came to nothing, because nothing answered or what answered was no exposition.
        dropped: Scrapes that found no room in the file.
        reason: Why the latest scrape came to nothing; None if it did not.
    """

    url: str
    last: int | None = None
    samples: int = 0
    failures: int = 0
    dropped: int = 0
    reason: str | None = None

    def source(self, name: str, now: int, seconds: float) -> dict[str, Any]:
        """As a source of the overview, in JSON; `now` in ns, `seconds` what lies between two scrapes."""
        behind = None if self.last is None else max(0, now - self.last) / MILLISECOND
        is_fresh = behind is not None and self.reason is None and behind <= LATE * max(seconds, 1.0) * 1000
        is_awaited = behind is None and self.failures <= LATE
        return {
            "kind": "metrics",
            "name": name,
            "state": "fresh" if is_fresh else "never" if is_awaited else "silent",
            "last": None if self.last is None else self.last / MILLISECOND,
            "behind_ms": behind,
            "received": self.samples,
            "dropped": self.dropped,
            "refused": self.failures,
            "detail": self.reason,
        }


class Scraper:
    """Scrapes processes, each for itself: one that does not answer holds up no other.

    Args:
        file: Where their samples go.
        targets: What is scraped; where it is a function it is asked again and again.
        seconds: Between two scrapes of a process.

    Attributes:
        targets: What is known of each process that is or was scraped, by its name.
    """

    def __init__(self, file: SignalFile, targets: Targets, seconds: float = SECONDS) -> None:
        self._file = file
        self._wanted = targets if callable(targets) else lambda: targets
        self._seconds = seconds
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._followings: dict[str, _Following] = {}
        self._is_told = True
        self.targets: dict[str, Target] = {}

    def sources(self, now: int) -> list[dict[str, Any]]:
        """The processes as sources of the overview, in JSON; `now` in ns since the epoch."""
        return [target.source(name, now, self._seconds) for name, target in sorted(self.targets.items())]

    async def run(self, stop: asyncio.Event) -> None:
        """Scrape until stopped; whatever goes wrong with a process is noted at its target. Not to be called twice."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        # A thread of its own: whatever else the process does never waits for it, and one text is taken apart at a time.
        with ThreadPoolExecutor(1, "console metrics") as thread:
            async with aiohttp.ClientSession(timeout=timeout, headers=_HEADERS, auto_decompress=False) as session:
                try:
                    while not stop.is_set():
                        await self._keep_up(session, thread)
                        await _passed(stop, self._seconds)
                    await self._scrape_once_more()
                finally:
                    await self._end(list(self._tasks))

    async def _keep_up(self, session: aiohttp.ClientSession, thread: ThreadPoolExecutor) -> None:
        """Scrape what is wanted now, and nothing else."""
        try:
            wanted = dict(islice(self._wanted().items(), MOST_TARGETS))
        except Exception:  # noqa: BLE001  whoever gives them may be at fault for a moment: what was wanted goes on
            if self._is_told:
                _log.exception("the console cannot learn what to scrape")
            self._is_told = False
            return
        self._is_told = True
        await self._end(self._tasks.keys() - wanted.keys())
        for name, url in wanted.items():
            self.targets.setdefault(name, Target(url)).url = url
            if name not in self._tasks:
                self._followings[name] = _Following(name, self.targets[name], self._file, session, thread)
                self._tasks[name] = asyncio.create_task(
                    self._followings[name].run(self._seconds), name=f"metrics of {name}"
                )

    async def _scrape_once_more(self) -> None:
        """What was counted since the last scrapes is not to be lost when the console and the processes end together."""
        followings = [self._followings[name] for name in self._tasks]
        await self._end(list(self._tasks))
        last = {asyncio.create_task(following.scrape()) for following in followings}
        if last:
            _, late = await asyncio.wait(last, timeout=LAST_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.wait(last)

    async def _end(self, names: Iterable[str]) -> None:
        tasks = {self._tasks.pop(name) for name in names}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


class _Following:
    """The scrapes of one process, one after the other."""

    def __init__(
        self, name: str, target: Target, file: SignalFile, session: aiohttp.ClientSession, thread: ThreadPoolExecutor
    ) -> None:
        self._name = name
        self._target = target
        self._file = file
        self._session = session
        self._thread = thread
        self._reader = Reader()
        self._recorder = Recorder(name)

    async def run(self, seconds: float) -> None:
        """Scrape until cancelled, in step with the clock however long a scrape takes."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self.scrape()
            due = max(due + seconds, loop.time())
            await asyncio.sleep(due - loop.time())

    async def scrape(self) -> None:
        """Scrape once; what goes wrong is noted at the target."""
        target = self._target
        try:
            scraped, families = await self._families()
            await self._record(scraped, families)
        except Full:
            target.dropped, target.reason = target.dropped + 1, "the file has no room for more at present"
        except Exception as error:  # noqa: BLE001  whatever a process shows, it is a failure of that scrape alone
            target.failures, target.reason = target.failures + 1, _reason(error)
            await self._miss()
        else:
            target.last, target.reason = scraped, None

    async def _families(self) -> tuple[int, Sequence[Family]]:
        """When the process was scraped, and what it showed."""
        async with self._session.get(self._target.url, allow_redirects=False) as response:
            scraped = time.time_ns()
            if response.status != HTTPStatus.OK:
                raise _Failed(f"it answered with status {response.status}")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise _Failed(f"it answered in {response.headers['Content-Encoding']}, which was not asked for")
            body = await _body(response)
            is_openmetrics = response.content_type == _OPENMETRICS
        loop = asyncio.get_running_loop()
        return scraped, await loop.run_in_executor(self._thread, self._read, body, scraped, is_openmetrics)

    def _read(self, body: bytes, scraped: int, is_openmetrics: bool) -> Sequence[Family]:  # noqa: FBT001  an executor passes no keywords
        families = self._reader.read(body.decode(), scraped, is_openmetrics=is_openmetrics)
        samples = sum(len(family.samples) for family in families)
        if samples > MOST_SAMPLES:
            raise _Failed(f"it shows {samples} samples, which is more than {MOST_SAMPLES}")
        return families

    async def _record(self, scraped: int, families: Sequence[Family]) -> None:
        recorder, samples = self._recorder, sum(len(family.samples) for family in families)
        submitted = self._file.submit(
            lambda connection: recorder.record(connection, scraped, families), 1 + samples // SAMPLES_A_WEIGHT
        )
        try:
            await asyncio.wrap_future(submitted)
        except BaseException:
            # Undone, or not known to be done.
            self._recorder = Recorder(self._name)
            raise
        self._target.samples += samples

    async def _miss(self) -> None:
        """Record that a scrape came to nothing, if even that is possible."""
        recorder, now = self._recorder, time.time_ns()
        try:
            await asyncio.wrap_future(self._file.submit(lambda connection: recorder.missed(connection, now)))
        except (Full, sqlite3.Error):
            self._recorder = Recorder(self._name)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise _Failed(f"it answered with more than {LARGEST_BODY} bytes")
    return bytes(body)


async def _passed(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer in {TIMEOUT_SECONDS:g} s"
    if isinstance(error, UnicodeDecodeError):
        return "what it answers is no text"
    if isinstance(error, _Failed | Unreadable):
        return str(error)
    number = getattr(error, "errno", None) or 0
    # Below 0 are the resolver's own numbers.
    return os.strerror(number).lower() if number > 0 else f"{type(error).__name__}: {error}"[:LONGEST_REASON]
