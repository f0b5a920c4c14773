"""Asks the HTTP API as any shopper does, and gives its answer whole."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
import msgspec
from yarl import URL

from cart_platform.errors import Unavailable
from cart_platform.shoppers.request import Request

PATIENCE = 10.0
"""Seconds that an answer may take, beside what the API is asked to wait."""

USER_AGENT = "cartscope-console"


class ApiAnswer(NamedTuple):
    """What the API says: a status, a document, and how many seconds it took."""

    status: int
    document: Any
    headers: Mapping[str, str]
    seconds: float


class ApiClient:
    """The API at a URL; a connection is made when it is first asked. `close` it at the end."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: Request, wait: int | None = None) -> ApiAnswer:
        """Send a command, once; with `wait` the API is asked to wait so many seconds for the handlers' results.

        Raises:
            Unavailable: when nothing that is an answer comes.
        """
        headers = {"Idempotency-Key": request.key}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if wait is not None:
            headers["Prefer"] = f"wait={wait}"
        return await self._ask(request.method, request.path or "", headers, request.body, PATIENCE + (wait or 0))

    async def get(self, path: str) -> ApiAnswer:
        """Ask for a document; raises Unavailable as `send`."""
        return await self._ask("GET", path, {}, None, PATIENCE)

    async def _ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, patience: float
    ) -> ApiAnswer:
        began = time.perf_counter()
        try:
            async with self._open().request(
                method,
                # Encoded as it is to be: yarl would take %2F for what it means.
                URL(self._url + path, encoded=True),
                data=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(patience),
                allow_redirects=False,
            ) as response:
                document = msgspec.json.decode(await response.read())
                return ApiAnswer(response.status, document, response.headers, time.perf_counter() - began)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(f"the API at {self._url} does not answer ({_cause(error)})") from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), headers={"User-Agent": USER_AGENT}
            )
        return self._session

    async def close(self) -> None:
        """End its connections; may be called twice, or on what never asked."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _cause(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it takes too long"
    if isinstance(error, ValueError):
        return "what it says is no JSON"
    return str(error) or type(error).__name__
