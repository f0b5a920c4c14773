"""Puts together what the shop adds to the console."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.routing import BaseRoute

from cart_observability.console.extension import Link, Page
from cart_platform.console.content import content
from cart_platform.console.faults import Faults
from cart_platform.console.shop import Shop
from cart_platform.console.watched import Watched

ASSETS = Path(__file__).parent / "assets"

FAULTS = Page("faults", "Faults", "/extensions/modules/faults.js")
SHOP = Page("shop", "Shop", "/extensions/modules/shop.js")


class ShopExtension:
    """The storefront of a chain and, where they can be switched, its faults: an extension of the console."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._shop = Shop(watched)
        delays = watched.parts.settings.retry_delays
        faults = None if watched.faults is None else Faults(watched.faults, watched.handlers, delays)
        self.routes: Sequence[BaseRoute] = (*self._shop.routes(), *(faults.routes() if faults else ()))
        self.pages: Sequence[Page] = (FAULTS, SHOP) if faults else (SHOP,)
        self.assets: Path | None = ASSETS
        self.links: Sequence[Link] = (Link("API", f"{watched.api}/docs", "what a shopper can ask, to be tried out"),)

    async def content(self, event_id: str) -> Mapping[str, Any] | None:
        """As `Extension.content`: the event as the log has it, with the results of its handlers."""
        return await content(self._watched, event_id)

    async def close(self) -> None:
        """Let go of the API; the chain is closed by whoever opened it."""
        await self._shop.close()
