"""Discover sessions: a search with its columns and its order, one for each question that is asked often."""

from dataclasses import dataclass
from typing import Any

from cart_observability.kibana.data_views import reference
from cart_observability.kibana.saved_object import SavedObject, bucket

VERSION = "10.12.0"
TAB = "lines"
INDEX = f"tab_{TAB}.kibanaSavedObjectMeta.searchSourceJSON.index"


@dataclass(frozen=True)
class Search:
    """A search of the chain's lines: `query` is KQL; the earliest line comes first where `ascending`."""

    id: str
    title: str
    description: str
    query: str
    columns: tuple[str, ...]
    ascending: bool = False

    def saved(self) -> SavedObject:
        """As Kibana keeps it: a session of one tab, whose attributes stand beside the tabs too."""
        attributes = {"title": self.title, "description": self.description, **self._tab()}
        tabs = [{"id": TAB, "label": self.title, "attributes": self._tab()}]
        return SavedObject("search", self.id, VERSION, {**attributes, "tabs": tabs}, (reference(INDEX),))

    def _tab(self) -> dict[str, Any]:
        source = {"query": {"language": "kuery", "query": self.query}, "filter": [], "indexRefName": INDEX}
        return {
            "columns": list(self.columns),
            "sort": [["@timestamp", "asc" if self.ascending else "desc"]],
            "grid": {},
            "hideChart": False,
            "isTextBasedQuery": False,
            "timeRestore": False,
            "usesAdHocDataView": False,
            "kibanaSavedObjectMeta": {"searchSourceJSON": bucket(source)},
        }


EVENT_STORY = Search(
    "cartscope-event-story",
    "Cartscope: one event's story",
    "Replace the * by an event's id: what happened to it, in the order in which it happened.",
    "cartscope.event.id: *",
    (
        "service.name",
        "event.action",
        "cartscope.handler",
        "cartscope.attempt",
        "cartscope.outcome",
        "event.duration",
        "message",
        "cartscope.event.type",
        "cartscope.event.id",
        "trace.id",
    ),
    ascending=True,
)

SEARCHES = (
    EVENT_STORY,
    Search(
        "cartscope-cart",
        "Cartscope: one cart",
        "Replace the * by a cart's id: its events, what the handlers did with them, and what was refused.",
        "cartscope.cart.id: *",
        (
            "cartscope.cart.id",
            "service.name",
            "event.action",
            "cartscope.event.type",
            "cartscope.handler",
            "cartscope.outcome",
            "event.reason",
            "cartscope.event.id",
        ),
        ascending=True,
    ),
    Search(
        "cartscope-failures",
        "Cartscope: failures",
        "Everything that warned or failed, newest first.",
        'log.level: ("warning" or "error" or "critical")',
        (
            "log.level",
            "service.name",
            "event.action",
            "cartscope.handler",
            "cartscope.attempt",
            "error.type",
            "error.message",
            "event.reason",
            "cartscope.event.id",
            "trace.id",
        ),
    ),
    Search(
        "cartscope-dead-letters",
        "Cartscope: dead letters",
        "Messages that were given up, and why. `cartscope dead-letters show ID` has the message itself.",
        'event.action: "event.dead_lettered"',
        (
            "cartscope.handler",
            "event.reason",
            "error.type",
            "error.message",
            "cartscope.attempt",
            "cartscope.event.type",
            "cartscope.event.id",
            "trace.id",
        ),
    ),
    Search(
        "cartscope-slow",
        "Cartscope: slow handlings",
        "Attempts that took a handler longer than 50 ms (event.duration is in nanoseconds).",
        "event.duration > 50000000",
        (
            "cartscope.handler",
            "event.duration",
            "event.action",
            "cartscope.attempt",
            "cartscope.event.type",
            "cartscope.event.id",
            "trace.id",
        ),
    ),
    Search(
        "cartscope-trace",
        "Cartscope: one trace",
        "Replace the * by a trace's id: the lines of every process. The id links to the trace itself in Grafana.",
        "trace.id: *",
        (
            "service.name",
            "event.action",
            "message",
            "cartscope.handler",
            "cartscope.outcome",
            "event.duration",
            "cartscope.event.id",
            "span.id",
            "trace.id",
        ),
        ascending=True,
    ),
)
