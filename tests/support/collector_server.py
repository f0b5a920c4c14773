"""A throwaway OpenTelemetry Collector on free ports, configured as the stack's is."""

import dataclasses
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self
from urllib.request import urlopen

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from prometheus_client.parser import text_string_to_metric_families

from cart_platform.native import collector_server
from cart_platform.native.installed import find
from cart_platform.native.ports import free_ports
from conftest import skip_or_fail
from support.servers import RunningProgram

DECISIONS = "otelcol_processor_tail_sampling_global_count_traces_sampled_total"


class CollectorServer:
    """A Collector that hands traces to the Tempo at a port."""

    def __init__(self, tempo_port: int, **variables: str) -> None:
        executable = find("otelcol-contrib", "otelcol")
        if executable is None:
            skip_or_fail("otelcol-contrib")
        self._folder = Path(tempfile.mkdtemp(prefix="cartscope-test-"))
        self._ports = collector_server.CollectorPorts(*free_ports(3))
        program = collector_server.program(str(executable), self._folder, self._ports, tempo_port)
        self._main = RunningProgram(dataclasses.replace(program, environment={**program.environment, **variables}))

    def start(self) -> None:
        """Start it and wait until it takes spans."""
        self._main.start()

    def kill(self) -> None:
        """End it by SIGKILL; its queue stays for the next start."""
        self._main.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it and throw its queue away."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def take(self, spans: Sequence[ReadableSpan]) -> None:
        """Send it spans as a process does."""
        exporter = OTLPSpanExporter(f"http://127.0.0.1:{self._ports.http}/v1/traces")
        try:
            assert SpanExportResult.SUCCESS is exporter.export(spans)
        finally:
            exporter.shutdown()  # type: ignore[no-untyped-call]  # of the library

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels; 0 while there is none."""
        with urlopen(f"http://127.0.0.1:{self._ports.metrics}/metrics") as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    @property
    def decided(self) -> float:
        """How many traces it has decided on, for them or against."""
        return self.metric(DECISIONS)

    @property
    def kept(self) -> float:
        """For how many of them it decided."""
        return self.metric(DECISIONS, decision="sampled")
