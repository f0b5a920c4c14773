"""The faults of a running chain: which there are, what is on, where to see it, and the switch."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.routing import Route

from cart_observability.console.web.problem import Problem
from cart_platform.console.answering import answering, body_of
from cart_platform.faults.catalogue import CATALOGUE, Concern, Fault
from cart_platform.faults.switchboard import Switchboard
from cart_platform.faults.switching import document, switch_off, switch_on
from cart_platform.handler import Handler

LONGEST_SECONDS = 86_400
NOT_FOUND = 404


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """For whom a fault is to be on, and for how long; None is for everyone it concerns, and for good."""

    handler: str | None = None
    seconds: Annotated[float, msgspec.Meta(gt=0, le=LONGEST_SECONDS)] | None = None


class Faults:
    """The endpoints of the faults on one switchboard; `retry_delays` are the seconds before each further attempt."""

    def __init__(self, board: Switchboard, handlers: Sequence[Handler], retry_delays: Sequence[float]) -> None:
        self._board = board
        self._handlers = handlers
        self._last_attempt = sum(retry_delays)

    def routes(self) -> Sequence[Route]:
        """The routes that lead to the endpoints."""
        return (
            Route("/api/faults", answering(self.every)),
            Route("/api/faults/{name}/on", answering(self.on), methods=["POST"]),
            Route("/api/faults/{name}/off", answering(self.off), methods=["POST"]),
        )

    async def every(self, _request: Request) -> Sequence[Mapping[str, Any]]:
        """All of them, with what is on at this moment."""
        entries = await asyncio.to_thread(self._board.read)
        return [self._shown(fault, document(fault, entries)) for fault in CATALOGUE.values()]

    def _shown(self, fault: Fault, told: dict[str, Any]) -> Mapping[str, Any]:
        """A fault as scripts read it, with whom it can be chosen for, how long it takes in s, and where it is seen."""
        can_choose = fault.concerns is Concern.HANDLER
        told["handlers"] = [handler.name for handler in self._handlers] if can_choose else []
        told["takes"] = self._last_attempt if fault.exhausts else 0
        told["watch"]["places"] = [{"title": place.title, "address": place.address} for place in fault.watch.places]
        return told

    async def on(self, request: Request) -> Mapping[str, Any]:
        """Switch one on; whoever it concerns acts on it within a second."""
        name, wish = self._named(request), await body_of(request, Wish)
        return {"said": await asyncio.to_thread(self._switch_on, name, wish)}

    def _switch_on(self, name: str, wish: Wish) -> str:
        return switch_on(self._board, name, self._handlers, wish.handler, wish.seconds).splitlines()[0]

    async def off(self, request: Request) -> Mapping[str, Any]:
        """Switch one off, for everyone."""
        return {"said": await asyncio.to_thread(switch_off, self._board, self._named(request))}

    @staticmethod
    def _named(request: Request) -> str:
        name: str = request.path_params["name"]
        if name not in CATALOGUE:
            raise Problem(NOT_FOUND, f"there is no fault {name[:64]!r}")
        return name
