"""What the console records: log lines, spans, sightings of events, samples of metrics. Times are ns since the epoch."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Line(NamedTuple):
    """One log line: ECS fields, dotted names as flat keys."""

    time: int
    level: str
    service: str
    action: str | None
    message: str
    fields: Mapping[str, Any]


class Link(NamedTuple):
    """Another span that a span names as related."""

    trace_id: str
    span_id: str


class Span(NamedTuple):
    """One finished span; ids in lower-case hex, `kind` one of internal, server, client, producer, consumer.

    `error` is None for a span that did not fail, else what its status says, or its `error.type`.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    service: str
    name: str
    kind: str
    start: int
    end: int
    error: str | None
    attributes: Mapping[str, Any]
    links: Sequence[Link]


class Sighting(NamedTuple):
    """What one line or span tells of an event (a message with an id of its own); None is what it does not tell.

    `outcome` with a `handler` is what became of one attempt (done, duplicate, retried, dead_lettered, or None while it
    is only known that there was one); without a handler it is the bus's answer (confirmed, unroutable, unknown).
    `cause` is the id of the event in whose handling this one came into being.
    """

    event_id: str
    time: int
    type: str | None = None
    subject: str | None = None
    trace_id: str | None = None
    cause: str | None = None
    handler: str | None = None
    outcome: str | None = None
    attempt: int | None = None
    duration: int | None = None
    error: str | None = None
    is_birth: bool = False


class Exemplar(NamedTuple):
    """One observation that a bucket or counter names, and its trace."""

    time: int
    value: float
    trace_id: str
    span_id: str | None


class Sample(NamedTuple):
    """What one process showed of one series at one time; `exemplar` where it names one."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float
    exemplar: Exemplar | None = None


class Family(NamedTuple):
    """A metric as one scrape of one process shows it; `kind` is counter, gauge, histogram or another of their kinds."""

    name: str
    kind: str
    about: str
    samples: Sequence[Sample]
