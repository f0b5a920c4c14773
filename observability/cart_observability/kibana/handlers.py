"""The dashboard of the handlers: what they do, how long it takes, what fails, and the lines themselves."""

from cart_observability.kibana.dashboard import Choice, Dashboard, Panel
from cart_observability.kibana.data_views import GRAFANA
from cart_observability.kibana.lens import count, maximum, number, over_time, percentile, series, table, top
from cart_observability.kibana.searches import EVENT_STORY, SEARCHES

HANDLER, DURATION = "cartscope.handler", "event.duration"
HANDLED, RETRIED, GIVEN_UP = (f'event.action: "event.{verb}"' for verb in ("handled", "retried", "dead_lettered"))
ATTEMPTS = f"{HANDLER}: * and {DURATION}: *"
"""Lines that end an attempt of a handler at an event."""

RED, AMBER = "#e7664c", "#d6bf57"

HOW_TO = f"""### How to use it
Narrow everything by the two lists above. Drag over a chart to look at a stretch of time.
A **trace id** in a table opens that trace in Grafana. To follow one event, open its story and put its id in the query.

{" · ".join(f"[{search.title.removeprefix('Cartscope: ')}](/app/discover#/view/{search.id})" for search in SEARCHES)}

In Grafana: [the way of an event]({GRAFANA}/d/event-way) · [handlers]({GRAFANA}/d/handlers) · \
[bus and relay]({GRAFANA}/d/bus-and-relay)
"""

LINES, ATTEMPTED, FAILED = count(), count("attempts"), count("failures")
LONGEST = maximum(DURATION, "longest")

DASHBOARD = Dashboard(
    "cartscope-handlers",
    "Cartscope: handlers",
    "The handlers' performance and log lines.",
    choices=(Choice(HANDLER, "Handler"), Choice("cartscope.event.type", "Event type")),
    panels=(
        Panel("how-to", "", HOW_TO, 0, 0, 24, 8),
        Panel("handled", "Handled", number(count("events handled", HANDLED)), 24, 0, 6, 8),
        Panel("retried", "Retried", number(count("attempts to be repeated", RETRIED), colour=AMBER), 30, 0, 6, 8),
        Panel("given-up", "Given up", number(count("dead letters", GIVEN_UP), colour=RED), 36, 0, 6, 8),
        Panel("p99", "Processing time", number(percentile(DURATION, 99), ATTEMPTS), 42, 0, 6, 8),
        Panel(
            "actions",
            "Events over time by action",
            series("bar_stacked", over_time(), top("event.action", "action", 10, LINES), [LINES], "event.action: *"),
            0,
            8,
            24,
            12,
            "Lines of every process; one event leaves several on its way.",
        ),
        Panel(
            "processing-time",
            "Processing time by handler",
            series(
                "line",
                over_time(),
                top(HANDLER, "handler", 5),
                [percentile(DURATION, percent) for percent in (50, 95, 99)],
                ATTEMPTS,
            ),
            24,
            8,
            24,
            12,
            "The time that the handler itself took for an event, without its share of the batch.",
        ),
        Panel(
            "outcomes",
            "Outcomes by handler",
            series(
                "bar_horizontal_stacked",
                top(HANDLER, "handler", 5),
                top("cartscope.outcome", "outcome", 5, ATTEMPTED),
                [ATTEMPTED],
                ATTEMPTS,
            ),
            0,
            20,
            24,
            12,
        ),
        Panel(
            "errors",
            "Errors by type",
            table([top("error.type", "error", 10, FAILED), top(HANDLER, "handler", 5, FAILED)], [FAILED]),
            24,
            20,
            24,
            12,
            "What handlers and processes raised, retried or not.",
        ),
        Panel(
            "slowest",
            "Slowest handlings",
            table(
                [
                    top("cartscope.event.id", "event", 15, LONGEST),
                    top(HANDLER, "handler", 3, LONGEST),
                    top("trace.id", "trace", 1, LONGEST),
                ],
                [LONGEST],
                ATTEMPTS,
            ),
            0,
            32,
            48,
            14,
        ),
        Panel("lines", "Log lines about events", EVENT_STORY, 0, 46, 48, 20),
    ),
)
