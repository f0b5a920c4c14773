"""A trace as a waterfall: its spans in the order in which they are drawn, each with how deep it lies and how it waited.

A message waits between those who send and those who process it, and nobody works meanwhile: no span shows it. What
brought a span about, asynchronously, is

    for a further attempt at a message    the attempt before it
    for the first one                     the last time that the message was sent before, else what it came from
    for what is sent by another service   where it was made
    for anything else                     its parent, if that was over before

and it waited from the end of that to its own start.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cart_observability.console.events.event_rows import NS_A_MILLISECOND, milliseconds
from cart_observability.console.events.sightings import PROCESS, SEND, attempt_of, event_id_of, handler_of, operation_of
from cart_observability.console.records import Span

Row = dict[str, Any]
"""A span as the HTTP API shows it; times in milliseconds since the epoch."""


def waterfall(spans: Sequence[Span]) -> list[Row]:
    """The spans of one trace, each below its parent, siblings in the order of their starts."""
    by_id = {span.span_id: span for span in spans}
    waits = _Waits(by_id)
    return [_row(span, depth, waits.of(span)) for span, depth in _in_order(by_id)]


def _in_order(by_id: Mapping[str, Span]) -> Iterable[tuple[Span, int]]:
    children: dict[str | None, list[Span]] = defaultdict(list)
    for span in by_id.values():
        children[span.parent_id if span.parent_id in by_id else None].append(span)
    for siblings in children.values():
        siblings.sort(key=lambda span: (span.start, span.end, span.span_id), reverse=True)
    left = dict(by_id)
    # Whoever follows from no root at all is in a circle of parents: it is opened where it began first.
    rest = sorted(by_id.values(), key=lambda span: (span.start, span.span_id), reverse=True)
    stack = [(span, 0) for span in children[None]]
    while stack or rest:
        span, depth = stack.pop() if stack else (rest.pop(), 0)
        if left.pop(span.span_id, None) is None:
            continue
        yield span, depth
        stack += [(child, depth + 1) for child in children[span.span_id]]


class _Waits:
    """How long spans of a trace waited."""

    def __init__(self, by_id: Mapping[str, Span]) -> None:
        self._by_id = by_id
        self._sent: dict[str, list[Span]] = defaultdict(list)
        self._attempts: dict[tuple[str, str], list[Span]] = defaultdict(list)
        for span in by_id.values():
            message, operation = event_id_of(span), operation_of(span)
            if message is not None and operation == SEND:
                self._sent[message].append(span)
            if message is not None and operation == PROCESS:
                self._attempts[message, handler_of(span)].append(span)

    def of(self, span: Span) -> int | None:
        """How long a span waited, in ns; None where nothing was waited for."""
        cause = self._cause(span)
        return None if cause is None else max(0, span.start - cause.end)

    def _cause(self, span: Span) -> Span | None:
        parent = self._by_id.get(span.parent_id or "")
        if operation_of(span) == PROCESS:
            return self._before(span) or parent or self._linked(span)
        if parent is None:
            return None
        is_handed_on = operation_of(span) == SEND and span.service != parent.service
        return parent if is_handed_on or span.start >= parent.end else None

    def _before(self, span: Span) -> Span | None:
        """The attempt before this one, else the last time that its message was sent."""
        message = event_id_of(span)
        if message is None:
            return None
        earlier = [
            other
            for other in self._attempts[message, handler_of(span)]
            if attempt_of(other) < attempt_of(span) and other.start <= span.start
        ]
        sent = [other for other in self._sent[message] if other.start <= span.start]
        return max(earlier or sent, key=lambda other: other.start, default=None)

    def _linked(self, span: Span) -> Span | None:
        return next((self._by_id[link.span_id] for link in span.links if link.span_id in self._by_id), None)


def _row(span: Span, depth: int, waited: int | None) -> Row:
    return {
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "service": span.service,
        "name": span.name,
        "kind": span.kind,
        "start": span.start / NS_A_MILLISECOND,
        "duration_ms": milliseconds(span.end - span.start),
        "error": span.error,
        "attributes": span.attributes,
        "links": [{"trace_id": link.trace_id, "span_id": link.span_id} for link in span.links],
        "depth": depth,
        "waited_ms": milliseconds(waited),
    }
