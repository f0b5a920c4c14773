"""What metrics tell of one instant, by the names that they go by."""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final

from cart_observability.console.metrics import samples
from cart_observability.console.metrics.present import each_rate
from cart_observability.console.metrics.series import Series, selected

REQUESTS: Final = "http_server_request_duration_seconds"
SENT: Final = "messaging_client_sent_messages_total"
ASKED: Final = "messaging_client_operation_duration_seconds"
CONSUMED: Final = "messaging_client_consumed_messages_total"
PROCESSED: Final = "messaging_process_duration_seconds"
ACCEPTED: Final = "cartscope_events_accepted_total"
PUBLISHED: Final = "cartscope_events_published_total"
HANDLED: Final = "cartscope_events_handled_total"
DEAD_LETTERS: Final = "cartscope_dead_letters_total"
IN_FLIGHT: Final = "cartscope_handler_in_flight_events"
PENDING: Final = "cartscope_outbox_pending_events"
OLDEST: Final = "cartscope_outbox_oldest_event_age_seconds"
STORE: Final = "cartscope_store_operation_duration_seconds"
QUEUES: Final = "cartscope_queue_messages"
RABBITMQ_QUEUES: Final = "rabbitmq_detailed_queue_messages"

DESTINATION: Final = "messaging_destination_name"
WINDOW_SECONDS: Final = 10.0
"""Over which rates and quantiles are taken."""
P99: Final = 0.99

Wanted = str | Collection[str]
Values = Mapping[str, float]
"""Values of a metric by those of one of its labels; by the empty name for all together."""


class Instant:
    """What metrics tell of the seconds before a time, in ns since the epoch."""

    def __init__(self, connection: sqlite3.Connection, now: int, seconds: float = WINDOW_SECONDS) -> None:
        self._connection = connection
        self._seconds = seconds
        self._rates: dict[str, list[tuple[Series, float]]] = {}
        self.now = now

    def rates(self, name: str, by: str | None = None, **where: Wanted) -> Values:
        """See `samples.rate_by`; of each metric the file is asked once."""
        found: defaultdict[str, float] = defaultdict(float)
        for series, rate in self._each(name):
            if all(_is_wanted(series.label(label), wanted) for label, wanted in where.items()):
                found["" if by is None else series.label(by)] += rate
        return dict(found)

    def _each(self, name: str) -> list[tuple[Series, float]]:
        if name not in self._rates:
            self._rates[name] = list(each_rate(self._connection, name, self._seconds, now=self.now))
        return self._rates[name]

    def values(self, name: str, by: str | None = None, *, largest: bool = False) -> Values:
        """See `samples.value_by`."""
        return samples.value_by(self._connection, name, by, now=self.now, largest=largest)

    def p99(self, name: str, by: str | None = None, **where: Wanted) -> Values:
        """See `samples.quantile_by`."""
        return samples.quantile_by(self._connection, P99, name, by, self._seconds, now=self.now, **where)

    def totals(self, name: str, by: str | None = None, **where: Wanted) -> Values:
        """See `samples.total_by`."""
        return samples.total_by(self._connection, name, by, **where)

    def failures(self, name: str, by: str) -> Values:
        """The rates of what a metric counts with an `error_type`."""
        found: defaultdict[str, float] = defaultdict(float)
        for series, rate in self._each(name):
            if series.label("error_type"):
                found[series.label(by)] += rate
        return dict(found)

    def reacting(self) -> dict[str, set[str]]:
        """The types of events to which handlers react, as their metrics have them from the start."""
        found: dict[str, set[str]] = {}
        for series in selected(self._connection, HANDLED, {}):
            found.setdefault(series.label("handler"), set()).add(series.label("event_type"))
        return found


def _is_wanted(value: str, wanted: Wanted) -> bool:
    return value == wanted if isinstance(wanted, str) else value in wanted
