"""Lines on their way to a file or to standard output: bounded, batched, and never in the way of the service."""

import fcntl
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

CAPACITY: Final = 65_536
"""Lines that may wait for an output; further ones are dropped and counted."""
GATHER_SECONDS: Final = 0.05
"""How long lines gather before one write takes them: what a kill -9 can lose is at most this and one write."""
DRAIN_SECONDS: Final = 2.0
FILE_BYTES: Final = 64 * 1024 * 1024
FILES_KEPT: Final = 3
SIBLINGS: Final = 64


class Output(Protocol):
    """Where whole lines go; `write` takes all of them or raises OSError or ValueError."""

    name: str

    def write(self, lines: bytes) -> None:
        """Writes lines that each end with a newline."""

    def close(self) -> None:
        """Gives back what the output holds."""


class StandardOutput:
    """Standard output, as it is at the time of the write."""

    name = "standard output"

    def write(self, lines: bytes) -> None:
        """Writes and flushes."""
        stream = getattr(sys.stdout, "buffer", None)
        if stream is None:
            sys.stdout.write(lines.decode())
            sys.stdout.flush()
            return
        stream.write(lines)
        stream.flush()

    def close(self) -> None:
        """Leaves the stream open: others print to it too."""


class LogFile:
    """A file of JSON lines, `<stem>.log`, that is started anew at `limit` bytes and kept in `FILES_KEPT` older parts.

    The file is locked, and a second process of the same name writes `<stem>.2.log`: two writers would rotate it under
    each other. When the file was moved or removed, the next write makes it again.

    Raises:
        RuntimeError: The folder or the file cannot be made or written.
    """

    def __init__(self, folder: Path, stem: str, limit: int = FILE_BYTES) -> None:
        self._limit = limit
        self._file = -1
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.path = self._free(folder, stem)
        except OSError as error:
            text = f"cannot write logs in {folder} ({error.strerror}): make it writable, or name another folder"
            raise RuntimeError(text) from error
        self.name = str(self.path)

    def _free(self, folder: Path, stem: str) -> Path:
        for number in range(1, SIBLINGS + 1):
            path = folder / (f"{stem}.log" if number == 1 else f"{stem}.{number}.log")
            try:
                self._open(path)
            except BlockingIOError:
                continue
            return path
        raise OSError(0, f"{SIBLINGS} processes already write {stem}.log there")

    def _open(self, path: Path) -> None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise
        self._file = file

    def write(self, lines: bytes) -> None:
        """Appends; a write that is cut short (a full disk) is taken back, so that every line in the file is whole."""
        self._follow()
        before = os.fstat(self._file).st_size
        if before and before + len(lines) > self._limit:
            self._rotate()
            before = 0
        written = os.write(self._file, lines)
        if written < len(lines):
            os.ftruncate(self._file, before)
            raise OSError(0, f"{len(lines) - written} bytes did not fit")

    def _follow(self) -> None:
        try:
            moved = not os.path.samestat(self.path.stat(), os.fstat(self._file))
        except FileNotFoundError:
            moved = True
        if moved:
            self._reopen()

    def _reopen(self) -> None:
        os.close(self._file)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._open(self.path)

    def _rotate(self) -> None:
        parts = [self.path, *(self.path.with_name(f"{self.path.name}.{n}") for n in range(1, FILES_KEPT + 1))]
        for older, newer in zip(reversed(parts), reversed(parts[:-1]), strict=False):
            if newer.exists():
                newer.replace(older)
        self._reopen()

    def close(self) -> None:
        """Closes the file and gives up its lock."""
        os.close(self._file)


class LineWriter:
    """Takes lines without ever blocking, and writes them on a thread of its own.

    Lines that find the queue full, or that the output refuses (a full disk, a closed pipe), are dropped and counted.
    An outage is told once on standard error.

    Args:
        output: Where the lines go.
        written: Called with the number of lines that an output took.
        dropped: Called with the number of lines lost.
        capacity: Lines that may wait.
    """

    def __init__(
        self,
        output: Output,
        written: Callable[[int], None],
        dropped: Callable[[int], None],
        capacity: int = CAPACITY,
    ) -> None:
        self._output = output
        self._written = written
        self._dropped = dropped
        self._capacity = capacity
        self._lines: deque[bytes] = deque()
        self._arrived = threading.Event()
        self._closing = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name=f"write {output.name}", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Takes one line, newline included, from any thread."""
        if len(self._lines) >= self._capacity or self._closing.is_set():
            self._dropped(1)
            return
        self._lines.append(line)
        if not self._arrived.is_set():
            self._arrived.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._arrived.wait()
            self._closing.wait(GATHER_SECONDS)
            self._arrived.clear()
            self._write_waiting()
        self._write_waiting()
        self._output.close()

    def _write_waiting(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if not lines:
            return
        try:
            self._output.write(b"".join(lines))
        except (OSError, ValueError) as error:
            self._dropped(len(lines))
            self._tell(error)
        else:
            self._written(len(lines))
            self._failing = False

    def _tell(self, error: Exception) -> None:
        if self._failing:
            return
        self._failing = True
        try:
            print(f"log lines are lost, {self._output.name} takes none: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the one place left to tell it
        except (OSError, ValueError):
            return  # Standard error is gone as well; the counter still tells.

    def close(self, timeout: float = DRAIN_SECONDS) -> None:
        """Writes what is waiting, for at most `timeout` seconds; what is left then is counted as dropped."""
        self._closing.set()
        self._arrived.set()
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._dropped(len(self._lines))
