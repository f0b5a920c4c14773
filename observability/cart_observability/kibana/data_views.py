"""Data views: which indices are searched, which field is the time, how fields are shown."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from cart_observability.kibana.saved_object import Reference, SavedObject, bucket

VERSION = "8.0.0"
CHAIN, STACK = "cartscope-logs", "cartscope-stack-logs"

GRAFANA = "http://127.0.0.1:3000"
TRACE_PANES = bucket(
    {
        "trace": {
            "datasource": "tempo",
            "queries": [
                {
                    "refId": "A",
                    "datasource": {"type": "tempo", "uid": "tempo"},
                    "queryType": "traceql",
                    "query": "TRACE",
                }
            ],
            "range": {"from": "now-6h", "to": "now"},
        }
    }
)
"""What Grafana's Explore shows: the trace of one id, from Tempo (`panes` of its URL, schemaVersion 1)."""

TRACE_URL = (
    f"{GRAFANA}/explore?schemaVersion=1&orgId=1&panes={quote(TRACE_PANES, safe='').replace('TRACE', '{{value}}')}"
)
"""Kibana puts the value, percent-encoded, in the place of `{{value}}` (its UrlFormat)."""

MILLISECONDS = {
    "id": "duration",
    "params": {"inputFormat": "nanoseconds", "outputFormat": "asMilliseconds", "outputPrecision": 2},
}
DELAY = {
    "id": "duration",
    "params": {"inputFormat": "milliseconds", "outputFormat": "asSeconds", "outputPrecision": 1},
}
TRACE_LINK = {"id": "url", "params": {"type": "a", "urlTemplate": TRACE_URL, "labelTemplate": "{{value}}"}}
PLAIN = {"id": "number", "params": {"pattern": "0"}}


def reference(name: str, data_view: str = CHAIN) -> Reference:
    """A reference to a data view."""
    return Reference(name, "index-pattern", data_view)


def data_view(identity: str, title: str, name: str, formats: Mapping[str, Any]) -> SavedObject:
    """A data view on the indices of a pattern, with `@timestamp` as its time."""
    attributes = {
        "title": title,
        "name": name,
        "timeFieldName": "@timestamp",
        "allowHidden": False,
        "fieldAttrs": "{}",
        "fieldFormatMap": bucket(formats),
        "fields": "[]",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
    }
    return SavedObject("index-pattern", identity, VERSION, attributes)


def data_views() -> tuple[SavedObject, ...]:
    """One of the chain's own lines, and one of everything else that was logged in the stack."""
    chain = {
        "event.duration": MILLISECONDS,
        "cartscope.shipping.delay": DELAY,
        "trace.id": TRACE_LINK,
        "process.pid": PLAIN,
    }
    return (
        data_view(CHAIN, "logs-cartscope*", "Cartscope", chain),
        data_view(STACK, "logs-*-cartscope", "The stack's servers, and lines that could not be read", {}),
    )
