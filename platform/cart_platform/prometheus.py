"""Asks a Prometheus server for the values of expressions at this moment (its HTTP API, `/api/v1/query`)."""

import os
from types import TracebackType
from typing import Any, Self

import aiohttp
from yarl import URL

from cart_platform.errors import CartscopeError, Unavailable, UsageError

DEFAULT_URL = "http://127.0.0.1:9090"
_TIMEOUT_SECONDS = 10.0


class Prometheus:
    """The server at a URL; used as an asynchronous context manager.

    Raises:
        UsageError: when the URL is none.
    """

    def __init__(self, url: str) -> None:
        self._root = _root(url)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    @property
    def place(self) -> str:
        """Where it is, without a password."""
        return str(self._root.with_user(None))

    async def values(self, expression: str, label: str) -> dict[str, float]:
        """The value of each series that the expression gives, by one of its labels (empty where it has none).

        Raises:
            Unavailable: when nothing answers at the URL.
            CartscopeError: when what answers is not Prometheus, or it refuses the expression.
        """
        answer = await self._ask(expression)
        return {series["metric"].get(label, ""): float(series["value"][1]) for series in answer["data"]["result"]}

    async def _ask(self, expression: str) -> dict[str, Any]:
        try:
            async with self._session.get(self._root / "api/v1/query", params={"query": expression}) as response:
                answer = await response.json(content_type=None)
        except ValueError:
            answer = None
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(
                f"cannot reach Prometheus at {self.place} ({_cause(error)}): start it, or name another by --prometheus"
            ) from error
        if not isinstance(answer, dict) or "status" not in answer:
            raise CartscopeError(
                f"what answers at {self.place} is not Prometheus (status {response.status}): correct --prometheus"
            )
        if answer["status"] != "success":
            raise CartscopeError(f"Prometheus at {self.place} refuses a query: {answer.get('error')}")
        return answer


def _root(url: str) -> URL:
    try:
        root = URL(url)
    except ValueError:
        root = URL()
    if root.scheme not in {"http", "https"} or not root.host:
        raise UsageError(f"{url!r} is no URL of a Prometheus: give one like {DEFAULT_URL}")
    return root


def _cause(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer in {_TIMEOUT_SECONDS:g} s"
    number = getattr(error, "errno", None) or 0
    # Below 0 are the resolver's own numbers.
    return os.strerror(number).lower() if number > 0 else type(error).__name__
