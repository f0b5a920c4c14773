"""What a reader may narrow a dashboard to.

No `allValue`: Grafana puts all values in, in the form that each data source takes (PromQL, Lucene, TraceQL).
"""

from grafana_foundation_sdk.builders.dashboard import QueryVariable
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh, VariableSort

from cart_observability.dashboards.sources import PROMETHEUS


def handler() -> QueryVariable:
    """`$handler`: one, several or all handlers."""
    return _label_values("handler", "Handler", "What reacts to events.", "cartscope_handler_slots")


def event_type() -> QueryVariable:
    """`$event_type`: one, several or all types of event."""
    meaning = "What happened; the types that the relay has published."
    return _label_values("event_type", "Event type", meaning, "cartscope_events_published_total")


def http_route() -> QueryVariable:
    """`$http_route`: one, several or all routes of the API."""
    meaning = "What was asked for, as a template; the routes that were asked for."
    return _label_values("http_route", "Route", meaning, "http_server_request_duration_seconds_count")


def _label_values(label: str, title: str, description: str, metric: str) -> QueryVariable:
    every = VariableOption(selected=True, text=["All"], value=["$__all"])
    return (
        QueryVariable(label)
        .label(title)
        .description(description)
        .datasource(PROMETHEUS)
        .query(f"label_values({metric}, {label})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .current(every)
    )
