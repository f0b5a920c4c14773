"""Log lines: structlog in front, one JSON object in the fields of the Elastic Common Schema (ECS) behind.

Nothing is configured globally. Dotted names stay flat keys; every field keeps one type (`signals.yaml` lists them).
"""

import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Protocol, cast

import msgspec
from opentelemetry.trace import SpanContext, format_span_id, format_trace_id, get_current_span
from structlog import make_filtering_bound_logger
from structlog.typing import EventDict, FilteringBoundLogger

ECS_VERSION: Final = "9.2.0"
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
STACK_TRACE_CHARACTERS: Final = 32_766
"""What Elasticsearch can index of one value; the end of a longer trace, where the error is, is kept."""

_bound: ContextVar[Mapping[str, object]] = ContextVar("log_context", default=MappingProxyType({}))
_encode = msgspec.json.Encoder(enc_hook=str).encode


def bind_log_context(fields: Mapping[str, object]) -> Token[Mapping[str, object]]:
    """Adds fields to every line logged from here on, in this task and in those it starts."""
    return _bound.set({**_bound.get(), **fields})


def restore_log_context(token: Token[Mapping[str, object]]) -> None:
    """Takes back what `bind_log_context` added."""
    _bound.reset(token)


@contextmanager
def log_context(fields: Mapping[str, object]) -> Iterator[None]:
    """Adds fields to every line logged inside; restored on the way out."""
    token = bind_log_context(fields)
    try:
        yield
    finally:
        restore_log_context(token)


def trace_fields(context: SpanContext) -> dict[str, str]:
    """`trace.id` and `span.id` of a span; none for an invalid context."""
    if not context.is_valid:
        return {}
    return {"trace.id": format_trace_id(context.trace_id), "span.id": format_span_id(context.span_id)}


def error_fields(error: BaseException) -> dict[str, str]:
    """`error.type`, `error.message` and `error.stack_trace` of an exception."""
    return {
        "error.type": type(error).__qualname__,
        "error.message": _text(error),
        "error.stack_trace": "".join(traceback.format_exception(error))[-STACK_TRACE_CHARACTERS:],
    }


def _raised(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return cast("BaseException | None", exc_info[1])
    return sys.exc_info()[1]


def _text(value: object) -> str:
    try:
        return str(value).encode(errors="replace").decode()
    except Exception:  # noqa: BLE001 - whatever a value's own text raises
        return f"unspeakable {type(value).__name__}"


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, (bool, int, float)) else _text(value)


class EcsRenderer:
    """The one structlog processor: makes a line of JSON from an event, newline included.

    A value that JSON has no form for is written as its text; no value makes logging fail.
    """

    def __init__(self, service: str) -> None:
        self._fixed: dict[str, object] = {
            "ecs.version": ECS_VERSION,
            "service.name": service,
            "event.dataset": service,
            "log.logger": service,
            "process.pid": os.getpid(),
        }

    def __call__(self, _logger: object, level: str, event: EventDict) -> bytes:
        """Renders one event; fields given with it win over bound ones, those over the fixed ones."""
        line: dict[str, object] = {"@timestamp": datetime.now(UTC), "log.level": level, "message": event.pop("event")}
        line |= self._fixed
        if "trace.id" not in event:
            line |= trace_fields(get_current_span().get_span_context())
        line |= _bound.get()
        error = _raised(event.pop("exc_info")) if event.get("exc_info") else None
        if error is not None:
            line |= error_fields(error)
        line |= event
        return self._json(line)

    def _json(self, line: dict[str, object]) -> bytes:
        try:
            return _encode(line) + b"\n"
        except Exception:  # noqa: BLE001 - whatever a value's own text or encoding raises
            return _encode({_text(name): _plain(value) for name, value in line.items()}) + b"\n"


class TakesLines(Protocol):
    """What log lines are written to."""

    def write(self, line: bytes) -> None:
        """Takes one line, newline included."""


class LogSink:
    """Hands a rendered line to every writer; structlog calls the method named after the level."""

    def __init__(self, writers: Sequence[TakesLines]) -> None:
        self._writers = tuple(writers)

    def write(self, line: bytes) -> None:
        """Takes one line, newline included."""
        for writer in self._writers:
            writer.write(line)

    debug = info = warning = error = critical = write


def logger_for(service: str, sink: LogSink, level: str = "info") -> FilteringBoundLogger:
    """A structlog logger whose lines carry `service.name` and go to `sink`; lines below `level` cost next to nothing.

    Raises:
        ValueError: `level` is none of debug, info, warning, error, critical.
    """
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is not one of {', '.join(LEVELS)}")
    bound_logger = cast(Any, make_filtering_bound_logger(level))
    return cast(FilteringBoundLogger, bound_logger(sink, [EcsRenderer(service)], {}))


class HasLog(Protocol):
    """A Telemetry, or anything else with a structlog logger."""

    log: FilteringBoundLogger


class _StandardLoggingHandler(logging.Handler):
    def __init__(self, log: FilteringBoundLogger, level: int) -> None:
        super().__init__(level)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            # structlog knows the five levels only; one of a library's own counts as the level below it.
            level = max(logging.DEBUG, min(logging.CRITICAL, record.levelno // 10 * 10))
            self._log.log(level, record.getMessage(), **self._fields(record))
        except Exception:  # noqa: BLE001 - the standard library's own convention for a handler that fails
            self.handleError(record)

    @staticmethod
    def _fields(record: logging.LogRecord) -> dict[str, Any]:
        fields: dict[str, Any] = {"log.logger": record.name}
        if record.exc_info and record.exc_info[1]:
            fields["exc_info"] = record.exc_info[1]
        return fields


def capture_standard_logging(telemetry: HasLog, level: int = logging.WARNING) -> Callable[[], None]:
    """Writes what libraries say through the standard library's logging as lines of this process.

    Returns:
        What ends it.
    """
    handler = _StandardLoggingHandler(telemetry.log, level)
    root = logging.getLogger()
    root.addHandler(handler)
    return lambda: root.removeHandler(handler)
