"""The stack's Collector and Tempo by their own files: what is kept of traces, whole, over outages, and as metrics."""

import asyncio
import base64
import json
import subprocess
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from cart_platform.native import checkout, prometheus_server
from cart_platform.native.installed import find
from cart_platform.native.ports import free_ports
from cart_platform.settings import Settings
from conftest import skip_or_fail
from support.chain import Chain, observed
from support.collector_server import CollectorServer
from support.polling import eventually
from support.servers import RunningProgram, wait_until
from support.tempo_server import TempoServer, found, spans_of
from support.traced_events import SERVICES, Tracers, event

WAIT = "1s"
"""In the place of the ten seconds that the stack waits for the spans of a trace."""


@dataclass
class Servers:
    """A Tempo, and the Prometheus that its metrics go to."""

    tempo: TempoServer
    prometheus: str

    def value(self, query: str) -> float | None:
        """What PromQL gives; None for nothing."""
        with urlopen(f"{self.prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}") as answer:
            result = json.load(answer)["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def has(self, query: str) -> bool:
        """Whether PromQL gives anything."""
        return self.value(query) is not None

    def exemplars(self, query: str) -> list[str]:
        """Ids of the traces that are examples of these series, of the last ten minutes."""
        times = {"start": str(time.time() - 600), "end": str(time.time())}
        with urlopen(
            f"{self.prometheus}/api/v1/query_exemplars?{urllib.parse.urlencode({'query': query, **times})}"
        ) as it:
            series = json.load(it)["data"]
        return [example["labels"]["traceID"] for each in series for example in each["exemplars"]]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Both, for the tests of this module: each has traces of its own."""
    executable = find("prometheus")
    if executable is None:
        skip_or_fail("prometheus")
    [port] = free_ports(1)
    tempo = TempoServer(port)
    program = prometheus_server.program(str(executable), tmp_path_factory.mktemp("prometheus"), port, {}, {})
    prometheus = RunningProgram(program)
    prometheus.start()
    tempo.start()
    yield Servers(tempo, f"http://127.0.0.1:{port}")
    tempo.stop()
    prometheus.kill()


def hexadecimal(identifier: str) -> str:
    """An id as Tempo's JSON has it (base64), as the rest of the world has it."""
    return base64.b64decode(identifier).hex()


def run_checker(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """What a checker complained of; empty when it found nothing."""
    finished = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return finished.stdout + finished.stderr if finished.returncode else ""


def test_collector_accepts_its_file() -> None:
    """The Collector's own checker accepts the file as it is in the stack."""
    executable = find("otelcol-contrib", "otelcol")
    if executable is None:
        skip_or_fail("otelcol-contrib")
    assert "" == run_checker(str(executable), "validate", f"--config={checkout.COLLECTOR}")


def test_tempo_accepts_its_file() -> None:
    """Tempo's own checker accepts the file as it is in the stack."""
    executable = find("tempo")
    if executable is None:
        skip_or_fail("tempo")
    command = (str(executable), f"-config.file={checkout.TEMPO}", "-config.expand-env=true", "-config.verify=true")
    assert "" == run_checker(*command)


def test_memory_is_limited_first() -> None:
    """What is too much is refused before it costs anything, and spans are joined only after the choice."""
    pipeline = yaml.safe_load(checkout.COLLECTOR.read_text())["service"]["pipelines"]["traces"]
    assert ["memory_limiter", "tail_sampling", "batch"] == pipeline["processors"]


async def test_trace_is_kept_whole(servers: Servers, tmp_path: Path) -> None:
    """Every span of a request that three handlers reacted to is in Tempo, under its parent, sent by five processes."""
    settings = Settings(
        store_url=f"sqlite:///{tmp_path / 'store.db'}",
        bus_url=f"sqlite:///{tmp_path / 'bus.db'}",
        api_port=0,
        mail_url=f"maildir:///{tmp_path / 'mail'}",
    )

    async def scenario(chain: Chain) -> None:
        status, _ = await chain.add("whole", "milk", 12, Prefer="wait=20")
        assert 200 == status
        await eventually(lambda: notified(chain))

    async def notified(chain: Chain) -> bool:
        return (await chain.parts.store.totals()).done.get("notification") == 1

    emitted = await observed(settings, tmp_path, scenario)
    await asyncio.to_thread(check_whole, servers.tempo, [process.spans.all for process in emitted.values()])


def check_whole(tempo: TempoServer, processes: list[Any]) -> None:
    """Send what each process recorded by itself and hold what Tempo has against it."""
    everything: list[ReadableSpan] = list(chain(*processes))
    [trace_id] = {span.context.trace_id for span in everything if span.name == "POST /carts/{cart}/items"}
    sent = {
        (span.name, f"{span.context.span_id:016x}", f"{span.parent.span_id:016x}" if span.parent else "")
        for span in everything
        if span.context.trace_id == trace_id
    }
    with CollectorServer(tempo.ports.otlp, TRACES_DECISION_WAIT=WAIT) as collector:
        for spans in processes:
            collector.take(spans)
        wait_until(lambda: len(spans_of(tempo.url, f"{trace_id:032x}")) >= len(sent), "the whole trace in Tempo")
    kept = spans_of(tempo.url, f"{trace_id:032x}")
    assert sent == {
        (span["name"], hexadecimal(span["spanId"]), hexadecimal(span.get("parentSpanId", ""))) for span in kept
    }
    assert len(sent) == len(kept)
    assert {"process cart.threshold", "process cart.notification"} <= {span["name"] for span in kept}
    assert 5 == len({span["service"] for span in kept})
    query = '{ kind = server } >> { name = "process cart.notification" && span.cartscope.attempt = 1 }'
    wait_until(lambda: f"{trace_id:x}" in found(tempo.url, query), "the trace by TraceQL")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        # 80 of 400, and six standard deviations either way.
        ({"TRACES_SHARE_PERCENT": "20", "TRACES_SPANS_PER_SECOND": "1000000"}, range(32, 129)),
        # 20 a second, and the decisions fall into two or three of them.
        ({"TRACES_SPANS_PER_SECOND": "140"}, range(1, 61)),
    ],
)
def test_what_matters_is_always_kept(servers: Servers, variables: Mapping[str, str], expected: range) -> None:
    """Of ordinary traces a share is kept, and each one with a failure, a further attempt, a dead letter or a delay."""
    tracers = Tracers()
    plain = {event(tracers) for _ in range(400)}
    special = {
        "failed": {event(tracers, failed=True) for _ in range(20)},
        "tried again": {event(tracers, attempt=2) for _ in range(20)},
        "to be tried again": {event(tracers, outcome="retried") for _ in range(20)},
        "given up": {event(tracers, outcome="dead_lettered") for _ in range(20)},
        "delivered twice": {event(tracers, outcome="duplicate") for _ in range(20)},
        "slow": {event(tracers, lasts=1.2) for _ in range(20)},
    }
    with CollectorServer(servers.tempo.ports.otlp, TRACES_DECISION_WAIT=WAIT, **variables) as collector:
        collector.take(tracers.finished())
        wait_until(partial(has_decided, collector, 400 + 20 * len(special)), "every trace decided")
        kept = collector.kept
        mine = plain.union(*special.values())
        wait_until(lambda: len(found(servers.tempo.url) & mine) == kept, "every kept trace in Tempo")
    there = found(servers.tempo.url)
    assert {} == {why: traces - there for why, traces in special.items() if traces - there}
    assert len(plain & there) in expected


def test_late_spans(servers: Servers) -> None:
    """What a retry adds to a kept trace after the decision is kept with it, and the late failure of a dropped one."""
    tracers = Tracers()
    kept, dropped = event(tracers, failed=True), event(tracers)
    first = tracers.finished()
    event(tracers)
    other = tracers.finished()
    for trace_id in (kept, dropped):
        [create] = [span.context for span in first if span.name.startswith("create") and of(span, trace_id)]
        assert create is not None
        again = tracers[SERVICES[2]].child("process cart.threshold", create, kind=SpanKind.CONSUMER)
        again.set_status(StatusCode.UNSET if trace_id == kept else StatusCode.ERROR)
        again.end()
    with CollectorServer(servers.tempo.ports.otlp, TRACES_DECISION_WAIT=WAIT, TRACES_SHARE_PERCENT="0") as collector:
        for number, spans in ((2, first), (3, other)):
            collector.take(spans)
            wait_until(partial(has_decided, collector, number), "every trace decided")
            assert 1 == collector.kept
        collector.take(tracers.finished())
        wait_until(lambda: len(spans_of(servers.tempo.url, kept)) == 8, "the whole trace with its retry")
        wait_until(lambda: len(spans_of(servers.tempo.url, dropped)) == 1, "the late failure")


def has_decided(collector: CollectorServer, traces: int) -> bool:
    """Whether a Collector has decided on so many traces."""
    return collector.decided == traces


def of(span: ReadableSpan, trace_id: str) -> bool:
    """Whether a span belongs to a trace."""
    return span.context is not None and f"{span.context.trace_id:x}" == trace_id


def test_queue_survives(servers: Servers) -> None:
    """What was queued while Tempo was away arrives when both are back, although the Collector was killed by -9."""
    tracers = Tracers()
    traces = {event(tracers) for _ in range(50)}
    with CollectorServer(servers.tempo.ports.otlp, TRACES_DECISION_WAIT=WAIT) as collector:
        servers.tempo.halt()
        try:
            collector.take(tracers.finished())
            wait_until(
                lambda: collector.metric("otelcol_processor_batch_batch_send_size_sum") == 7 * len(traces),
                "every span in the queue",
            )
            collector.kill()
        finally:
            servers.tempo.start()
        collector.start()
        wait_until(lambda: traces <= found(servers.tempo.url), "every trace in Tempo")
    assert {7} == {len(spans_of(servers.tempo.url, trace_id)) for trace_id in traces}


def test_metrics_of_spans(servers: Servers) -> None:
    """Prometheus gets rates and durations of spans, a graph of who calls whom, and exemplars that lead to traces."""
    tracers = Tracers()
    with CollectorServer(servers.tempo.ports.otlp, TRACES_DECISION_WAIT=WAIT) as collector:
        for number in range(40):
            event(tracers, "PUT /metrics")
            # The spans of a process come together, those of the faster worker first.
            spans = sorted(tracers.finished(), key=lambda span: str(span.resource.attributes["service.name"]))
            collector.take(spans if number % 2 else [*spans[:3], *reversed(spans[3:])])
        edges = {
            ("user", "cartscope-api"),
            ("cartscope-api", "cartscope-worker-threshold"),
            ("cartscope-api", "cartscope-worker-popularity"),
            ("cartscope-relay", "rabbitmq"),
        }
        for client, server in edges:
            query = f'traces_service_graph_request_total{{client="{client}", server="{server}"}} > 0'
            wait_until(partial(servers.has, query), f"the edge from {client} to {server}")
        for name in ("calls_total", "latency_count"):
            query = f'traces_spanmetrics_{name}{{span_name="PUT /metrics", span_kind="SPAN_KIND_SERVER"}} == 40'
            wait_until(partial(servers.has, query), "each span counted once")
    assert servers.value('count({__metrics_gen_instance!=""})') is None
    examples = servers.exemplars('traces_spanmetrics_latency_bucket{span_name="PUT /metrics"}')
    assert examples
    assert spans_of(servers.tempo.url, examples[-1])
