"""Answers of the HTTP API: JSON, worked out on threads of their own."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cart_observability.console.file import SignalFile

THREADS: Final = 4
"""Questions that are worked on at a time; others wait. The threads are the console's own: whatever else the process
does never waits for one of them."""

Answer = TypeVar("Answer")
Endpoint = Callable[[Request], Awaitable[Response]]


def json(document: Any) -> Response:
    """A document as an answer; a number that is none is null."""
    return Response(msgspec.json.encode(document), media_type="application/json")


class Desk:
    """Asks the file, away from the event loop."""

    def __init__(self, file: SignalFile) -> None:
        self._file = file
        self._threads = ThreadPoolExecutor(THREADS, "console question")

    async def ask(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """What a question finds."""
        return await self.run(lambda: self.read(question))

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """What work gives that is done on a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def read(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """What a question finds, asked on this thread."""
        with self._file.reading() as connection:
            return question(connection)

    def close(self) -> None:
        """Wait for the questions under way."""
        self._threads.shutdown(cancel_futures=True)
