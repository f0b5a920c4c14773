"""The file `running.json`: which processes run, where they are reached, where they write."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cart_platform.native.private_file import write_private
from cart_platform.whereabouts import RUNNING


@dataclass
class RunningFile:
    """`running.json` of a data folder; readers see it whole, as it was before a change or after.

    It stays when the run ends, then without processes: `status` and `audit` find the data by it.

    Attributes:
        folder: The data folder.
        urls: Addresses by name; `metrics` maps each process to the address of its metrics.
        folders: Paths by name: `logs`, `mail`.
    """

    folder: Path
    urls: Mapping[str, str | Mapping[str, str]]
    folders: Mapping[str, Path]

    def write(self, processes: Mapping[str, int], restarts: Mapping[str, int] | None = None) -> None:
        """Say which processes run, name to process id, and how often each had to be started again.

        Raises OSError when the file cannot be written.
        """
        content: dict[str, Any] = {
            "processes": dict(processes),
            "restarts": dict(restarts or {}),
            "urls": self.urls,
            "folders": {name: str(path) for name, path in self.folders.items()},
        }
        write_private(self.folder / RUNNING, json.dumps(content, indent=2) + "\n")
