"""The new lines of a folder of log files, which grow, are renamed when they are started anew, and are removed."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Final, Self

LONGEST_LINE: Final = 1024 * 1024
"""Bytes of the longest line; a longer one comes in parts."""

_NAME: Final = re.compile(r"(.+\.log)(\.\d+)?")
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
        key: By which the file is known, whatever it is called by now.
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


def chunks(folder: Path, position_of: Callable[[str], int], room: int) -> list[Chunk]:
    """What is new in a folder's files `NAME.log`, and `NAME.log.N` as they are called when started anew.

    A last line without end is left until its end is there. A file that became shorter is read from its start.

    Args:
        folder: It may be missing.
        position_of: How many bytes of a file are read already, by its key.
        room: About how many bytes to give, in equal shares for the files that have any.
    """
    with ExitStack() as opened:
        unread = [each for path in _files(folder) if (each := _Unread.of(path, opened, position_of))]
        share = room // max(1, len(unread))
        return [chunk for each in unread if (chunk := each.chunk(share))]


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
    except FileNotFoundError:
        return 0.0  # Renamed just now; the next look finds it.


@dataclass(frozen=True, slots=True)
class _Unread:
    """An open file that has more than was read of it."""

    file: BinaryIO
    key: str
    path: str
    position: int
    size: int

    @classmethod
    def of(cls, path: Path, opened: ExitStack, position_of: Callable[[str], int]) -> Self | None:
        """None for a file that has nothing new, or was renamed just now."""
        try:
            file = opened.enter_context(path.open("rb"))
        except FileNotFoundError:
            return None
        key, size = _key(file), file.seek(0, os.SEEK_END)
        if key is None or position_of(key) == size:
            return None
        position = position_of(key)
        return cls(file, key, str(path.with_name(_named(path))), position if position < size else 0, size)

    def chunk(self, share: int) -> Chunk | None:
        """About so many bytes of whole lines, at least one; None as long as there is none."""
        self.file.seek(self.position)
        text = self.file.read(share)
        if not (whole := text.rfind(b"\n") + 1):
            text += self.file.readline(LONGEST_LINE - len(text))
            whole = len(text) if text.endswith(b"\n") or len(text) >= LONGEST_LINE else 0
        left = max(0, self.size - self.position - whole)
        return Chunk(self.key, self.path, self.position, text[:whole], left) if whole else None


def _named(path: Path) -> str:
    """What a file was called before it was renamed."""
    match = _NAME.fullmatch(path.name)
    return match[1] if match else path.name


def _key(file: BinaryIO) -> str | None:
    """Number and first line of a file together: numbers are given again to new files. None until that line is whole."""
    head = file.readline(_HEAD_BYTES)
    if not head.endswith(b"\n") and len(head) < _HEAD_BYTES:
        return None
    return f"{os.fstat(file.fileno()).st_ino:x}-{blake2b(head, digest_size=4).hexdigest()}"
