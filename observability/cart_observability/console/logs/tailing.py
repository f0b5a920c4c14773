"""Follows the log files of a folder into the console's file.

How far each file is read is kept in the transaction that keeps its lines: however the console ends, none is lost, and
none is there twice. While there is no room for more nothing is read, and the files wait.
"""

import math
import sqlite3
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from cart_observability.console.file import Full, SignalFile
from cart_observability.console.logs import lines
from cart_observability.console.logs.log_reading import Reading, in_order
from cart_observability.console.logs.moments import SECOND
from cart_observability.console.records import Line
from cart_observability.log_files import look

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS log_positions (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    position INTEGER NOT NULL
);
"""

LOOK_SECONDS: Final = 0.25
TURN_BYTES: Final = 256 * 1024
"""About how much is read at once: more is no less work, and others wait longer."""
AHEAD_SECONDS: Final = 86_400.0
"""How far in the future a line may be: a clock may be wrong, and of another zone."""
REMEMBERED: Final = 10_000
"""Files whose positions are kept, the ones read last."""


class Tail:
    """Follows the log files of a folder, which may not be there yet.

    Args:
        file: Where the lines go.
        folder: Of the log files.
        subject_field: The log field that names what events are about.
        age_seconds: How old a line may be that is kept.

    Attributes:
        received: Lines recorded so far.
        refused: Lines that could not be, which are passed over.
        refusal: Why the last of those could not be.
        untimely: Lines that were passed over because they are older than is kept, or of a time that is yet to come.
        trouble: Why nothing, or not every file, could be read or kept at the last look; None when all could.
        last: When a line was recorded last, in ns since the epoch; None before the first.
        bytes_left: Bytes that were there to be read, and were not, at the last look.
        worked: Seconds of the processor that the last look took, on all threads.
    """

    def __init__(
        self, file: SignalFile, folder: Path, subject_field: str | None = None, age_seconds: float = math.inf
    ) -> None:
        self.received = 0
        self.refused = 0
        self.refusal: str | None = None
        self.untimely = 0
        self.trouble: str | None = None
        self.last: int | None = None
        self.bytes_left = 0
        self.worked = 0.0
        self._file = file
        self._folder = folder
        self._subject_field = subject_field
        self._age_seconds = age_seconds
        self._positions: dict[str, int] | None = None
        self._reached: int | None = None

    @property
    def behind(self) -> int:
        """Age of the latest line recorded while more waits, in ns; 0 when none does."""
        return max(0, time.time_ns() - self._reached) if self.bytes_left and self._reached is not None else 0

    def turn(self) -> bool:
        """Read what is new, as much as is read at once, and wait until it is kept; whether more can be read now."""
        began = time.thread_time()
        self.trouble, self.worked = None, 0.0
        try:
            return self._is_more()
        finally:
            self.worked += time.thread_time() - began

    def _is_more(self) -> bool:
        try:
            readings = self._readings()
            if readings:
                self._keep(readings)
        except Full:
            return False
        except Exception as error:  # noqa: BLE001  a full disk, a file that must not be read: whatever it is may pass
            self.trouble = f"{type(error).__name__}: {error}"
            return False
        self.bytes_left = sum(reading.left for reading in readings)
        return self.bytes_left > 0

    def _readings(self) -> list[Reading]:
        if self._positions is None:
            with self._file.reading() as connection:
                self._positions = dict(connection.execute("SELECT key, position FROM log_positions"))
        positions = self._positions
        found = look(self._folder, lambda key: positions.get(key, 0), TURN_BYTES)
        self.trouble = found.trouble
        self.bytes_left = sum(len(chunk.text) + chunk.left for chunk in found.chunks)
        return in_order(found.chunks)

    def _keep(self, readings: Sequence[Reading]) -> None:
        read = [line for reading in readings for line in reading.lines]
        now = time.time()
        least, most = max(0.0, now - self._age_seconds) * SECOND, (now + AHEAD_SECONDS) * SECOND
        found = [line for line in read if least <= line.time <= most]
        ends = {reading.key: reading.end for reading in readings}
        recording = partial(_record, found, ends, self._subject_field)
        self.worked += self._file.submit(recording, max(1, len(found))).result()
        # Only now: what is not kept is read again.
        assert self._positions is not None
        self._positions |= ends
        self.received += len(found)
        self.untimely += len(read) - len(found)
        self.refused += sum(reading.refused for reading in readings)
        self.refusal = next((reading.reason for reading in readings if reading.reason), self.refusal)
        if found:
            self.last = time.time_ns()
            self._reached = max(line.time for line in found)


def _record(
    found: Sequence[Line], ends: Mapping[str, int], subject_field: str | None, connection: sqlite3.Connection
) -> float:
    """Answers how many seconds of the processor it took."""
    began = time.thread_time()
    lines.record(connection, found, subject_field)
    # A row that is replaced gets a new number, the highest.
    connection.executemany("INSERT OR REPLACE INTO log_positions (key, position) VALUES (?, ?)", ends.items())
    last = "SELECT number FROM log_positions ORDER BY number DESC LIMIT 1 OFFSET ?"
    connection.execute(f"DELETE FROM log_positions WHERE number <= ({last})", (REMEMBERED,))  # noqa: S608  a constant
    return time.thread_time() - began
