"""Expressions of the index of log lines, in SQLite's language of full-text searches, and what they are bounds of."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

START: Final = "*"
"""Stands behind a term of which only the start is given."""


class Bounds(NamedTuple):
    """Expressions of the index for the lines of which a condition surely holds, and may hold; None finds nothing."""

    sure: str | None
    possible: str | None

    @classmethod
    def exactly(cls, expression: str | None) -> "Bounds":
        """Where the index knows."""
        return cls(expression, expression)

    @classmethod
    def of_any(cls, bounds: Iterable["Bounds"]) -> "Bounds":
        """Where at least one of some conditions holds."""
        found = list(bounds)
        return cls(either(each.sure for each in found), either(each.possible for each in found))


def term(text: str, *, is_start: bool = False) -> str:
    """The expression for lines with this term, or with any that starts so."""
    quoted = text.replace('"', '""')
    return f'"{quoted}"{START}' if is_start else f'"{quoted}"'


def either(expressions: Iterable[str | None]) -> str | None:
    """The expression for lines that have one of these."""
    found = [each for each in expressions if each is not None]
    return _joined(" OR ", found) if found else None


def both(expressions: Iterable[str | None]) -> str | None:
    """The expression for lines that have each of these."""
    found = list(expressions)
    return None if None in found else _joined(" AND ", [each for each in found if each is not None])


def _joined(operator: str, expressions: Sequence[str]) -> str:
    return expressions[0] if len(expressions) == 1 else f"({operator.join(expressions)})"


def without(expression: str | None, other: str | None) -> str | None:
    """The expression for lines that have the one and not the other."""
    return expression if expression is None or other is None else f"({expression} NOT {other})"
