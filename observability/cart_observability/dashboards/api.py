"""API: how many requests, how many fail, how long they take, and what stands behind it."""

from typing import Final

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from cart_observability.dashboards import links, panels, variables
from cart_observability.dashboards.lines import limited
from cart_observability.dashboards.page import Section, page
from cart_observability.dashboards.queries import buckets, over_time
from cart_observability.dashboards.style import (
    BAD,
    BY_QUANTILE,
    COUNT,
    DELAYED,
    GOOD,
    PER_SECOND,
    RATIO,
    REPEATED,
    REQUESTS_PER_SECOND,
    SECONDS,
    steps,
)

_REQUESTS: Final = "http_server_request_duration_seconds"
_ROUTE: Final = 'http_route=~"$http_route"'
_FAILED: Final = 'http_response_status_code=~"5.."'
_NOTHING: Final = ' or on () label_replace(vector(0), "{label}", "none", "", "")'
_BY_STATUS: Final = {"2..": GOOD, "3..": REPEATED, "4..": DELAYED, "5..": BAD}
_BY_FATE: Final = {"accepted": GOOD, "repeated": REPEATED, "refused": DELAYED, "overloaded": BAD}
_BEHIND: Final = 'process="api"'


def build() -> Dashboard:
    """Uid `api`."""
    return page(
        "api",
        "API",
        "Rate, errors and duration of requests by route, what became of commands, and the store behind them.",
        [
            Section("Now", [_rate_now(), _errors_now(), _slowest_now(), _waiters_now()]),
            Section("Rate and errors", [_rate(), _statuses(), _errors()]),
            Section("Duration", [_quantiles(), _slowest(), _heatmap()]),
            Section("Commands", [_fates(), _refusals()]),
            Section("The store behind it", [_store_rate(), _store_duration(), _store_batches()]),
        ],
        narrowed_by=(variables.http_route(),),
    )


def _rate_now() -> Builder[Panel]:
    return panels.stat(
        "Requests",
        "Requests answered per second, over the last minute.",
        REQUESTS_PER_SECOND,
        over_time(f"sum(http_route:{_REQUESTS}:rate1m{{{_ROUTE}}})", "requests"),
    ).span(6)


def _errors_now() -> Builder[Panel]:
    return (
        panels.stat(
            "Errors",
            "Share of requests to all routes that were answered with 5xx in the last 5 minutes. Above 1 % it pages.",
            RATIO,
            over_time("cartscope:http_server_request_errors:ratio_rate5m or on () vector(0)", "errors"),
            thresholds=steps(GOOD, (0.001, DELAYED), (0.01, BAD)),
        )
        .span(6)
        .decimals(2)
        .links([links.to_runbook("ApiErrors")])
    )


def _slowest_now() -> Builder[Panel]:
    return (
        panels.stat(
            "p99 of the slowest route",
            "One request in a hundred took longer, on the slowest of the routes; waiting for results counts as well.",
            SECONDS,
            over_time(f"max(http_route:{_REQUESTS}:p99_5m{{{_ROUTE}}})", "p99"),
            thresholds=steps(GOOD, (0.25, DELAYED), (0.5, BAD)),
        )
        .span(6)
        .links([links.to_runbook("ApiSlow")])
    )


def _waiters_now() -> Builder[Panel]:
    return panels.stat(
        "Waiting for results",
        "Requests that wait for the handlers' results (`Prefer: wait`). Each process takes 1,000 at most.",
        COUNT,
        over_time("sum(cartscope_api_waiters)", "waiters"),
    ).span(6)


def _rate() -> Builder[Panel]:
    return panels.time_series(
        "Requests by route",
        "Requests per second; a route is a template, never a path.",
        REQUESTS_PER_SECOND,
        over_time(f"http_route:{_REQUESTS}:rate1m{{{_ROUTE}}}", "{{http_route}}"),
        stacked=True,
    )


def _statuses() -> Builder[Panel]:
    return panels.time_series(
        "Requests by status",
        "2xx is done, 4xx refused for a reason that is the client's, 5xx failed. 202: accepted, handled later.",
        REQUESTS_PER_SECOND,
        over_time(
            f"sum by (http_response_status_code) (rate({_REQUESTS}_count{{{_ROUTE}}}[1m]))",
            "{{http_response_status_code}}",
        ),
        colours=_BY_STATUS,
        stacked=True,
    )


def _errors() -> Builder[Panel]:
    every = f"sum by (http_route) (rate({_REQUESTS}_count{{{_ROUTE}}}[5m]))"
    failed = f"sum by (http_route) (rate({_REQUESTS}_count{{{_ROUTE}, {_FAILED}}}[5m]))"
    panel = panels.time_series(
        "Errors by route",
        "Share of requests answered with 5xx, over 5 minutes. Above the line, for all routes together, it pages.",
        RATIO,
        # A route without errors has no such series: 0 in its place.
        over_time(f"({failed} or 0 * {every}) / {every}", "{{http_route}}"),
    )
    return limited(panel, 0.01).links([links.to_runbook("ApiErrors")])


def _quantiles() -> Builder[Panel]:
    counted = f"sum by (le) (rate({_REQUESTS}_bucket{{{_ROUTE}}}[1m]))"
    return panels.time_series(
        "Duration",
        "Half, 95 % and 99 % of the requests of the last minute were answered within this time, routes together.",
        SECONDS,
        *(over_time(f"histogram_quantile({q}, {counted})", f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)),
        colours=BY_QUANTILE,
    )


def _slowest() -> Builder[Panel]:
    panel = panels.time_series(
        "p99 by route",
        "One request in a hundred took longer. Without waiting for results, above the line for 5 minutes it alerts.",
        SECONDS,
        over_time(f"http_route:{_REQUESTS}:p99_5m{{{_ROUTE}}}", "{{http_route}}"),
    )
    return limited(panel, 0.5).links([links.to_runbook("ApiSlow")])


def _heatmap() -> Builder[Panel]:
    return panels.heatmap(
        "Durations, with traces",
        "How many requests took how long. A dot is one request: it leads to its trace.",
        SECONDS,
        buckets(f"sum by (le) (rate({_REQUESTS}_bucket{{{_ROUTE}}}[1m]))"),
    ).span(8)


def _fates() -> Builder[Panel]:
    panel = panels.time_series(
        "What became of commands",
        "Accepted: an event was stored. Repeated: answered with the event that its Idempotency-Key already had. "
        "Refused: against a rule of the cart. Overloaded: turned away with 503, to be tried again.",
        PER_SECOND,
        over_time("cartscope:cartscope_events_accepted:rate1m", "accepted"),
        over_time("sum(rate(cartscope_commands_repeated_total[1m]))", "repeated"),
        over_time("sum(rate(cartscope_commands_rejected_total[1m])) or on () vector(0)", "refused"),
        over_time("sum(rate(cartscope_api_overloads_total[1m]))", "overloaded"),
        colours=_BY_FATE,
    )
    return panel.span(12).links([links.to_dashboard("event-way", "The way of an event")])


def _refusals() -> Builder[Panel]:
    return panels.time_series(
        "Refusals by reason",
        "Commands that a rule of the cart refused: the shopper's mistake, answered with 4xx.",
        PER_SECOND,
        over_time(
            "sum by (reason) (rate(cartscope_commands_rejected_total[1m]))" + _NOTHING.format(label="reason"),
            "{{reason}}",
        ),
        stacked=True,
    ).span(12)


def _store_rate() -> Builder[Panel]:
    return panels.time_series(
        "Round trips to the store",
        "Operations of the API's processes per second. Commands that come together go together: one trip for many.",
        PER_SECOND,
        over_time(
            f"sum by (operation) (rate(cartscope_store_operation_duration_seconds_count{{{_BEHIND}}}[1m]))",
            "{{operation}}",
        ),
    )


def _store_duration() -> Builder[Panel]:
    counted = f"rate(cartscope_store_operation_duration_seconds_bucket{{{_BEHIND}}}[1m])"
    return panels.time_series(
        "p99 of a round trip",
        "One operation in a hundred took longer. Slow here means a slow disk or a busy store, not a slow API.",
        SECONDS,
        over_time(f"histogram_quantile(0.99, sum by (operation, le) ({counted}))", "{{operation}}"),
    ).links([links.to_runbook("StoreDown")])


def _store_batches() -> Builder[Panel]:
    items, trips = (
        f"sum by (operation) (rate(cartscope_store_batch_items_{part}{{{_BEHIND}}}[1m]))" for part in ("sum", "count")
    )
    return panels.time_series(
        "Items in a round trip",
        "How many commands went together, on average: it grows with load, which is what keeps the API quick.",
        COUNT,
        over_time(f"{items} / {trips}", "{{operation}}"),
    )
