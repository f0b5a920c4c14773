"""Spans: W3C trace context in headers, and a tracer that makes no span where none would be kept."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.semconv.schemas import Schemas
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.util._decorator import _agnosticcontextmanager
from opentelemetry.util.types import Attributes

from cart_observability.span import RecordedSpan, Recorder

SCHEMA: Final = Schemas.V1_44_0.value
SCOPE: Final = InstrumentationScope("cart_observability", "", SCHEMA)
TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
LONGEST_STATE: Final = 512
"""Characters of a tracestate that are handed on; W3C Trace Context (3.3.1.5) asks for at least so many."""
FLAGS: Final = tuple(map(TraceFlags, range(4)))
"""By their bits: `SAMPLED`, and `RANDOM_TRACE_ID`, handed on as a trace's root said it (W3C Trace Context Level 2)."""
NO_TRACE: Final = trace.INVALID_SPAN_CONTEXT

Headers = Mapping[str, object]
"""Of a message: names in lower case, values text or bytes; everything but `traceparent` and `tracestate` is passed."""


def _text(value: object) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)


def extract(headers: Headers | None) -> SpanContext:
    """The span context that a message or request carries; an invalid one when it carries none or a malformed one."""
    carried = headers.get("traceparent") if headers else None
    found = TRACEPARENT.fullmatch(_text(carried).strip()) if carried else None
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5]):
        return NO_TRACE
    assert headers is not None
    state = headers.get("tracestate")
    if state and len(_text(state)) > LONGEST_STATE:
        state = None
    return SpanContext(
        int(found[2], 16),
        int(found[3], 16),
        is_remote=True,
        trace_flags=FLAGS[int(found[4], 16) & 3],
        trace_state=TraceState.from_header([_text(state)]) if state else None,
    )


def is_unsampled(headers: Headers) -> bool:
    """Whether a message carries a context whose sampled flag is off; cheap, and True only of what surely does."""
    carried = headers.get("traceparent")
    if isinstance(carried, bytes):
        return carried[-1:] in b"02468ace"
    return isinstance(carried, str) and carried[-1:] in "02468ace"


def inject(context: SpanContext) -> dict[str, str]:
    """The headers that carry a span context; none for an invalid one."""
    if not context.is_valid:
        return {}
    headers = {"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"}
    if context.trace_state:
        headers["tracestate"] = context.trace_state.to_header()
    return headers


def context_of(parent: SpanContext) -> Context:
    """A context whose current span is `parent` and that holds nothing else; an empty one for an invalid parent."""
    return Context() if parent is NO_TRACE else trace.set_span_in_context(NonRecordingSpan(parent), Context())


class ThriftyTracer(trace.Tracer):
    """A tracer that pays for a span only when somebody will see it.

    Under a parent that is not sampled, with a sampler that follows the parent, the parent's own context is handed on.
    Without an exporter a span is an identity: its ids and the sampling decision travel in messages, logs and
    exemplars, so that a trace stays whole across processes of which only some export.
    """

    def __init__(self, provider: TracerProvider, processor: SpanProcessor | None) -> None:
        self._sampler = provider.sampler
        self._recorder = None if processor is None else Recorder(provider.resource, SCOPE, SpanLimits(), processor)
        described = self._sampler.get_description()
        self._follows_parent = "remoteParentNotSampled:AlwaysOffSampler" in described or described == "AlwaysOffSampler"

    @property
    def recording(self) -> bool:
        """Whether there is an exporter."""
        return self._recorder is not None

    def records(self, parent: SpanContext) -> bool:
        """Whether a child of this span context may be kept; if not, its attributes need not be made."""
        return self._recorder is not None and not self._skips(parent)

    def _skips(self, parent: SpanContext) -> bool:
        return parent.is_valid and not parent.trace_flags & 1 and self._follows_parent

    def child(
        self,
        name: str,
        parent: SpanContext,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] = (),
        start_time: int | None = None,
    ) -> Span:
        """Starts a span under `parent`, or a trace of its own when that is invalid; times in nanoseconds."""
        return self._start(name, parent, kind, attributes, links, start_time)

    def record(
        self,
        name: str,
        parent: SpanContext,
        times_ns: tuple[int, int],
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] = (),
    ) -> None:
        """Keeps a span that is already over, from its start and end, under a recorded parent.

        Of what the SDK does for a span in progress (a lock, a copy, checks of what is set later) none is needed for
        one that is over: this costs a quarter.
        """
        if self._recorder is None:
            return
        context = SpanContext(
            parent.trace_id, random.getrandbits(64) or 1, False, parent.trace_flags, parent.trace_state
        )
        span = ReadableSpan(
            name,
            context,
            parent,
            self._recorder.resource,
            attributes,
            links=links,
            kind=kind,
            start_time=times_ns[0],
            end_time=times_ns[1],
            instrumentation_scope=SCOPE,
        )
        self._recorder.processor.on_end(span)

    def _start(
        self,
        name: str,
        parent: SpanContext,
        kind: SpanKind,
        attributes: Attributes,
        links: Sequence[Link],
        start_time: int | None,
        *,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        if self._skips(parent):
            return NonRecordingSpan(parent)
        trace_id = parent.trace_id or random.getrandbits(128)
        random_flag = parent.trace_flags & TraceFlags.RANDOM_TRACE_ID if parent.is_valid else TraceFlags.RANDOM_TRACE_ID
        sampled = self._sampler.should_sample(context_of(parent), trace_id, name, kind, attributes, links)
        context = SpanContext(
            trace_id,
            random.getrandbits(64) or 1,
            is_remote=False,
            trace_flags=FLAGS[(sampled.decision is Decision.RECORD_AND_SAMPLE) | random_flag],
            trace_state=sampled.trace_state,
        )
        if self._recorder is None or sampled.decision is Decision.DROP:
            return NonRecordingSpan(context)
        return RecordedSpan(
            name,
            context,
            parent if parent.is_valid else None,
            kind,
            sampled.attributes,
            links,
            start_time,
            recorder=self._recorder,
            record_exception=record_exception,
            set_status_on_exception=set_status_on_exception,
        )

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: FBT001, FBT002 - the signature of the interface
        set_status_on_exception: bool = True,  # noqa: FBT001, FBT002 - the signature of the interface
    ) -> Span:
        """Starts a span under the current span of `context`; see `opentelemetry.trace.Tracer`."""
        return self._start(
            name,
            trace.get_current_span(context).get_span_context(),
            kind,
            attributes,
            links or (),
            start_time,
            record_exception=record_exception,
            set_status_on_exception=set_status_on_exception,
        )

    @_agnosticcontextmanager
    def start_as_current_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: FBT001, FBT002 - the signature of the interface
        set_status_on_exception: bool = True,  # noqa: FBT001, FBT002 - the signature of the interface
        end_on_exit: bool = True,  # noqa: FBT001, FBT002 - the signature of the interface
    ) -> Iterator[Span]:
        """Starts a span and makes it the current one; see `opentelemetry.trace.Tracer`."""
        span = self.start_span(name, context, kind, attributes, links, start_time)
        with trace.use_span(span, end_on_exit, record_exception, set_status_on_exception) as current:
            yield current


def tracer_for(service: str, processor: SpanProcessor | None) -> ThriftyTracer:
    """A tracer whose spans carry `service` as their resource's name and go to `processor`, which may be shared.

    The sampler is the standard one of `OTEL_TRACES_SAMPLER`; without a processor no span is recorded.
    """
    provider = TracerProvider(resource=Resource.create({"service.name": service}, SCHEMA), shutdown_on_exit=False)
    return ThriftyTracer(provider, processor)
