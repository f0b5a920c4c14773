"""Telemetry whose spans, lines and samples a test can read."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from cart_observability.telemetry import Telemetry, silent

SAMPLED = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
UNSAMPLED = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}
TRACE_ID = 0x0AF7651916CD43DD8448EB211C80319C
SPAN_ID = 0xB7AD6B7169203331


class Spans:
    """Finished spans, by name."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        self.processor = SimpleSpanProcessor(self._memory)

    @property
    def all(self) -> Sequence[ReadableSpan]:
        """Every finished span, in the order in which they ended."""
        return self._memory.get_finished_spans()

    def named(self, name: str) -> ReadableSpan:
        """The one span of this name."""
        (span,) = [span for span in self.all if span.name == name]
        return span


def recording() -> tuple[Telemetry, Spans]:
    """Silent telemetry whose spans are kept."""
    spans = Spans()
    return silent(spans.processor), spans


def attributes_of(span: ReadableSpan) -> Mapping[str, Any]:
    """A span's attributes."""
    assert span.attributes is not None
    return span.attributes


def identity_of(span: ReadableSpan) -> int:
    """A span's id."""
    assert span.context is not None
    return int(span.context.span_id)


def parent_of(span: ReadableSpan) -> int | None:
    """The id of a span's parent."""
    return span.parent.span_id if span.parent else None


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The lines of a log file, each of which must be a JSON object."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def sample(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """The value of one sample; None when there is none."""
    return registry.get_sample_value(name, labels)


def exemplars_of(registry: CollectorRegistry, name: str) -> list[dict[str, str]]:
    """The exemplars' labels of all samples of this name."""
    samples = (each for metric in registry.collect() for each in metric.samples if each.name == name)
    return [each.exemplar.labels for each in samples if each.exemplar]


class FailingExporter(SpanExporter):
    """A collector that can be away."""

    def __init__(self) -> None:
        self.away = True
        self.taken: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Raises while away."""
        if self.away:
            raise ConnectionError("collector away")
        self.taken.extend(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing to give back."""
