"""A span in progress, made for a hot path.

It is what the SDK's own is to whoever holds it, exports or reads it, at a third of the price: it has no lock, because
one task works on it at a time; it is handed on at its end as it is, without a copy; and plain attributes, which nearly
all are, go in without a look at each.
"""

import logging
import traceback
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from time import time_ns
from types import TracebackType
from typing import Any, Final, NamedTuple

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, SpanProcessor
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.semconv.attributes import exception_attributes
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.util.types import AnyValue, Attributes

PLAIN: Final = frozenset({str, bool, int, float})
"""Types of values that are exported as they are."""
NAMES: Final = frozenset({str})
"""Types of their names."""
UNSET: Final = Status()

_log = logging.getLogger(__name__)


class Recorder(NamedTuple):
    """What the spans of one tracer have in common: who works, who records it, within which limits, and for whom."""

    resource: Resource
    scope: InstrumentationScope
    limits: SpanLimits
    processor: SpanProcessor


class RecordedSpan(Span, ReadableSpan):
    """See `opentelemetry.trace.Span`; the limits are those of the SDK.

    Args:
        name: Of the work.
        context: Its own.
        parent: None at the root of a trace.
        kind: Of the work.
        attributes: Known from the start.
        links: Known from the start.
        start_time: In ns since the epoch; the present by default.
        recorder: Of its tracer; the processor takes the span when it ends.
        record_exception: Whether what is raised inside a `with` becomes an event.
        set_status_on_exception: Whether it becomes the status.
    """

    def __init__(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: Attributes,
        links: Iterable[Link],
        start_time: int | None,
        *,
        recorder: Recorder,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> None:
        self._given: MutableMapping[str, AnyValue] = {}
        start = time_ns() if start_time is None else start_time
        ReadableSpan.__init__(
            self,
            name,
            context,
            parent,
            recorder.resource,
            self._given,
            kind=kind,
            status=UNSET,
            start_time=start,
            instrumentation_scope=recorder.scope,
        )
        self._limits = recorder.limits
        self._processor = recorder.processor
        self._records_exception = record_exception
        self._sets_status = set_status_on_exception
        if attributes:
            self._take(attributes)
        for link in links:
            self.add_link(link.context, link.attributes)

    def get_span_context(self) -> SpanContext:
        """Its identity."""
        assert self._context is not None
        return self._context

    def is_recording(self) -> bool:
        """Whether it goes on."""
        return self._end_time is None

    def set_attributes(self, attributes: Mapping[str, AnyValue]) -> None:
        """Sets some attributes."""
        if not self._is_over("set_attributes"):
            self._take(attributes)

    def set_attribute(self, key: str, value: AnyValue) -> None:
        """Sets one attribute."""
        if not self._is_over("set_attribute"):
            self._take({key: value})

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """Something happened within; the time is in ns since the epoch, the present by default."""
        if self._is_over("add_event"):
            return
        kept = self._bounded(attributes, self._limits.max_event_attributes)
        self._events = self._with(self._events, Event(name, kept, timestamp), self._limits.max_events)

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        """Refers to another span; one that says nothing of which is left out."""
        if self._is_over("add_link") or not (context.is_valid or attributes or context.trace_state):
            return
        kept = self._bounded(attributes, self._limits.max_link_attributes) if attributes else None
        self._links = self._with(self._links, Link(context, kept), self._limits.max_links)

    def update_name(self, name: str) -> None:
        """Calls it otherwise."""
        if not self._is_over("update_name"):
            self._name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Says how the work ended; `OK` is final, and `UNSET` says nothing."""
        if self._is_over("set_status") or self._status.status_code is StatusCode.OK:
            return
        said = status if isinstance(status, Status) else Status(status, description)
        if said.status_code is not StatusCode.UNSET:
            self._status = said

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 - the signature of the interface
    ) -> None:
        """Adds an exception as an event, as the conventions have it."""
        kind = type(exception)
        known: dict[str, AnyValue] = {
            exception_attributes.EXCEPTION_TYPE: kind.__qualname__
            if kind.__module__ == "builtins"
            else f"{kind.__module__}.{kind.__qualname__}",
            exception_attributes.EXCEPTION_MESSAGE: str(exception),
            exception_attributes.EXCEPTION_STACKTRACE: "".join(traceback.format_exception(exception)),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", {**known, **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """Ends it, in ns since the epoch, at present by default, and hands it on; nothing changes it afterwards."""
        if self._is_over("end"):
            return
        self._end_time = time_ns() if end_time is None else end_time
        self._processor.on_end(self)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """Records what was raised inside, and ends the span."""
        if exception is not None and self.is_recording():
            if self._records_exception:
                self.record_exception(exception, escaped=True)
            if self._sets_status:
                self.set_status(StatusCode.ERROR, f"{type(exception).__name__}: {exception}")
        super().__exit__(kind, exception, where)

    def _take(self, attributes: Mapping[str, AnyValue]) -> None:
        if isinstance(self._given, dict) and not self._are_plain(attributes):
            limits = self._limits
            self._attributes = self._given = BoundedAttributes(
                limits.max_span_attributes, self._given, immutable=False, max_value_len=limits.max_span_attribute_length
            )
        self._given.update(attributes)

    def _are_plain(self, attributes: Mapping[str, AnyValue]) -> bool:
        """Whether all can be taken without a further look at any."""
        most = self._limits.max_span_attributes
        return (
            (most is None or len(self._given) + len(attributes) <= most)
            and self._limits.max_span_attribute_length is None
            and PLAIN.issuperset(map(type, attributes.values()))
            and NAMES.issuperset(map(type, attributes))
            and all(attributes)
        )

    def _bounded(self, attributes: Attributes, most: int | None) -> BoundedAttributes:
        return BoundedAttributes(most, attributes, max_value_len=self._limits.max_attribute_length)

    @staticmethod
    def _with(present: Sequence[Any], one: object, most: int | None) -> BoundedList[Any]:
        kept = present if isinstance(present, BoundedList) else BoundedList(most)
        kept.append(one)
        return kept

    def _is_over(self, asked: str) -> bool:
        if self._end_time is None:
            return False
        _log.warning("%s was asked of a span that has ended", asked)
        return True
