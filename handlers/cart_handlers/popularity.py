"""Projects: how many units of each product were ever put into carts."""

from collections.abc import Mapping
from typing import Any

from cart_handlers.reading import cart_change
from cart_platform.cart import PRODUCT_POPULARITY, CartEvent, ItemAdded, QuantityChanged
from cart_platform.events import Event
from cart_platform.handler import UnitOfWork


async def handle(event: Event, unit: UnitOfWork) -> Mapping[str, Any]:
    """Add the units that the event put into the cart to its product's total; removals do not subtract."""
    change = cart_change(event)
    added = _units_added(change)
    if added > 0 and isinstance(change, ItemAdded | QuantityChanged):
        unit.add(PRODUCT_POPULARITY, change.product, added)
    return {"added": added}


def _units_added(change: CartEvent) -> int:
    return max(0, change.units_after - change.units_before)
