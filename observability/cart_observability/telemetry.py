"""The telemetry of one process: its metrics, spans and log lines, started and closed together."""

import atexit
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from opentelemetry.sdk.trace import SpanProcessor
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from cart_observability.exposition import LOOPBACK, Exposition
from cart_observability.line_writer import LineWriter, LogFile, Output, StandardOutput
from cart_observability.logs import LogSink, logger_for
from cart_observability.metrics import Metrics
from cart_observability.span_export import SpanQueue, exporter_from_environment
from cart_observability.tracing import tracer_for


@dataclass
class _Process:
    """What the roles of one process share."""

    registry: CollectorRegistry
    metrics: Metrics
    level: str = "info"
    writers: list[LineWriter] = field(default_factory=list)
    spans: SpanProcessor | None = None
    exposition: Exposition | None = None

    def write_to(self, output: Output) -> None:
        written, dropped = self.metrics.telemetry_written, self.metrics.telemetry_dropped
        self.writers.append(
            LineWriter(output, lambda lines: written("logs", lines), lambda lines: dropped("logs", lines))
        )

    def close(self) -> None:
        # Spans first: an export that fails at the end is still a log line. The port last: it shows both counts.
        if self.spans is not None:
            self.spans.shutdown()
        for writer in self.writers:
            writer.close()
        if self.exposition is not None:
            self.exposition.close()
        self.spans, self.exposition = None, None


class Telemetry:
    """The telemetry of one role; several roles may share a process.

    Attributes:
        service: `service.name` in log lines and spans.
        metrics: The verbs that record.
        tracer: Makes spans; cheap where nobody will see them.
        log: A structlog logger: `log.info("event published", **fields)`.
        registry: Where the metrics are registered.
    """

    def __init__(self, service: str, process: _Process, *, owner: bool) -> None:
        self.service = service
        self.registry = process.registry
        self.metrics = process.metrics
        self.tracer = tracer_for(service, process.spans)
        self.log = logger_for(service, LogSink(process.writers), process.level)
        self._process = process
        self._owner = owner

    @classmethod
    def start(
        cls,
        service: str,
        *,
        log_folder: Path | None = None,
        stdout: bool = True,
        port: int | None = None,
        registry: CollectorRegistry | None = None,
        address: str = LOOPBACK,
        level: str = "info",
        spans: SpanProcessor | None = None,
    ) -> Self:
        """Starts the telemetry of a process.

        Args:
            service: `service.name`, for instance `cartscope-relay`.
            log_folder: Lines go to `<service>.log` there too.
            stdout: Whether lines go to standard output.
            port: Of `/metrics`; 0 for any free one, None for none.
            registry: Where metrics are registered; one of its own by default.
            address: Where `/metrics` listens.
            level: The least log level that is written.
            spans: Takes the finished spans, instead of the exporter that `OTEL_EXPORTER_OTLP_ENDPOINT` asks for.

        Raises:
            RuntimeError: The port is in use, or the log folder cannot be written.
            ValueError: The level or an `OTEL_BSP_...` variable is none.
        """
        registry = CollectorRegistry() if registry is None else registry
        process = _Process(registry, Metrics(registry), level)
        try:
            _open(process, service, log_folder, stdout=stdout)
            if port is not None:
                process.exposition = Exposition(registry, port, address)
            process.spans = spans if spans is not None else _exporting(service, process)
            telemetry = cls(service, process, owner=True)
        except BaseException:
            process.close()
            raise
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        # The writer and exporter threads die with the interpreter: without this, what a crash says last is lost.
        atexit.register(telemetry.close)
        return telemetry

    def named(self, service: str) -> "Telemetry":
        """The telemetry of another role in the same process.

        Metrics, log outputs, exporter and port are shared; log lines and spans carry the role's own `service.name`.
        Closing it does nothing: who started the process's telemetry closes it.
        """
        return Telemetry(service, self._process, owner=False)

    @property
    def metrics_url(self) -> str | None:
        """Where the metrics are served, None when they are not."""
        exposition = self._process.exposition
        return None if exposition is None else exposition.url

    def close(self) -> None:
        """Exports waiting spans and writes waiting lines, each for some seconds at most, and stops `/metrics`."""
        if not self._owner:
            return
        self._owner = False
        atexit.unregister(self.close)
        self._process.close()


def _open(process: _Process, service: str, log_folder: Path | None, *, stdout: bool) -> None:
    if log_folder is not None:
        process.write_to(LogFile(log_folder, service))
    if stdout:
        process.write_to(StandardOutput())


def _exporting(service: str, process: _Process) -> SpanProcessor | None:
    exporter = exporter_from_environment()
    if exporter is None:
        return None
    return SpanQueue(exporter, process.metrics, logger_for(service, LogSink(process.writers), process.level))


def silent(spans: SpanProcessor | None = None) -> Telemetry:
    """Telemetry that writes nothing and serves nothing: for tests, and for use as a library.

    Metrics count in a registry of their own; spans are made but kept nowhere, unless `spans` takes them.
    """
    registry = CollectorRegistry()
    return Telemetry("silent", _Process(registry, Metrics(registry), "critical", spans=spans), owner=False)
