"""Handlers: rate, errors and duration of each, its time against its load, and what became of its work."""

from typing import Final

from grafana_foundation_sdk.builders import common
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from cart_observability.dashboards import links, panels
from cart_observability.dashboards.lines import dashed, limited
from cart_observability.dashboards.page import Section, page
from cart_observability.dashboards.queries import buckets, log_lines, over_time, rows_over_time, traces
from cart_observability.dashboards.style import (
    BY_OUTCOME,
    COUNT,
    EVENTS_PER_SECOND,
    PER_SECOND,
    RATIO,
    SECONDS,
)

_H: Final = 'handler=~"$handler"'
_OF_TYPE: Final = f'{_H}, event_type=~"$event_type"'
_I: Final = "[$__rate_interval]"
_HANDLED: Final = f"rate(cartscope_events_handled_total{{{_OF_TYPE}}}{_I})"
_WENT_WRONG: Final = f'rate(cartscope_events_handled_total{{{_OF_TYPE}, outcome=~"retried|dead_lettered"}}{_I})'
_WORK_COUNT: Final = f"sum by (handler) (rate(messaging_process_duration_seconds_count{{{_H}}}{_I}))"
_WORK_TIME: Final = f"sum by (handler) (rate(messaging_process_duration_seconds_sum{{{_H}}}{_I}))"
# A counter is born with its first dead letter, from which `increase` sees nothing: until then all of it is new.
_DEAD: Final = f"cartscope_dead_letters_total{{{_H}}}"
_NEW_DEAD_LETTERS: Final = f"sum by (handler, reason) (({_DEAD} unless {_DEAD} offset 5m) or increase({_DEAD}[5m]))"


def build() -> Dashboard:
    """The dashboard."""
    return page(
        "handlers",
        "Handlers",
        "How many events each handler takes, how long it needs, how that time grows with the load, and what became of "
        "its work.",
        [
            Section("Rate, errors, duration", [*_rate_errors_duration()]),
            Section("T_process = f(E): how the time grows with the load", [*_function_of_load()]),
            Section("Results", [*_results()]),
            Section("Slots and waiting", [*_slots()]),
            Section("Where it went wrong", [*_failures()]),
        ],
    )


def _rate_errors_duration() -> list[Builder[Panel]]:
    return [
        panels.time_series(
            "Rate: deliveries per second",
            "Deliveries that each handler ended, whatever became of them.",
            EVENTS_PER_SECOND,
            over_time(f"sum by (handler) ({_HANDLED})", "{{handler}}"),
        ),
        panels.time_series(
            "Errors: share retried or given up",
            "Of each handler's deliveries, the share that raised an error.",
            RATIO,
            over_time(f"sum by (handler) ({_WENT_WRONG}) / (sum by (handler) ({_HANDLED}) > 0)", "{{handler}}"),
        ).links([links.to_runbook("RetriesRising"), links.to_runbook("SuccessBudgetBurn")]),
        panels.time_series(
            "Duration: T_process, p99, and p50 dashed",
            "99 of 100 events take a handler no longer than p99, half of them no longer than p50.",
            SECONDS,
            over_time(f"handler:messaging_process_duration_seconds:p99_1m{{{_H}}}", "{{handler}} p99"),
            over_time(f"handler:messaging_process_duration_seconds:p50_1m{{{_H}}}", "{{handler}} p50"),
        ),
    ]


def _function_of_load() -> list[Builder[Panel]]:
    return [
        panels.xy_by_label(
            "T_process = f(E)",
            "Each point is one moment: how many events a handler took per second (E/T, across), and how long each took "
            "on average (upward). Flat: the handler has room. Rising to the right: more load makes each event slower.",
            ("E/T", EVENTS_PER_SECOND, rows_over_time(_WORK_COUNT)),
            ("T_process", SECONDS, rows_over_time(f"{_WORK_TIME} / ({_WORK_COUNT} > 0)")),
            label="handler",
        ).links([links.to_dashboard("capacity", "Capacity")]),
        panels.heatmap(
            "T_process, all of it",
            "How many events took how long. Each dot is one event: a click leads to its trace.",
            SECONDS,
            buckets(f"sum by (le) (rate(messaging_process_duration_seconds_bucket{{{_H}}}{_I}))"),
        ).height(10),
    ]


def _results() -> list[Builder[Panel]]:
    graphs = [
        panels.time_series(
            "Results, by outcome",
            "done: the effect stands. duplicate: it stood already, nothing was done twice. retried: it failed and "
            "comes again. dead_lettered: given up.",
            EVENTS_PER_SECOND,
            over_time(f"sum by (outcome) ({_HANDLED})", "{{outcome}}"),
            colours=BY_OUTCOME,
            stacked=True,
        ),
        panels.time_series(
            "Duplicates dropped",
            "Deliveries of events whose effect stood already: what redelivery costs, and what it did not break.",
            EVENTS_PER_SECOND,
            over_time(
                f'sum by (handler) (handler_outcome:cartscope_events_handled:rate1m{{{_H}, outcome="duplicate"}})',
                "{{handler}}",
            ),
        ).links([links.to_runbook("DuplicatesUnusual")]),
        panels.time_series(
            "Dead letters of the last 5 min, by reason",
            "Messages given up, and why: the handler refused them, or they were tried too often.",
            COUNT,
            over_time(_NEW_DEAD_LETTERS, "{{handler}} {{reason}}"),
        ).links([links.to_runbook("DeadLetters")]),
        panels.time_series(
            "E-mails sent",
            "E-mails that the mail server took, per second.",
            PER_SECOND,
            over_time(f"sum(rate(cartscope_notifications_sent_total{_I}))", "e-mails"),
        ),
    ]
    return [graph.span(6) for graph in graphs]


def _slots() -> list[Builder[Panel]]:
    graphs = [
        dashed(
            panels.time_series(
                "Slots in use, and slots dashed",
                "Events that a handler holds, and how many it may work on at once, in all its workers together.",
                COUNT,
                over_time(f"sum by (handler) (cartscope_handler_in_flight_events{{{_H}}})", "{{handler}} in use"),
                over_time(f"handler:cartscope_handler_slots:sum{{{_H}}}", "{{handler}} slots"),
            ),
            "slots",
        ),
        limited(
            panels.time_series(
                "Utilisation",
                "The share of time that a handler's slots are busy. Above 0.8 waiting grows steeply.",
                RATIO,
                over_time(f"handler:utilisation:ratio5m{{{_H}}}", "{{handler}}"),
            ),
            0.8,
        ).links([links.to_dashboard("capacity", "Capacity"), links.to_runbook("UtilisationHigh")]),
        panels.time_series(
            "Waiting in the queue",
            "Events in each handler's queue, those in work included.",
            COUNT,
            over_time(f"handler:rabbitmq_queue_messages:sum{{{_H}}}", "{{handler}}"),
        ).links([links.to_runbook("BacklogGrowing"), links.to_runbook("HandlerWithoutProgress")]),
        panels.time_series(
            "Event age, p99",
            "From the event's own time to the commit of its effect.",
            SECONDS,
            over_time(f"handler:cartscope_event_age_seconds:p99_1m{{{_H}}}", "{{handler}}"),
        ).links([links.to_dashboard("objectives", "Objectives")]),
    ]
    return [graph.span(6) for graph in graphs]


def _failures() -> list[Builder[Panel]]:
    slowest = common.TableSortByFieldState().display_name("Duration").desc(desc=True)
    return [
        panels.logs(
            "Failures, as they were logged",
            "Each retry and each dead letter with its error. Open a line: its field `trace.id` leads to the trace.",
            log_lines("event.action:(event.retried OR event.dead_lettered) AND cartscope.handler:$handler"),
        ).span(14),
        panels.table(
            "Slow traces",
            "Of the newest traces with work of a handler, the slowest first: the whole way from the request to the "
            "last effect, waiting included. A click on an id opens the trace.",
            "none",
            traces('{ name =~ "process .*" && span.cartscope.handler =~ "$handler" }', limit=50),
        )
        .span(10)
        .height(10)
        .sort_by([slowest]),
    ]
