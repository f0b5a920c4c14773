"""Asks the API for one command after another, over connections that stay open, and does not give up at once."""

import os
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import aiohttp
from multidict import istr
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    retry_if_result,
    stop_before_delay,
    wait_random_exponential,
)
from yarl import URL

from cart_platform.errors import Unavailable, UsageError
from cart_platform.shoppers.answer import UNADDRESSABLE, Answer, read_answer
from cart_platform.shoppers.request import Request

PATIENCE = 120.0
"""Seconds for which a command is tried again: long enough for every server behind the API to be started again."""

ANSWER_TIMEOUT = 30.0
"""Seconds that one attempt may take, beside what it asks the API to wait."""

GREETING_PATIENCE = 5.0
"""Seconds in which the API must first be reached: beyond them its URL is taken to be wrong."""

_BACKOFF = wait_random_exponential(multiplier=0.1, max=2)
_IDEMPOTENCY_KEY = istr("Idempotency-Key")
_JSON = (istr("Content-Type"), istr("application/json"))
_TRANSPORT_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)
_CAUSES: Mapping[type[BaseException], str] = {
    aiohttp.ClientConnectorDNSError: "unknown host",
    aiohttp.ClientConnectionResetError: "connection lost",
    aiohttp.ClientOSError: "connection lost",
    aiohttp.ClientPayloadError: "connection lost",
    aiohttp.ServerDisconnectedError: "connection lost",
}


class Client:
    """An API at `url`; used as an asynchronous context manager.

    Args:
        url: The API's root, http or https.
        wait: Seconds for which the API is asked to wait for the handlers' results (`Prefer: wait`), or None.
        patience: Seconds from a command's first failure on after which it is given up.
        on_trouble: Called with the kind of trouble before every further attempt.

    Raises:
        UsageError: when `url` is none.
    """

    def __init__(
        self, url: str, *, wait: int | None = None, patience: float = PATIENCE, on_trouble: Callable[[str], None]
    ) -> None:
        self._root = _root(url)
        self._prefix = self._root.raw_path.rstrip("/")
        self._patience = patience
        self._on_trouble = on_trouble
        self._timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT + (wait or 0))
        self._headers = {"User-Agent": "cartscope-shop"} | ({} if wait is None else {"Prefer": f"wait={wait}"})
        self._failing_since: float | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            # The lanes bound how many requests are open; a second bound here would only add a queue.
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type"),
            timeout=self._timeout,
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def greet(self, patience: float = GREETING_PATIENCE) -> None:
        """Returns as soon as something answers HTTP at the URL; asks again for `patience` seconds.

        Raises:
            Unavailable: when nothing has answered by then.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_TRANSPORT_ERRORS),
            stop=stop_before_delay(patience),
            wait=_BACKOFF,
            reraise=True,
        )
        try:
            await retrying(self._knock)
        except _TRANSPORT_ERRORS as error:
            raise Unavailable(
                f"cannot reach the API at {self._root.origin()} ({_cause(error)}): start it, or correct its URL"
            ) from error

    async def _knock(self) -> None:
        timeout = aiohttp.ClientTimeout(total=GREETING_PATIENCE)
        async with self._session.get(self._url("/livez"), allow_redirects=False, timeout=timeout):
            pass

    async def send(self, request: Request) -> Answer:
        """The API's last word on the command, tried again with the same key while there is trouble that may pass."""
        if request.path is None:
            return UNADDRESSABLE
        answer = await self._attempt(request, request.path)
        return answer if answer.trouble is None else await self._try_again(request, request.path, answer)

    async def _try_again(self, request: Request, path: str, first: Answer) -> Answer:
        answers = [first]

        # Tenacity costs a third of a request, so it comes in only after a failure, which it is then told as its first.
        async def attempt() -> Answer:
            return answers.pop() if answers else await self._attempt(request, path)

        return await AsyncRetrying(
            retry=retry_if_result(lambda answer: answer.trouble is not None),
            stop=self._is_hopeless,
            wait=_pause,
            before_sleep=lambda state: self._on_trouble(_answer(state).trouble or ""),
            retry_error_callback=_answer,
        )(attempt)

    def _is_hopeless(self, state: RetryCallState) -> bool:
        # While nobody is answered, the first to fail waits for all: else each command of a long file would wait anew.
        since = state.start_time if self._failing_since is None else min(state.start_time, self._failing_since)
        return time.monotonic() + state.upcoming_sleep > since + self._patience

    async def _attempt(self, request: Request, path: str) -> Answer:
        try:
            answer = await self._ask(request, path)
        except _TRANSPORT_ERRORS as error:
            answer = Answer(trouble=_cause(error))
        if answer.trouble is None:
            self._failing_since = None
        elif self._failing_since is None:
            self._failing_since = time.monotonic()
        return answer

    async def _ask(self, request: Request, path: str) -> Answer:
        headers = {_IDEMPOTENCY_KEY: request.key}
        if request.body is not None:
            headers[_JSON[0]] = _JSON[1]
        async with self._session.request(
            request.method, self._url(path), data=request.body, headers=headers, allow_redirects=False
        ) as response:
            # Read to its end, or the connection could not be used again.
            body = await response.read()
        return read_answer(response.status, response.headers, body)

    def _url(self, path: str) -> URL:
        return self._root.with_path(self._prefix + path, encoded=True)


def _root(url: str) -> URL:
    try:
        root = URL(url)
    except ValueError:
        root = URL()
    if root.scheme not in {"http", "https"} or not root.host:
        raise UsageError(f"{url!r} is no URL of an API: give one like http://127.0.0.1:8000")
    return root


def _cause(error: BaseException) -> str:
    """A few words for what went wrong, the same words each time, fit to be counted by."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, OSError) and (error.errno or 0) > 0:  # below 0 are the resolver's own numbers
        return os.strerror(error.errno or 0).lower()
    return _CAUSES.get(type(error), type(error).__name__)


def _answer(state: RetryCallState) -> Answer:
    assert state.outcome is not None
    answer: Answer = state.outcome.result()
    return answer


def _pause(state: RetryCallState) -> float:
    return _answer(state).pause + _BACKOFF(state)
