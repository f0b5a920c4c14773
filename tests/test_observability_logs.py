"""Log lines: their fields, their context, and that no value makes logging fail."""

import json
import logging
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.typing import FilteringBoundLogger

from cart_observability.logs import LogSink, capture_standard_logging, log_context, logger_for
from support.observability import recording


class Lines:
    """Takes rendered lines."""

    def __init__(self, level: str = "debug") -> None:
        self.raw: list[bytes] = []
        self.log: FilteringBoundLogger = logger_for("cartscope-test", LogSink([self]), level)

    def write(self, line: bytes) -> None:
        """Takes one line."""
        self.raw.append(line)

    @property
    def last(self) -> dict[str, Any]:
        """The newest line, read back."""
        document: dict[str, Any] = json.loads(self.raw[-1])
        return document


def test_a_line_has_the_fields_of_the_schema() -> None:
    """A line is one JSON object with flat ECS names, a time with its zone, and the caller's fields."""
    lines = Lines()
    lines.log.info("event published", **{"event.action": "event.published", "cartscope.event.id": "event-1"})
    assert lines.raw[-1].endswith(b"}\n")
    assert 1 == lines.raw[-1].count(b"\n")
    document = lines.last
    assert datetime.fromisoformat(document.pop("@timestamp")).tzinfo is not None
    assert isinstance(document.pop("process.pid"), int)
    assert {
        "log.level": "info",
        "message": "event published",
        "ecs.version": "9.2.0",
        "service.name": "cartscope-test",
        "event.dataset": "cartscope-test",
        "log.logger": "cartscope-test",
        "event.action": "event.published",
        "cartscope.event.id": "event-1",
    } == document


def test_every_level_is_named() -> None:
    """The methods of a logger write the level that they are called by."""
    lines = Lines()
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(lines.log, level)("said")
        assert level == lines.last["log.level"]


def test_lines_below_the_level_are_left_out() -> None:
    """A logger writes its level and above."""
    lines = Lines("warning")
    lines.log.info("said")
    lines.log.warning("said")
    assert ["warning"] == [json.loads(line)["log.level"] for line in lines.raw]


def test_an_unknown_level_is_refused() -> None:
    """The error names the levels there are."""
    with pytest.raises(ValueError, match="'loud' is not one of debug, info"):
        Lines("loud")


def test_a_line_belongs_to_the_current_span() -> None:
    """Trace and span id are those of the span that is current, and are left out without one."""
    telemetry, _ = recording()
    lines = Lines()
    with telemetry.tracer.start_as_current_span("request") as span:
        lines.log.info("inside")
        context = span.get_span_context()
        assert (f"{context.trace_id:032x}", f"{context.span_id:016x}") == (
            lines.last["trace.id"],
            lines.last["span.id"],
        )
    lines.log.info("outside")
    assert "trace.id" not in lines.last


def test_context_is_bound_and_restored() -> None:
    """Fields of a context are on every line inside, nested ones win, and after an exception they are gone."""
    lines = Lines()
    with log_context({"cartscope.handler": "threshold", "cartscope.attempt": 1}):
        with pytest.raises(ZeroDivisionError), log_context({"cartscope.attempt": 2}):
            lines.log.info("inner", ratio=1 / 0)
        with log_context({"cartscope.attempt": 2}):
            lines.log.info("inner")
        assert ("threshold", 2) == (lines.last["cartscope.handler"], lines.last["cartscope.attempt"])
        lines.log.info("outer")
        assert lines.last["cartscope.attempt"] == 1
    lines.log.info("outside")
    assert "cartscope.handler" not in lines.last


def test_an_exception_is_told_in_three_fields() -> None:
    """Type, message and stack trace of an error, given or caught."""
    lines = Lines()
    try:
        dict[str, str]()["cart"]
    except KeyError as error:
        caught = error
        lines.log.exception("request failed")
    for document in (lines.last, (lines.log.error("request failed", exc_info=caught), lines.last)[1]):
        assert ("KeyError", "'cart'", "error") == (
            document["error.type"],
            document["error.message"],
            document["log.level"],
        )
        assert "Traceback" in document["error.stack_trace"]
        assert "exc_info" not in document


def test_a_bound_logger_keeps_its_fields() -> None:
    """`bind` works as everywhere in structlog."""
    lines = Lines()
    lines.log.bind(**{"cartscope.handler": "popularity"}).info("said")
    assert "popularity" == lines.last["cartscope.handler"]


class Unspeakable:
    """Raises when asked for its text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("\udc80", "?"),
        (float("nan"), None),
        ({1, 2}, [1, 2]),
        (b"raw", "cmF3"),
        (ValueError("broken"), "broken"),
        (Unspeakable(), "unspeakable Unspeakable"),
    ],
)
def test_no_value_makes_logging_fail(value: object, expected: object) -> None:
    """What JSON has no form for is written as text."""
    lines = Lines()
    lines.log.info("said", value=value)
    assert expected == lines.last["value"]
    assert "said" == lines.last["message"]


@given(
    st.dictionaries(
        st.text(min_size=1).filter(lambda name: name not in {"event", "exc_info", "level", "self", "method_name"}),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.text()),
    )
)
def test_every_line_is_one_document(fields: dict[str, Any]) -> None:
    """Whatever is logged, one line of JSON comes out."""
    lines = Lines()
    lines.log.info("said", **fields)
    assert 1 == lines.raw[-1].count(b"\n")
    assert isinstance(lines.last, dict)


def test_libraries_speak_through_the_same_lines() -> None:
    """Warnings of the standard library's logging become lines with their logger's name; info is left out."""
    lines = Lines()
    release = capture_standard_logging(lines)
    library = logging.getLogger("library.connection")
    try:
        library.warning("connection lost after %d s: 100%%", 3)
        assert ("library.connection", "connection lost after 3 s: 100%", "warning") == tuple(
            lines.last[name] for name in ("log.logger", "message", "log.level")
        )
        library.log(35, "between two levels")
        assert "warning" == lines.last["log.level"]
        try:
            dict[str, str]()["gone"]
        except KeyError:
            library.exception("failed")
        assert ("KeyError", "error") == (lines.last["error.type"], lines.last["log.level"])
        count = len(lines.raw)
        library.info("chatter")
        assert count == len(lines.raw)
    finally:
        release()
    library.warning("afterwards")
    assert "failed" == lines.last["message"]
