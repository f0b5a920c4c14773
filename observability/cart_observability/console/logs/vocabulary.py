"""Which fields log lines have, and which terms those fields that have few.

A text without a field is looked for in each field that is known. A beginning costs the index all lines that have any
term that begins so: it collects them before it gives the first. Where the terms are known these are looked up instead,
which costs no more than what is asked for.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from cart_observability.console.logs.bounds import either, term

HEADS: Final = 256
"""Fields (each for keywords, prose and numbers) that a text without a field is looked for in by name."""
FEW: Final = 256
"""Terms of a field that are known; of one with more, none is."""
ONE_BY_ONE: Final = 16
"""Terms of a field that are looked up one by one sooner than by their beginning."""


class Vocabulary:
    """Fields and terms that were seen.

    Attributes:
        heads: The fields, each with `terms.VALUE`, `terms.WORD` or `terms.SIZE` behind its name; at most `HEADS`.
        few: By field all its terms, where these are few.
        changed: Fields of which something was seen for the first time.
    """

    def __init__(self, heads: Iterable[str] = (), few: Mapping[str, Iterable[str]] | None = None) -> None:
        self.heads = set(heads)
        self.few = {head: set(terms) for head, terms in (few or {}).items()}
        self.changed: set[str] = set()

    def add(self, head: str, terms: Iterable[str]) -> bool:
        """Take up some terms of a field; whether it is one of those known, of which there are enough at some time."""
        if head not in self.heads:
            if len(self.heads) >= HEADS:
                return False
            self.heads.add(head)
            self.few[head] = set()
        known = self.few.get(head)
        if known is not None and not known.issuperset(terms):
            known.update(terms)
            self.changed.add(head)
            if len(known) > FEW:
                del self.few[head]
        return True

    def exactly(self, head: str, text: str) -> str | None:
        """The expression for the lines of which a field has this term; None when there surely is none."""
        found = head + text
        return term(found) if head not in self.few or found in self.few[head] else None

    def starting(self, head: str, start: str) -> str | None:
        """The expression for the lines of which a field has a term that starts so; None when there surely is none."""
        found = [each for each in self.few.get(head, ()) if each.startswith(head + start)]
        if head not in self.few or len(found) > ONE_BY_ONE:
            return term(head + start, is_start=True)
        return either(map(term, sorted(found)))
