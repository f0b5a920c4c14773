"""Health: whether the process lives, and whether it can take commands."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping

from starlette.responses import Response

from cart_platform.api.models import Alive, Dependency, Readiness
from cart_platform.api.problems import Documentation, documented, problem
from cart_platform.api.routing import Route
from cart_platform.bus import Bus
from cart_platform.errors import Unavailable
from cart_platform.store import Store

LIVE, READY = "/livez", "/readyz"
_READY: Documentation = {200: {"model": Readiness}}

PATIENCE = 2.0
"""Seconds that a dependency has to answer."""


class Health:
    """The endpoints that a supervisor or load balancer asks."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self._pings: Mapping[str, Callable[[], Awaitable[None]]] = {"store": store.ping, "bus": bus.ping}

    def routes(self) -> Iterator[Route]:
        """The routes that lead to the endpoints."""
        yield Route(LIVE, self.live, summary="Whether the process lives", tags=["health"])
        yield Route(
            READY,
            self.ready,
            summary="Whether commands can be taken",
            tags=["health"],
            responses=_READY | documented("not_ready"),
        )

    async def live(self) -> Alive:
        """Answers as long as the process does: restart it when this fails."""
        return Alive()

    async def ready(self) -> Response:
        """Names each dependency, and why it cannot be used when it cannot."""
        found = await asyncio.gather(*(check(ping) for ping in self._pings.values()))
        dependencies = dict(zip(self._pings, found, strict=True))
        missing = [name for name, dependency in dependencies.items() if not dependency.ready]
        if missing:
            shown = {name: dependency.model_dump() for name, dependency in dependencies.items()}
            return problem("not_ready", f"missing: {', '.join(missing)}", dependencies=shown)
        return Response(Readiness(dependencies=dependencies).model_dump_json(), media_type="application/json")


async def check(ping: Callable[[], Awaitable[None]]) -> Dependency:
    """Whether the dependency answers in time, and why not."""
    try:
        async with asyncio.timeout(PATIENCE):
            await ping()
    except Unavailable as error:
        return Dependency(ready=False, reason=str(error))
    except TimeoutError:
        return Dependency(ready=False, reason=f"no answer within {PATIENCE:g} seconds")
    return Dependency(ready=True)
