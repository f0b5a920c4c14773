"""Reads what `/metrics` shows: OpenMetrics with exemplars, or the older text format of Prometheus.

prometheus_client's own parsers go through a text character by character, and would be most of what a scrape costs. A
process shows the same series again and again: text in plain form is read here line by line, and what a series is called
is taken apart once. Anything unusual is left to those parsers, and so is the judgement on it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from prometheus_client import Metric, parser
from prometheus_client.openmetrics import parser as openmetrics

from cart_observability.console.records import Exemplar, Family, Sample

__all__ = ("Reader", "Unreadable")

LONGEST_UNUSUAL: Final = 1_048_576
LONGEST_UNUSUAL_LINE: Final = 8_192
"""Characters that the library's parsers are given; on a long line of quotes their time grows with its square."""
NANOSECONDS: Final = 1_000_000_000
LATEST_SECONDS: Final = 9e9
"""What is later, in seconds since the epoch, is no time: the file counts nanoseconds in 64 bits."""

Labels = tuple[tuple[str, str], ...]
Name = tuple[str, Labels]

_LABEL: Final = r'[a-zA-Z_][a-zA-Z0-9_]*="[^"\\\n]*(?:\\.[^"\\\n]*)*"'
_LABELS: Final = rf"{_LABEL}(?:,{_LABEL})*"
_NUMBER: Final = r"[-+]?(?:[0-9][0-9.eE+-]*|Inf)|NaN"
_SAMPLE: Final = re.compile(
    rf"([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{{{_LABELS}\}})?) ({_NUMBER})(?: # \{{({_LABELS})\}} ({_NUMBER})(?: ([0-9.e+]+))?)?"
).fullmatch
_EACH_LABEL: Final = re.compile(r'([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"').findall
_ESCAPE: Final = re.compile(r'\\([\\n"])')
_METADATA: Final = re.compile(r"# (HELP|TYPE|UNIT) ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\s\\][^\\]*)?)").fullmatch

_SUFFIXES: Final[Mapping[str, Sequence[str]]] = {
    "counter": ("_total", "_created"),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
    "summary": ("", "_count", "_sum", "_created"),
    "gaugehistogram": ("_bucket", "_gcount", "_gsum"),
    "info": ("_info",),
    "stateset": ("",),
    "unknown": ("",),
}
_OLD_SUFFIXES: Final[Mapping[str, Sequence[str]]] = {
    "counter": ("",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
    "summary": ("", "_count", "_sum"),
    "untyped": ("",),
}
_END: Final = "# EOF"


class Unreadable(ValueError):  # noqa: N818  a state of the text, as its reader finds it
    """The text is no exposition of metrics."""


class _Unusual(Exception):  # noqa: N818  not an error: the library's parsers know what to make of it
    """Not in plain form."""


class _Open(NamedTuple):
    """A family whose samples are being read."""

    name: str
    kind: str | None
    about: str
    allowed: Sequence[str]
    samples: list[Sample]


_NONE: Final = _Open("", None, "", (), [])


class Reader:
    """Reads what one process shows, each time that it is asked; for one thread at a time."""

    def __init__(self) -> None:
        self._names: dict[str, Name] = {}

    def read(self, text: str, time: int, *, is_openmetrics: bool) -> list[Family]:
        """The families of a text; `time` is given to exemplars that have none, in ns since the epoch.

        Raises:
            Unreadable: The text is no exposition.
        """
        try:
            return self._plain(text, time, is_openmetrics=is_openmetrics)
        except (_Unusual, ValueError):
            return _judged(text, time, is_openmetrics=is_openmetrics)

    def _plain(self, text: str, time: int, *, is_openmetrics: bool) -> list[Family]:
        families: list[Family] = []
        family, names = _NONE, dict[str, Name]()
        for line in _lines(text, is_openmetrics=is_openmetrics):
            if line.startswith("#"):
                changed = _described(line, family, is_openmetrics=is_openmetrics)
                if changed.samples is not family.samples and family.name:
                    families.append(_family(family, is_openmetrics=is_openmetrics))
                family = changed
                continue
            match = _SAMPLE(line)
            if match is None:
                raise _Unusual
            head, value, labels, exemplar, exemplar_time = match.groups()
            # What is shown no longer is forgotten with the table of the scrape before.
            names[head] = name = self._names.get(head) or _taken_apart(head)
            if name[0] not in family.allowed or (labels and not is_openmetrics):
                raise _Unusual
            found = _exemplar(labels, exemplar, exemplar_time, time) if labels else None
            family.samples.append(Sample(name[0], name[1], float(value), found))
        if family.name:
            families.append(_family(family, is_openmetrics=is_openmetrics))
        self._names = names
        return families


def _lines(text: str, *, is_openmetrics: bool) -> list[str]:
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    if is_openmetrics and (not lines or lines.pop() != _END):
        raise _Unusual
    return lines


def _described(line: str, family: _Open, *, is_openmetrics: bool) -> _Open:
    """The family that a line of metadata opens, or tells more of."""
    match = _METADATA(line)
    if match is None:
        raise _Unusual
    what, name, told = match.groups()
    if not is_openmetrics:
        told = told.rstrip()
    if name != family.name:
        family = _Open(name, None, "", (name,), [])
    elif family.samples:
        raise _Unusual
    if what == "HELP":
        return family._replace(about=told)
    if what == "UNIT":
        return family
    suffixes = (_SUFFIXES if is_openmetrics else _OLD_SUFFIXES).get(told)
    if suffixes is None or family.kind:
        raise _Unusual
    return family._replace(kind=told, allowed=[name + suffix for suffix in suffixes])


def _family(family: _Open, *, is_openmetrics: bool) -> Family:
    name, samples = family.name, family.samples
    if family.kind == "counter" and not is_openmetrics:
        # The name of a counter's samples ends in _total, whatever the older format calls them.
        stem = name.removesuffix("_total")
        name, samples = stem, [sample._replace(name=f"{stem}_total") for sample in samples]
    kind = family.kind if family.kind not in {None, "untyped"} else "unknown"
    assert kind is not None
    return Family(name, kind, family.about, samples)


def _taken_apart(head: str) -> Name:
    name, _, labels = head.partition("{")
    return name, _labels(labels)


def _labels(text: str) -> Labels:
    labels = tuple((name, _unescaped(value)) for name, value in _EACH_LABEL(text))
    if len(dict(labels)) < len(labels) or any(name == "__name__" for name, _ in labels):
        raise _Unusual
    return labels


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda match: "\n" if match[1] == "n" else match[1], value) if "\\" in value else value


def _exemplar(labels: str, value: str, time: str | None, default: int) -> Exemplar | None:
    return _traced(dict(_labels(labels)), float(value), None if time is None else float(time), default)


def _traced(labels: Mapping[str, str], value: float, seconds: float | None, default: int) -> Exemplar | None:
    """An exemplar whose labels name a trace; None for another, which leads nowhere."""
    trace_id = labels.get("trace_id")
    if not trace_id:
        return None
    time = default if seconds is None or not 0 <= seconds < LATEST_SECONDS else round(seconds * NANOSECONDS)
    return Exemplar(time, value, trace_id, labels.get("span_id"))


def _judged(text: str, time: int, *, is_openmetrics: bool) -> list[Family]:
    """The families by the library's parsers."""
    if len(text) > LONGEST_UNUSUAL or max(map(len, text.split("\n"))) > LONGEST_UNUSUAL_LINE:
        raise Unreadable("not in the plain form of an exposition, and too long to be looked at more closely")
    parse: Any = (openmetrics if is_openmetrics else parser).text_string_to_metric_families
    try:
        return [_as_family(metric, time) for metric in parse(text)]
    except Exception as error:
        # Not all that the parsers raise for a text that is none is a ValueError.
        raise Unreadable(f"not an exposition of metrics ({str(error)[:200] or type(error).__name__})") from error


def _as_family(metric: Metric, time: int) -> Family:
    return Family(metric.name, metric.type, metric.documentation, list(_converted(metric, time)))


def _converted(metric: Metric, time: int) -> Iterator[Sample]:
    for sample in metric.samples:
        if sample.value is None:
            continue  # A native histogram, which has no value of its own.
        exemplar = None
        if found := sample.exemplar:
            seconds = None if found.timestamp is None else float(found.timestamp)
            exemplar = _traced(found.labels, float(found.value), seconds, time)
        yield Sample(sample.name, tuple((sample.labels or {}).items()), float(sample.value), exemplar)
