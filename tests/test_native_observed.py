"""`cartscope native` with everything that watches it: each event's trace, log lines and examples are found there."""

import json
import os
import signal
import urllib.parse
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest

from cart_platform.native import installed, leftovers
from conftest import skip_or_fail
from support.program import WITH_ELASTICSEARCH, Running, get, running
from support.servers import RabbitServer, RedisServer, wait_until
from support.tempo_server import found, spans_of

WATCHERS = ("prometheus", "alertmanager", "tempo", "collector", "elasticsearch")
PARTS = {"api": 2, "relay": 1, "worker-threshold": 4, "worker-popularity": 4}
"""Processes that an event without follow-ups comes through, and how many spans each makes of it."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One run for all tests of this module, under a light load."""
    for server in (RedisServer, RabbitServer):
        if not server.available():
            skip_or_fail(server.__name__)
    for name in WATCHERS:
        if name not in installed.servers().watchers:
            skip_or_fail(name)
    folder = tmp_path_factory.mktemp("observed")
    try:
        settings = WITH_ELASTICSEARCH | {"XDG_STATE_HOME": str(folder / "state")}
        with running("native", "--rate", "5", folder=folder / "data", **settings) as started:
            yield started
            started.end(signal.SIGINT)
            assert [] == leftovers.find(folder / "data")
    finally:
        leftovers.end(folder / "data")


def ask(url: str, **parameters: str | float) -> Any:
    """The JSON at a URL."""
    return json.loads(get(f"{url}?{urllib.parse.urlencode(parameters)}" if parameters else url))


def put(run: Running, cart: str) -> tuple[str, str]:
    """Put one unit into a cart and give the ids of the event and of its trace, when its handlers have reported."""
    body = json.dumps({"product": "milk", "quantity": 1}).encode()
    headers = {"Content-Type": "application/json", "Prefer": "wait=30"}
    with urlopen(Request(f"{run.url('api')}/carts/{cart}/items", body, headers), timeout=60) as answer:
        event = str(json.load(answer)["id"])
    return event, str(ask(f"{run.url('api')}/events/{event}")["trace_id"])


def test_running_file_names_the_watchers(run: Running) -> None:
    """Each server that watches is in running.json with its address, and the log shipper with its process."""
    assert {*WATCHERS, "log-shipper"} <= set(run.file["processes"])
    assert set(WATCHERS) <= set(run.file["urls"])


def test_trace_of_a_request(run: Running) -> None:
    """The trace that the API names for an event is in Tempo with the spans of every process that it came through."""
    _, trace_id = put(run, "traced")
    wait_until(lambda: len(spans_of(run.url("tempo"), trace_id)) == sum(PARTS.values()), "the whole trace in Tempo")
    services = [span["service"] for span in spans_of(run.url("tempo"), trace_id)]
    assert {f"cartscope-{name}": number for name, number in PARTS.items()} == {
        service: services.count(service) for service in services
    }
    query = '{ resource.service.name = "cartscope-worker-threshold" && kind = consumer }'
    wait_until(lambda: trace_id.lstrip("0") in found(run.url("tempo"), query), "the trace by TraceQL")


def test_logs_of_an_event(run: Running) -> None:
    """The lines of an event, from its acceptance to its last handler, are in Elasticsearch under one trace."""
    event, trace_id = put(run, "logged")
    wanted = ["event.accepted", "event.handled", "event.handled", "event.published"]
    wait_until(lambda: wanted == sorted(line["event.action"] for line in lines(run, event)), "the event's lines", 300.0)
    assert {trace_id} == {line["trace.id"] for line in lines(run, event)}


def lines(run: Running, event: str) -> list[dict[str, Any]]:
    """What Elasticsearch has of an event."""
    query = f'cartscope.event.id:"{event}"'
    try:
        answer = ask(f"{run.url('elasticsearch')}/logs-cartscope-default/_search", q=query)
    except OSError:
        return []
    return [hit["_source"] for hit in answer["hits"]["hits"]]


def test_exemplar_leads_to_a_trace(run: Running) -> None:
    """An example that Prometheus has of the processing time is the id of a trace that Tempo has."""

    def leads() -> bool:
        now = float(ask(f"{run.url('prometheus')}/api/v1/query", query="time()")["data"]["result"][1])
        series = ask(
            f"{run.url('prometheus')}/api/v1/query_exemplars",
            query='messaging_process_duration_seconds_bucket{handler="threshold"}',
            start=now - 600,
            end=now,
        )["data"]
        traces = {each["labels"]["trace_id"] for one in series for each in one["exemplars"]}
        return any(spans_of(run.url("tempo"), trace_id) for trace_id in traces)

    wait_until(leads, "an exemplar's trace")


def test_watchers_are_watched(run: Running) -> None:
    """Prometheus scrapes each process of the chain and each server, and takes the metrics that Tempo makes of spans."""

    def up() -> set[str]:
        targets = ask(f"{run.url('prometheus')}/api/v1/targets")["data"]["activeTargets"]
        return {each["labels"].get("process", each["labels"]["job"]) for each in targets if each["health"] == "up"}

    servers = {"rabbitmq", "rabbitmq-queues", "collector", "tempo", "prometheus", "alertmanager"}
    wait_until(lambda: set(run.file["urls"]["metrics"]) | servers == up(), "every target up")
    query = 'traces_spanmetrics_calls_total{service="cartscope-relay", span_name="publish cart.events"}'
    wait_until(
        lambda: bool(ask(f"{run.url('prometheus')}/api/v1/query", query=query)["data"]["result"]), "span metrics"
    )


@pytest.mark.parametrize("name", [*WATCHERS, "log-shipper"])
def test_killed_watcher_comes_back(run: Running, name: str) -> None:
    """What watches is started again when it is killed by -9, and the shop goes on meanwhile."""
    restarts = run.file["restarts"]
    before, accepted = run.file["processes"][name], run.accepted()
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: run.file["processes"].get(name) not in {None, before}, f"{name} under a new process id")
    wait_until(lambda: run.accepted() > accepted, "further events")
    changed = {part: count for part, count in run.file["restarts"].items() if count != restarts[part]}
    assert {name: restarts[name] + 1} == changed


def test_everything_works_again(run: Running) -> None:
    """After all that, traces and log lines of a new event come where they are to come."""
    test_trace_of_a_request(run)
    test_logs_of_an_event(run)
