"""What the new parts of several log files say, in the order of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from cart_observability.console.logs.decoding import RefusedError, line_of
from cart_observability.console.records import Line
from cart_observability.log_files import Chunk

_NEVER: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a file.

    Attributes:
        key: By which the file is known.
        lines: That can be recorded.
        refused: How many lines cannot.
        reason: Why the last of those cannot.
        end: How far the file is read with that.
        left: Bytes that follow.
    """

    key: str
    lines: Sequence[Line]
    refused: int
    reason: str | None
    end: int
    left: int


def in_order(found: Sequence[Chunk]) -> list[Reading]:
    """What some chunks say, up to where the first of the files ends of which there is more.

    What other files say of later times is left for when that one has come as far: lines are kept in the order in which
    they are read, and that should be the order of time, also when many files that have been written long ago are read.
    """
    said = sorted(map(_Said, found), key=lambda each: each.first)
    horizon = _NEVER
    for each in said:
        # Of what is later as a whole, no more than the first line is looked at.
        if each.chunk.left and each.first <= horizon:
            horizon = min(horizon, each.latest)
    return [each.until(horizon) for each in said]


class _Said:
    """What a chunk says, told when asked for."""

    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        self._service = Path(chunk.path).name.removesuffix(".log")

    @cached_property
    def first(self) -> int:
        """The time of the first line; if there is none, before all others."""
        text, _, _ = self.chunk.text.partition(b"\n")
        said = self._line(text)
        return said.time if isinstance(said, Line) else -1

    @cached_property
    def latest(self) -> int:
        """The latest time of any line; if there is none, after all others."""
        return max((said.time for said, _ in self._lines if isinstance(said, Line)), default=_NEVER)

    @cached_property
    def _lines(self) -> list[tuple[Line | str, int]]:
        """Each line, or why it is refused, and where it ends."""
        lines = []
        end = self.chunk.start
        for text in self.chunk.text.split(b"\n"):
            end += len(text) + 1
            if text and not text.isspace():
                lines.append((self._line(text), end))
        return lines

    def _line(self, text: bytes) -> Line | str:
        try:
            return line_of(text, self._service)
        except RefusedError as error:
            return f"{self.chunk.path}: {error}"

    def until(self, horizon: int) -> Reading:
        """What it says before the first line that is later."""
        chunk = self.chunk
        taken: list[Line | str] = []
        end = chunk.start
        for said, its_end in self._lines if self.first <= horizon else ():
            if isinstance(said, Line) and said.time > horizon:
                break
            taken.append(said)
            end = its_end
        else:
            # Blank lines and all, and no more of a line without end than there is.
            end = chunk.end if self.first <= horizon else end
        reasons = [said for said in taken if isinstance(said, str)]
        return Reading(
            chunk.key,
            [said for said in taken if isinstance(said, Line)],
            len(reasons),
            reasons[-1] if reasons else None,
            end,
            chunk.left + chunk.end - end,
        )
