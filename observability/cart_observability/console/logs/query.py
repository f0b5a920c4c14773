"""The language in which log lines are searched.

    word  "a phrase"  start*  field:value  field:"a value"  field:val*  field:*
    field>10  field>=10  field<10  field<=10  field:[10 TO 20]  field:[* TO 20]
    @timestamp>="2026-11-26T10:00"  @timestamp:[2026-11-26 TO 2026-11-27]  @timestamp:2026-11-26
    this that  this AND that  this OR that  NOT this  -this  ( )

What stands side by side must all hold; AND binds closer than OR. Case does not matter. Ranges are of numbers and, in
`@timestamp`, of times, in UTC unless they say otherwise; a time that leaves out hours or seconds is all of that day or
minute. Within quotes, a backslash makes a quote or a backslash part of the text. Where no field is named there must
be a letter or digit to look for; signs alone, in quotes, are found where a value is nothing else.
"""

import math
import re
from typing import Final

from cart_observability.console.logs import moments
from cart_observability.console.logs.conditions import (
    Between,
    Condition,
    Either,
    Every,
    Everything,
    Is,
    Logged,
    Not,
    Present,
)
from cart_observability.console.logs.moments import FIRST, LAST
from cart_observability.console.logs.terms import read_number, words

LONGEST: Final = 2_000
"""Characters of the longest search."""
MOST_PARTS: Final = 40
"""Words, values and ranges in one search."""
DEEPEST: Final = 10
"""Parentheses and negations within one another."""
TIME: Final = "@timestamp"


class UnreadableError(ValueError):
    """A search that does not follow the language; `position` is the character, from 0, where it stops doing so."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


def read(text: str) -> Condition:
    """What a search asks for; an empty one asks for everything.

    Raises:
        UnreadableError: The text does not follow the language, or is too long or too deep.
    """
    if len(text) > LONGEST:
        raise UnreadableError(f"a search has at most {LONGEST} characters", LONGEST)
    return _Reader(text).whole()


_BLANK: Final = re.compile(r"\s*")
_FIELD: Final = re.compile(r"""([^\s()":<>]+)(:|>=|<=|>|<)""")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_TEXT: Final = re.compile(r'[^\s()"]+')
_RANGE: Final = re.compile(r'\[\s*("[^"]*"|[^\s"\]]+)\s+TO\s+("[^"]*"|[^\s"\]]+)\s*\]')
_WORD_END: Final = r'(?![^\s()"])'
_AND, _OR, _NOT = (re.compile(word + _WORD_END) for word in ("AND", "OR", "NOT"))
_NO_WORD: Final = "there is no word here: in quotes, it is found as a whole value"
_SIGNS: Final = {
    "-": "what is not wanted is missing behind this -",
    "\\": "there is no word here: a backslash stands before a quote, within quotes",
}
_MINUS: Final = re.compile(r"-(?=[^\s)])")


class _Reader:
    """Reads a search from its start to its end; `place` is how far it is."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._parts = 0

    def whole(self) -> Condition:
        if self._is_over():
            return Everything()
        condition = self._either(None, 0)
        if not self._is_over():
            raise UnreadableError("this parenthesis was not opened", self._place)
        return condition

    def _either(self, field: str | None, depth: int) -> Condition:
        found = [self._every(field, depth)]
        while self._takes(_OR):
            found.append(self._every(field, depth))
        return found[0] if len(found) == 1 else Either(tuple(found))

    def _every(self, field: str | None, depth: int) -> Condition:
        found = [self._one(field, depth)]
        while not self._is_over() and not self._sees(")") and not _OR.match(self._text, self._place):
            self._takes(_AND)
            found.append(self._one(field, depth))
        return found[0] if len(found) == 1 else Every(tuple(found))

    def _one(self, field: str | None, depth: int) -> Condition:
        if depth > DEEPEST:
            raise UnreadableError(f"more than {DEEPEST} parentheses and negations within one another", self._place)
        if self._is_over() or self._sees(")") or any(word.match(self._text, self._place) for word in (_AND, _OR)):
            raise UnreadableError("a word or a value is missing here", self._place)
        if self._takes(_NOT) or self._takes(_MINUS):
            return Not(self._one(field, depth + 1))
        if self._sees("("):
            return self._group(field, depth + 1)
        return self._part(field, depth)

    def _group(self, field: str | None, depth: int) -> Condition:
        opened = self._place
        self._place += 1
        condition = self._either(field, depth)
        if not self._sees(")"):
            raise UnreadableError("this parenthesis is not closed", opened)
        self._place += 1
        return condition

    def _part(self, field: str | None, depth: int) -> Condition:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise UnreadableError(f"a search has at most {MOST_PARTS} words and values", self._place)
        named = _FIELD.match(self._text, self._place)
        if named is None:
            return self._value(field)
        if field is not None:
            raise UnreadableError(f"a field within the parentheses of {field}", self._place)
        name, operator = named.groups()
        if "*" in name:
            raise UnreadableError("a field's name has no *", self._place)
        self._place = named.end()
        if operator != ":":
            return self._compared(name, operator)
        if self._text.startswith("[", self._place):
            return self._range(name)
        if self._text.startswith("(", self._place):
            return self._group(name, depth + 1)
        return self._value(name)

    def _value(self, field: str | None) -> Condition:
        place = self._place
        if quoted := _QUOTED.match(self._text, place):
            self._place = quoted.end()
            return self._is(field, re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL), place)
        text = self._plain(f"a value of {field}" if field else "a field's name")
        if field is None and not words(text) and "*" not in text:
            raise UnreadableError(_SIGNS.get(text, _NO_WORD), place)
        if "*" not in text:
            return self._is(field, text, place)
        if text == "*":
            return Everything() if field in (None, TIME) else Present(str(field))
        if text.index("*") < len(text) - 1:
            raise UnreadableError("a * ends a word, or stands in quotes", place + text.index("*"))
        if field == TIME:
            raise UnreadableError("a time has no *", place)
        return Is(field, text[:-1], is_start=True)

    def _is(self, field: str | None, text: str, place: int) -> Condition:
        if field == TIME:
            return Logged(*self._moment(text, place))
        if not text and field is None:
            raise UnreadableError("there is nothing between these quotes", place)
        return Is(field, text)

    def _compared(self, field: str, operator: str) -> Condition:
        place = self._place
        quoted = _QUOTED.match(self._text, place)
        text = quoted[1] if quoted else self._plain(f"a value of {field}")
        if quoted:
            self._place = quoted.end()
        if field == TIME:
            said = self._moment(text, place)
            return Logged(
                *{">=": (said.start, LAST), ">": (said.end, LAST), "<": (FIRST, said.start)}.get(
                    operator, (FIRST, said.end)
                )
            )
        size = self._number(text, place)
        if operator.startswith(">"):
            return Between(field, low=size, has_low="=" in operator)
        return Between(field, high=size, has_high="=" in operator)

    def _range(self, field: str) -> Condition:
        found = _RANGE.match(self._text, self._place)
        if found is None:
            raise UnreadableError("a range is written as [10 TO 20], open ends as *", self._place)
        low, high = (text.strip('"') for text in found.groups())
        self._place = found.end()
        if field == TIME:
            start = FIRST if low == "*" else self._moment(low, found.start(1)).start
            return Logged(start, LAST if high == "*" else self._moment(high, found.start(2)).end)
        return Between(
            field,
            -math.inf if low == "*" else self._number(low, found.start(1)),
            math.inf if high == "*" else self._number(high, found.start(2)),
        )

    def _moment(self, text: str, place: int) -> moments.Span:
        said = moments.read(text)
        if said is None:
            raise UnreadableError("no time such as 2026-11-26 or 2026-11-26T10:00:00Z", place)
        return said

    def _number(self, text: str, place: int) -> float:
        size = read_number(text)
        if size is None:
            raise UnreadableError("no number", place)
        return size

    def _plain(self, missing: str) -> str:
        found = _TEXT.match(self._text, self._place)
        if self._text.startswith('"', self._place):
            raise UnreadableError("this quote is not closed", self._place)
        if found is None or found[0][0] in ":<>":
            raise UnreadableError(f"{missing} is missing here", self._place)
        self._place = found.end()
        return found[0]

    def _is_over(self) -> bool:
        """Whether nothing follows but blanks, which are passed over."""
        blank = _BLANK.match(self._text, self._place)
        self._place = blank.end() if blank else self._place
        return self._place == len(self._text)

    def _sees(self, character: str) -> bool:
        return not self._is_over() and self._text[self._place] == character

    def _takes(self, pattern: re.Pattern[str]) -> bool:
        found = None if self._is_over() else pattern.match(self._text, self._place)
        self._place = found.end() if found else self._place
        return found is not None
