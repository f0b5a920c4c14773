"""The way of finished spans to a collector: bounded, in batches, and never in the way of the service."""

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.sdk._shared_internal import BatchProcessor
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from structlog.typing import FilteringBoundLogger

from cart_observability.metrics import Metrics

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
NOISY: Final = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk._shared_internal",
)
"""Loggers of the SDK that repeat themselves for as long as a collector is away."""
FLUSH_SECONDS: Final = 3.0
DEFAULTS: Final = {
    "OTEL_BSP_MAX_QUEUE_SIZE": 16_384,
    "OTEL_BSP_SCHEDULE_DELAY": 1_000,
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": 512,
}
"""Spans, milliseconds, spans. A queue of this size holds what a busy worker samples in some seconds."""


def _setting(name: str) -> int:
    given = os.environ.get(name, "")
    if not given:
        return DEFAULTS[name]
    if not given.isdecimal() or int(given) == 0:
        raise ValueError(f"{name}={given!r} is not a number of 1 or more: correct it, or unset it for {DEFAULTS[name]}")
    return int(given)


def exporter_from_environment(environment: Mapping[str, str] = os.environ) -> SpanExporter | None:
    """An OTLP exporter (HTTP, protobuf) when the standard variables ask for one, else None."""
    is_disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if is_disabled or not any(environment.get(name) for name in ENDPOINTS):
        return None
    # Imported only here: a process without a collector does not pay for protobuf.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - see above

    return OTLPSpanExporter()


class _Reasons(logging.Filter):
    """Keeps the SDK's last complaint instead of letting it be printed."""

    def __init__(self) -> None:
        super().__init__()
        self.last = "no reason given"

    def filter(self, record: logging.LogRecord) -> bool:
        self.last = record.getMessage()
        return False


class _WatchedExporter(SpanExporter):
    """Counts what the collector took or did not, and says once when an outage begins and once when it ends."""

    def __init__(self, exporter: SpanExporter, metrics: Metrics, log: FilteringBoundLogger) -> None:
        self._exporter = exporter
        self._metrics = metrics
        self._log = log
        self._failing = False
        self._reasons = _Reasons()
        for name in NOISY:
            logging.getLogger(name).addFilter(self._reasons)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._attempt(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed:
            self._metrics.telemetry_dropped("traces", len(spans))
        else:
            self._metrics.telemetry_written("traces", len(spans))
        if failed != self._failing:
            self._failing = failed
            self._report()
        return result

    def _attempt(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            return self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - no failure of an exporter may reach the service
            self._reasons.last = f"{type(error).__name__}: {error}"
            return SpanExportResult.FAILURE

    def _report(self) -> None:
        if self._failing:
            reason = {"error.message": self._reasons.last, "event.action": "telemetry.export_failed"}
            self._log.warning("spans not exported, further ones are counted only", **reason)
        else:
            self._log.info("spans exported again", **{"event.action": "telemetry.export_resumed"})

    def shutdown(self) -> None:
        self._exporter.shutdown()
        for name in NOISY:
            logging.getLogger(name).removeFilter(self._reasons)


class _QueueCounts:
    """Tells the metrics what the queue had no room for; the SDK calls these three."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.left = 0

    def register_queue_size(self, _: object) -> None:
        """The queue's length is not shown: what it lost is."""

    def drop_items(self, count: int, _: str = "queue_full") -> None:
        self.left += count
        self._metrics.telemetry_dropped("traces", count)

    def finish_items(self, count: int) -> None:
        self.left += count


class SpanQueue(SpanProcessor):
    """Hands sampled spans to an exporter on a thread of its own.

    A full queue loses its oldest span, an export that fails loses its batch; both are counted as
    `telemetry_dropped{signal="traces"}`. The service is never blocked. Size, delay and batch size are set by the
    standard variables `OTEL_BSP_MAX_QUEUE_SIZE`, `OTEL_BSP_SCHEDULE_DELAY`, `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`.

    Raises:
        ValueError: One of these is not a number of 1 or more.
    """

    def __init__(self, exporter: SpanExporter, metrics: Metrics, log: FilteringBoundLogger) -> None:
        size = _setting("OTEL_BSP_MAX_QUEUE_SIZE")
        self._metrics = metrics
        self._counts = _QueueCounts(metrics)
        self._entered = 0
        self._batches: BatchProcessor[ReadableSpan] = BatchProcessor(
            _WatchedExporter(exporter, metrics, log),
            schedule_delay_millis=_setting("OTEL_BSP_SCHEDULE_DELAY"),
            max_export_batch_size=min(size, _setting("OTEL_BSP_MAX_EXPORT_BATCH_SIZE")),
            export_timeout_millis=0,
            max_queue_size=size,
            exporting="Span",
            metrics=self._counts,
        )

    def on_end(self, span: ReadableSpan) -> None:
        """Takes a finished span; one that is not sampled is left out."""
        if span.context and span.context.trace_flags & 1:
            self._entered += 1
            self._batches.emit(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the signature of the interface
        """Exports what is queued, on the caller's thread."""
        return self._batches.force_flush()

    def shutdown(self) -> None:
        """Exports what is queued within some seconds; what is left then is counted as dropped."""
        self._batches.shutdown(timeout_millis=int(FLUSH_SECONDS * 1000))
        self._metrics.telemetry_dropped("traces", max(0, self._entered - self._counts.left))
        self._entered = self._counts.left
