"""`cartscope native` with its console: one more process, told of by all others, through a Collector or without one."""

import gzip
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SpanExportResult
from prometheus_client.parser import text_string_to_metric_families

from cart_platform.data_folder import DataFolder
from cart_platform.native import checkout, collector_server, installed, leftovers
from cart_platform.native.collector_server import CollectorPorts
from cart_platform.native.installed import find
from cart_platform.native.layout import Layout
from cart_platform.native.ports import free_ports
from conftest import skip_or_fail
from support.observability import recording
from support.program import Running, cartscope, get, put_into_cart, running
from support.servers import RabbitServer, RedisServer, RunningProgram, wait_until

PROCESSES = {"api", "relay", "worker-threshold", "worker-popularity", "worker-notification"}
SERVICES = {f"cartscope-{name}" for name in PROCESSES}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One native run for the tests of this module, under a light load."""
    for server in (RedisServer, RabbitServer):
        if not server.available():
            skip_or_fail(server.__name__)
    folder = tmp_path_factory.mktemp("native")
    try:
        with running("native", "--rate", "5", folder=folder / "data", XDG_STATE_HOME=str(folder / "state")) as started:
            yield started
            started.end(signal.SIGINT)
            assert [] == leftovers.find(folder / "data")
    finally:
        leftovers.end(folder / "data")


def ask(run: Running, path: str, **query: Any) -> Any:
    """What the console of a run answers; nothing while it does not."""
    try:
        return json.loads(get(f"{run.url('console')}{path}?{urlencode(query)}"))
    except OSError:
        return None


def fresh(run: Running, kind: str) -> set[str]:
    """The sources of a kind that are fresh."""
    overview = ask(run, "/api/overview") or {"sources": []}
    return {each["name"] for each in overview["sources"] if (each["kind"], each["state"]) == (kind, "fresh")}


def test_every_process_is_seen(run: Running) -> None:
    """Metrics, lines and spans of every process come to the console, and RabbitMQ's own metrics of each queue."""
    wait_until(lambda: PROCESSES | {"rabbitmq"} <= fresh(run, "metrics"), "metrics of every process")
    wait_until(lambda: SERVICES <= fresh(run, "traces"), "spans of every process")
    assert {str(run.folder / "logs")} == fresh(run, "logs")
    wait_until(
        lambda: "rabbitmq_detailed_queue_messages" in str(ask(run, "/api/metrics")), "RabbitMQ's metrics of queues"
    )
    queues = {f"cart.{name.removeprefix('worker-')}" for name in PROCESSES if name.startswith("worker-")}

    def told() -> set[str]:
        drawn = ask(run, "/api/series", metric="cartscope_queue_messages", statistic="value", by="queue")
        return {series["label"] for series in drawn["series"]}

    wait_until(lambda: queues == told(), "the relay's gauge of each queue")
    assert {"shop", "faults", "dead-letters"} == {page["id"] for page in ask(run, "/api/overview")["pages"]}


def test_one_event(run: Running) -> None:
    """An event is seen in the console when it is through, with the spans of every process that it came through."""
    assert 202 == put_into_cart(run.url("api"), "followed")

    def handlings() -> dict[str, str]:
        events = ask(run, "/api/events", subject="followed")["events"]
        return {one["handler"]: one["outcome"] for event in events for one in event["handlings"]}

    wait_until(lambda: {"threshold": "done", "popularity": "done"} == handlings(), "the event's handlings")
    [event] = ask(run, "/api/events", subject="followed")["events"]

    def services() -> set[str]:
        trace = ask(run, f"/api/events/{event['id']}")["trace"]
        return {span["service"] for span in trace["spans"]} if trace else set()

    through = SERVICES - {"cartscope-worker-notification"}
    wait_until(lambda: through == services(), "the event's trace")


def test_killed_console_comes_back(run: Running) -> None:
    """The console killed by -9 is there again on its address with what it knew, and the chain notices nothing."""
    before = run.file["processes"]
    put_into_cart(run.url("api"), "kept")
    wait_until(lambda: bool(ask(run, "/api/events", subject="kept")["events"]), "the event")
    os.kill(before["console"], signal.SIGKILL)
    wait_until(lambda: run.file["processes"].get("console") not in {None, before["console"]}, "another process")
    wait_until(lambda: bool((ask(run, "/api/events", subject="kept") or {"events": []})["events"]), "the event again")
    wait_until(lambda: SERVICES <= fresh(run, "traces"), "spans of every process again")
    assert {name: pid for name, pid in before.items() if name != "console"} == {
        name: pid for name, pid in run.file["processes"].items() if name != "console"
    }


def test_a_second_console_is_refused(run: Running) -> None:
    """Another console on the folder says in one line that there is one already."""
    refused = cartscope("console", "--data-dir", run.folder, "--port", "0", "--otlp", "0")
    assert (1, True) == (refused.code, "console.db already (process" in refused.complaint)


def test_without_a_console(tmp_path: Path) -> None:
    """A run that is to have none has neither its process nor its address, and spans go to nobody for its sake."""
    servers = installed.Servers("redis", "rabbitmq", "epmd", {}, ())
    with DataFolder(tmp_path / "data") as folder:
        with_one, without = (Layout(folder, servers, ["threshold"], has_console=wanted) for wanted in (True, False))
        assert [True, False] == ["console" in layout.urls for layout in (with_one, without)]
        assert [["console"], []] == [[each.name for each in layout.watchers()] for layout in (with_one, without)]
        endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
        spans = f"http://127.0.0.1:{with_one.kept.ports['console-otlp']}"
        assert [spans, None] == [layout.api().environment.get(endpoint) for layout in (with_one, without)]


class Taker(BaseHTTPRequestHandler):
    """A console's port for spans: takes what comes, and remembers the names of spans."""

    names: Sequence[str] = ()
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Take it."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        request = ExportTraceServiceRequest.FromString(body)
        names = [span.name for each in request.resource_spans for scope in each.scope_spans for span in scope.spans]
        type(self).names = [*self.names, *names]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> str:
    """Path of a Collector."""
    executable = find("otelcol-contrib", "otelcol")
    if executable is None:
        skip_or_fail("otelcol-contrib")
    return str(executable)


def test_the_collectors_files_fit_together(collector: str) -> None:
    """The Collector takes the console's file on top of its own, in the stack as in a native run."""
    files = [f"--config={file}" for file in (checkout.COLLECTOR, checkout.COLLECTOR_CONSOLE)]
    checked = subprocess.run([collector, "validate", *files], capture_output=True, text=True, check=False)
    assert (0, "") == (checked.returncode, checked.stderr)


@pytest.mark.parametrize("where", ["there", "away"])
def test_the_collector_hands_on_at_once(collector: str, where: str, tmp_path: Path) -> None:
    """Spans come to the console without the wait for a decision; a console that is away holds up no decision."""
    [closed] = free_ports(1)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker) if where == "there" else None
    if server:
        Thread(target=server.serve_forever, daemon=True).start()
    ports = CollectorPorts(*free_ports(3))
    console = server.server_port if server else closed
    program = collector_server.program(collector, tmp_path, ports, closed, console)
    quick = {"TRACES_DECISION_WAIT": "60s" if server else "1s"}
    main = RunningProgram(replace(program, environment={**program.environment, **quick}))
    main.start()
    try:
        send(ports.http)
        if server:
            wait_until(lambda: "seen at once" in Taker.names, "the span at the console", 20)
        else:
            wait_until(lambda: decided(ports.metrics) > 0, "a decision", 20)
    finally:
        main.kill()
        if server:
            server.shutdown()
            server.server_close()


def send(port: int) -> None:
    """Send one span to a Collector."""
    telemetry, spans = recording()
    telemetry.tracer.start_span("seen at once").end()
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{port}/v1/traces")
    assert SpanExportResult.SUCCESS is exporter.export(spans.all)
    exporter.shutdown()  # type: ignore[no-untyped-call]  # of the library


def decided(port: int) -> float:
    """How many traces a Collector has decided on."""
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    name = "otelcol_processor_tail_sampling_global_count_traces_sampled_total"
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)
