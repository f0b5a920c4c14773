"""Spans on their way to a collector: over real HTTP, in an outage, and to the real collector where it is installed."""

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from cart_observability.messaging import Messaging
from cart_observability.span_export import SpanQueue, exporter_from_environment
from cart_observability.telemetry import Telemetry, silent
from cart_observability.tracing import extract
from cart_platform.native.ports import free_ports
from support.observability import SAMPLED, UNSAMPLED, FailingExporter, lines_of, sample
from support.polling import eventually


def span() -> ReadableSpan:
    """A finished and sampled span."""
    made = TracerProvider(shutdown_on_exit=False).get_tracer("test").start_span("work")
    made.end()
    assert isinstance(made, ReadableSpan)
    return made


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        super().__init__(("127.0.0.1", 0), Taking)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()


class Taking(BaseHTTPRequestHandler):
    """Answers one request of an exporter."""

    server: Collector

    def do_POST(self) -> None:
        """Takes the spans."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that the standard variable names."""
    with Collector() as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()


def names_by_service(collector: Collector) -> dict[str, list[str]]:
    """The names of the spans of each service, as the collector has them."""
    found: dict[str, list[str]] = {}
    for request in collector.requests:
        for resource in request.resource_spans:
            service = {each.key: each.value.string_value for each in resource.resource.attributes}["service.name"]
            found.setdefault(service, []).extend(each.name for scope in resource.scope_spans for each in scope.spans)
    return found


def test_spans_of_all_roles_reach_the_collector(collector: Collector) -> None:
    """With an endpoint set, the spans of a process and of its named roles arrive before it has closed."""
    telemetry = Telemetry.start("cartscope-worker", stdout=False)
    relay = telemetry.named("cartscope-relay")
    Messaging(relay).publishing("cart.events", "cart.item_added", SAMPLED, "id-1").done("confirmed")
    work = Messaging(telemetry).processing("threshold", "threshold", "cart.item_added", SAMPLED, "id-1", 1)
    work.committed(1, 2, 2, [work, work])
    work.settled("ack", 3, 4)
    work.end("done", "cart.item_added", 0.1)
    telemetry.close()
    assert {
        "cartscope-relay": ["publish cart.events"],
        "cartscope-worker": ["commit threshold", "ack threshold", "process threshold"],
    } == names_by_service(collector)
    assert sample(telemetry.registry, "cartscope_telemetry_written_total", signal="traces") == 4
    assert sample(telemetry.registry, "cartscope_telemetry_dropped_total", signal="traces") == 0


def test_without_an_endpoint_nothing_is_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable, no exporter."""
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    assert exporter_from_environment() is None


def test_what_is_disabled_exports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """`OTEL_SDK_DISABLED` holds whatever endpoint is named."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    exporter = exporter_from_environment()
    assert exporter is not None
    exporter.shutdown()
    monkeypatch.setenv("OTEL_SDK_DISABLED", "True")
    assert exporter_from_environment() is None


async def test_an_outage_of_the_collector_is_told_once_and_counted(tmp_path: Path) -> None:
    """Lost spans are counted, the log has one warning when it begins and one line when it is over."""
    exporter = FailingExporter()
    telemetry = Telemetry.start("service", log_folder=tmp_path, stdout=False)
    queue = SpanQueue(exporter, telemetry.metrics, telemetry.log)
    for lost in (1, 2):
        queue.on_end(span())
        queue.force_flush()
        assert lost == sample(telemetry.registry, "cartscope_telemetry_dropped_total", signal="traces")
    exporter.away = False
    for _ in range(2):
        queue.on_end(span())
        queue.force_flush()
    queue.shutdown()
    telemetry.close()
    assert 2 == len(exporter.taken)
    told = [(line["event.action"], line.get("error.message")) for line in lines_of(tmp_path / "service.log")]
    assert [
        ("telemetry.export_failed", "ConnectionError: collector away"),
        ("telemetry.export_resumed", None),
    ] == told


def test_a_collector_that_is_not_there_costs_no_more_than_its_spans(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With nobody behind the endpoint the service works, closes in bounded time, and prints nothing."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    telemetry = Telemetry.start("service", log_folder=tmp_path, stdout=False)
    telemetry.tracer.start_span("work").end()
    telemetry.close()
    assert sample(telemetry.registry, "cartscope_telemetry_dropped_total", signal="traces") == 1
    assert ("", "") == capfd.readouterr()


class Stuck(SpanExporter):
    """A collector that does not answer."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.answer = threading.Event()

    def export(self, spans: Any) -> SpanExportResult:
        """Waits."""
        self.reached.set()
        self.answer.wait(30)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Answers at last."""
        self.answer.set()


async def test_a_full_queue_loses_spans_and_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """While an export hangs, spans beyond the queue are counted as dropped; none is lost without being counted."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    telemetry, exporter = silent(), Stuck()
    queue = SpanQueue(exporter, telemetry.metrics, telemetry.log)
    queue.on_end(span())
    await eventually(exporter.reached.is_set)
    for _ in range(25):
        queue.on_end(span())
    assert 15 == sample(telemetry.registry, "cartscope_telemetry_dropped_total", signal="traces")
    exporter.answer.set()
    queue.shutdown()
    assert 11 == sample(telemetry.registry, "cartscope_telemetry_written_total", signal="traces")


def test_spans_that_are_not_sampled_are_left_out() -> None:
    """Only what is sampled is exported."""
    telemetry, exporter = silent(), FailingExporter()
    exporter.away = False
    queue = SpanQueue(exporter, telemetry.metrics, telemetry.log)
    queue.on_end(ReadableSpan("unsampled", extract(UNSAMPLED)))
    queue.shutdown()
    assert [] == exporter.taken


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_setting_that_is_no_number_is_one_clear_line(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable, its value and what to do."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", value)
    with pytest.raises(ValueError, match=f"OTEL_BSP_MAX_QUEUE_SIZE='{value}' is not a number of 1 or more: correct"):
        SpanQueue(FailingExporter(), silent().metrics, silent().log)


@pytest.mark.skipif(shutil.which("otelcol-contrib") is None, reason="otelcol-contrib is not on PATH")
async def test_the_real_collector_takes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The OpenTelemetry Collector accepts what is exported and writes it down."""
    [port], written = free_ports(1), tmp_path / "spans.json"
    configuration = {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
        "exporters": {"file": {"path": str(written)}},
        "service": {
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["file"]}},
            "telemetry": {"metrics": {"level": "none"}},
        },
    }
    (tmp_path / "config.yaml").write_text(json.dumps(configuration))
    command = ["otelcol-contrib", "--config", str(tmp_path / "config.yaml")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:  # noqa: ASYNC220  the loop has nothing else to do
        await eventually(lambda: listening(port), seconds=60)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        telemetry = Telemetry.start("cartscope-api", stdout=False)
        telemetry.tracer.start_span("work").end()
        telemetry.close()
        await eventually(lambda: written.exists() and "work" in written.read_text())
        process.terminate()
    (resource,) = json.loads(written.read_text().splitlines()[0])["resourceSpans"]
    assert "https://opentelemetry.io/schemas/1.44.0" == resource["schemaUrl"]
    assert {"key": "service.name", "value": {"stringValue": "cartscope-api"}} in resource["resource"]["attributes"]


def listening(port: int) -> bool:
    """Whether somebody answers there."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
