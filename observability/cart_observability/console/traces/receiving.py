"""Takes spans by OTLP over HTTP: answered when they are kept, refused when they cannot be, and all of it counted.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from cart_observability.console.file import Full, SignalFile
from cart_observability.console.records import Span
from cart_observability.console.traces import otlp, spans
from cart_observability.console.web.problem import HANDLERS, Problem

MOST_UNDER_WAY: Final = 32 * 1024 * 1024
"""Bytes of all requests that are read, or wait to be kept."""
READ_BEYOND: Final = 16 * 1024 * 1024
"""Bytes of a body that are read and thrown away, so that who sends too much hears that, rather than being cut off."""
READ_SECONDS: Final = 30.0
DECODERS: Final = 2
"""Requests that are decoded at a time."""
MOST_SERVICES: Final = 200
"""Services that are told apart: no sender decides how much memory is used."""
OTHERS: Final = "_other"
RETRY_AFTER: Final = {"Retry-After": "1"}
COME_AGAIN: Final = frozenset({429, 503})
"""Statuses of what is not refused, but deferred: its sender is to send it again."""
BROWSER_HEADERS: Final = ("origin", "sec-fetch-mode", "sec-fetch-site")
"""Sent by browsers alone: no page, of whatever site, is to send spans."""


@dataclass(slots=True)
class Receipt:
    """What came from one service: spans, and when the last ones did (ns since the epoch)."""

    received: int = 0
    last: int = 0


class Receiver:
    """Takes spans into a file.

    Attributes:
        receipts: What came, by service.
        deferred: Spans that found no room, each time that they did not, and that their senders were told to send again;
            a request that was not even read counts as one. What a sender gives up is for that one to count.
        refused: Spans that cannot be kept, and requests that nothing could be made of.
        refusal: Why the last of those could not be.
    """

    def __init__(self, file: SignalFile) -> None:
        self._file = file
        self._decoding = asyncio.Semaphore(DECODERS)
        self._under_way = 0
        self.receipts: dict[str, Receipt] = {}
        self.deferred = 0
        self.refused = 0
        self.refusal: str | None = None

    def app(self) -> Starlette:
        """The receiver as an application, for a port of its own."""
        return Starlette(routes=[Route("/v1/traces", self.traces, methods=["POST"])], exception_handlers=HANDLERS)

    async def traces(self, request: Request) -> Response:
        """Take the spans of one request; the answer is as the protocol has it, also that it cannot be done."""
        kind = request.headers.get("content-type", "")
        try:
            received = await self._taken(request)
        except Problem as problem:
            if problem.status not in COME_AGAIN:
                self._refuse(1, str(problem))
            told = otlp.refusal(str(problem), kind)
            return Response(told.body, problem.status, problem.headers, told.media_type)
        told = otlp.answer(received, kind)
        return Response(told.body, media_type=told.media_type)

    async def _taken(self, request: Request) -> otlp.Received:
        if any(name in request.headers for name in BROWSER_HEADERS):
            raise Problem(403, "spans are taken from programs, and this comes from a browser")
        async with self._body(request) as body:
            received = await self._decoded(body, request.headers)
            await self._keep(received.spans)
        if received.rejected:
            self._refuse(received.rejected, received.reason)
        return received

    @asynccontextmanager
    async def _body(self, request: Request) -> AsyncIterator[bytes]:
        """The body of a request, which counts as under way for as long as the block lasts."""
        body = bytearray()
        sent = 0
        try:
            async with asyncio.timeout(READ_SECONDS):
                async for chunk in request.stream():
                    sent += len(chunk)
                    if sent <= otlp.LARGEST_SENT and self._under_way + len(chunk) <= MOST_UNDER_WAY:
                        self._under_way += len(chunk)
                        body += chunk
                    elif sent > otlp.LARGEST_SENT + READ_BEYOND:
                        break
            if sent > otlp.LARGEST_SENT:
                raise Problem(413, f"the body has more than {otlp.LARGEST_SENT:,} bytes")
            if sent > len(body):
                self._defer(1)
            yield bytes(body)
        except (ClientDisconnect, TimeoutError):
            raise Problem(408, "the body did not come to its end") from None
        finally:
            self._under_way -= len(body)

    async def _decoded(self, body: bytes, headers: Headers) -> otlp.Received:
        kind, encoding = headers.get("content-type", ""), headers.get("content-encoding", "")
        async with self._decoding:
            try:
                return await asyncio.to_thread(otlp.decode, body, kind, encoding)
            except otlp.Refused as refused:
                raise Problem(refused.status, refused.reason) from refused

    async def _keep(self, found: Sequence[Span]) -> None:
        """Wait until the spans are committed."""
        if not found:
            return
        try:
            await asyncio.wrap_future(self._file.keep(spans.record, found))
        except Full:
            self._defer(len(found))
        except sqlite3.Error as error:
            self.deferred += len(found)
            raise Problem(503, f"the spans cannot be kept at present ({error})", RETRY_AFTER) from error
        self._note(found)

    def _defer(self, count: int) -> None:
        self.deferred += count
        raise Problem(429, "more waits than there is room for: send it again", RETRY_AFTER)

    def _refuse(self, count: int, reason: str) -> None:
        self.refused += count
        self.refusal = reason

    def _note(self, found: Sequence[Span]) -> None:
        now = time.time_ns()
        for service, count in Counter(span.service for span in found).items():
            is_known = service in self.receipts or len(self.receipts) < MOST_SERVICES
            receipt = self.receipts.setdefault(service if is_known else OTHERS, Receipt())
            receipt.received += count
            receipt.last = now
