"""What there is beside the console in the stack: where to begin, dashboards, searches, and which server answers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from cart_observability.console.extension import Link, Page
from cart_platform.console import places
from cart_platform.console.answering import answering
from cart_platform.console.checks import Checks
from cart_platform.console.extension import ASSETS
from cart_platform.console.places import Places, Server

STACK: Final = Page("stack", "Start here", "/extensions/modules/stack.js", first=True)


class StackExtension:
    """The page that leads to everything in the stack: an extension of the console."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._checks = Checks(places.servers)
        self.routes: Sequence[BaseRoute] = (Route("/api/stack", answering(self._stack)),)
        self.pages: Sequence[Page] = (STACK,)
        self.assets: Path | None = ASSETS
        self.links: Sequence[Link] = ()

    async def content(self, event_id: str) -> Mapping[str, Any] | None:  # noqa: ARG002  it knows servers, not events
        """As `Extension.content`: nothing."""
        return None

    async def close(self) -> None:
        """Let go of the connections to the servers."""
        await self._checks.close()

    async def _stack(self, _request: Request) -> Mapping[str, Any]:
        states = await self._checks.states()
        return {
            "grafana": places.GRAFANA,
            "kibana": places.KIBANA,
            "dashboards": [_link(link) for link in self._places.dashboards],
            "logs": [_link(link) for link in self._places.logs],
            "servers": [_server(server, states.get(server.name, False)) for server in self._places.servers],
        }


def _link(link: places.Link) -> Mapping[str, Any]:
    return {"title": link.title, "about": link.about, "port": link.port, "path": link.path}


def _server(server: Server, is_answering: bool) -> Mapping[str, Any]:  # noqa: FBT001  what is shown
    return {
        "name": server.name,
        "about": server.about,
        "page": None if server.page is None else _link(server.page),
        "answers": is_answering,
    }
