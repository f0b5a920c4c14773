"""Every query of every dashboard, and every rule, on a run in which everything happened that they are there to show."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from cart_platform.errors import CartscopeError
from cart_platform.native import installed
from conftest import skip_or_fail
from support.asked_servers import Elasticsearch, ask, moves, traces
from support.eventful_run import EventfulRun, eventful_run, rules
from support.grafana_queries import Query, queries
from support.servers import wait_until

ROOT: Final = Path(__file__).parent.parent
FILES: Final = sorted((ROOT / "grafana/dashboards").glob("*.json"))
PROVISIONED: Final = yaml.safe_load((ROOT / "grafana/provisioning/datasources/datasources.yml").read_text())
SOURCES: Final[dict[str, dict[str, Any]]] = {each["uid"]: each["jsonData"] for each in PROVISIONED["datasources"]}
NEEDED: Final = ("prometheus", "alertmanager", "tempo", "collector")
STEP: Final = 5.0
FINE_STEP: Final = 2.0

EMPTY: Final = {
    "TargetDown vanished": "the targets of a native run are listed one by one: they can be down, and not vanish",
}
"""Rules that this run leaves empty, and why."""

ZERO: Final = {
    "cartscope_api_overloads_total": "no more comes than the API takes",
    "handler:drain_seconds:estimate5m": "at the end of the run nothing waits",
    "prometheus_rule_evaluation_failures_total": "no rule fails",
    "prometheus_notifications_dropped_total": "Alertmanager is there",
    "otelcol_receiver_refused_spans_total": "the Collector has memory enough",
    "otelcol_exporter_enqueue_failed_spans_total": "the Collector's queue has room for all that waits for Tempo",
    "otelcol_processor_tail_sampling_sampling_trace_dropped_too_early_total": "the Collector holds all traces",
    "tempo_receiver_refused_spans": "Tempo takes what comes",
    "tempo_metrics_generator_spans_discarded_total": "Tempo takes what comes",
}
"""Series of which this run may show nothing but zeros, and why; every other one moves."""


def _asked() -> dict[str, Query]:
    """Every query of every dashboard, those that ask the same only once."""
    asked: dict[str, Query] = {}
    for file in FILES:
        for query in queries(json.loads(file.read_text())):
            text = json.dumps([query.source, query.text, query.instant, query.target.get("metrics")])
            asked.setdefault(text, query)
    return {str(query): query for query in asked.values()}


ASKED: Final = _asked()


def of_source(source: str) -> pytest.MarkDecorator:
    """A test for each query to one data source."""
    return pytest.mark.parametrize("name", [name for name, query in ASKED.items() if query.source == source])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventfulRun]:
    """The run, with its servers still up; its end finds whether an event was lost."""
    try:
        found = installed.servers().watchers
    except CartscopeError as error:
        skip_or_fail(str(error))
    for name in NEEDED:
        if name not in found:
            skip_or_fail(name)
    with eventful_run(tmp_path_factory.mktemp("eventful")) as run:
        yield run


@pytest.fixture(scope="module")
def elasticsearch(run: EventfulRun) -> Elasticsearch:
    """The run's Elasticsearch, when it has the log lines of the run's last fault."""
    if "elasticsearch" not in run.run.file["urls"]:
        skip_or_fail("elasticsearch")
    server = Elasticsearch(run.run.url("elasticsearch"), SOURCES["elasticsearch"]["index"])
    wait_until(lambda: _is_shipped(server), "shipped log lines", 180)
    return server


def _is_shipped(server: Elasticsearch) -> bool:
    try:
        return server.count("event.action:fault.ended AND cartscope.fault:paused\\-relay") > 0
    except OSError:
        return False


def assert_moves(answer: list[list[float]], text: str) -> None:
    """There is an answer, and it is more than zeros unless this run has reason to leave it at that."""
    assert answer, text
    assert moves(answer) or any(series in text for series in ZERO), f"nothing but zeros: {text}"


@of_source("prometheus")
def test_promql(run: EventfulRun, name: str) -> None:
    """A query to Prometheus is answered, and what it shows has happened."""
    query, prometheus = ASKED[name], run.prometheus
    answer = prometheus.now(query.text) if query.instant else prometheus.during(query.text, run.span, STEP)
    assert_moves(answer, query.text)


@of_source("elasticsearch")
def test_log_searches(elasticsearch: Elasticsearch, name: str) -> None:
    """A query to Elasticsearch finds log lines, and what it adds up of them are numbers."""
    query = ASKED[name]
    assert_moves([elasticsearch.answer(query.text, query.target)], query.text)


@of_source("tempo")
def test_trace_searches(run: EventfulRun, name: str) -> None:
    """A query to Tempo finds traces."""
    assert traces(run.run.url("tempo"), ASKED[name].text, run.span)


@pytest.mark.parametrize("query", SOURCES["tempo"]["tracesToMetrics"]["queries"], ids=lambda query: query["name"])
def test_links_from_traces_to_metrics(run: EventfulRun, query: dict[str, str]) -> None:
    """What leads from a span to metrics asks for something that is there."""
    handler, service = "threshold", "cartscope-worker-threshold"
    [tag] = SOURCES["tempo"]["tracesToMetrics"]["tags"]
    promql = query["query"].replace('$${__span.tags["cartscope.handler"]}', handler)
    promql = promql.replace("$$__tags", f'{tag["value"]}="{service}"')
    assert "$" not in promql
    assert_moves(run.prometheus.during(promql, run.span, STEP), promql)


@pytest.mark.parametrize(
    "name", ["traces_service_graph_request_total", "traces_service_graph_request_server_seconds_count"]
)
def test_service_graph(run: EventfulRun, name: str) -> None:
    """Tempo makes the series that Grafana draws its service graph of."""
    assert_moves(run.prometheus.during(name, run.span, STEP), name)


@pytest.mark.parametrize("name", sorted({name for name, _ in rules("record")}))
def test_recorded(run: EventfulRun, name: str) -> None:
    """Each recording rule has recorded something."""
    assert run.prometheus.during(name, run.span, STEP)


@pytest.mark.parametrize(("name", "promql"), rules("alert"), ids=[name for name, _ in rules("alert")])
def test_alerts(run: EventfulRun, name: str, promql: str) -> None:
    """The condition of each alert has been met at some time of the run."""
    met = bool(run.prometheus.during(promql, run.span, FINE_STEP))
    assert met != (name in EMPTY)


def test_rules_are_sound(run: EventfulRun) -> None:
    """Prometheus has all rules of this repository, and none of them fails."""
    groups = ask(f"{run.run.url('prometheus')}/api/v1/rules")["data"]["groups"]
    loaded = [rule for group in groups for rule in group["rules"]]
    assert {"ok"} == {rule["health"] for rule in loaded}, [rule for rule in loaded if rule["health"] != "ok"]
    assert len(rules("alert")) + len(rules("record")) == len(loaded)


def test_alerts_arrive(run: EventfulRun) -> None:
    """What fires in Prometheus arrives at Alertmanager."""
    assert any(
        alert["labels"]["alertname"] == "Watchdog" for alert in ask(f"{run.run.url('alertmanager')}/api/v2/alerts")
    )


@pytest.mark.parametrize("series", ZERO)
def test_reasons_are_needed(series: str) -> None:
    """No series is excused that no dashboard asks for."""
    assert any(series in query.text for query in ASKED.values())
