"""All dashboards, in the order in which they are best read."""

from collections.abc import Callable, Sequence
from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard

from cart_observability.dashboards import api, bus_and_relay, capacity, event_way, handlers, objectives, telemetry

DASHBOARDS: Final[Sequence[Callable[[], Dashboard]]] = (
    event_way.build,
    handlers.build,
    bus_and_relay.build,
    capacity.build,
    objectives.build,
    api.build,
    telemetry.build,
)
