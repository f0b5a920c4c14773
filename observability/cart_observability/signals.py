"""The signal matrix, `signals.yaml`: which process emits which metric, log line and span; read, checked, shown as text.

python -m cart_observability.signals observability/signals.yaml > docs/signals.md
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import msgspec


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A metric under the name that it is served with."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    unit: str
    by: Sequence[str]
    meaning: str
    labels: Sequence[str] = ()


class Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of log line, known by its `event.action`; `fields` are always there, `optional` ones may be."""

    action: str
    level: Sequence[str]
    by: Sequence[str]
    meaning: str
    fields: Sequence[str] = ()
    optional: Sequence[str] = ()


class Logs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All log lines, and the fields that they have in common."""

    always: Sequence[str]
    in_a_span: Sequence[str]
    about_a_delivery: Sequence[str]
    actions: Sequence[Action]


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of span; words in braces in its name are filled in."""

    name: str
    kind: Literal["server", "client", "producer", "consumer", "internal"]
    by: Sequence[str]
    parent: str
    attributes: Sequence[str]
    meaning: str

    def matches(self, name: str, kind: str) -> bool:
        """Whether a span with this name and of this kind (in lower case) is such a one."""
        literal = (re.escape(part) for part in re.split(r"\{[^}]*\}", self.name))
        return kind == self.kind and re.fullmatch(r"\S+".join(literal), name) is not None


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A log field; its type is that of Elasticsearch, and the same in every line."""

    type: Literal["keyword", "text", "long", "double", "date", "boolean"]
    meaning: str


class Matrix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole matrix."""

    processes: Mapping[str, str]
    metrics: Sequence[Metric]
    logs: Logs
    spans: Sequence[Span]
    fields: Mapping[str, Field]

    def problems(self, process: str, line: Mapping[str, Any]) -> list[str]:
        """What a log line of a process says against the matrix; empty when all of it is foreseen."""
        found = [text for name, value in line.items() if (text := self._misfit(name, value))]
        action = next((each for each in self.logs.actions if each.action == line.get("event.action")), None)
        if action is None:
            return [*found, f"no such event.action: {line.get('event.action')!r}"]
        return [*found, *self._against(action, process, line)]

    def _misfit(self, name: str, value: object) -> str | None:
        field = self.fields.get(name)
        if field is None:
            return f"no such field: {name}"
        return None if value is None or FITS[field.type](value) else f"{name} is no {field.type}: {value!r}"

    def _against(self, action: Action, process: str, line: Mapping[str, Any]) -> Iterator[str]:
        if process not in action.by:
            yield f"{action.action} is not of {process}"
        if line.get("log.level") not in action.level:
            yield f"{action.action} has level {line.get('log.level')!r}"
        wanted = {*self.logs.always, *action.fields}
        allowed = wanted | {*action.optional, *self.logs.in_a_span, *self.logs.about_a_delivery}
        yield from (f"{action.action} lacks {name}" for name in sorted(wanted - line.keys()))
        yield from (f"{action.action} has {name}" for name in sorted(line.keys() - allowed))


def _is_date(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


FITS: Final[Mapping[str, Callable[[object], bool]]] = {
    "keyword": _is_text,
    "text": _is_text,
    "long": _is_whole,
    "double": _is_number,
    "date": _is_date,
    "boolean": lambda value: isinstance(value, bool),
}
"""Whether a value of a line is of the field type."""


def read(path: Path) -> Matrix:
    """The matrix in a file.

    Raises:
        ValueError: The file is no matrix; the text says where.
    """
    # Imported here: only who makes documentation or runs tests needs it.
    import yaml  # noqa: PLC0415 - see above

    try:
        return msgspec.convert(yaml.safe_load(path.read_text()), Matrix)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise ValueError(f"{path} is no signal matrix: {error}") from error


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def render(matrix: Matrix) -> str:
    """The matrix as Markdown."""
    metrics = _table(
        ("metric", "type", "unit", "labels", "by", "meaning"),
        ((f"`{m.name}`", m.type, m.unit, _code(m.labels), ", ".join(m.by), m.meaning) for m in matrix.metrics),
    )
    logs = _table(
        ("`event.action`", "level", "fields", "sometimes", "by", "meaning"),
        (
            (f"`{a.action}`", ", ".join(a.level), _code(a.fields), _code(a.optional), ", ".join(a.by), a.meaning)
            for a in matrix.logs.actions
        ),
    )
    spans = _table(
        ("span", "kind", "parent", "attributes", "by", "meaning"),
        ((f"`{s.name}`", s.kind, s.parent, _code(s.attributes), ", ".join(s.by), s.meaning) for s in matrix.spans),
    )
    fields = _table(
        ("field", "type", "meaning"), ((f"`{name}`", f.type, f.meaning) for name, f in matrix.fields.items())
    )
    processes = _table(("process", "does"), ((f"`{name}`", does) for name, does in matrix.processes.items()))
    return PAGE.format(
        processes=processes,
        metrics=metrics,
        logs=logs,
        spans=spans,
        fields=fields,
        always=_code(matrix.logs.always),
        in_a_span=_code(matrix.logs.in_a_span),
        about_a_delivery=_code(matrix.logs.about_a_delivery),
    )


PAGE: Final = """\
<!-- Made from observability/signals.yaml: edit that. -->
# Signals

What each process emits, on every way to run. Every process also serves `process_*` and `python_info` of the Prometheus
client library; a histogram has the series `_bucket`, `_sum` and `_count`.

{processes}

## Metrics

{metrics}

Labels are bounded: of a label's values the first 64 are counted apart, all further ones together as `_other`.
Counters and histograms carry exemplars (`trace_id`, `span_id`) of sampled traces.

## Log lines

Every line has {always}; a line inside a span has {in_a_span}; a line about a delivery has {about_a_delivery} as far as
they are known. What a library says on its own account has its logger's name in `log.logger` and no `event.action`.

{logs}

## Spans

{spans}

## Log fields

Each field has this one type in every line.

{fields}
"""

if __name__ == "__main__":
    sys.stdout.write(render(read(Path(sys.argv[1]))))
