"""The new lines of a folder of log files, which grow, are renamed or copied when they start anew, and are removed."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Self

LONGEST_LINE: Final = 1024 * 1024
"""Bytes of the longest line; a longer one comes in parts."""

_NAME: Final = re.compile(r"(.+\.log)([.-][\d_-]+)?")
_HEAD_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end; `id` is the same whenever this line of this file is read, and no other's."""

    id: str
    path: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines that follow one another in a file.

    Attributes:
        key: By which the file is known, whatever number or date its name has got by now.
        path: What the file was called before it was renamed.
        start: Position of the first byte.
        text: The lines with their ends.
        left: Bytes that follow in the file.
    """

    key: str
    path: str
    start: int
    text: bytes
    left: int

    @property
    def end(self) -> int:
        """Position behind the last byte."""
        return self.start + len(self.text)

    def lines(self) -> Iterator[Line]:
        """Each line that is not blank."""
        position = self.start
        for text in self.text.split(b"\n"):
            if text.strip():
                # The hash is there for a file that was cut and written again: another line in the same place.
                fingerprint = blake2b(text, digest_size=4).hexdigest()
                yield Line(f"{self.key}-{position:x}-{fingerprint}", self.path, text)
            position += len(text) + 1


class Look(NamedTuple):
    """What was found in a folder: what is new, and why a file of it could not be read, if so."""

    chunks: list[Chunk]
    trouble: str | None


def look(folder: Path, position_of: Callable[[str], int], room: int) -> Look:
    """What is new in a folder's files `NAME.log`, and `NAME.log.N` or `NAME.log-DATE` as they are called once full.

    A last line without end is left until its end is there. A file that became shorter is read from its start. Of a file
    and its copy the longer one is read: one that is copied and then cut goes on in its copy.

    Args:
        folder: It may be missing.
        position_of: How many bytes of a file are read already, by its key.
        room: About how many bytes to give, in equal shares for the files that have any.

    Raises:
        OSError: The folder cannot be read.
    """
    with ExitStack() as opened:
        found: dict[str, _Open] = {}
        trouble = None
        for path in _files(folder):
            try:
                file = _Open.of(path, opened)
            except OSError as error:
                trouble = f"{path.name}: {error.strerror}"
                continue
            if file and (file.key not in found or file.size > found[file.key].size):
                found[file.key] = file
        unread = [(file, position) for file in found.values() if (position := position_of(file.key)) != file.size]
        share = room // max(1, len(unread))
        new = [chunk for file, position in unread if (chunk := file.chunk(position, share))]
        return Look(new, trouble)


def _files(folder: Path) -> list[Path]:
    """Oldest first: they are the next to be removed."""
    try:
        named = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    except FileNotFoundError:
        return []
    return sorted(named, key=_changed)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0  # Renamed just now: the next look finds it. Whatever else it is, opening it will tell.


@dataclass(frozen=True, slots=True)
class _Open:
    """An open file, and how long it is."""

    file: BinaryIO
    key: str
    path: str
    size: int

    @classmethod
    def of(cls, path: Path, opened: ExitStack) -> Self | None:
        """None for what is no file, was renamed just now, or has no whole line yet.

        Raises:
            OSError: It cannot be read.
        """
        try:
            # What is no file may be a pipe, which nobody may ever write into.
            if not stat.S_ISREG(path.stat().st_mode):
                return None
            file = opened.enter_context(path.open("rb"))
        except FileNotFoundError:
            return None
        name = path.with_name(_named(path))
        head = file.readline(_HEAD_BYTES)
        if not head.endswith(b"\n") and len(head) < _HEAD_BYTES:
            return None
        # Not the file's number, which is given again to new ones, and which a copy has not.
        key = f"{name.name}-{blake2b(head, digest_size=8).hexdigest()}"
        return cls(file, key, str(name), file.seek(0, os.SEEK_END))

    def chunk(self, position: int, share: int) -> Chunk | None:
        """About so many bytes of whole lines from a position on, at least one line; None as long as there is none."""
        start = position if position < self.size else 0
        self.file.seek(start)
        text = self.file.read(share)
        if not (whole := text.rfind(b"\n") + 1):
            text += self.file.readline(LONGEST_LINE - len(text))
            whole = len(text) if text.endswith(b"\n") or len(text) >= LONGEST_LINE else 0
        left = max(0, self.size - start - whole)
        return Chunk(self.key, self.path, start, text[:whole], left) if whole else None


def _named(path: Path) -> str:
    """What a file was called before it was renamed."""
    match = _NAME.fullmatch(path.name)
    return match[1] if match else path.name
