"""Kibana's objects: whole in themselves, and about fields that log lines have."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cart_observability.elastic import template
from cart_observability.kibana import objects
from cart_observability.signals import read
from support import kibana, kql, lens

ROOT = Path(__file__).parent.parent
SEARCHES, (DASHBOARD,) = kibana.of_type("search"), kibana.of_type("dashboard").values()
DATA_VIEWS = kibana.of_type("index-pattern")
PANELS = {panel["panelIndex"]: panel for panel in kibana.panels(DASHBOARD)}
CHARTS = {name: panel for name, panel in PANELS.items() if panel["type"] == "vis"}
CHOICES = DASHBOARD["attributes"]["pinned_panels"]["panels"]

MAPPED = template.mapped(read(ROOT / "observability/signals.yaml"))
VERSIONS = {"index-pattern": "8.0.0", "search": "10.12.0", "dashboard": "10.3.0"}
"""Of the objects that the shapes were taken from (see `cart_observability.kibana`)."""


def test_the_file_is_what_the_code_says() -> None:
    """elk/kibana/cartscope.ndjson was written from the code as it is."""
    assert objects.ndjson() == kibana.FILE.read_text()


def test_what_others_rely_on() -> None:
    """Data view, dashboard and searches have the ids by which Grafana, runbooks and the front door link to them."""
    assert {"cartscope-logs", "cartscope-stack-logs"} == DATA_VIEWS.keys()
    assert "cartscope-handlers" == DASHBOARD["id"]
    names = {"event-story", "cart", "failures", "dead-letters", "slow", "trace"}
    assert {f"cartscope-{name}" for name in names} == SEARCHES.keys()


def test_versions() -> None:
    """Each object says which version of its type's schema it has."""
    for each in kibana.objects():
        assert ("8.8.0", VERSIONS[each["type"]]) == (each["coreMigrationVersion"], each["typeMigrationVersion"])


def test_references_resolve() -> None:
    """Every reference of an object is to another one in the file, and has a name of its own."""
    known = {(each["type"], each["id"]) for each in kibana.objects()}
    for each in kibana.objects():
        assert {(reference["type"], reference["id"]) for reference in each["references"]} <= known
        names = [reference["name"] for reference in each["references"]]
        assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES.keys())
def test_a_search_names_its_data_view(search: kibana.Object) -> None:
    """What a search calls its data view is a reference of it."""
    assert set(kibana.reference_names(search["attributes"])) == {each["name"] for each in search["references"]}


def test_panels_have_their_references() -> None:
    """Charts, log table and choices find what they need among the dashboard's references, and none is left over."""
    needed = {
        f"{name}:{reference['name']}"
        for name, panel in CHARTS.items()
        for reference in panel["embeddableConfig"]["attributes"]["references"]
    }
    needed |= {f"{name}:savedObjectRef" for name, panel in PANELS.items() if panel["type"] == "discover_session"}
    needed |= {choice["config"]["dataViewRefName"] for choice in CHOICES.values()}
    assert needed == {reference["name"] for reference in DASHBOARD["references"]}


def test_data_views() -> None:
    """Each data view finds the data streams that it is about, and no other."""
    streams = {template.LINES, template.UNPARSED, template.STACK}
    found = {
        name: {each for each in streams if Path(each).match(view["attributes"]["title"])}
        for name, view in DATA_VIEWS.items()
    }
    assert {"cartscope-logs": {template.LINES}, "cartscope-stack-logs": {template.UNPARSED, template.STACK}} == found


def test_formats_are_of_fields() -> None:
    """A format is given to fields that are mapped; durations to numbers."""
    formats = json.loads(DATA_VIEWS["cartscope-logs"]["attributes"]["fieldFormatMap"])
    assert set() == formats.keys() - MAPPED.keys()
    assert {"long"} == {MAPPED[name]["type"] for name, format_ in formats.items() if format_["id"] == "duration"}


def test_a_trace_links_to_grafana() -> None:
    """The link of a trace id opens that trace in Grafana, from its data source `tempo`."""
    formats = json.loads(DATA_VIEWS["cartscope-logs"]["attributes"]["fieldFormatMap"])
    url = urlsplit(formats["trace.id"]["params"]["urlTemplate"].replace("{{value}}", "4bf92f35"))
    (panes,) = parse_qs(url.query)["panes"]
    (pane,) = json.loads(panes).values()
    assert ("http", "127.0.0.1:3000", "/explore") == (url.scheme, url.netloc, url.path)
    assert ("tempo", "traceql", "4bf92f35") == (
        pane["datasource"],
        pane["queries"][0]["queryType"],
        pane["queries"][0]["query"],
    )


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES.keys())
def test_searches_are_of_fields(search: kibana.Object) -> None:
    """What a search asks about, shows and sorts by is mapped."""
    query, columns, sort = kibana.search_of(search)
    assert set() == {*kql.translate(query).fields, *columns, *(name for name, _ in sort)} - MAPPED.keys()


@pytest.mark.parametrize("panel", CHARTS.values(), ids=CHARTS.keys())
def test_charts_are_of_fields(panel: kibana.Object) -> None:
    """What a chart asks about is mapped; values are counted of keywords, and percentiles taken of numbers."""
    assert set() == lens.fields(panel) - MAPPED.keys()
    types = {"terms": {"keyword"}, "percentile": {"long"}, "max": {"long"}, "date_histogram": {"date"}}
    for layer in lens.layers(panel):
        for column in layer["columns"].values():
            if column["operationType"] in types:
                assert MAPPED[column["sourceField"]]["type"] in types[column["operationType"]]


@pytest.mark.parametrize("panel", CHARTS.values(), ids=CHARTS.keys())
def test_charts_draw_their_columns(panel: kibana.Object) -> None:
    """Each column of a layer is drawn, each thing drawn is a column, and what terms are ordered by is one."""
    (layer,) = lens.layers(panel)
    drawn = set(column_names(panel["embeddableConfig"]["attributes"]["state"]["visualization"]))
    assert set(layer["columns"]) == set(layer["columnOrder"]) == drawn
    orders = [column["params"]["orderBy"] for column in layer["columns"].values() if column["operationType"] == "terms"]
    assert {order["columnId"] for order in orders if "columnId" in order} <= drawn


def column_names(visualization: Any) -> list[str]:
    """The columns that a visualization names."""
    if isinstance(visualization, dict):
        named = [
            name
            for key, value in visualization.items()
            if key in {"columnId", "metricAccessor", "xAccessor", "accessors", "splitAccessors"}
            for name in ([value] if isinstance(value, str) else value)
        ]
        return named + [name for value in visualization.values() for name in column_names(value)]
    return [name for each in visualization for name in column_names(each)] if isinstance(visualization, list) else []


def test_choices_are_of_keywords() -> None:
    """The choices above the dashboard are of handler and event type."""
    names = {choice["config"]["field_name"] for choice in CHOICES.values()}
    assert {"cartscope.handler", "cartscope.event.type"} == names
    assert {"keyword"} == {MAPPED[name]["type"] for name in names}


def test_the_grid() -> None:
    """Panels fill the 48 columns of the grid and lie on no other."""
    places = {name: panel["gridData"] for name, panel in PANELS.items()}
    for place in places.values():
        assert 0 <= place["x"] < place["x"] + place["w"] <= 48
    for one, other in combinations(places.values(), 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y
    assert 48 * max(place["y"] + place["h"] for place in places.values()) == sum(
        place["w"] * place["h"] for place in places.values()
    )


def test_the_note_links_to_every_search() -> None:
    """The note on the dashboard leads to each search, and to dashboards of Grafana."""
    (note,) = [panel["embeddableConfig"]["content"] for panel in PANELS.values() if panel["type"] == "markdown"]
    assert set() == {name for name in SEARCHES if f"/app/discover#/view/{name})" not in note}
    assert "http://127.0.0.1:3000/d/event-way)" in note
