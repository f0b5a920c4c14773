"""What comes to each handler and what it can take, as its samples show it, and what would be if.

The figures of `cartscope capacity`, which asks Prometheus for the same: rates over a window, from scrape to scrape.
"""

import math
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, linear_regression
from typing import Any, Final, NamedTuple

from cart_observability.capacity import events_in_system
from cart_observability.console.charts.incoming import SENT, senders
from cart_observability.console.metrics.forgetting import oldest
from cart_observability.console.metrics.history import Steps
from cart_observability.console.metrics.present import value_by
from cart_observability.console.metrics.series import selected
from cart_observability.console.metrics.tiers import MILLISECOND, SECOND
from cart_observability.console.metrics.trends import LARGEST, Line, rates, values
from cart_observability.stations import Station

__all__ = ("Unsupposable", "capacity", "curves")

HANDLER: Final = "handler"
PROCESS: Final = "messaging_process_duration_seconds"
AGE: Final = "cartscope_event_age_seconds"
DESTINATION: Final = "messaging_destination_name"
QUEUED: Final = ("cartscope_queue_messages", "rabbitmq_detailed_queue_messages")
"""Metrics of what waits in a queue, of which the first is taken that is there: it has with it what is to be tried
again, for which the other has queues of their own."""
RETRY: Final = ".retry."
"""What stands between a queue's name and a delay in the name of a queue for retries."""
POINTS_OF_A_WINDOW: Final = 30
SCRAPE: Final = 2 * SECOND
"""Points that are closer tell no more than their neighbours."""
CURVE_SECONDS: Final = 30
POINTS_OF_A_CURVE: Final = 360
INFINITE: Final = "Infinity"
"""How infinity is written where JSON has none."""


class Unsupposable(ValueError):  # noqa: N818  named by what it says
    """What would be cannot be told from what was measured."""


class _Queue(NamedTuple):
    """What waits for a handler: now, by how much more a second, and on average, with what waits to be tried again."""

    length: float
    growth: float
    mean: float


def capacity(
    connection: sqlite3.Connection,
    now: int,
    window: float,
    arrival_rate: float | None = None,
    slots: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The capacity of each handler, in JSON: as it was, or as it would be with another load or other slots.

    Beside the figures of a station it has `busy_slots`, how many of its slots are busy on average. Of a handler whose
    slots nobody tells of, that is all that follows.

    Args:
        connection: To the file.
        now: Where the window ends, in ns since the epoch.
        window: Seconds over which is measured.
        arrival_rate: Events accepted per second to suppose; what comes to each handler changes in proportion.
        slots: Slots to suppose, by handler.

    Raises:
        Unsupposable: Nothing was accepted, so that there is no proportion; or there is no such handler.
    """
    measured = _Measured(connection, now, window)
    stations = _with_slots(measured.stations(), slots or {})
    accepted = measured.accepted
    if arrival_rate is not None:
        if not accepted:
            raise Unsupposable("no event was accepted in this time, so no load can be scaled")
        factor = arrival_rate / accepted
        stations = {name: replace(each, arrival_rate=each.arrival_rate * factor) for name, each in stations.items()}
    return {
        "arrival_rate": accepted if arrival_rate is None else arrival_rate,
        "handlers": {name: _spelled(_figures(station)) for name, station in stations.items()},
        "curves": curves(connection, now),
    }


def curves(connection: sqlite3.Connection, now: int) -> dict[str, list[dict[str, float]]]:
    """T_process under each load that was, for each handler, in JSON: points of half a minute, or of more."""
    start = oldest(connection)
    if start is None or start >= now:
        return {}
    step = CURVE_SECONDS * SECOND * -(-(now - start) // (CURVE_SECONDS * SECOND * POINTS_OF_A_CURVE))
    over = Steps(start // step * step, step, (now - start // step * step) // step + 1)
    busy, handled = (rates(connection, f"{PROCESS}_{part}", over, (HANDLER,)) for part in ("sum", "count"))
    times = [time / MILLISECOND for time in over.ends(now)]
    return {
        name: [
            {"load": load, "seconds": seconds / load, "time": time}
            for time, load, seconds in zip(times, line, busy[name], strict=True)
            if load and seconds is not None
        ]
        for name, line in handled.items()
    }


def _with_slots(stations: Mapping[str, Station], slots: Mapping[str, int]) -> Mapping[str, Station]:
    for name in slots.keys() - stations.keys():
        raise Unsupposable(f"no handler is called {name}: there are {', '.join(stations) or 'none'}")
    return {name: replace(each, slots=slots.get(name, each.slots)) for name, each in stations.items()}


def _figures(station: Station) -> dict[str, float | None]:
    cost = station.processing_time
    told = station if station.slots else replace(station, processing_time=None)
    known = {"processing_seconds": cost, "slots": station.slots or None}
    return told.figures() | known | {"busy_slots": None if cost is None else station.arrival_rate * cost}


class _Measured:
    """What was measured over a window that ends at a time."""

    def __init__(self, connection: sqlite3.Connection, now: int, window: float) -> None:
        length = max(SECOND, round(window * SECOND))
        points = max(1, min(POINTS_OF_A_WINDOW, length // SCRAPE))
        self._connection = connection
        self._whole = Steps(now - length, length, 1)
        self._points = Steps(now - length, length // points, points)
        self._slots = value_by(connection, "cartscope_handler_slots", HANDLER, now=now)
        accepted = self._rates("cartscope_events_accepted_total") or self._rates(SENT, process=senders(connection))
        self.accepted = accepted.get("", 0.0)

    def stations(self) -> dict[str, Station]:
        """The handlers that have slots, or that process something; with 0 slots where nobody tells of them."""
        busy, handled = self._rates(f"{PROCESS}_sum", HANDLER), self._rates(f"{PROCESS}_count", HANDLER)
        ages, finished = self._rates(f"{AGE}_sum", HANDLER), self._rates(f"{AGE}_count", HANDLER)
        names = sorted({name for name, slots in self._slots.items() if slots > 0} | handled.keys() - {""})
        waiting, shares = self._waiting(names), self._outbox_shares(finished)
        found = {}
        for name in names:
            queue = waiting.get(name)
            rate = handled.get(name, 0.0)
            found[name] = Station(
                # What comes to a handler is what it takes off its queue and what the queue grows by.
                arrival_rate=max(0.0, rate + (queue.growth if queue else 0.0)),
                processing_time=busy[name] / rate if rate else None,
                slots=round(self._slots.get(name, 0)),
                backlog=queue.length if queue else None,
                measured=queue.mean + shares.get(name, 0.0) if queue else None,
                computed=events_in_system(finished[name], ages[name] / finished[name]) if finished.get(name) else None,
            )
        return found

    def _rates(self, metric: str, by: str = "", **where: str | Collection[str]) -> dict[str, float]:
        found = rates(self._connection, metric, self._whole, (by,) if by else (), where)
        return {label: max(0.0, rate) for label, (rate,) in found.items() if rate is not None}

    def _values(self, metric: str, by: str = "") -> dict[str, list[tuple[float, float]]]:
        """The values of a gauge over the window, each with its time in seconds."""
        found = values(self._connection, metric, self._points, (by,) if by else (), {}, LARGEST)
        times = [time / SECOND for time in self._points.ends(self._points.end)]
        told = {label: _told(times, line) for label, line in found.items()}
        return {label: points for label, points in told.items() if points}

    def _outbox_shares(self, finished: Mapping[str, float]) -> dict[str, float]:
        """Of what waits in the outbox each handler's: as much as it finishes of what is published."""
        published = self._rates("cartscope_events_published_total", outcome="confirmed").get("", 0.0)
        outbox = [value for _, value in self._values("cartscope_outbox_pending_events").get("", ())]
        if not published or not outbox:
            return {}
        return {name: fmean(outbox) * rate / published for name, rate in finished.items()}

    def _waiting(self, handlers: Iterable[str]) -> dict[str, _Queue]:
        """What waits for each handler; none where nobody tells of its queue."""
        told = next(filter(None, (self._values(metric, "queue") for metric in QUEUED)), {})
        of_handlers = self._queues_of_handlers()
        found = {}
        for handler in handlers:
            name = next((queue for queue in told if _is_queue_of(handler, queue, of_handlers.get(handler, ()))), None)
            if name is not None:
                retries = [points for queue, points in told.items() if queue.startswith(f"{name}{RETRY}")]
                found[handler] = _queue(told[name], retries)
        return found

    def _queues_of_handlers(self) -> dict[str, set[str]]:
        """The queues that each handler took messages from."""
        queues: defaultdict[str, set[str]] = defaultdict(set)
        for series in selected(self._connection, PROCESS, {}):
            # An exchange and a routing key may stand before it.
            queues[series.label(HANDLER)].add(series.label(DESTINATION).rpartition(":")[2])
        return queues


def _is_queue_of(handler: str, queue: str, known: Collection[str]) -> bool:
    # A handler that nothing came to yet is known by its name alone.
    return queue in known if known else queue == handler or queue.endswith(f".{handler}")


def _queue(points: Sequence[tuple[float, float]], retries: Iterable[Sequence[tuple[float, float]]]) -> _Queue:
    times, lengths = zip(*points, strict=True)
    growth = linear_regression(times, lengths).slope if len(set(times)) > 1 else 0.0
    waiting = sum(fmean(value for _, value in retry) for retry in retries)
    return _Queue(lengths[-1], growth, fmean(lengths) + waiting)


def _told(times: Sequence[float], line: Line) -> list[tuple[float, float]]:
    return [(time, value) for time, value in zip(times, line, strict=True) if value is not None]


def _spelled(figures: Mapping[str, float | None]) -> dict[str, float | str | None]:
    return {name: INFINITE if value is not None and math.isinf(value) else value for name, value in figures.items()}
