"""The dashboards: the files are what the code gives, and all that they name exists."""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from grafana_foundation_sdk.models import units

from cart_observability.dashboards.__main__ import rendered, stale, write
from cart_observability.signals import read
from conftest import skip_or_fail
from support.foreign_series import FOREIGN
from support.grafana_queries import Query, filled, panels, queries
from support.promql_names import labels_grouped_by, series_named

ROOT: Final = Path(__file__).parent.parent
FOLDER: Final = ROOT / "grafana/dashboards"
PROVISIONING: Final = ROOT / "grafana/provisioning"
FILES: Final = sorted(FOLDER.glob("*.json"))
HOME: Final = "event-way"
MOST_QUERIES: Final = 20
UNITS: Final = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}
SIGNALS: Final = read(ROOT / "observability/signals.yaml")
RECORDING: Final = yaml.safe_load((ROOT / "prometheus/rules/recording.yml").read_text())
RECORDED: Final = {rule["record"] for group in RECORDING["groups"] for rule in group["rules"]}
# What Prometheus, its configuration and histograms add to the labels of a metric of ours.
ADDED: Final = {"job", "instance", "process", "le"}


def load(file: Path) -> dict[str, Any]:
    """A dashboard as it stands in its file."""
    loaded: dict[str, Any] = json.loads(file.read_text())
    return loaded


DASHBOARDS: Final = {file.stem: load(file) for file in FILES}
QUERIES: Final = [query for each in DASHBOARDS.values() for query in queries(each)]
PROMQL: Final = sorted({query.text for query in QUERIES if query.source == "prometheus"})
by_dashboard = pytest.mark.parametrize("uid", DASHBOARDS)


def known_labels(name: str) -> set[str] | None:
    """The labels that a series may be chosen by; None for one that nobody emits."""
    for metric in SIGNALS.metrics:
        if name in {metric.name, *(f"{metric.name}{end}" for end in ("_bucket", "_sum", "_count"))}:
            return {*metric.labels, *ADDED}
    if name in RECORDED:
        level = name.partition(":")[0]
        return {word for word in ("handler", "outcome", "event_type", "queue_role", "http_route") if word in level}
    return set(FOREIGN[name]) if name in FOREIGN else None


def provisioned() -> dict[str, dict[str, Any]]:
    """The data sources by uid."""
    found = yaml.safe_load((PROVISIONING / "datasources/datasources.yml").read_text())
    return {each["uid"]: each for each in found["datasources"]}


def links(value: object) -> Iterator[str]:
    """Every address in a dashboard to which something leads."""
    if isinstance(value, Mapping):
        if isinstance(value.get("url"), str):
            yield value["url"]
        for each in value.values():
            yield from links(each)
    elif isinstance(value, list):
        for each in value:
            yield from links(each)


def test_files_are_what_the_code_gives() -> None:
    """The files in the repository are those that make dashboards writes."""
    assert [] == stale(FOLDER)


def test_writing_replaces_what_is_stale(tmp_path: Path) -> None:
    """A file that is changed, missing or no dashboard is told, and put right."""
    write(tmp_path)
    (tmp_path / f"{HOME}.json").write_text("{}")
    (tmp_path / "handlers.json").unlink()
    (tmp_path / "other.json").write_text("{}")
    assert ["event-way.json", "handlers.json", "other.json"] == stale(tmp_path)
    write(tmp_path)
    assert [] == stale(tmp_path)
    assert set(rendered()) == {file.name for file in tmp_path.iterdir()}


def test_home_is_there() -> None:
    """The dashboards that others lead to exist, the one that Grafana opens on among them."""
    wanted = {HOME, "handlers", "bus-and-relay", "capacity", "objectives", "api", "telemetry"}
    assert wanted == set(DASHBOARDS)
    assert set(DASHBOARDS) == {each["uid"] for each in DASHBOARDS.values()}


@by_dashboard
def test_panels_explain_themselves(uid: str) -> None:
    """Every panel has a title, words that say what it shows, and where it shows values a unit that Grafana knows."""
    for panel, _ in panels(DASHBOARDS[uid]):
        if panel["type"] == "text":
            assert panel["options"]["content"]
            continue
        assert panel["title"], panel
        assert len(panel["description"]) > len(panel["title"]), panel["title"]
        if panel["type"] != "logs":
            assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]


@by_dashboard
def test_panels_are_told_apart(uid: str) -> None:
    """Ids of panels and rows are unique, and so are the letters of a panel's queries."""
    dashboard = DASHBOARDS[uid]
    rows = [panel["id"] for panel in dashboard["panels"] if panel["type"] == "row"]
    ids = Counter([*rows, *(panel["id"] for panel, _ in panels(dashboard))])
    assert {1} == set(ids.values())
    for panel, _ in panels(dashboard):
        letters = [target["refId"] for target in panel.get("targets", [])]
        assert len(letters) == len({*letters} - {""}), panel["title"]


@by_dashboard
def test_lines_of_panels_are_full(uid: str) -> None:
    """The panels of a line take its whole width and leave no hole beneath the shorter of them."""
    for row in (panel for panel in DASHBOARDS[uid]["panels"] if panel["type"] == "row"):
        assert {"h": 1, "w": 24, "x": 0} == {key: row["gridPos"][key] for key in "hwx"}
    places = [panel["gridPos"] for panel, _ in panels(DASHBOARDS[uid])]
    for line in {place["y"] for place in places}:
        beside = [place for place in places if place["y"] == line]
        assert 24 == sum(place["w"] for place in beside), (line, beside)
        assert 1 == len({place["h"] for place in beside}), (line, beside)


@by_dashboard
def test_opening_asks_few_queries(uid: str) -> None:
    """A dashboard asks at most twenty queries before a row is opened."""
    visible = [query for query in QUERIES if query.dashboard == uid and query.kind == "panel" and query.visible]
    assert 1 <= len(visible) <= MOST_QUERIES


@by_dashboard
def test_every_dashboard_is_marked_with_what_happened(uid: str) -> None:
    """Deployments, alerts and injected faults are on every dashboard."""
    names = {query.where for query in QUERIES if query.dashboard == uid and query.kind == "annotation"}
    assert {"Deployments", "Alerts", "Injected faults"} == names


def test_variables_are_offered_and_used() -> None:
    """The home dashboard offers handler and event type; no dashboard offers a variable that none of its panels uses."""
    offered = {uid: {each["name"] for each in dashboard["templating"]["list"]} for uid, dashboard in DASHBOARDS.items()}
    assert {"handler", "event_type"} == offered[HOME]
    for uid, names in offered.items():
        asked = json.dumps([panel.get("targets", []) for panel, _ in panels(DASHBOARDS[uid])])
        assert names == {name for name in names if f"${name}" in asked}, uid


def test_data_sources_are_provisioned() -> None:
    """Each query goes to a data source of its type that provisioning sets up."""
    types = {uid: source["type"] for uid, source in provisioned().items()}
    for dashboard in DASHBOARDS.values():
        for panel, _ in panels(dashboard):
            for target in panel.get("targets", []):
                assert types[target["datasource"]["uid"]] == target["datasource"]["type"], panel["title"]
    assert {query.source for query in QUERIES} <= set(types)


@by_dashboard
def test_links_lead_somewhere(uid: str) -> None:
    """A link to a dashboard names one that is there; a link to a runbook names an alert that is there."""
    alerts = yaml.safe_load((ROOT / "prometheus/rules/alerts.yml").read_text())
    named = {rule["alert"] for group in alerts["groups"] for rule in group["rules"]}
    for url in links(DASHBOARDS[uid]):
        if match := re.match(r"/d/([\w-]+)", url):
            assert match[1] in DASHBOARDS, url
        elif match := re.search(r"/runbooks/(.+)\.md", url):
            assert match[1] in {*named, "README", "${__value.raw}"}, url
        else:
            assert url.startswith(("http://127.0.0.1:", "/explore")), url


@pytest.mark.parametrize("query", [query for query in QUERIES if query.source == "prometheus"], ids=str)
def test_queries_name_what_exists(query: Query) -> None:
    """Each series of a query is emitted or recorded, with the labels that it is chosen by."""
    for name, labels in series_named(query.text):
        if name:
            known = known_labels(name)
            assert known is not None, f"nobody emits {name}"
            assert labels <= known, f"{name} has no {', '.join(sorted(labels - known))}"
    made = set(re.findall(r'label_replace\(.*?, "(\w+)", "\$', query.text))
    all_labels = {label for metric in SIGNALS.metrics for label in metric.labels} | set().union(*FOREIGN.values())
    assert labels_grouped_by(query.text) <= all_labels | ADDED | made


def test_a_query_that_names_what_does_not_exist_is_found() -> None:
    """A misspelt series, label or variable does not pass for one that is there."""
    assert [("cartscope_handler_slots", {"handlr"})] == [*series_named('sum(cartscope_handler_slots{handlr=~"a{2}"})')]
    assert [("a:b:c", {"x"}), ("d_total", set())] == [
        *series_named('a:b:c{x="1"} / on (y) rate(d_total[5m] offset 1m)')
    ]
    assert known_labels("cartscope_handler_slot") is None
    assert "handler" in (known_labels("handler:cartscope_handler_slots:sum") or ())
    with pytest.raises(ValueError, match=r"\$handlers"):
        filled('up{a=~"$handlers"}', "prometheus", {"handler"})


def test_queries_parse(tmp_path: Path) -> None:
    """Prometheus' own checker takes every expression, its variables filled in."""
    if shutil.which("promtool") is None:
        skip_or_fail("promtool")
    rules = [{"record": f"dashboards:query:{number}", "expr": promql} for number, promql in enumerate(PROMQL)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert f"{len(PROMQL)} rules found" in done.stdout


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_linter_has_no_complaint(file: Path) -> None:
    """Grafana's own linter finds neither error nor warning beyond those that .lint explains."""
    if shutil.which("dashboard-linter") is None:
        skip_or_fail("dashboard-linter")
    command = ["dashboard-linter", "lint", "--strict", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr


def test_data_sources_lead_to_each_other() -> None:
    """Exemplars lead to traces, traces to logs and metrics, log lines to traces."""
    sources = provisioned()
    assert {"prometheus", "tempo", "elasticsearch"} == set(sources)
    metrics, traces, logs = (sources[uid]["jsonData"] for uid in ("prometheus", "tempo", "elasticsearch"))
    assert [{"name": "trace_id", "datasourceUid": "tempo"}] == metrics["exemplarTraceIdDestinations"]
    assert "elasticsearch" == traces["tracesToLogsV2"]["datasourceUid"]
    assert "prometheus" == traces["tracesToMetrics"]["datasourceUid"] == traces["serviceMap"]["datasourceUid"]
    [link] = logs["dataLinks"]
    assert ("trace.id", "tempo") == (link["field"], link["datasourceUid"])
    assert {logs["logMessageField"], logs["logLevelField"], logs["timeField"], link["field"]} <= set(SIGNALS.fields)


def test_no_secret_is_written_down() -> None:
    """The password of a data source is read from its file."""
    for source in provisioned().values():
        for value in source.get("secureJsonData", {}).values():
            assert re.fullmatch(r"\$__file\{/run/secrets/\w+\}", value)


def test_dashboards_are_provisioned() -> None:
    """Grafana reads the dashboards from one folder, and nobody can change them there."""
    [provider] = yaml.safe_load((PROVISIONING / "dashboards/dashboards.yml").read_text())["providers"]
    assert ("file", False) == (provider["type"], provider["allowUiUpdates"])
    assert not any(dashboard["editable"] for dashboard in DASHBOARDS.values())
