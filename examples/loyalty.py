"""Loyalty: a checked-out cart earns its shopper a point for each unit."""

from cart_handlers import table
from cart_platform.handler import Handler


async def earn(event, unit):
    unit.add("loyalty_points", event.subject, event.data["units_after"])
    return {"points": event.data["units_after"]}


def handlers(settings, telemetry):
    return (*table.handlers(settings, telemetry), Handler("loyalty", frozenset({"cart.checked_out"}), earn))
