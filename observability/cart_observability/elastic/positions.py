"""How far each log file was shipped."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

REMEMBERED: Final = 1_000
"""Files whose positions are kept, the ones read last."""


class Positions:
    """The position in each file, by the file's key, in a file of its own that is replaced whole.

    When that is missing or damaged, every file is shipped from its start again: lines are known by their ids.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._positions: dict[str, int] = {}
        try:
            self._positions = {str(key): int(position) for key, position in json.loads(path.read_bytes()).items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return

    def of(self, key: str) -> int:
        """Bytes shipped of a file; 0 for an unknown one."""
        return self._positions.get(key, 0)

    def advance(self, positions: Mapping[str, int]) -> None:
        """Keep new positions; raises OSError when they cannot be written."""
        for key, position in positions.items():
            self._positions.pop(key, None)
            self._positions[key] = position
        for key in list(self._positions)[:-REMEMBERED]:
            del self._positions[key]
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        beside.write_text(json.dumps(self._positions), encoding="utf-8")
        beside.replace(self._path)
