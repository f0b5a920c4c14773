"""The figures that the page shows live: the chain's, and each handler's, of the last seconds."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cart_observability.console.charts.incoming import SENT, senders
from cart_observability.console.metrics.present import each_rate, quantiles_by, rate_by, total_by, value_by

HANDLER: Final = "handler"
HANDLED: Final = "cartscope_events_handled_total"
PROCESS: Final = "messaging_process_duration_seconds"
AGE: Final = "cartscope_event_age_seconds"
FAILED: Final = ("retried", "dead_lettered", "failed")
DEAD: Final = ".dead"
"""How the name of a queue of dead letters ends: what is there waits for a person, not for a handler."""


def figures(connection: sqlite3.Connection, now: int) -> dict[str, Any]:
    """The figures of this moment, in JSON; None is not known. Rates per second, times in seconds, `now` in ns."""
    outbox = value_by(connection, "cartscope_outbox_pending_events", now=now, largest=True)
    oldest = value_by(connection, "cartscope_outbox_oldest_event_age_seconds", now=now, largest=True)
    return {
        "arrival_rate": _arrival_rate(connection, now),
        "throughput": _throughput(connection, now),
        "backlog": _sum([*outbox.values(), *_queues(connection, now).values()]),
        "oldest_age_s": _sum(oldest.values()),
        "errors": _sum(rate_by(connection, HANDLED, outcome=FAILED, now=now).values()),
        "dead_letters": _dead_letters(connection),
        "handlers": _handlers(connection, now),
    }


def _arrival_rate(connection: sqlite3.Connection, now: int) -> float | None:
    """Events that the store accepts; where no store counts them, messages that come in."""
    accepted = rate_by(connection, "cartscope_events_accepted_total", now=now)
    return _sum((accepted or rate_by(connection, SENT, now=now, process=senders(connection))).values())


def _throughput(connection: sqlite3.Connection, now: int) -> float | None:
    """Events that all their handlers are done with: of each type as many as the slowest that takes it."""
    done: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for series, rate in each_rate(connection, HANDLED, outcome="done", now=now):
        done[series.label("event_type")][series.label(HANDLER)] += rate
    return _sum(min(handlers.values()) for handlers in done.values())


def _dead_letters(connection: sqlite3.Connection) -> float | None:
    """Messages given up in all; none of them where handlers tell what they did, and of no such message."""
    counted = total_by(connection, "cartscope_dead_letters_total")
    return _sum((counted or total_by(connection, HANDLED, outcome="dead_lettered")).values())


def _queues(connection: sqlite3.Connection, now: int) -> Mapping[str, float]:
    """What waits in each queue, as a process of the chain tells it, or else the broker."""
    told = value_by(connection, "cartscope_queue_messages", "queue", now=now, largest=True)
    if told:
        return told
    every = value_by(connection, "rabbitmq_detailed_queue_messages", "queue", now=now, largest=True)
    return {queue: messages for queue, messages in every.items() if not queue.endswith(DEAD)}


def _handlers(connection: sqlite3.Connection, now: int) -> dict[str, dict[str, float | None]]:
    slots = value_by(connection, "cartscope_handler_slots", HANDLER, now=now)
    in_flight = value_by(connection, "cartscope_handler_in_flight_events", HANDLER, now=now)
    done = rate_by(connection, HANDLED, HANDLER, outcome="done", now=now)
    errors = rate_by(connection, HANDLED, HANDLER, outcome=FAILED, now=now)
    times = quantiles_by(connection, (0.5, 0.95, 0.99), PROCESS, HANDLER, now=now)
    ages = quantiles_by(connection, (0.99,), AGE, HANDLER, now=now)
    unknown: tuple[None, ...] = (None, None, None)
    return {
        name: {
            "rate": done.get(name),
            **dict(zip(("p50", "p95", "p99"), times.get(name, unknown), strict=True)),
            "age_p99": ages[name][0] if name in ages else None,
            "in_flight": in_flight.get(name),
            "slots": slots.get(name),
            "errors": errors.get(name),
        }
        for name in sorted(slots.keys() | done.keys() | times.keys())
    }


def _sum(values: Iterable[float]) -> float | None:
    known = list(values)
    return sum(known) if known else None
