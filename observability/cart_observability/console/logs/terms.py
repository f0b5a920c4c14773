"""What a log line is found by: terms, of which the index keeps each as it is, and the texts that they are made of.

A value without white space is a keyword: it is found as a whole. Any other, and the message, is prose: it is found by
its words, each of which is kept alone and with the one after it, which is what finds phrases. A number is found by its
size. Texts are compared in one form, without regard to case and to the kind of white space.
"""

import math
import re
import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

from cart_observability.console.logs.vocabulary import HEADS, Vocabulary
from cart_observability.console.records import Line

VALUE: Final = "\x1f"
"""Stands between a field's name and a keyword."""
WORD: Final = "\x1c"
"""Stands between a field's name and a word of its prose."""
NEXT: Final = "\x1e"
"""Stands between a word and the one after it."""
SIZE: Final = "\x1d"
"""Stands between a field's name and the size of a number."""
ALL: Final = SIZE
"""The term of every line."""
TOKENIZER: Final = (
    "ascii tokenchars '" + "".join(map(chr, (*range(0x1C, 0x20), *range(0x21, 0x7F)))).replace("'", "''") + "'"
)
"""Of SQLite's index: every character but white space belongs to a term."""

LONGEST: Final = 128
"""Characters of a keyword or word that are indexed; what comes behind them takes reading the line itself."""
WORDS_WITHIN: Final = 32_768
"""Characters of a prose in which words are looked for: what Elasticsearch can index of one value."""
SHARED: Final = 4_096
"""Values whose terms are remembered."""

SIZE_DIGITS: Final = 16

Scalar = str | int | float | bool

_words = re.compile(r"\w+").findall
_number = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_double = struct.Struct(">d").pack
_bits = struct.Struct(">Q").unpack
_SIGN: Final = 1 << 63
_EVERY_BIT: Final = (1 << 64) - 1
_blank = re.compile(r"[\s\x00-\x1f\x7f]+")


def normal(text: str) -> str:
    """The form in which texts are compared: without case, white space all alike, nothing that SQLite cannot take."""
    folded = text.casefold()
    if folded.isprintable() and " " not in folded:
        return folded
    return _blank.sub("\u00a0", folded).encode(errors="replace").decode()


@lru_cache(maxsize=2_048)
def normal_name(name: str) -> str:
    """A field's name, in that form."""
    return normal(name)


def words(text: str) -> list[str]:
    """The words of a text, in order and in that form."""
    return [word[:LONGEST] for word in _words(text[:WORDS_WITHIN].casefold())]


def is_prose(name: str, text: str) -> bool:
    """Whether a field's text is found by its words."""
    return name == "message" or _blank.search(text) is not None


def spoken(value: Scalar) -> str:
    """The text of a value, as JSON has it."""
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else repr(value)


def number(value: object) -> float | None:
    """A value as a number to compare by; None for what is none, or is too large."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def read_number(text: str) -> float | None:
    """The number that a text is, as JSON writes numbers; None for any other."""
    return float(text) if _number.fullmatch(text) and math.isfinite(float(text)) else None


def size(number: float) -> str:
    """A number as digits (always so many) that sort as numbers do."""
    (bits,) = _bits(_double(number + 0.0))
    return f"{bits ^ (_EVERY_BIT if bits & _SIGN else _SIGN):0{SIZE_DIGITS}x}"


def values(line: Line) -> Iterator[tuple[str, Scalar]]:
    """Each value of a line that can be looked for, with its field's name; each of a list is one."""
    yield "message", line.message
    yield "log.level", line.level
    yield "service.name", line.service
    if line.action is not None:
        yield "event.action", line.action
    for name, value in line.fields.items():
        if isinstance(value, Scalar):
            yield normal_name(name), value
        elif isinstance(value, list | tuple):
            yield from ((normal_name(name), each) for each in value if isinstance(each, Scalar))


class Index:
    """Makes the terms of lines, and knows in which fields a text that names none is looked for.

    Args:
        vocabulary: What is known already; further fields and terms are added. What is found in a field that it no
            longer takes up is found under the field with no name as well.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        # Two short ways for what comes again and again: the heads of keywords that have many values, by names as they
        # are logged, and the terms of values that many lines share.
        self._heads: dict[str, str] = {}
        self._shared: dict[tuple[str, str | int], str] = {}

    def terms(self, line: Line) -> str:
        """The terms of a line, in a row."""
        shared, heads = self._shared, self._heads
        said = [("message", line.message), ("log.level", line.level), ("service.name", line.service)]
        if line.action is not None:
            said.append(("event.action", line.action))
        terms = [ALL, *(shared.get(each) or self._share(*each) for each in said)]
        for name, value in line.fields.items():
            if value.__class__ is str:
                if head := heads.get(name):
                    folded = value.casefold()
                    if folded.isprintable() and " " not in folded:
                        terms.append(head + folded[:LONGEST])
                        continue
                else:
                    terms.append(shared.get((name, value)) or self._share(name, value))
                    continue
            elif value.__class__ is int:
                terms.append(shared.get((name, value)) or self._share(name, value))
                continue
            terms += self._of_any(name, value)
        return " ".join(terms)

    def _share(self, name: str, value: str | int) -> str:
        terms = " ".join(self._of_any(name, value))
        if len(terms) <= LONGEST:
            if len(self._shared) >= SHARED:
                self._shared.clear()
            self._shared[name, value] = terms
        return terms

    def _of_any(self, name: str, value: object) -> list[str]:
        if isinstance(value, list | tuple):
            return [term for each in value if isinstance(each, Scalar) for term in self._of_any(name, each)]
        if not isinstance(value, Scalar):
            return []
        known = normal_name(name)
        if not isinstance(value, str):
            return self._of_other(known, value)
        terms = self._of_text(known, value)
        head = known + VALUE
        is_many = head in self.vocabulary.heads and head not in self.vocabulary.few
        if is_many and known != "message" and len(self._heads) < HEADS:
            self._heads[name] = head
        return terms

    def _of_text(self, name: str, text: str) -> list[str]:
        said = sayings(text) if is_prose(name, text) else ()
        return self._filed(name + WORD, said) if said else self._filed(name + VALUE, (normal(text)[:LONGEST],))

    def _of_other(self, name: str, value: Scalar) -> list[str]:
        known = number(value)
        if known is None:
            return self._filed(name + VALUE, (spoken(value)[:LONGEST],))
        return self._filed(name + SIZE, (size(known),))

    def _filed(self, head: str, tails: Sequence[str]) -> list[str]:
        filed = [head + tail for tail in tails]
        if self.vocabulary.add(head, filed):
            return filed
        return [start + tail for tail in tails for start in (head, head[-1])]


def sayings(text: str) -> tuple[str, ...]:
    """Each word of a prose, and each two that follow one another."""
    said = words(text)
    return (*said, *(f"{one}{NEXT}{other}" for one, other in pairwise(said)))
