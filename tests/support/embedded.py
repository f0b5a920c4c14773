"""The embedded chain within a test, as a console in the same process watches it, and a visitor of that console."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
from starlette.applications import Starlette

from cart_handlers.console_dead_letters import DeadLettersExtension
from cart_handlers.roles import workers
from cart_observability.telemetry import silent
from cart_platform import roles
from cart_platform.bootstrap import assemble
from cart_platform.console.extension import ShopExtension
from cart_platform.console.watched import Watched
from cart_platform.lifetime import Stop
from cart_platform.settings import Settings
from support.api import Answer, ask

HANDLERS = ("threshold", "popularity", "notification")


def settings_in(folder: Path, **others: Any) -> Settings:
    """The settings of a chain that keeps everything in one folder and gives an event up after one retry."""
    urls = {"store_url": f"sqlite:///{folder / 'store.db'}", "bus_url": f"sqlite:///{folder / 'bus.db'}"}
    mail, faults = f"maildir:///{folder / 'mail'}", folder / "faults.json"
    return Settings(
        **{**urls, "mail_url": mail, "faults_file": faults, "retry_delays": (0.02,), "api_port": 0, **others}
    )


@asynccontextmanager
async def embedded(folder: Path, **others: Any) -> AsyncIterator[Watched]:
    """A running chain, watched from within, as long as the block lasts."""
    parts, stop = assemble(settings_in(folder, **others), silent()), Stop()
    await parts.start()
    try:
        async with roles.serving(parts, silent()) as url:
            tasks = [asyncio.ensure_future(role(parts, silent(), stop)) for role in (roles.relay, workers(HANDLERS))]
            try:
                yield Watched.within(parts, url)
            finally:
                stop.set()
                await asyncio.gather(*tasks)
    finally:
        await parts.close()


class Visitor:
    """Asks an extension of the console, as the console's page does; closes it at the end of a block."""

    def __init__(self, extension: ShopExtension | DeadLettersExtension) -> None:
        self.extension = extension
        self._app = Starlette(routes=list(extension.routes))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.extension.close()

    async def get(self, target: str) -> Any:
        """A document; the answer must be 200."""
        answer = await self.asking("GET", target)
        assert answer.status == 200, answer.body
        return answer.json

    async def post(self, target: str, body: Any) -> Any:
        """What is said about something that was done; the answer must be 200."""
        answer = await self.asking("POST", target, body)
        assert answer.status == 200, answer.body
        return answer.json

    async def refusal(self, method: str, target: str, body: Any = None) -> tuple[int, str]:
        """Status and detail of a problem."""
        answer = await self.asking(method, target, body)
        assert answer.headers["content-type"] == "application/problem+json", answer.body
        assert answer.json["status"] == answer.status
        return answer.status, answer.json["detail"]

    async def asking(self, method: str, target: str, body: Any = None) -> Answer:
        """Whatever is answered; a body that is no bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        headers: Mapping[bytes, bytes] = {b"content-type": b"application/json"}
        return await ask(self._app, method, target, list(headers.items()), [content])
