"""The steps of one event's way, from its spans and from the lines about it: each step once, whoever tells of it.

Spans say more, but may be sampled, late or not there at all; what they leave out is taken from the lines. Follows the
OpenTelemetry messaging conventions (operations create, send, process, settle), and the lines' `event.action`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from cart_observability.console.events.sightings import (
    CONFIRMED,
    CREATE,
    EVENT_TYPE,
    HANDLER,
    OUTCOME,
    PROCESS,
    ROUTING_KEY,
    SEND,
    attempt_of,
    event_id_of,
    handler_of,
    of_line,
    of_span,
    operation_of,
)
from cart_observability.console.events.step import Step, in_order, waiting
from cart_observability.console.records import Line, Sighting, Span

LINES: Final[Mapping[str, Sequence[str]]] = {
    "event.accepted": ["create"],
    "event.published": ["publish"],
    "event.handled": ["attempt"],
    "event.retried": ["attempt", "retried"],
    "event.dead_lettered": ["attempt", "dead_lettered"],
}
"""Of which steps the lines of an action tell; an action that ends in `.sent` tells of something sent outside."""

SETTLED: Final = {"retry": "retried", "dead_letter": "dead_lettered"}
TITLES: Final = {"retried": "{} sent it back, to be tried again", "dead_lettered": "{} gave it up"}
LOUD: Final = frozenset({"warning", "error", "critical"})


def steps(event_id: str, spans: Sequence[Span], lines: Iterable[Line]) -> list[Step]:
    """The steps of an event in order of time, but that no cause comes after its effect.

    Args:
        event_id: Of the event.
        spans: Of its trace; those of other events in the same trace are passed over.
        lines: About this event, oldest first.
    """
    found = list(_Trace(event_id, spans).steps())
    merged = _merged(found, list(_begun([step for line in lines for step in _told_by(line)])))
    return list(waiting(in_order(merged)))


def own_spans(event_id: str, spans: Sequence[Span]) -> set[str]:
    """The ids of the spans that are about this event, and of nothing else."""
    about = [span for span in spans if event_id_of(span) == event_id]
    # Who makes a message need not say which: then it is the one that is published from there.
    made = {span.parent_id for span in about if operation_of(span) == SEND}
    creations = (span for span in spans if span.span_id in made and operation_of(span) == CREATE)
    return {span.span_id for span in (*about, *creations) if event_id_of(span) in {None, event_id}}


class _Trace:
    """The spans of a trace, as the way of one event."""

    def __init__(self, event_id: str, spans: Sequence[Span]) -> None:
        self._spans = {span.span_id: span for span in spans}
        self._own_ids = own_spans(event_id, spans)
        self._own = [span for span in spans if span.span_id in self._own_ids]
        self._children: dict[str | None, list[Span]] = defaultdict(list)
        for span in spans:
            self._children[span.parent_id].append(span)

    def steps(self) -> Iterator[Step]:
        """In no order."""
        yield from self._origins()
        for span in self._own:
            if operation_of(span) == CREATE:
                yield _step("create", _creation(span), span, span.span_id)
            elif operation_of(span) == SEND:
                yield _publish(span)
            elif operation_of(span) == PROCESS:
                yield _attempt(span)
                yield from self._consequences(span)

    def _origins(self) -> Iterator[Step]:
        """The request, or the attempt at another event, that this event came from."""
        for origin in {origin.span_id: origin for span in self._own for origin in self._origin(span)}.values():
            if origin.kind == "server":
                yield _request(origin)
            elif not any(operation_of(span) == CREATE for span in self._own):
                yield self._emission(origin)

    def _origin(self, span: Span) -> Iterator[Span]:
        seen = {span.span_id}
        while (above := self._spans.get(span.parent_id or "")) and above.span_id not in seen:
            if above.kind in {"server", "consumer"} and above.span_id not in self._own_ids:
                yield above
                return
            span = above
            seen.add(span.span_id)

    def _emission(self, cause: Span) -> Step:
        """An event that a handler emits has no create span of its own: it came to stand with the handler's commit."""
        commits = [child.end for child in self._children[cause.span_id] if _is_commit(child)]
        # The relay may read what is committed before the handler hears that it is.
        published = [span.start for span in self._own if operation_of(span) == SEND]
        step = _step("create", f"emitted by {handler_of(cause)}", cause, cause.span_id)
        return step._replace(time=min([*commits, *published, cause.end]), duration=None)

    def _consequences(self, attempt: Span) -> Iterator[Step]:
        for child in self._children[attempt.span_id]:
            for step in self._consequence(attempt, child):
                yield step._replace(handler=handler_of(attempt), attempt=attempt_of(attempt))

    def _consequence(self, attempt: Span, child: Span) -> Iterator[Step]:
        handler, operation = handler_of(attempt), operation_of(child)
        if _is_commit(child):
            yield _step("commit", f"{handler} committed", child, child.span_id)
        elif operation == "settle" and (kind := SETTLED.get(str(child.attributes.get("messaging.operation.name")))):
            yield _step(kind, TITLES[kind].format(handler), child, attempt.span_id)
        elif operation == SEND and child.service == attempt.service and _type(child) == "event":
            yield _step("result", f"result of {handler} published to {_exchange(child)}", child, child.span_id)
        elif operation is None and child.kind == "client":
            yield _step("sent", child.name, child, child.span_id)


def _is_commit(span: Span) -> bool:
    return span.kind == "internal" and span.name.startswith("commit")


def _type(span: Span) -> str:
    return str(span.attributes.get(EVENT_TYPE) or "event")


def _creation(span: Span) -> str:
    return span.name if _type(span) == "event" else f"{_type(span)} created"


def _exchange(span: Span) -> str:
    """The destination without the routing key that the conventions put behind it."""
    destination = str(span.attributes.get("messaging.destination.name", ""))
    return destination.removesuffix(f":{span.attributes.get(ROUTING_KEY, '')}")


def _step(kind: str, title: str, span: Span, told: str | None) -> Step:
    return Step(
        span.start,
        kind,
        title,
        span.service,
        span.end - span.start,
        error=span.error,
        span_id=span.span_id,
        told=(kind, told),
    )


def _request(span: Span) -> Step:
    status = span.attributes.get("http.response.status_code")
    return _step("request", span.name, span, span.span_id)._replace(outcome=None if status is None else str(status))


def _publish(span: Span) -> Step:
    get = span.attributes.get
    outcome = str(get("error.type", "unknown") if span.error else get(OUTCOME, CONFIRMED))
    step = _step("publish", f"published to {_exchange(span)}", span, span.parent_id)
    return step._replace(outcome=outcome, told=(f"publish {outcome}", span.parent_id))


def _attempt(span: Span) -> Step:
    told = of_span(span)
    return _step("attempt", handler_of(span), span, span.span_id)._replace(
        handler=handler_of(span),
        attempt=attempt_of(span),
        outcome=told.outcome if told else None,
    )


def _told_by(line: Line) -> Iterator[Step]:
    told = of_line(line) or Sighting("", line.time, handler=_text(line, HANDLER))
    span_id = _text(line, "span.id")
    for kind in _kinds(line):
        yield Step(
            line.time,
            kind,
            _title(kind, line, told),
            line.service,
            handler=told.handler,
            attempt=told.attempt,
            error=told.error or _text(line, "error.message"),
            span_id=span_id,
            told=(f"publish {told.outcome}" if kind == "publish" else kind, span_id),
        )._replace(**_result(kind, told))


def _kinds(line: Line) -> Sequence[str]:
    if line.action is not None and line.action in LINES:
        return LINES[line.action]
    if line.action and line.action.endswith(".sent"):
        return ["sent"]
    return ["log"] if line.action or line.level in LOUD else []


def _result(kind: str, told: Sighting) -> dict[str, Any]:
    if kind == "publish":
        return {"outcome": told.outcome}
    if kind != "attempt":
        return {}
    return {"time": told.time - (told.duration or 0), "duration": told.duration, "outcome": told.outcome}


def _title(kind: str, line: Line, told: Sighting) -> str:
    handler = told.handler or line.service
    if kind == CREATE:
        return f"{told.type or 'event'} created"
    return TITLES[kind].format(handler) if kind in TITLES else handler if kind == "attempt" else line.message


def _text(line: Line, field: str) -> str | None:
    value = line.fields.get(field)
    return value if isinstance(value, str) else None


def _begun(told: Sequence[Step]) -> Iterator[Step]:
    """Let an attempt begin before what lines say happened in it: its duration leaves out how long it was committed."""
    within: dict[tuple[str | None, str | None], int] = {}
    for step in told:
        key = (step.handler, step.span_id)
        if step.kind in {"sent", "log"} and step.handler:
            within.setdefault(key, step.time)
        yield step._replace(time=min(step.time, within.pop(key, step.time))) if step.kind == "attempt" else step


def _merged(found: Sequence[Step], told: Sequence[Step]) -> Iterator[Step]:
    """What spans show, with what lines add to it; and what only lines tell."""
    known = Counter(step.told for step in found)
    errors: dict[tuple[str, str | None], str | None] = {}
    for step in told:
        if known[step.told]:
            known[step.told] -= 1
            errors[step.told] = step.error
        else:
            yield step
    for step in found:
        # The line has the error's own words, the span's status perhaps its type alone.
        yield step._replace(error=errors.get(step.told) or step.error)
