"""What a platform adds to the console: questions and actions of its own, and pages for them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from starlette.routing import BaseRoute


class Page(NamedTuple):
    """A page beside the built-in ones.

    Attributes:
        id: In the address.
        title: In the navigation.
        module: The address of its ES module, below /extensions/.
        first: Whether it stands before the built-in ones, and is what a visitor sees first.
    """

    id: str
    title: str
    module: str
    first: bool = False


class Link(NamedTuple):
    """Something to look at elsewhere."""

    title: str
    url: str
    about: str


class Extension(Protocol):
    """A part of the console that knows what the library does not: what the events are about.

    Attributes:
        routes: Starlette routes, each with a path below /api/; the guard stands before them as before all others.
        pages: In the order in which they are to be shown.
        assets: A folder, served below /extensions/; None for none. Those of several extensions are served as one.
        links: What else there is to look at.
    """

    routes: Sequence[BaseRoute]
    pages: Sequence[Page]
    assets: Path | None
    links: Sequence[Link]

    async def content(self, event_id: str) -> Mapping[str, Any] | None:
        """The payload of an event; None when it is not known here, or cannot be had at present."""

    async def close(self) -> None:
        """Let go of what was opened for it; called once, when nothing is asked any more."""
