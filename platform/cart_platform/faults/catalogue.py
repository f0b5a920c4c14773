"""The catalogue: which faults there are, whom they concern, what each does, and what to watch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import quote, urlencode

from cart_platform.errors import UsageError
from cart_platform.handler import Handler


class Concern(Enum):
    """Whose work a fault disturbs."""

    HANDLER = "a handler"
    OUTSIDE = "every handler that acts outside"
    RELAY = "the relay"
    SHOPPERS = "the shoppers"


LAST_SECONDS = 300
"""What is shown of the past where a fault is to be seen."""


@dataclass(frozen=True, slots=True)
class Place:
    """A page of the console, with the parameters by which it shows a fault."""

    title: str
    page: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where it is within the console: in the last minutes, whatever time a visitor looked at before."""
        return f"#/{self.page}?{urlencode({**self.parameters, 'last': LAST_SECONDS}, quote_via=quote)}"


@dataclass(frozen=True, slots=True)
class Watch:
    """Where a fault is seen: a dashboard's path in Grafana, a series, a search in Kibana, in the console, a command."""

    dashboard: str
    metric: str
    logs: str
    places: Sequence[Place]
    command: str = "cartscope status"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that can be switched on.

    Attributes:
        happens_once: Whether it is over as soon as it has happened.
        exhausts: Whether all that it does is seen only when it is on until the last attempt at an event.
    """

    name: str
    concerns: Concern
    does: str
    watch: Watch
    happens_once: bool = False
    exhausts: bool = False

    def handlers(self, table: Sequence[Handler], chosen: str | None) -> Sequence[str | None]:
        """The names of the handlers that it is switched on for: the chosen one, else all of its kind; [None] for none.

        Raises:
            UsageError: when there is no such handler, or the fault is not one of a single handler.
        """
        if chosen is not None and self.concerns is not Concern.HANDLER:
            raise UsageError(f"{self.name} disturbs {self.concerns.value}: it takes no --handler")
        if self.concerns in (Concern.RELAY, Concern.SHOPPERS):
            return [None]
        names = [row.name for row in table if row.acts_outside or self.concerns is Concern.HANDLER]
        if chosen is not None and chosen not in names:
            raise UsageError(f"no handler is called {chosen}: the table has {', '.join(names)}")
        if not names:
            raise UsageError(f"{self.name} has nobody to disturb: no handler acts outside")
        return names if chosen is None else [chosen]


MAIL_DOWN = "mail-down"
SLOW_HANDLER = "slow-handler"
FAILING_HANDLER = "failing-handler"
POISON_MESSAGE = "poison-message"
DOUBLED_DELIVERIES = "doubled-deliveries"
PAUSED_RELAY = "paused-relay"
STOPPED_HANDLER = "stopped-handler"
BURST = "burst"

SLOW_SECONDS = 0.5
BURST_FACTOR = 10

LIST_DEAD_LETTERS = "cartscope dead-letters list"

MAP = Place("The map", "way")
CAPACITY = Place("Capacity", "capacity")
DEAD_LETTERS = Place("Dead letters", "dead-letters")


def _chart(title: str, name: str) -> Place:
    return Place(title, "charts", {"chart": name})


def _logs(title: str, query: str) -> Place:
    return Place(title, "logs", {"q": query})


_ALL = (
    Fault(
        MAIL_DOWN,
        Concern.OUTSIDE,
        "the mail server refuses every connection: each e-mail is tried again, and given up after the last attempt",
        Watch(
            "/d/handlers",
            'cartscope_events_handled_total{outcome="retried"}',
            'event.action: "event.retried"',
            (
                _chart("Failures", "failures"),
                _logs("Retries in the log", "event.action:event.retried"),
                MAP,
            ),
        ),
        exhausts=True,
    ),
    Fault(
        SLOW_HANDLER,
        Concern.HANDLER,
        f"each event takes {SLOW_SECONDS * 1000:g} ms longer, and is taken alone: T_process rises, a backlog builds",
        Watch(
            "/d/capacity",
            "messaging_process_duration_seconds",
            "event.duration >= 500000000",
            (
                _chart("Time an event takes", "process_time_by_handler"),
                _chart("Backlog", "backlog"),
                _logs("Slow events in the log", "event.duration>=500000000"),
                CAPACITY,
            ),
        ),
    ),
    Fault(
        FAILING_HANDLER,
        Concern.HANDLER,
        "each attempt fails: events are tried again, and become dead letters after the last attempt",
        Watch(
            "/d/handlers",
            "cartscope_dead_letters_total",
            'error.message: "failing-handler"',
            (
                _chart("Failures", "failures"),
                _logs("Failures in the log", 'error.message:"failing-handler"'),
                DEAD_LETTERS,
            ),
            LIST_DEAD_LETTERS,
        ),
        exhausts=True,
    ),
    Fault(
        POISON_MESSAGE,
        Concern.HANDLER,
        "one message that is no event is put on the handler's queue, and becomes a dead letter at once",
        Watch(
            "/d/handlers",
            'cartscope_dead_letters_total{reason="not_json"}',
            'event.action: "event.dead_lettered"',
            (DEAD_LETTERS, _logs("Messages given up in the log", "event.action:event.dead_lettered")),
            LIST_DEAD_LETTERS,
        ),
        happens_once=True,
    ),
    Fault(
        DOUBLED_DELIVERIES,
        Concern.RELAY,
        "each event is published twice under its one id: the second delivery is recognised and dropped",
        Watch(
            "/d/handlers",
            'cartscope_events_handled_total{outcome="duplicate"}',
            'cartscope.outcome: "duplicate"',
            (
                _chart("Duplicates", "duplicates"),
                _logs("Duplicates in the log", "cartscope.outcome:duplicate"),
            ),
        ),
    ),
    Fault(
        PAUSED_RELAY,
        Concern.RELAY,
        "nothing leaves the outbox: commands are taken as ever, their events wait and grow old",
        Watch(
            "/d/bus-and-relay",
            "cartscope_outbox_oldest_event_age_seconds",
            'event.action: "event.published"',
            (
                _chart("Age of the oldest event", "oldest_waiting"),
                _chart("Backlog", "backlog"),
                _logs("Publishing in the log", "event.action:event.published"),
                MAP,
            ),
        ),
    ),
    Fault(
        STOPPED_HANDLER,
        Concern.HANDLER,
        "the worker lives but consumes nothing: its queue has no consumer, and messages wait",
        Watch(
            "/d/bus-and-relay",
            "cartscope_queue_messages",
            'event.action: "event.handled"',
            (
                _chart("Backlog", "backlog"),
                _logs("Handled events in the log", "event.action:event.handled"),
                MAP,
            ),
        ),
    ),
    Fault(
        BURST,
        Concern.SHOPPERS,
        f"{BURST_FACTOR} times as many commands arrive",
        Watch(
            "/d/event-way",
            "cartscope_events_accepted_total",
            'event.action: "event.accepted"',
            (_chart("Arrival rate", "arrival_rate"), _chart("Backlog", "backlog"), CAPACITY),
        ),
    ),
)

CATALOGUE: Mapping[str, Fault] = {fault.name: fault for fault in _ALL}


def named(name: str) -> Fault:
    """The fault with this name; raises UsageError when there is none."""
    if name not in CATALOGUE:
        raise UsageError(f"there is no fault {name!r}: choose one of {', '.join(CATALOGUE)}")
    return CATALOGUE[name]
