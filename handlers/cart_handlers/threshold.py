"""Decides: a cart has become large enough to tell its shopper."""

from collections.abc import Mapping
from typing import Any

import msgspec

from cart_handlers.reading import cart_change
from cart_platform.cart import THRESHOLD_UNITS, ThresholdReached
from cart_platform.events import Event
from cart_platform.handler import UnitOfWork


async def handle(event: Event, unit: UnitOfWork) -> Mapping[str, Any]:
    """Emit `cart.threshold_reached` when the event takes the cart from below the threshold to it or above."""
    change = cart_change(event)
    reached = change.units_before < THRESHOLD_UNITS <= change.units_after
    if reached:
        follow_up = ThresholdReached(change.cart, change.version, THRESHOLD_UNITS, change.units_after)
        unit.emit(ThresholdReached.type, msgspec.to_builtins(follow_up))
    return {"reached": reached, "units": change.units_after}
