"""Objectives: are events fresh and done often enough, how much error is left to spend, and how fast is it spent?"""

from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, DataTransformerConfig, DynamicConfigValue, Panel

from cart_observability.dashboards import links, panels, variables
from cart_observability.dashboards.lines import dashed, limited
from cart_observability.dashboards.page import Section, page
from cart_observability.dashboards.queries import now, over_time, rows
from cart_observability.dashboards.style import BAD, COUNT, DELAYED, EVENTS_PER_SECOND, GOOD, RATIO, steps

_H: Final = '{handler=~"$handler"}'


@dataclass(frozen=True)
class Objective:
    """What is promised of events; `promql` is the level and name of the recorded ratios of those that break it."""

    name: str
    promise: str
    target: float
    promql: str
    alert: str

    @property
    def budget(self) -> float:
        """The share of events that may break the promise."""
        return round(1 - self.target, 6)

    def errors(self, window: str) -> str:
        """The share of events that broke the promise, over a window that is recorded."""
        return f"{self.promql}:ratio_rate{window}{_H}"

    def burn(self, window: str) -> str:
        """How many times faster than evenly over the seven days the budget is spent."""
        return f"{self.errors(window)} / {self.budget}"


FRESHNESS: Final = Objective(
    "Freshness",
    "99 % of events have their effect within 2 s",
    0.99,
    "handler:event_freshness_errors",
    "FreshnessBudgetBurn",
)
SUCCESS: Final = Objective(
    "Success",
    "99.9 % of events are done and not given up",
    0.999,
    "handler:event_success_errors",
    "SuccessBudgetBurn",
)

_WORDS: Final = """
An objective says how many events may break a promise: that share is the **error budget** of 7 days. The **burn
rate** is how many times faster than evenly it is spent: at 1 it lasts seven days, at 6 for 28 hours, at 14.4 for 12.
An alert pages when a long and a short window both burn too fast: the long one shows that it matters, the short one that
it still goes on (Site Reliability Workbook, chapter 5). A chain younger than a window is judged by what there is.
"""


def build() -> Dashboard:
    """Uid `objectives`."""
    return page(
        "objectives",
        "Objectives",
        "Event freshness and success against what is promised: error budget left, and how fast it is spent.",
        [
            Section("The last seven days", [*_summary(FRESHNESS), *_summary(SUCCESS)]),
            Section(f"{FRESHNESS.name}: {FRESHNESS.promise}", [*_burns(FRESHNESS), _late()]),
            Section(f"{SUCCESS.name}: {SUCCESS.promise}", [*_burns(SUCCESS), _given_up()]),
            Section("Alerts, and what the words mean", [_alerts(), panels.text("", _WORDS).span(12).height(8)]),
        ],
        narrowed_by=(variables.handler(),),
        period="now-1h",
    )


def _summary(objective: Objective) -> list[Builder[Panel]]:
    kept = panels.stat(
        objective.name,
        f"Share of events that kept the promise in the last seven days: {objective.promise}.",
        RATIO,
        now(f"1 - {objective.errors('7d')}", "{{handler}}"),
        thresholds=steps(BAD, (objective.target, GOOD)),
    )
    left = panels.stat(
        f"{objective.name}: error budget left",
        f"Of the {objective.budget:.1%} of events that may break the promise in seven days. Below 0 it is broken.",
        RATIO,
        over_time(f"1 - {objective.burn('7d')}", "{{handler}}"),
        thresholds=steps(BAD, (0, DELAYED), (0.5, GOOD)),
    )
    return [kept.span(6).height(5).decimals(2), left.span(6).height(5).decimals(0)]


def _burns(objective: Objective) -> list[Builder[Panel]]:
    return [_burn(objective, "1h", "5m", 14.4), _burn(objective, "6h", "30m", 6)]


def _burn(objective: Objective, long: str, short: str, limit: float) -> Builder[Panel]:
    panel = panels.time_series(
        f"Burn rate, {long} and {short}",
        f"How many times faster than evenly the budget of seven days is spent, over {long} and dashed over {short}. "
        f"Both above the line, {limit}, page somebody.",
        COUNT,
        over_time(objective.burn(long), "{{handler}} " + long),
        over_time(objective.burn(short), "{{handler}} " + short),
    )
    return limited(dashed(panel, short), limit).links([links.to_runbook(objective.alert)])


def _late() -> Builder[Panel]:
    ages = "sum by (handler) (rate(cartscope_event_age_seconds_%s[1m]))"
    every = ages % f"count{_H}"
    in_time = ages % 'bucket{handler=~"$handler", le="2.0"}'
    return panels.time_series(
        "Events later than 2 s",
        "Events whose effect came more than 2 s after they happened: they spend the budget.",
        EVENTS_PER_SECOND,
        over_time(f"{every} - {in_time}", "{{handler}}"),
    ).links([links.to_dashboard("event-way", "The way of an event")])


def _given_up() -> Builder[Panel]:
    outcomes = "handler_outcome:cartscope_events_handled:rate1m"
    return panels.time_series(
        "Events given up",
        "Events that became dead letters: they spend the budget.",
        EVENTS_PER_SECOND,
        # A handler without dead letters has no such series: 0 in its place.
        over_time(
            f'sum by (handler) ({outcomes}{{handler=~"$handler", outcome="dead_lettered"}})'
            f" or 0 * sum by (handler) ({outcomes}{_H})",
            "{{handler}}",
        ),
    ).links([links.to_runbook("DeadLetters")])


def _alerts() -> Builder[Panel]:
    runbook = links.to_runbook("${__value.raw}").build().to_json()
    firing = {"firing": {"color": BAD, "index": 0}, "pending": {"color": DELAYED, "index": 1}}
    return (
        panels.table(
            "Alerts",
            "What fires, or will if it goes on; an alert's name leads to its runbook. Watchdog always fires: where it "
            "does not arrive, no other does.",
            "none",
            rows('max by (alertname, alertstate, severity, handler) (ALERTS{handler=~"$handler|"})'),
        )
        .span(12)
        .transformations(
            [DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True, "Value": True}})]
        )
        .override_by_name("alertname", [DynamicConfigValue("links", [runbook])])
        .override_by_name(
            "alertstate",
            [
                DynamicConfigValue("mappings", [{"type": "value", "options": firing}]),
                DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
            ],
        )
    )
