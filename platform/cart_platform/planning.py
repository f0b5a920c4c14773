"""Measures what comes to each handler and what it can take, from the series of any Prometheus, and asks "what if".

The expressions read the series as Cartscope and RabbitMQ expose them, neither recording rules nor labels that the
configuration of the scrape adds: one way, which answers on every Prometheus that scrapes the processes. Where it does
not scrape RabbitMQ queue by queue (`/metrics/detailed`), backlogs are unknown, and arrivals are what was handled.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cart_observability.capacity import events_in_system
from cart_observability.stations import Station
from cart_platform.errors import CartscopeError, UsageError
from cart_platform.prometheus import Prometheus

# The work queue of a handler is cart.HANDLER; those for retries and dead letters have more after it.
_QUEUE = 'rabbitmq_detailed_queue_messages{queue=~"cart[.][^.]+"}'
_QUEUES = 'rabbitmq_detailed_queue_messages{queue=~"cart[.][^.]+([.]retry[.].+)?"}'
_BY_HANDLER = 'sum by (handler) (label_replace(%s, "handler", "$1", "queue", "cart[.]([^.]+).*"))'

EXPRESSIONS = {
    "slots": "sum by (handler) (cartscope_handler_slots) > 0",
    "handled": "sum by (handler) (rate(messaging_process_duration_seconds_count[WINDOW]))",
    "busy": "sum by (handler) (rate(messaging_process_duration_seconds_sum[WINDOW]))",
    "finished": "sum by (handler) (rate(cartscope_event_age_seconds_count[WINDOW]))",
    "ages": "sum by (handler) (rate(cartscope_event_age_seconds_sum[WINDOW]))",
    "backlog": _BY_HANDLER % _QUEUE,
    "queued": _BY_HANDLER % f"avg_over_time({_QUEUES}[WINDOW])",
    "growth": _BY_HANDLER % f"deriv({_QUEUE}[WINDOW])",
    "outbox": "max(avg_over_time(cartscope_outbox_pending_events[WINDOW]))",
    "published": 'sum(rate(cartscope_events_published_total{outcome="confirmed"}[WINDOW]))',
    "accepted": "sum(rate(cartscope_events_accepted_total[WINDOW]))",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """The chain's handlers under a load of `arrival_rate` events accepted per second."""

    arrival_rate: float
    stations: Mapping[str, Station]

    def under(self, arrival_rate: float) -> "Plan":
        """The same with another load: what comes to each handler changes in proportion, backlogs are as they are.

        Raises:
            CartscopeError: when no event was accepted, so that there is no proportion.
        """
        if not self.arrival_rate:
            raise CartscopeError(
                "no event was accepted in this time, so no load can be scaled: send some (cartscope shop), "
                "or look back farther by --window"
            )
        factor = arrival_rate / self.arrival_rate
        return Plan(
            arrival_rate,
            {
                name: replace(station, arrival_rate=station.arrival_rate * factor)
                for name, station in self.stations.items()
            },
        )

    def with_slots(self, slots: Mapping[str, int]) -> "Plan":
        """The same with other slots, by handler; an empty name means every handler.

        Raises:
            UsageError: when there is no such handler.
        """
        for name in slots.keys() - self.stations.keys() - {""}:
            raise UsageError(f"no handler is called {name}: Prometheus knows {', '.join(self.stations)}")
        every = slots.get("")
        return Plan(
            self.arrival_rate,
            {
                name: replace(station, slots=slots.get(name, every or station.slots))
                for name, station in self.stations.items()
            },
        )


async def measure(prometheus: Prometheus, window: int) -> Plan:
    """The chain as it was over the last `window` seconds.

    Raises:
        CartscopeError: when Prometheus cannot be asked, or knows no handler.
    """
    found = {
        name: await prometheus.values(expression.replace("WINDOW", f"{window}s"), "handler")
        for name, expression in EXPRESSIONS.items()
    }
    if not found["slots"]:
        raise CartscopeError(
            f"Prometheus at {prometheus.place} knows no handler: it scrapes no worker of Cartscope, or has not yet"
        )
    return Plan(found["accepted"].get("", 0.0), {name: _station(name, found) for name in sorted(found["slots"])})


def _station(name: str, found: Mapping[str, Mapping[str, float]]) -> Station:
    handled = found["handled"].get(name, 0.0)
    finished = found["finished"].get(name, 0.0)
    return Station(
        # What comes to a handler is what it takes off its queue and what the queue grows by.
        arrival_rate=max(0.0, handled + _finite(found["growth"].get(name, 0.0))),
        processing_time=found["busy"][name] / handled if handled else None,
        slots=round(found["slots"][name]),
        backlog=found["backlog"].get(name),
        measured=_measured(name, finished, found),
        computed=events_in_system(finished, found["ages"].get(name, 0.0) / finished) if finished else None,
    )


def _measured(name: str, finished: float, found: Mapping[str, Mapping[str, float]]) -> float | None:
    """Events seen on their way: queued, and as much of the outbox as the handler finishes of what is published."""
    queued, published = found["queued"].get(name), found["published"].get("", 0.0)
    if queued is None or not published:
        return queued
    return queued + found["outbox"].get("", 0.0) * finished / published


def _finite(value: float) -> float:
    # The slope of one sample is not a number.
    return value if math.isfinite(value) else 0.0
