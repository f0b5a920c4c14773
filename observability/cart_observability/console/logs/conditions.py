"""What lines are asked for: a tree of conditions, each of which can be told of a line, and looked up in the index.

The index knows for most of them of which lines they hold. For the others it gives bounds; who asks then reads the line
and has the condition itself decide.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from cart_observability.console.logs import terms
from cart_observability.console.logs.bounds import Bounds, both, either, term, without
from cart_observability.console.logs.terms import ALL, LONGEST, NEXT, SIZE, SIZE_DIGITS, VALUE, WORD, Scalar, normal
from cart_observability.console.logs.vocabulary import Vocabulary
from cart_observability.console.records import Line


class Condition(Protocol):
    """What holds of a line, or does not."""

    def holds(self, line: Line) -> bool:
        """Whether it holds of this line."""

    def bounds(self, vocabulary: Vocabulary) -> Bounds:
        """Where the index has the lines of which it holds.

        Args:
            vocabulary: Fields that a text is looked for in when no field is named, and terms that are known.
        """


@dataclass(frozen=True, slots=True)
class Everything:
    """Holds of every line."""

    def holds(self, line: Line) -> bool:  # noqa: ARG002  the protocol's signature
        """Always."""
        return True

    def bounds(self, vocabulary: Vocabulary) -> Bounds:  # noqa: ARG002  the protocol's signature
        """All lines."""
        return Bounds.exactly(term(ALL))


@dataclass(frozen=True, slots=True)
class Is:
    """A field (or, without one, any) has this value; of a prose, it has these words one after another.

    With `is_start`, the value or the last of the words may go on.
    """

    field: str | None
    text: str
    is_start: bool = False

    def holds(self, line: Line) -> bool:
        """Whether one of the line's values is such."""
        return any(self._is(name, value) for name, value in _values(line, self.field))

    def _is(self, name: str, value: Scalar) -> bool:
        known = terms.number(value)
        if known is not None:
            return not self.is_start and known == terms.read_number(self.text)
        text = terms.spoken(value)
        if has := terms.words(text) if isinstance(value, str) and terms.is_prose(name, value) else []:
            said = terms.words(self.text)
            return bool(said) and _follow(has, said, is_start=self.is_start)
        text, wanted = normal(text), normal(self.text)
        return text.startswith(wanted) if self.is_start else text == wanted

    def bounds(self, vocabulary: Vocabulary) -> Bounds:
        """The terms of a keyword, of a prose's words, or of a number, in all fields in question."""
        kinds = {VALUE: self._keyword, WORD: self._prose, SIZE: self._number}
        name = None if self.field is None else terms.normal_name(self.field)
        heads = (*vocabulary.heads, *kinds) if name is None else [name + kind for kind in kinds]
        return Bounds.of_any(kinds[head[-1]](vocabulary, head) for head in heads)

    def _term(self, vocabulary: Vocabulary, head: str, text: str) -> str | None:
        return vocabulary.starting(head, text) if self.is_start else vocabulary.exactly(head, text)

    def _number(self, vocabulary: Vocabulary, head: str) -> Bounds:
        known = None if self.is_start else terms.read_number(self.text)
        return Bounds.exactly(None if known is None else vocabulary.exactly(head, terms.size(known)))

    def _keyword(self, vocabulary: Vocabulary, head: str) -> Bounds:
        text = normal(self.text)
        found = self._term(vocabulary, head, text[:LONGEST])
        # A longer value has the same term as any other that begins alike.
        return Bounds(found if len(text) < LONGEST else None, found)

    def _prose(self, vocabulary: Vocabulary, head: str) -> Bounds:
        said = terms.words(self.text)
        if not said:
            return Bounds(None, None)
        pairs = [f"{one}{NEXT}{other}" for one, other in pairwise(said)] or said
        found = [*(vocabulary.exactly(head, each) for each in pairs[:-1]), self._term(vocabulary, head, pairs[-1])]
        # That each two words follow one another somewhere does not say that all of them do in one place.
        return Bounds(found[0] if len(found) == 1 else None, both(found))


@dataclass(frozen=True, slots=True)
class Present:
    """A field is there, with whatever value."""

    field: str

    def holds(self, line: Line) -> bool:
        """Whether the line has a value of it."""
        return next(_values(line, self.field), None) is not None

    def bounds(self, vocabulary: Vocabulary) -> Bounds:
        """Whatever begins with the field's name."""
        name = terms.normal_name(self.field)
        return Bounds.exactly(either(vocabulary.starting(name + kind, "") for kind in (VALUE, WORD, SIZE)))


@dataclass(frozen=True, slots=True)
class Between:
    """A field has a number from `low` to `high`, which belong to it themselves unless said otherwise."""

    field: str
    low: float = -math.inf
    high: float = math.inf
    has_low: bool = True
    has_high: bool = True

    def holds(self, line: Line) -> bool:
        """Whether one of the line's values is such a number."""
        sizes = (terms.number(value) for _, value in _values(line, self.field))
        return any(size is not None and self._has(size) for size in sizes)

    def _has(self, size: float) -> bool:
        is_above = self.low < size or (self.has_low and size == self.low)
        return is_above and (size < self.high or (self.has_high and size == self.high))

    def bounds(self, vocabulary: Vocabulary) -> Bounds:
        """All sizes from one end to the other, by as few beginnings as will do."""
        low, high = (int(terms.size(end), 16) for end in (self.low, self.high))
        name = terms.normal_name(self.field)
        starts = _starts(low + (not self.has_low), high - (not self.has_high))
        return Bounds.exactly(either(vocabulary.starting(name + SIZE, start) for start in starts))


@dataclass(frozen=True, slots=True)
class Logged:
    """A line is of a time, in ns since the epoch, from `start` to before `end`."""

    start: int
    end: int

    def holds(self, line: Line) -> bool:
        """Whether the line's time is within."""
        return self.start <= line.time < self.end

    def bounds(self, vocabulary: Vocabulary) -> Bounds:  # noqa: ARG002  the protocol's signature
        """Times are not in this index."""
        return Bounds(None, term(ALL))


@dataclass(frozen=True, slots=True)
class Every:
    """Each of some conditions holds."""

    conditions: tuple[Condition, ...]

    def holds(self, line: Line) -> bool:
        """Whether none fails."""
        return all(condition.holds(line) for condition in self.conditions)

    def bounds(self, vocabulary: Vocabulary) -> Bounds:
        """What all have in common."""
        found = [condition.bounds(vocabulary) for condition in self.conditions]
        return Bounds(both([each.sure for each in found]), both([each.possible for each in found]))


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of some conditions holds."""

    conditions: tuple[Condition, ...]

    def holds(self, line: Line) -> bool:
        """Whether one holds."""
        return any(condition.holds(line) for condition in self.conditions)

    def bounds(self, vocabulary: Vocabulary) -> Bounds:
        """What any has."""
        return Bounds.of_any(condition.bounds(vocabulary) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Not:
    """A condition does not hold."""

    condition: Condition

    def holds(self, line: Line) -> bool:
        """Whether it fails."""
        return not self.condition.holds(line)

    def bounds(self, vocabulary: Vocabulary) -> Bounds:
        """What is surely out is what was surely in."""
        found = self.condition.bounds(vocabulary)
        return Bounds(without(term(ALL), found.possible), without(term(ALL), found.sure))


def within(condition: Condition, start: int, end: int) -> tuple[Condition, int, int]:
    """A condition without what it says of the time alone, and that time within the one from `start` to before `end`."""
    if isinstance(condition, Logged):
        return Everything(), max(start, condition.start), min(end, condition.end)
    if not isinstance(condition, Every):
        return condition, start, end
    left: list[Condition] = []
    for each in condition.conditions:
        rest, start, end = within(each, start, end)
        if not isinstance(rest, Everything):
            left.append(rest)
    return Every(tuple(left)) if left else Everything(), start, end


def _values(line: Line, field: str | None) -> Iterator[tuple[str, Scalar]]:
    if field is None:
        return terms.values(line)
    wanted = terms.normal_name(field)
    return ((name, value) for name, value in terms.values(line) if name == wanted)


def _follow(has: Sequence[str], said: Sequence[str], *, is_start: bool) -> bool:
    """Whether some words are said one after another; the last may go on."""
    *first, last = said
    for place in range(len(has) - len(first)):
        end = has[place + len(first)]
        if (end.startswith(last) if is_start else end == last) and list(has[place : place + len(first)]) == first:
            return True
    return False


def _starts(low: int, high: int) -> Iterator[str]:
    """The beginnings that the sizes from `low` to `high`, and no others, have."""
    while low <= high:
        step = 0
        while step < SIZE_DIGITS and low % (1 << 4 * (step + 1)) == 0 and low + (1 << 4 * (step + 1)) - 1 <= high:
            step += 1
        yield f"{low:016x}"[: SIZE_DIGITS - step]
        low += 1 << 4 * step
