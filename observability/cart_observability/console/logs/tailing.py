"""Follows the log files of a folder into the console's file.

How far each file is read is kept in the transaction that keeps its lines: however the console ends, none is lost, and
none is there twice. While there is no room for more nothing is read, and the files wait.
"""

import asyncio
import sqlite3
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from cart_observability.console.file import Full, SignalFile
from cart_observability.console.logs import lines
from cart_observability.console.logs.log_reading import Reading, in_order
from cart_observability.console.records import Line
from cart_observability.log_files import chunks

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS log_positions (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    position INTEGER NOT NULL
);
"""

LOOK_SECONDS: Final = 0.25
TURN_BYTES: Final = 1024 * 1024
"""About how much is read at once."""
REMEMBERED: Final = 10_000
"""Files whose positions are kept, the ones read last."""


class Stop(Protocol):
    """The wish that the following end."""

    @property
    def wished(self) -> bool:
        """Whether the end was asked for."""

    async def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the wish."""


class Tail:
    """Follows the log files of a folder, which may not be there yet.

    Attributes:
        received: Lines recorded so far.
        refused: Lines that could not be, which are passed over.
        refusal: Why the last of those could not be.
        trouble: Why nothing could be read or kept at the last look; None when it could.
        last: When a line was recorded last, in ns since the epoch; None before the first.
        bytes_left: Bytes that were there to be read, and were not, at the last look.
    """

    def __init__(self, file: SignalFile, folder: Path, subject_field: str | None = None) -> None:
        self.received = 0
        self.refused = 0
        self.refusal: str | None = None
        self.trouble: str | None = None
        self.last: int | None = None
        self.bytes_left = 0
        self._file = file
        self._folder = folder
        self._subject_field = subject_field
        self._positions: dict[str, int] | None = None
        self._reached: int | None = None

    @property
    def behind(self) -> int:
        """Age of the latest line recorded while more waits, in ns; 0 when none does."""
        return max(0, time.time_ns() - self._reached) if self.bytes_left and self._reached is not None else 0

    async def run(self, stop: Stop) -> None:
        """Follow until the stop is wished for, and look once more then."""
        while not stop.wished:
            began = time.monotonic()
            is_more = await asyncio.to_thread(self.turn)
            # However much waits, half of the time is for others.
            await stop.pause(time.monotonic() - began if is_more else LOOK_SECONDS)
        await asyncio.to_thread(self.turn)

    def turn(self) -> bool:
        """Read what is new, as much as is read at once, and wait until it is kept; whether more can be read now."""
        self.trouble = None
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
        found = chunks(self._folder, lambda key: positions.get(key, 0), TURN_BYTES)
        self.bytes_left = sum(len(chunk.text) + chunk.left for chunk in found)
        return in_order(found)

    def _keep(self, readings: Sequence[Reading]) -> None:
        found = [line for reading in readings for line in reading.lines]
        ends = {reading.key: reading.end for reading in readings}
        self._file.submit(partial(_record, found, ends, self._subject_field), max(1, len(found))).result()
        # Only now: what is not kept is read again.
        assert self._positions is not None
        self._positions |= ends
        self.received += len(found)
        self.refused += sum(reading.refused for reading in readings)
        self.refusal = next((reading.reason for reading in readings if reading.reason), self.refusal)
        if found:
            self.last = time.time_ns()
            self._reached = max(line.time for line in found)


def _record(
    found: Sequence[Line], ends: Mapping[str, int], subject_field: str | None, connection: sqlite3.Connection
) -> None:
    lines.record(connection, found, subject_field)
    # A row that is replaced gets a new number, the highest.
    connection.executemany("INSERT OR REPLACE INTO log_positions (key, position) VALUES (?, ?)", ends.items())
    last = "SELECT number FROM log_positions ORDER BY number DESC LIMIT 1 OFFSET ?"
    connection.execute(f"DELETE FROM log_positions WHERE number <= ({last})", (REMEMBERED,))  # noqa: S608  a constant
