"""What `/metrics` shows is read as prometheus_client's own parsers read it."""

import contextlib
import math
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest
from prometheus_client import parser as plain
from prometheus_client.openmetrics import exposition, parser

from cart_observability.console.metrics.openmetrics import LONGEST_UNUSUAL, Reader, Unreadable
from cart_observability.console.records import Exemplar, Family, Sample

NOW = 1_800_000_000_000_000_000
SECOND = 1_000_000_000
CLOSE_NS = 1_000

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=8)
values = st.one_of(st.floats(), st.integers(-(10**6), 10**18).map(float))
amounts = st.floats(0, 1e15)
exemplars = st.none() | st.fixed_dictionaries(
    {"trace_id": st.text("0123456789abcdef", min_size=32, max_size=32)},
    optional={"span_id": st.text("0123456789abcdef", min_size=16, max_size=16)},
)


@st.composite
def registries(draw: st.DrawFn) -> CollectorRegistry:
    """Metrics of every kind, with whatever somebody writes into labels and meanings."""
    registry = CollectorRegistry()
    about = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), min_size=1).filter(str.strip)
    counter = Counter("requests", draw(about), ["route", "status"], registry=registry)
    for route, status, amount in draw(st.lists(st.tuples(texts, texts, amounts), max_size=4)):
        counter.labels(route, status).inc(amount, draw(exemplars))
    Gauge("waiting", draw(about), registry=registry).set(draw(values))
    histogram = Histogram("seconds", draw(about), ["le_", "handler"], buckets=(0.1, 1, 2.5), registry=registry)
    for one, other, amount in draw(st.lists(st.tuples(texts, texts, st.floats(0, 100)), max_size=4)):
        histogram.labels(one, other).observe(amount, draw(exemplars))
    Summary("bytes", draw(about), registry=registry).observe(draw(amounts))
    return registry


def shown(registry: CollectorRegistry, *, is_openmetrics: bool) -> str:
    """The text that a process shows."""
    return (exposition.generate_latest if is_openmetrics else generate_latest)(registry).decode()


def judged(text: str, *, is_openmetrics: bool) -> list[Family]:
    """What the library reads."""
    module: Any = parser if is_openmetrics else plain
    return [
        Family(metric.name, metric.type, metric.documentation, [converted(sample) for sample in metric.samples])
        for metric in module.text_string_to_metric_families(text)
    ]


def converted(sample: Any) -> Sample:
    """The library's sample as the console's."""
    exemplar = None
    if sample.exemplar and sample.exemplar.labels.get("trace_id"):
        at = sample.exemplar.timestamp
        when = NOW if at is None else round(float(at) * SECOND)
        labels = sample.exemplar.labels
        exemplar = Exemplar(when, sample.exemplar.value, labels["trace_id"], labels.get("span_id"))
    return Sample(sample.name, tuple(sample.labels.items()), sample.value, exemplar)


def same(one: Sequence[Family], other: Sequence[Family]) -> bool:
    """Whether two readings are the same, but for the last digits of a time."""
    return [family[:3] for family in one] == [family[:3] for family in other] and all(
        len(left.samples) == len(right.samples) and all(map(same_sample, left.samples, right.samples))
        for left, right in zip(one, other, strict=True)
    )


def same_sample(one: Sample, other: Sample) -> bool:
    """Whether two samples are the same."""
    values_ = one.value == other.value or (math.isnan(one.value) and math.isnan(other.value))
    if one.exemplar is None or other.exemplar is None:
        return values_ and one[:2] == other[:2] and one.exemplar is other.exemplar
    times = abs(one.exemplar.time - other.exemplar.time) <= CLOSE_NS
    return values_ and times and one[:2] == other[:2] and one.exemplar[1:] == other.exemplar[1:]


@given(registry=registries(), is_openmetrics=st.booleans())
def test_read_as_the_library_reads(*, registry: CollectorRegistry, is_openmetrics: bool) -> None:
    """Whatever a process shows is read as the library reads it, and so is the same once more."""
    text, reader = shown(registry, is_openmetrics=is_openmetrics), Reader()
    expected = judged(text, is_openmetrics=is_openmetrics)
    for _ in range(2):
        assert same(expected, reader.read(text, NOW, is_openmetrics=is_openmetrics))


@settings(max_examples=300)
@given(
    registry=registries(),
    is_openmetrics=st.booleans(),
    where=st.integers(0, 999),
    gone=st.sampled_from([0, 1, 40]),
    put=st.sampled_from(["", "\n", '"', "\\", "{", "}", " ", "#", ",", "=", "1", "_", "\x00", "é", " # {", "# EOF\n"]),
)
def test_damaged_text(*, registry: CollectorRegistry, is_openmetrics: bool, where: int, gone: int, put: str) -> None:
    """A text that somebody damaged is read as the library reads it, or refused; nothing else happens."""
    text = shown(registry, is_openmetrics=is_openmetrics)
    begin = len(text) * where // 1_000
    damaged = text[:begin] + put + text[begin + gone :]
    try:
        expected = judged(damaged, is_openmetrics=is_openmetrics)
    except Exception:  # noqa: BLE001  whatever it raises for what is no exposition
        expected = None
    try:
        found = Reader().read(damaged, NOW, is_openmetrics=is_openmetrics)
    except Unreadable:
        assert expected is None
    else:
        # What breaks the rules of a whole family but no line of it may be read all the same.
        assert expected is None or same(expected, found)


@given(text=st.text(max_size=200), is_openmetrics=st.booleans())
def test_rubbish(*, text: str, is_openmetrics: bool) -> None:
    """What is no exposition is refused, or read as one that says nothing of note."""
    with contextlib.suppress(Unreadable):
        Reader().read(text, NOW, is_openmetrics=is_openmetrics)


def test_cut_off() -> None:
    """OpenMetrics whose end did not come is refused: half of the series would look as if they had vanished."""
    registry = CollectorRegistry()
    Gauge("waiting", "What waits.", registry=registry)
    with pytest.raises(Unreadable):
        Reader().read(shown(registry, is_openmetrics=True).removesuffix("# EOF\n"), NOW, is_openmetrics=True)


def test_rabbitmq() -> None:
    """RabbitMQ's own exposition, in the older format, is read: gauges of queues and counters."""
    text = (
        "# TYPE rabbitmq_detailed_queue_messages gauge\n"
        "# HELP rabbitmq_detailed_queue_messages Sum of ready and unacknowledged messages - total queue depth\n"
        'rabbitmq_detailed_queue_messages{vhost="/",queue="cart.threshold"} 12\n'
        "# TYPE rabbitmq_detailed_queue_messages_redelivered_total counter\n"
        "# HELP rabbitmq_detailed_queue_messages_redelivered_total Total number of messages redelivered\n"
        'rabbitmq_detailed_queue_messages_redelivered_total{vhost="/",queue="cart.threshold"} 3\n'
    )
    depth, redelivered = Reader().read(text, NOW, is_openmetrics=False)
    assert ("gauge", 12.0) == (depth.kind, depth.samples[0].value)
    assert (("vhost", "/"), ("queue", "cart.threshold")) == depth.samples[0].labels
    assert "counter" == redelivered.kind
    assert "rabbitmq_detailed_queue_messages_redelivered_total" == redelivered.samples[0].name


@pytest.mark.parametrize("text", ['x{a="' + '\\"' * LONGEST_UNUSUAL, "x\n" * LONGEST_UNUSUAL])
def test_what_would_take_long(text: str) -> None:
    """A text that the library would read for minutes is refused at once."""
    began = time.perf_counter()
    with pytest.raises(Unreadable, match="too long"):
        Reader().read(text, NOW, is_openmetrics=True)
    assert time.perf_counter() - began < 5
