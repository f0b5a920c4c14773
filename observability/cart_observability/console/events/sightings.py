"""What one log line or one span tells of an event: a message with an id of its own."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cart_observability.console.records import Line, Sighting, Span

EVENT_ID: Final = "cloudevents.event_id"
EVENT_TYPE: Final = "cloudevents.event_type"
EVENT_SUBJECT: Final = "cloudevents.event_subject"
MESSAGE_IDS: Final = ("messaging.message.id", "messaging.message_id")
"""As the messaging conventions call it, and as those before 1.24 did, which many libraries still follow."""
ROUTING_KEY: Final = "messaging.rabbitmq.destination.routing_key"
GROUPS: Final = ("messaging.consumer.group.name", "messaging.destination.subscription.name")
HANDLER: Final = "cartscope.handler"
ATTEMPT: Final = "cartscope.attempt"
OUTCOME: Final = "cartscope.outcome"

CREATE: Final = "create"
SEND: Final = "send"
PROCESS: Final = "process"
CONFIRMED: Final = "confirmed"
SENT: Final = "sent"
"""Published where nobody is asked to confirm it."""
DONE: Final = "done"
FAILED: Final = "failed"

LONGEST_WORD: Final = 256
LONGEST_ERROR: Final = 2_000
MOST_ATTEMPTS: Final = 1_000_000

_OLDER_OPERATIONS: Final = {"publish": SEND, "deliver": PROCESS}
_OPERATIONS_OF_KINDS: Final = {"producer": SEND, "consumer": PROCESS}


def of_line(line: Line, subject_field: str | None = None) -> Sighting | None:
    """What a line tells of the event that it names in `cartscope.event.id`; None when it names none.

    Args:
        line: As it was logged.
        subject_field: The field that names what events are about.
    """
    fields = line.fields
    event_id = _word(fields.get("cartscope.event.id"))
    if event_id is None:
        return None
    handler, outcome = _word(fields.get(HANDLER)), _word(fields.get(OUTCOME))
    return Sighting(
        event_id,
        line.time,
        type=_word(fields.get("cartscope.event.type")),
        subject=_word(fields.get(subject_field)) if subject_field else None,
        trace_id=_word(fields.get("trace.id")),
        handler=handler,
        outcome=outcome,
        attempt=_attempt(fields.get(ATTEMPT)) if handler else None,
        duration=_duration(fields.get("event.duration")) if handler else None,
        error=_error(fields) if handler else None,
        # Who accepts an event has nothing to say yet of its fate.
        is_birth=handler is None and outcome is None,
    )


def of_span(span: Span, parent: Span | None = None) -> Sighting | None:
    """What a span tells of the event that is made, sent or processed in it; None when that is nothing.

    An event is known by its CloudEvents id, else by its message id. A span that sends a message of which neither is
    said, and in whose own context the message does not travel, may as well report on an event as carry one: it tells
    of one unless what it sends was made right in the processing of another.

    Args:
        span: That was finished.
        parent: Of the span, where it is known.
    """
    return told_by(span, None if parent is None else operation_of(parent) or "")


def told_by(span: Span, parent_operation: str | None) -> Sighting | None:
    """The same, of a parent of which no more is known than what it does with messages ("": nothing)."""
    operation = operation_of(span)
    if operation not in (CREATE, SEND, PROCESS):
        return None
    event_id = event_id_of(span)
    if event_id is None:
        return None
    if operation == PROCESS:
        return _processed(span, event_id)
    if operation == CREATE:
        return _born(span, event_id)
    return _sent(span, event_id) if _carries_an_event(span, parent_operation) else None


def operation_of(span: Span) -> str | None:
    """What a span does with messages (create, send, receive, process, settle); None when that is nothing."""
    attributes = span.attributes
    named = attributes.get("messaging.operation.type") or attributes.get("messaging.operation")
    if isinstance(named, str):
        return _OLDER_OPERATIONS.get(named, named)
    return _OPERATIONS_OF_KINDS.get(span.kind) if "messaging.system" in attributes else None


def event_id_of(span: Span) -> str | None:
    """The id of the event or message that a span is about."""
    attributes = span.attributes
    named = attributes.get(EVENT_ID)
    return (_word(named) if named is not None else None) or _first(attributes, MESSAGE_IDS)


def handler_of(span: Span) -> str:
    """Who processes in a span: the handler it names, else its group of consumers, else its service."""
    attributes = span.attributes
    return _word(attributes.get(HANDLER)) or _first(attributes, GROUPS) or _word(span.service) or "unknown"


def attempt_of(span: Span) -> int:
    """Which attempt at a message a span is; 1 is the first, and what is not said."""
    return _attempt(span.attributes.get(ATTEMPT))


def _carries_an_event(span: Span, parent_operation: str | None) -> bool:
    if span.kind == "producer" or span.parent_id is None:
        return True
    if EVENT_ID in span.attributes or EVENT_TYPE in span.attributes:
        return True
    return parent_operation is not None and parent_operation != PROCESS


def _born(span: Span, event_id: str) -> Sighting:
    get = span.attributes.get
    return Sighting(event_id, span.end, _word(get(EVENT_TYPE)), _word(get(EVENT_SUBJECT)), span.trace_id, is_birth=True)


def _sent(span: Span, event_id: str) -> Sighting:
    get = span.attributes.get
    type_ = _word(get(EVENT_TYPE)) or _word(get(ROUTING_KEY))
    answer = (_word(get(OUTCOME)) or CONFIRMED) if span.error is None else _word(get("error.type")) or FAILED
    # The message travels in the context of its producer span; any other one only hands it on.
    is_birth = span.kind == "producer"
    return Sighting(
        event_id, span.end, type_, _word(get(EVENT_SUBJECT)), span.trace_id, outcome=answer, is_birth=is_birth
    )


def _processed(span: Span, event_id: str) -> Sighting:
    get = span.attributes.get
    attempt = attempt_of(span)
    # A message that comes again may come by another way, under another key.
    type_ = _word(get(EVENT_TYPE)) or (_word(get(ROUTING_KEY)) if attempt == 1 else None)
    subject, outcome = _word(get(EVENT_SUBJECT)), _word(get(OUTCOME)) or (DONE if span.error is None else FAILED)
    error, duration = _text(span.error, LONGEST_ERROR), span.end - span.start
    # In the order of the fields: by their names it takes twice as long.
    return Sighting(
        event_id, span.end, type_, subject, span.trace_id, None, handler_of(span), outcome, attempt, duration, error
    )


def _first(attributes: Mapping[str, Any], names: Sequence[str]) -> str | None:
    return next((word for name in names if (word := _word(attributes.get(name)))), None)


def _word(value: object) -> str | None:
    """A short text that can be stored and looked for; None for anything else."""
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_WORD and _storable(value) else None


def _text(value: object, longest: int) -> str | None:
    return value[:longest] if isinstance(value, str) and value and _storable(value) else None


def _storable(text: str) -> bool:
    """Whether SQLite gives a text back as it was: a lone surrogate is no UTF-8, and at a NUL its functions end."""
    return text.isprintable() or ("\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text))


def _error(fields: Mapping[str, Any]) -> str | None:
    names = ("error.message", "error.type", "event.reason")
    return next((text for name in names if (text := _text(fields.get(name), LONGEST_ERROR))), None)


def _attempt(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_ATTEMPTS else 1


def _duration(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62 else None
