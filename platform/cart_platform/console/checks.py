"""Whether the stack's servers answer, asked from inside the stack and remembered for a few seconds."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from aiohttp import ClientError, ClientSession, ClientTimeout

from cart_platform.console.places import Server

REMEMBERED = 5.0
"""Seconds for which an answer is good, however many visitors ask."""

PATIENCE = 2.0
"""Seconds that a server has to answer."""

SERVER_ERROR = 500


class Checks:
    """Asks each server for its health; `close` it at the end."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = servers
        self._session: ClientSession | None = None
        self._asking = asyncio.Lock()
        self._states: Mapping[str, bool] = {}
        self._asked = -REMEMBERED

    async def states(self) -> Mapping[str, bool]:
        """By name, whether each server answers."""
        async with self._asking:
            if time.monotonic() >= self._asked + REMEMBERED:
                self._session = self._session or ClientSession(timeout=ClientTimeout(PATIENCE))
                session = self._session
                answers = await asyncio.gather(*(_answers(session, server.check) for server in self._servers))
                self._states = {server.name: answer for server, answer in zip(self._servers, answers, strict=True)}
                self._asked = time.monotonic()
            return self._states

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()


async def _answers(session: ClientSession, url: str) -> bool:
    try:
        async with session.get(url, allow_redirects=False) as answer:
            return answer.status < SERVER_ERROR
    except (ClientError, TimeoutError, OSError):
        return False
