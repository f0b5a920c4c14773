"""Metrics as the console records them, and a file that it keeps them in."""

import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

from cart_observability.console.metrics import samples
from cart_observability.console.metrics.samples import Recorder
from cart_observability.console.records import Exemplar, Family, Sample

SECOND = 1_000_000_000
T0 = 1_800_000_000 * SECOND
"""The beginning of a minute, of ten of them, and of an hour."""


def at(seconds: float) -> int:
    """A time, that many seconds after the first."""
    return T0 + round(seconds * SECOND)


@contextmanager
def metrics_file() -> Iterator[sqlite3.Connection]:
    """A connection to a file with the tables of metrics."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(samples.SCHEMA)
        yield connection


def counter(name: str, value: float, **labels: str) -> Family:
    """A counter with one series."""
    return Family(name.removesuffix("_total"), "counter", f"What {name} counts.", [_sample(name, value, labels)])


def gauge(name: str, value: float, **labels: str) -> Family:
    """A gauge with one series."""
    return Family(name, "gauge", f"What {name} is.", [_sample(name, value, labels)])


def histogram(
    name: str, bounds: Sequence[float], observed: Sequence[float], exemplar: Exemplar | None = None, **labels: str
) -> Family:
    """A histogram with one series; an exemplar is shown in the bucket it fell into."""
    found = []
    fell = None if exemplar is None else next(bound for bound in (*bounds, math.inf) if exemplar.value <= bound)
    for bound in (*bounds, math.inf):
        le = "+Inf" if math.isinf(bound) else str(bound)
        count = float(sum(value <= bound for value in observed))
        found.append(_sample(f"{name}_bucket", count, {**labels, "le": le}, exemplar if bound == fell else None))
    found.append(_sample(f"{name}_count", float(len(observed)), labels))
    found.append(_sample(f"{name}_sum", math.fsum(observed), labels))
    return Family(name, "histogram", f"What {name} observes.", found)


def together(*families: Family) -> list[Family]:
    """Families of which those that have one name are one."""
    found: dict[str, Family] = {}
    for family in families:
        before = found.get(family.name)
        found[family.name] = family if before is None else family._replace(samples=[*before.samples, *family.samples])
    return list(found.values())


class Process:
    """A process that is scraped, at times that are given in seconds."""

    def __init__(self, connection: sqlite3.Connection, name: str = "worker") -> None:
        self.name = name
        self._connection = connection
        self._recorder = Recorder(name)

    def scraped(self, seconds: float, *families: Family) -> None:
        """It shows this."""
        self._recorder.record(self._connection, at(seconds), together(*families))

    def missed(self, seconds: float) -> None:
        """It does not answer."""
        self._recorder.missed(self._connection, at(seconds))

    def looked_at_anew(self) -> None:
        """The console is started again."""
        self._recorder = Recorder(self.name)


def condense(connection: sqlite3.Connection, now: int) -> None:
    """Make all coarser samples that can be made, and forget the finer ones that are old enough."""
    while samples.condense(connection, now) or samples.expire(connection, now):
        pass


def _sample(name: str, value: float, labels: Mapping[str, str], exemplar: Exemplar | None = None) -> Sample:
    return Sample(name, tuple(labels.items()), value, exemplar)
