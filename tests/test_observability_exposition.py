"""`/metrics` over real HTTP."""

import socket
import urllib.request
from email.message import Message

import pytest
from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from cart_observability.exposition import Exposition
from cart_observability.metrics import Metrics
from cart_observability.tracing import extract
from support.observability import SAMPLED

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def parse(text: str) -> list[Metric]:
    """OpenMetrics, read back."""
    return list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]  # ships no types


def get(url: str, accept: str = "text/plain") -> tuple[str, Message]:
    """The body and headers of an answer."""
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.read().decode(), response.headers


@pytest.fixture
def registry() -> CollectorRegistry:
    """Metrics with one sampled event."""
    registry = CollectorRegistry()
    Metrics(registry).event_handled("threshold", "cart.item_added", "done", span_context=extract(SAMPLED))
    return registry


def test_exemplars_are_shown_to_who_asks_for_openmetrics(registry: CollectorRegistry) -> None:
    """Prometheus negotiates OpenMetrics and finds the trace of the sample there; a browser gets plain text."""
    exposition = Exposition(registry, 0)
    text, headers = get(exposition.url, OPENMETRICS)
    plain, _ = get(exposition.url)
    exposition.close()
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    samples = [each for family in parse(text) for each in family.samples]
    (exemplar,) = [each.exemplar for each in samples if each.exemplar]
    assert "0af7651916cd43dd8448eb211c80319c" == exemplar.labels["trace_id"]
    assert 'cartscope_events_handled_total{event_type="cart.item_added"' in plain
    assert "trace_id" not in plain


def test_times_of_creation_are_left_out_here_only(registry: CollectorRegistry) -> None:
    """No `_created` series is served, and another user of prometheus_client in the process keeps his."""
    exposition = Exposition(registry, 0)
    text, _ = get(exposition.url, OPENMETRICS)
    exposition.close()
    other = CollectorRegistry()
    Counter("other", "Of somebody else.", registry=other)
    assert "_created" not in text
    assert ["other_total", "other_created"] == [each.name for family in other.collect() for each in family.samples]


def test_single_metrics_can_be_asked_for(registry: CollectorRegistry) -> None:
    """`name[]` restricts the answer."""
    exposition = Exposition(registry, 0)
    text, _ = get(f"{exposition.url}?name[]=cartscope_notifications_sent_total")
    exposition.close()
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    assert {"cartscope_notifications_sent_total"} == names


def test_only_this_machine_is_served_by_default(registry: CollectorRegistry) -> None:
    """The address is loopback unless told otherwise."""
    exposition = Exposition(registry, 0)
    assert exposition.url.startswith("http://127.0.0.1:")
    assert "127.0.0.1" == exposition._server.server_address[0]
    exposition.close()


def test_a_port_in_use_is_one_clear_line(registry: CollectorRegistry) -> None:
    """The error names the address, the port and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match=rf"cannot serve /metrics on 127\.0\.0\.1:{port} \(Address already in"):
            Exposition(registry, port)


def test_a_closed_exposition_frees_its_port(registry: CollectorRegistry) -> None:
    """The same port can be served again at once."""
    first = Exposition(registry, 0)
    port = first._server.server_port
    first.close()
    second = Exposition(registry, port)
    assert "cartscope_events_handled_total" in get(second.url)[0]
    second.close()
