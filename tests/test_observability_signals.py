"""The signal matrix against the library that emits, and its own soundness."""

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from cart_observability.metrics import Metrics
from cart_observability.signals import Matrix, read, render

FILE = Path(__file__).parent.parent / "observability/signals.yaml"
LINE: dict[str, Any] = {
    "@timestamp": "2026-11-23T07:41:26.423272Z",
    "log.level": "info",
    "message": "shards changed",
    "ecs.version": "9.2.0",
    "service.name": "cartscope-relay",
    "event.dataset": "cartscope-relay",
    "log.logger": "cartscope-relay",
    "process.pid": 17,
    "event.action": "relay.shards_changed",
    "cartscope.shards": 8,
}


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    """The matrix of this repository."""
    return read(FILE)


def test_the_matrix_lists_every_metric_and_no_other(matrix: Matrix) -> None:
    """Name, type, labels and meaning are those of the metrics that are defined."""
    registry = CollectorRegistry()
    Metrics(registry)
    suffix = {"counter": "_total"}
    defined = {
        (
            family.name + suffix.get(family.type, ""),
            family.type,
            tuple(collector._labelnames),  # type: ignore[attr-defined]  # no public way to a metric's labels
            family.documentation,
        )
        for collector in registry._collector_to_names
        for family in collector.collect()
    }
    assert defined == {(each.name, each.type, tuple(each.labels), each.meaning) for each in matrix.metrics}


def test_the_matrix_is_closed(matrix: Matrix) -> None:
    """Every field that a line has is described, every process that is named is one, nothing is listed twice."""
    logs = matrix.logs
    fields = {*logs.always, *logs.in_a_span, *logs.about_a_delivery}
    fields |= {name for action in logs.actions for name in (*action.fields, *action.optional)}
    assert set(matrix.fields) == fields
    emitters = [each.by for each in matrix.metrics] + [each.by for each in logs.actions]
    emitters += [each.by for each in matrix.spans]
    assert set(matrix.processes) >= {process for by in emitters for process in by}
    for names in (
        [each.name for each in matrix.metrics],
        [each.action for each in logs.actions],
        [each.name for each in matrix.spans],
    ):
        assert len(set(names)) == len(names)


def test_a_foreseen_line_has_no_problems(matrix: Matrix) -> None:
    """A line as the relay writes it is as the matrix says."""
    assert [] == matrix.problems("relay", LINE)
    assert [] == matrix.problems("relay", LINE | {"trace.id": "0" * 32, "span.id": "0" * 16})


@pytest.mark.parametrize(
    ("process", "change", "problem"),
    [
        ("relay", {"cartscope.shards": "8"}, "cartscope.shards is no long: '8'"),
        ("relay", {"cartscope.shards": True}, "cartscope.shards is no long: True"),
        ("relay", {"@timestamp": "yesterday"}, "@timestamp is no date: 'yesterday'"),
        ("relay", {"event.action": "relay.danced"}, "no such event.action: 'relay.danced'"),
        ("relay", {"log.level": "error"}, "relay.shards_changed has level 'error'"),
        ("worker", {}, "relay.shards_changed is not of worker"),
        ("relay", {"url.full": "http://x"}, "relay.shards_changed has url.full"),
    ],
)
def test_an_unforeseen_line_is_found(matrix: Matrix, process: str, change: dict[str, Any], problem: str) -> None:
    """Each way in which a line can differ from the matrix has its sentence."""
    assert [problem] == matrix.problems(process, LINE | change)


def test_missing_and_unknown_fields_are_found(matrix: Matrix) -> None:
    """A line must have its fields, and no others."""
    line = {name: value for name, value in LINE.items() if name != "cartscope.shards"}
    assert ["relay.shards_changed lacks cartscope.shards"] == matrix.problems("relay", line)
    assert ["no such field: mood", "relay.shards_changed has mood"] == matrix.problems("relay", LINE | {"mood": "good"})


def test_spans_are_known_by_their_names(matrix: Matrix) -> None:
    """A name pattern takes its own names, and only those."""
    spans = {
        ("POST /carts/{cart}/items", "server"): 1,
        ("GET", "server"): 1,
        ("create cart.item_added", "producer"): 1,
        ("process threshold", "consumer"): 1,
        ("commit threshold", "internal"): 1,
        ("publish cart.results", "client"): 1,
        ("publish elsewhere", "client"): 0,
        ("process a b", "consumer"): 0,
        ("process threshold", "client"): 0,
    }
    found = {(name, kind): sum(span.matches(name, kind) for span in matrix.spans) for name, kind in spans}
    assert spans == found


def test_the_matrix_is_shown_as_text(matrix: Matrix) -> None:
    """Every metric, action, span and field is on the page, in tables that are whole."""
    page = render(matrix)
    expected = [each.name for each in matrix.metrics] + [each.name for each in matrix.spans]
    expected += [each.action for each in matrix.logs.actions] + list(matrix.fields)
    assert [] == [name for name in expected if f"`{name}`" not in page]
    assert [] == [line for line in page.splitlines() if line.startswith("|") and not line.endswith("|")]


def test_a_file_that_is_no_matrix_is_refused(tmp_path: Path) -> None:
    """The error names the file and the place."""
    (tmp_path / "signals.yaml").write_text("processes: 17\n")
    with pytest.raises(ValueError, match=r"signals\.yaml is no signal matrix: Expected `object`, got `int`"):
        read(tmp_path / "signals.yaml")
