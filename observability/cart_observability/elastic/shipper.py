"""Ships log files into Elasticsearch, each line once, however often either of them is killed.

A line's document id is made from its place in its file, and documents are only ever created: one that is sent again is
refused as known. Positions are kept after the server has answered, so nothing counts as shipped before it is. While
the server is away nothing is read, and memory stays at one batch. What is lost is what is removed before it was read:
of a process that logs on, all but its last 256 MiB (`line_writer`). When a stream rolls over between two sendings of
the same line, it is there twice.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Final, Protocol

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from cart_observability.elastic import documents, template
from cart_observability.elastic.client import Client, ElasticError, Outcome
from cart_observability.elastic.documents import Document
from cart_observability.elastic.positions import Positions
from cart_observability.log_files import Line, look

BATCH_BYTES: Final = 2 * 1024 * 1024
LOOK_SECONDS: Final = 0.5
ANSWER_SECONDS: Final = 60.0
LONGEST_WAIT_SECONDS: Final = 5.0

Shape = Callable[[Line, datetime], Document]
"""What makes a line a document."""


class Stop(Protocol):
    """The wish that the shipping end."""

    @property
    def wished(self) -> bool:
        """Whether the end was asked for."""

    async def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the wish."""


class _BusyError(Exception):
    """The server took a request and not all that was in it."""


_AWAY = (_BusyError, ElasticError, aiohttp.ClientError, TimeoutError)


@dataclass(frozen=True)
class _Batch:
    documents: list[Document]
    positions: Mapping[str, int]


class Shipper:
    """Follows folders of log files.

    Attributes:
        counts: Lines by what became of them: `indexed`, `known` (sent before), `unparsed` and `refused` (by the stream
            of unparsed lines as well, and told to `report`).
    """

    def __init__(
        self,
        client: Client,
        folders: Mapping[Path, Shape],
        state: Path,
        templates: template.Objects,
        report: Callable[[str], None],
    ) -> None:
        """Prepare; nothing is read or sent before `run`.

        Args:
            client: Of the server.
            folders: What the lines of the files in each folder become.
            state: The file of positions.
            templates: What the server is told before the first line; may be empty.
            report: Takes a line for a person when the server stops taking lines, and when it takes them again.
        """
        self.counts: Counter[str] = Counter()
        self._client = client
        self._folders = folders
        self._positions = Positions(state)
        self._templates = templates
        self._report = report
        self._away = False

    async def run(self, stop: Stop) -> None:
        """Ship until the stop is wished for and everything is shipped, or is wished for while the server is away.

        Raises OSError when the files or the positions cannot be used.
        """
        if not await self._persist(self._install, stop):
            return
        while True:
            batch = await asyncio.to_thread(self._read)
            if batch.positions:
                if not await self._persist(partial(self._ship, batch.documents), stop):
                    return
                await asyncio.to_thread(self._positions.advance, batch.positions)
            elif stop.wished:
                return
            else:
                await stop.pause(LOOK_SECONDS)

    async def _install(self) -> None:
        await template.install(self._client, self._templates)

    def _read(self) -> _Batch:
        now = datetime.now(UTC)
        made: list[Document] = []
        positions = {}
        for folder, shape in self._folders.items():
            for chunk in look(folder, self._positions.of, BATCH_BYTES // len(self._folders)).chunks:
                made += [shape(line, now) for line in chunk.lines()]
                positions[chunk.key] = chunk.end
        return _Batch(made, positions)

    async def _ship(self, waiting: list[Document]) -> None:
        """Send until none waits; called again it goes on where it was. Raises _BusyError when the server has enough."""
        while waiting:
            outcomes = await self._client.bulk(b"".join(document.action() for document in waiting))
            answered = list(zip(waiting, outcomes, strict=True))
            waiting[:] = [left for document, outcome in answered for left in self._left(document, outcome)]
            busy = [outcome for _, outcome in answered if not _is_settled(outcome)]
            if busy:
                raise _BusyError(f"{len(busy)} lines not taken: {busy[0].status} {busy[0].error}")

    def _left(self, document: Document, outcome: Outcome) -> list[Document]:
        """What is still to be sent of a document: nothing, itself, or its line as an unparsed one."""
        if not _is_settled(outcome):
            return [document]
        if outcome.status != HTTPStatus.BAD_REQUEST:
            self.counts["known" if outcome.status == HTTPStatus.CONFLICT else _kind(document)] += 1
            return []
        error = outcome.error
        kind, reason = (error.type, error.reason or "") if error else ("", "")
        if document.stream == template.UNPARSED:
            self.counts["refused"] += 1
            self._report(f"a line of {document.line.path} is refused by {document.stream}: {reason}")
            return []
        return [documents.unparsed(document.line, datetime.now(UTC), kind, reason)]

    async def _persist(self, call: Callable[[], Awaitable[None]], stop: Stop) -> bool:
        """Call until it succeeds; False when the stop is wished for before."""
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(_AWAY),
            wait=wait_random_exponential(multiplier=0.1, max=LONGEST_WAIT_SECONDS),
            stop=lambda _: stop.wished,
            sleep=stop.pause,
            before_sleep=self._tell,
            reraise=True,
        )
        try:
            await attempts(call)
        except _AWAY:
            return False
        if self._away:
            self._away = False
            self._report("Elasticsearch takes log lines again")
        return True

    def _tell(self, attempt: RetryCallState) -> None:
        if not self._away:
            self._away = True
            error = attempt.outcome.exception() if attempt.outcome else None
            self._report(f"Elasticsearch takes no log lines ({error or type(error).__name__}): tried until it does")


def _kind(document: Document) -> str:
    return "unparsed" if document.stream == template.UNPARSED else "indexed"


def _is_settled(outcome: Outcome) -> bool:
    """Whether sending the same again would change nothing: it is there, or its mapping refuses it."""
    return outcome.status < HTTPStatus.MULTIPLE_CHOICES or outcome.status in (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.CONFLICT,
    )


async def ship(
    url: str,
    logs: Path,
    output: Path,
    state: Path,
    templates: template.Objects,
    report: Callable[[str], None],
    stop: Stop,
) -> Counter[str]:
    """Ship Cartscope's log files and what servers print, until stopped; gives the counts of `Shipper`.

    Args:
        url: Of Elasticsearch.
        logs: Folder of files of JSON lines.
        output: Folder of files of plain text, a server each.
        state: The file of positions.
        templates: As `template.load` gives them.
        report: Takes a line for a person.
        stop: Ends it.
    """
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS)) as http:
        folders = {logs: documents.structured, output: documents.plain}
        shipper = Shipper(Client(http, url), folders, state, templates, report)
        await shipper.run(stop)
        return shipper.counts
