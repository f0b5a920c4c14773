"""The spans that a batch brings, and those that are kept already of the same traces: who descends from whom.

Children often come before their parents, and both in batches of their own. What needs two spans is told as soon as the
second one is there, once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from cart_observability.console.events.sightings import CREATE, PROCESS, SEND, event_id_of, told_by
from cart_observability.console.records import Sighting, Span

MOST_GENERATIONS: Final = 32
"""Between an event and the processing in which it came into being."""

Key = tuple[int, bytes]
"""The number of a span's trace, and its id."""
Relative = tuple[int, bytes, bytes | None, int, int, int]
"""What is looked at of a span at first: `RELATIVE` of the table of spans. Plain, because few are looked at closely."""
RELATIVE: Final = "trace, id, parent, point, end, failed"
TRACE: Final = 0
PARENT: Final = 2
POINT: Final = 3
END: Final = 4
FAILED: Final = 5

_TELLING: Final = frozenset({CREATE, SEND, PROCESS})
_SENDING: Final = frozenset({CREATE, SEND})


class Kin:
    """Spans and their relatives.

    Args:
        arrived: None of them is kept already.
        relatives: Those that have arrived, and those that are kept.
        operation: What spans of a point do with messages, by its number; None where that is not known any more.
        kept: Reads a span that is kept.
    """

    def __init__(
        self,
        arrived: Mapping[Key, Span],
        relatives: Mapping[Key, Relative],
        operation: Callable[[int], str | None],
        kept: Callable[[Key], Span | None],
    ) -> None:
        self._arrived = arrived
        self._relatives = relatives
        self._operation = operation
        self._kept = kept
        self._adopted = [] if len(arrived) == len(relatives) else list(self._adoptions())

    def pairs(self) -> Iterator[tuple[Relative, Relative]]:
        """Each parent and child of which one has arrived now, and the other now or before."""
        for key in (*self._arrived, *self._adopted):
            child = self._relatives[key]
            parent = self._parent(child)
            if parent is not None:
                yield parent, child

    def sightings(self) -> list[Sighting]:
        """What the spans that have arrived tell of events, and what others tell now that those are there."""
        told: list[Sighting] = []
        for key, span in self._arrived.items():
            relative = self._relatives[key]
            if self._operation(relative[POINT]) in _TELLING:
                self._tell(relative, span, told)
        for key in self._descendants():
            kept = self._kept(key)
            if kept is not None:
                self._tell(self._relatives[key], kept, told)
        return told

    def _tell(self, relative: Relative, span: Span, told: list[Sighting]) -> None:
        parent = self._parent(relative)
        sighting = told_by(span, None if parent is None else self._operation(parent[POINT]))
        if sighting is None:
            return
        cause = self._cause(parent) if sighting.handler is None else None
        told.append(sighting if cause in {None, sighting.event_id} else sighting._replace(cause=cause))

    def _cause(self, ancestor: Relative | None) -> str | None:
        """The event in whose processing something came into being."""
        for _ in range(MOST_GENERATIONS):
            if ancestor is None:
                break
            if self._operation(ancestor[POINT]) == PROCESS:
                key = ancestor[:2]
                span = self._arrived.get(key) or self._kept(key)
                return None if span is None else event_id_of(span)
            ancestor = self._parent(ancestor)
        return None

    def _parent(self, relative: Relative) -> Relative | None:
        parent = relative[PARENT]
        return None if parent is None else self._relatives.get((relative[TRACE], parent))

    def _adoptions(self) -> Iterator[Key]:
        """The kept spans whose parents have arrived."""
        arrived = self._arrived
        for key, relative in self._relatives.items():
            if (relative[TRACE], relative[PARENT]) in arrived and key not in arrived:
                yield key

    def _descendants(self) -> Sequence[Key]:
        """The kept spans below those that have arrived which may have more to tell now: what they send has a cause."""
        if not self._adopted:
            return ()
        children: dict[Key, list[Key]] = defaultdict(list)
        for key, relative in self._relatives.items():
            parent = relative[PARENT]
            if parent is not None and key not in self._arrived:
                children[relative[TRACE], parent].append(key)
        found: dict[Key, None] = {}
        left = list(self._adopted)
        while left:
            key = left.pop()
            if key not in found:
                found[key] = None
                left += children.get(key, ())
        return [key for key in found if self._operation(self._relatives[key][POINT]) in _SENDING]
