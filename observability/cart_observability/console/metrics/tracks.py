"""One series of a process, as it goes on from scrape to scrape and from one life of the process to the next."""

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from cart_observability.console.metrics.series import COUNTER, CUMULATIVE, GAUGE, GONE, HISTOGRAM, Stored, packed
from cart_observability.console.records import Exemplar, Family, Sample

LARGEST: Final = 2.0**53
"""Counts below it are exact; what is beyond is no count."""

Labels = tuple[tuple[str, str], ...]
SampleName = tuple[str, Labels]


class Identity(NamedTuple):
    """What makes a series the same one again, as the file has it."""

    name: str
    process: str
    labels: str
    bounds: str


class Track:
    """One series; for a histogram with all its parts."""

    __slots__ = ("base", "best", "id", "identity", "kind", "newest", "raw", "scrape", "stored", "total")

    def __init__(self, identity: Identity, kind: str) -> None:
        self.identity = identity
        self.kind = kind
        self.id = 0
        self.scrape = 0
        self.raw = [0.0] * (1 + len(identity.bounds.split()))
        self.base: Sequence[float] = tuple(self.raw)
        self.total: Sequence[float] = self.base
        self.stored: Stored | None = None
        self.best: Exemplar | None = None
        self.newest = 0

    @property
    def is_cumulative(self) -> bool:
        """Whether it only rises."""
        return self.kind in CUMULATIVE

    def show(self, part: int, value: float) -> None:
        """Take what the process shows; what can be no count is taken for not shown."""
        lowest = 0.0 if part or self.kind == COUNTER else -LARGEST
        if self.kind == GAUGE or lowest <= value < LARGEST:
            self.raw[part] = value

    def see(self, exemplar: Exemplar) -> None:
        """Keep an exemplar if it is new, of those of one scrape the largest."""
        if exemplar.time > self.newest and (self.best is None or exemplar.value > self.best.value):
            self.best = exemplar

    def settle(self, *, is_reborn: bool) -> bool:
        """Go on from what was counted to what the process shows; answers whether it counts from zero again."""
        if not self.is_cumulative:
            return False
        total = self._counted()
        is_reborn = is_reborn or self._is_less(total)
        if is_reborn:
            self.begin_again()
            total = self._counted()
        self.total = total
        return is_reborn

    def begin_again(self) -> None:
        """What the process shows from here on comes on top of what was counted."""
        self.base = self.total

    def value(self) -> Stored:
        """As it is stored."""
        if self.is_cumulative:
            return packed(self.total)
        # No number is how SQLite's absent values read, and how a client shows a quantile of nothing.
        return GONE if math.isnan(self.raw[0]) else self.raw[0]

    def _counted(self) -> Sequence[float]:
        return [before + now for before, now in zip(self.base, self.raw, strict=True)]

    def _is_less(self, total: Sequence[float]) -> bool:
        # By its counts alone: the sum of a histogram falls when what is observed is negative.
        first = 0 if self.kind == COUNTER else 1
        return any(now < before for now, before in zip(total[first:], self.total[first:], strict=True))


class Place(NamedTuple):
    """Where a sample belongs: a series and a part of it; no series where the sample tells nothing of its own."""

    track: Track | None
    part: int


def placed(process: str, family: Family) -> Iterator[tuple[SampleName, Place]]:
    """The series that a family's samples are of, made anew."""
    if family.kind == HISTOGRAM:
        yield from _histograms(process, family)
        return
    for sample in family.samples:
        kind = _kind(family, sample)
        track = Track(Identity(sample.name, process, _text(sample.labels), ""), kind) if kind else None
        yield (sample.name, sample.labels), Place(track, 0)


def _kind(family: Family, sample: Sample) -> str | None:
    if family.kind in {COUNTER, "summary"}:
        if sample.name.endswith("_created"):
            return None
        return COUNTER if sample.name.endswith(("_total", "_count", "_sum")) else GAUGE
    return GAUGE


def _histograms(process: str, family: Family) -> Iterator[tuple[SampleName, Place]]:
    children: defaultdict[str, list[tuple[Sample, float | None]]] = defaultdict(list)
    for sample in family.samples:
        labels = tuple(label for label in sample.labels if label[0] != "le")
        children[_text(labels)].append((sample, _bound(family, sample)))
    for labels_text, samples in children.items():
        bounds = sorted({bound for _, bound in samples if bound is not None} | {math.inf})
        track = Track(Identity(family.name, process, labels_text, " ".join(map(repr, bounds))), HISTOGRAM)
        for sample, bound in samples:
            key = (sample.name, sample.labels)
            if bound is not None:
                yield key, Place(track, 1 + bounds.index(bound))
            else:
                yield key, Place(track if sample.name == f"{family.name}_sum" else None, 0)


def _bound(family: Family, sample: Sample) -> float | None:
    """Up to where a sample of a histogram counts; None for what is no count."""
    if sample.name == f"{family.name}_count":
        return math.inf
    if sample.name != f"{family.name}_bucket":
        return None
    try:
        bound = float(dict(sample.labels).get("le", "nan"))
    except ValueError:
        return None
    return None if math.isnan(bound) else bound


def _text(labels: Labels) -> str:
    return json.dumps(dict(sorted(labels)), ensure_ascii=False, separators=(",", ":"))
