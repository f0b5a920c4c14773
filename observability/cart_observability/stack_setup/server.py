"""A server that may still be starting: it is asked again and again, with a line now and then."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from cart_observability.elastic.client import Client, ElasticError
from cart_observability.stack_setup.failure import SetupFailed

Tell = Callable[[str], None]
Value = TypeVar("Value")

STARTING = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE}
REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
GRACE = 30.0
"""Seconds for which a refused password is tried: a server that starts does not know its users yet."""


class NotReady(Exception):  # noqa: N818  the state of a server
    """The server answers, but does not work yet."""


@dataclass(frozen=True)
class Server:
    """A server by its name for people; `patience` is how many seconds it may take to answer."""

    name: str
    client: Client
    patience: float
    tell: Tell

    async def patiently(self, call: Callable[[], Awaitable[Value]]) -> Value:
        """Call until it does not fail for a reason that passes by itself.

        Raises:
            SetupFailed: the server refused what was asked, or patience is at its end.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(NotReady),
            wait=wait_exponential(multiplier=0.25, max=5),
            stop=self._over,
            before_sleep=self._waiting,
            reraise=True,
        )
        try:
            return await retrying(self._once, call)
        except NotReady as error:
            raise SetupFailed(f"{self.name} at {self.client.url}: {error}") from error

    async def _once(self, call: Callable[[], Awaitable[Value]]) -> Value:
        try:
            return await call()
        except ElasticError as error:
            if error.status in STARTING | REFUSED:
                raise NotReady(str(error)) from error
            raise SetupFailed(f"{self.name} at {self.client.url}: {error}") from error
        except TimeoutError as error:
            raise NotReady("no answer in time") from error
        except aiohttp.ClientError as error:
            raise NotReady(f"{error}") from error

    def _over(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        cause = error.__cause__ if error else None
        refused = isinstance(cause, ElasticError) and cause.status in REFUSED
        return (state.seconds_since_start or 0.0) >= (min(GRACE, self.patience) if refused else self.patience)

    def _waiting(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self.tell(f"waiting for {self.name} at {self.client.url} ({state.seconds_since_start or 0.0:.0f} s): {error}")
