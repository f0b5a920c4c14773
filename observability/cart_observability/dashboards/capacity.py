"""Capacity: how busy the handlers are, how much more they can take, and what comes if it goes on like this."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from cart_observability.capacity import TARGET_UTILISATION
from cart_observability.dashboards import links, panels, variables
from cart_observability.dashboards.columns import Column, side_by_side
from cart_observability.dashboards.lines import dashed, limited
from cart_observability.dashboards.page import Section, page
from cart_observability.dashboards.queries import now, over_time, rows_over_time
from cart_observability.dashboards.style import BAD, COUNT, DELAYED, EVENTS_PER_SECOND, GOOD, RATIO, SECONDS, steps

_H: Final = '{handler=~"$handler"}'

_FORMULAS: Final = (
    ("figure", "is", "says"),
    ("---", "---", "---"),
    (
        "ρ, utilisation",
        "λ · E[T_process] / c",
        "how busy a handler's c slots are; from 1 on its backlog grows for ever",
    ),
    (
        "headroom",
        f"{TARGET_UTILISATION} · c / E[T_process] - λ",
        f"what may come on top before ρ passes {TARGET_UTILISATION}",
    ),
    (
        "slots needed",
        f"⌈λ · E[T_process] / {TARGET_UTILISATION}⌉",
        f"the fewest for which ρ stays at {TARGET_UTILISATION} or below",
    ),
    ("time to drain", "backlog / (c / E[T_process] - λ)", "infinite while more comes than can be finished"),
    (
        "L, events under way",
        "λ · W (Little's law)",
        "W is the mean event age; holds while the backlog neither grows nor shrinks",
    ),
)

_NOTES: Final = """

λ is what comes to the handler: what it takes off its queue, and what the queue grows by. Everything is measured over
5 minutes: a chain younger than that seems less busy than it is. More slots are `slots=` in the table of handlers, more
workers `docker compose up --scale worker-threshold=2`. What if? `cartscope capacity --lambda 200 --slots threshold=4`
"""


def build() -> Dashboard:
    """Uid `capacity`."""
    return page(
        "capacity",
        "Capacity",
        "How busy the handlers are, how much more they can take, and what comes if it goes on like this.",
        [
            Section("Now", [_utilisation_now(), _headroom_now(), _drain_now(), _needed_now()]),
            Section("The load, and what it meets", [_load(), _utilisation(), _slots()]),
            Section("Little's law and T_process", [_littles_law(), _processing_against_load()]),
            Section("Backlog and forecast", [_backlog(), _drain()]),
            Section("The formulas", [panels.text("", _formulas()).height(8)]),
        ],
        narrowed_by=(variables.handler(),),
        period="now-30m",
    )


def _formulas() -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in _FORMULAS) + _NOTES


def _utilisation_now() -> Builder[Panel]:
    return (
        panels.stat(
            "ρ, utilisation",
            "The share of time that a handler's slots are busy. Waiting grows steeply above 0.8; at 1 it never ends.",
            RATIO,
            over_time(f"handler:utilisation:ratio5m{_H}", "{{handler}}"),
            thresholds=steps(GOOD, (TARGET_UTILISATION, DELAYED), (1, BAD)),
        )
        .span(6)
        .height(5)
        .links([links.to_runbook("UtilisationHigh")])
    )


def _headroom_now() -> Builder[Panel]:
    return (
        panels.stat(
            "Headroom",
            f"Events per second that may come on top before utilisation passes {TARGET_UTILISATION}; below 0 it has.",
            EVENTS_PER_SECOND,
            over_time(
                f"{TARGET_UTILISATION} * handler:capacity:rate5m{_H} - handler:events_arrived:rate5m{_H}", "{{handler}}"
            ),
            thresholds=steps(BAD, (0, GOOD)),
        )
        .span(6)
        .height(5)
    )


def _drain_now() -> Builder[Panel]:
    return (
        panels.stat(
            "Time to drain",
            "Until this moment's backlog is gone while events go on coming; infinite where more comes than is done.",
            SECONDS,
            now(f"handler:drain_seconds:estimate5m{_H}", "{{handler}}"),
            thresholds=steps(GOOD, (60, DELAYED), (600, BAD)),
        )
        .span(4)
        .height(5)
        .links([links.to_runbook("BacklogGrowing")])
    )


def _needed_now() -> Builder[Panel]:
    need = f"sum by (handler) (handler:slots_needed:ceil5m{_H})"
    each = f"avg by (handler) (cartscope_handler_slots{_H})"
    return (
        side_by_side(
            "There, and needed",
            f"Slots and workers that there are, and as many as keep utilisation at {TARGET_UTILISATION} or below.",
            Column("slots", COUNT, f"sum by (handler) (cartscope_handler_slots{_H})"),
            Column("slots needed", COUNT, need),
            Column("workers", COUNT, f"count by (handler) (cartscope_handler_slots{_H} > 0)"),
            Column("workers needed", COUNT, f"ceil({need} / {each})"),
        )
        .span(8)
        .height(5)
    )


def _load() -> Builder[Panel]:
    panel = panels.time_series(
        "λ, and the rate at ρ = 1",
        "Events that come to each handler, and dashed how many it could finish if its slots were always busy.",
        EVENTS_PER_SECOND,
        over_time(f"handler:events_arrived:rate5m{_H}", "{{handler}}"),
        over_time(f"handler:capacity:rate5m{_H}", "{{handler}} at ρ = 1"),
    )
    return dashed(panel, "at ρ = 1")


def _utilisation() -> Builder[Panel]:
    panel = panels.time_series(
        "ρ = λ · E[T_process] / c",
        f"Utilisation over time. Above the line, {TARGET_UTILISATION}, for ten minutes it alerts.",
        RATIO,
        over_time(f"handler:utilisation:ratio5m{_H}", "{{handler}}"),
    )
    return limited(panel, TARGET_UTILISATION).links([links.to_runbook("UtilisationHigh")])


def _slots() -> Builder[Panel]:
    panel = panels.time_series(
        "Slots, and slots needed",
        f"Slots of all workers of a handler, and dashed the fewest for which ρ stays at {TARGET_UTILISATION} or below.",
        COUNT,
        over_time(f"handler:cartscope_handler_slots:sum{_H}", "{{handler}}"),
        over_time(f"handler:slots_needed:ceil5m{_H}", "{{handler}} needs"),
    )
    return dashed(panel, "needs").decimals(0)


def _littles_law() -> Builder[Panel]:
    panel = panels.time_series(
        "Little's law: L measured, and λ · W",
        "Mean number of events under way: counted in the queue, and dashed as rate times mean age. Where they part, "
        "the backlog grows or shrinks, or events wait in the outbox. Few events are counted roughly: once in 15 s.",
        COUNT,
        over_time(f"handler:events_in_system:measured5m{_H}", "{{handler}} measured"),
        over_time(f"handler:events_in_system:computed5m{_H}", "{{handler}} λ · W"),
    )
    return dashed(panel, "λ · W").span(12).height(10)


def _processing_against_load() -> Builder[Panel]:
    return panels.xy_by_label(
        "T_process = f(E)",
        "Mean processing time against load, a point for each moment of the time range. It falls to the right where a "
        "handler works in batches, rises where handlers are in one another's way.",
        (
            "events per second",
            EVENTS_PER_SECOND,
            rows_over_time(f"sum by (handler) (handler:events_arrived:rate5m{_H})"),
        ),
        (
            "mean T_process",
            SECONDS,
            rows_over_time(f"sum by (handler) (handler:messaging_process_duration_seconds:mean5m{_H})"),
        ),
        label="handler",
    ).links([_to_handlers()])


def _backlog() -> Builder[Panel]:
    panel = panels.time_series(
        "Backlog, and what is foretold for an hour later",
        "Events in each handler's queue, and dashed where the growth of the last ten minutes leads to in an hour.",
        COUNT,
        over_time(f"handler:rabbitmq_queue_messages:sum{_H}", "{{handler}}"),
        over_time(f"handler:rabbitmq_queue_messages:predict1h{_H}", "{{handler}} in an hour"),
    )
    return dashed(panel, "in an hour").span(12).links([links.to_runbook("BacklogForecast")])


def _drain() -> Builder[Panel]:
    return (
        panels.time_series(
            "Time to drain",
            "How long the backlog of that moment would have taken; no curve while it would have taken for ever.",
            SECONDS,
            over_time(f"handler:drain_seconds:estimate5m{_H} < Inf", "{{handler}}"),
        )
        .span(12)
        .links([links.to_runbook("BacklogGrowing")])
    )


def _to_handlers() -> DashboardLink:
    return links.to_dashboard("handlers", "Handlers")
