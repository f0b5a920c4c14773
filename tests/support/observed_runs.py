"""What was observed of a few events: of carts with a follow-up, of one that was given up, and of another service."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cart_observability.console.events import events
from cart_observability.console.logs import lines
from cart_observability.console.metrics import samples
from cart_observability.console.records import Family, Line, Link, Sample, Span
from cart_observability.console.traces import spans

FOLDER = Path(__file__).parent.parent / "data/console"
SCHEMAS = (lines.SCHEMA, spans.SCHEMA, events.SCHEMA, samples.SCHEMA)
SECOND = 1_000_000_000
SUBJECT_FIELD = "cartscope.cart.id"


class Observed(NamedTuple):
    """Spans and lines."""

    spans: Sequence[Span]
    lines: Sequence[Line]

    @property
    def end(self) -> int:
        """A second after the last span."""
        return max(span.end for span in self.spans) + SECOND


def observed(name: str) -> Observed:
    """What is in a file: carts, dead_letter or parcels."""
    read = json.loads((FOLDER / f"{name}.json").read_text())
    return Observed([span_of(row) for row in read["spans"]], [Line(**row) for row in read["lines"]])


def span_of(row: dict[str, Any]) -> Span:
    """A span as it is kept in a file."""
    return Span(**{**row, "links": [Link(*link) for link in row["links"]]})


@contextmanager
def console_file(path: Path | str = ":memory:") -> Iterator[sqlite3.Connection]:
    """A connection to a file with the console's tables."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for schema in SCHEMAS:
            connection.executescript(schema)
        yield connection


def record(connection: sqlite3.Connection, run: Observed) -> None:
    """Keep all of it."""
    spans.record(connection, run.spans)
    lines.record(connection, run.lines, SUBJECT_FIELD)


def counted(name: str, value: float, **labels: str) -> Family:
    """A counter with one series."""
    return Family(name.removesuffix("_total"), "counter", "", [Sample(name, tuple(sorted(labels.items())), value)])


def shown(name: str, value: float, **labels: str) -> Family:
    """A gauge with one series."""
    return Family(name, "gauge", "", [Sample(name, tuple(sorted(labels.items())), value)])


def timed(name: str, counts: Sequence[float], **labels: str) -> Family:
    """A histogram with one series: how many took up to 10 ms, up to 100 ms, and in all."""
    told = tuple(sorted(labels.items()))
    bounds = zip(("0.01", "0.1", "+Inf"), counts, strict=True)
    buckets = [Sample(f"{name}_bucket", (*told, ("le", bound)), count) for bound, count in bounds]
    totals = [Sample(f"{name}_count", told, counts[-1]), Sample(f"{name}_sum", told, counts[-1] * 0.01)]
    return Family(name, "histogram", "", [*buckets, *totals])


def scraped(connection: sqlite3.Connection, process: str, now: int, families: Sequence[Family]) -> None:
    """Record that a process counted all that it shows within the last ten seconds."""
    recorder = samples.Recorder(process)
    recorder.record(connection, now - 10 * SECOND, [_before(family) for family in families])
    recorder.record(connection, now, families)


def _before(family: Family) -> Family:
    if family.kind == "gauge":
        return family
    return family._replace(samples=[sample._replace(value=0.0) for sample in family.samples])
