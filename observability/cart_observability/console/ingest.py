"""Everything that fills the file: what scrapes, what follows log files, what takes spans, and what forgets."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from cart_observability.console import sources
from cart_observability.console.events import events
from cart_observability.console.file import SignalFile
from cart_observability.console.logs import lines, tailing
from cart_observability.console.logs.tailing import LOOK_SECONDS, Tail
from cart_observability.console.metrics import samples
from cart_observability.console.metrics.scraping import Scraper
from cart_observability.console.pace import Pace
from cart_observability.console.pruning import Bounds, Pruner
from cart_observability.console.traces import spans
from cart_observability.console.traces.receiving import Receiver
from cart_observability.http_server import HttpServer

SCHEMAS: Final = (lines.SCHEMA, events.SCHEMA, spans.SCHEMA, samples.SCHEMA, tailing.SCHEMA)
END_SECONDS: Final = 5.0
"""How long what records has to come to its end; what is in log files by then and was not read is read next time."""

Targets = Callable[[], Mapping[str, str]]
"""Gives the addresses of metrics at this moment, by the names of the processes."""


_log = logging.getLogger(__name__)


class _Stop(asyncio.Event):
    """The wish that recording end."""

    @property
    def wished(self) -> bool:
        """Whether the end was asked for."""
        return self.is_set()

    async def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the wish."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wait(), seconds)


class Ingest:
    """What fills one file.

    Args:
        file: The file.
        targets: What is scraped.
        logs: The folder whose log files are followed; None for none.
        subject_field: The log field that names what events are about.
        bounds: How much is kept.
        pace: How much log files may keep the process busy.
    """

    def __init__(
        self,
        file: SignalFile,
        targets: Targets,
        logs: Path | None,
        subject_field: str | None,
        bounds: Bounds,
        pace: Pace,
    ) -> None:
        self._pace = pace
        self._scraper = Scraper(file, targets)
        self._logs = logs
        self._tail = None if logs is None else Tail(file, logs, subject_field, bounds.age_seconds)
        self._receiver = Receiver(file)
        self._pruner = Pruner(file, bounds)
        self._otlp = ""

    @asynccontextmanager
    async def running(self, host: str, otlp_port: int) -> AsyncIterator[str]:
        """Fill it for as long as the block lasts; gives the address for spans.

        Raises:
            CannotListen: nothing can listen there.
        """
        server = HttpServer(self._receiver.app(), host, otlp_port)
        await server.start()
        self._otlp = server.url
        stop = _Stop()
        work = [self._scraper.run(stop), self._pruner.run(stop), self._pace.watch(stop)]
        work += [self._follow(self._tail, stop)] if self._tail else []
        tasks = {asyncio.create_task(_to_its_end(each)) for each in work}
        try:
            yield server.url
        finally:
            await server.stop()
            stop.set()
            _, late = await asyncio.wait(tasks, timeout=END_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _follow(self, tail: Tail, stop: _Stop) -> None:
        """Follow the log files at the pace that is given, and look once more at the end."""
        while not stop.wished:
            is_more = await asyncio.to_thread(tail.turn)
            rest = self._pace.rest(tail.worked)
            await stop.pause(rest if is_more else max(LOOK_SECONDS, rest))
        await asyncio.to_thread(tail.turn)

    def sources(self, now: int) -> list[dict[str, Any]]:
        """Where it comes from, in JSON; `now` in ns since the epoch."""
        logs = [sources.of_logs(self._tail, self._logs, now)] if self._tail and self._logs else []
        return [*self._scraper.sources(now), *logs, *sources.of_traces(self._receiver, self._otlp, now)]

    @property
    def behind(self) -> int:
        """Age of the latest that is recorded while more waits, in ns; 0 when none does."""
        return self._tail.behind if self._tail else 0


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """What ends by an error that nobody expected says so; the others go on."""
    try:
        await work
    except Exception:  # noqa: BLE001  whatever it is, it is no reason for the others to end
        _log.exception("a part of the console ended")
