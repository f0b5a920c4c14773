"""What drives a run and shows it."""

import asyncio

from cart_platform.driving import shown
from cart_platform.errors import Unavailable
from cart_platform.live import Screen
from cart_platform.observer import View


class Observer:
    """Takes the first wish to end for a server that does not answer, as a client whose time limit runs out then."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def keep_scraping(self, _: float) -> None:
        """Never ends by itself."""
        await asyncio.Event().wait()

    async def view(self) -> View:
        """Never answers."""
        first = not self.asked.is_set()
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            if first:
                raise Unavailable("no answer in time") from error
            raise
        raise AssertionError


async def test_a_swallowed_wish_to_end() -> None:
    """A run ends although one that shows it did not hear that it is to end."""
    observer, screen = Observer(), Screen(title="", addresses=[])
    screen.seconds = 0.01
    async with asyncio.timeout(10), shown(observer, screen):  # type: ignore[arg-type]  # it has what is asked here
        await observer.asked.wait()
