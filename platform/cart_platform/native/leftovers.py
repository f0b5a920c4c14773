"""What a run that was killed left running, found by a mark in its environment."""

import contextlib
from pathlib import Path

import psutil

MARK = "CARTSCOPE_NATIVE_DATA"
"""The variable that names the data folder in the environment of every process of a native run."""

_GRACE_SECONDS = 5.0


def find(folder: Path) -> list[psutil.Process]:
    """Processes of a run on this data folder, whoever their parent is."""
    return [process for process in psutil.process_iter() if _mark(process) == str(folder)]


def _mark(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):
        return None


def end(folder: Path) -> int:
    """End them, by force after five seconds, and say how many there were.

    The caller must hold the folder's lock: otherwise they may belong to a run that goes on.
    """
    found = alive = find(folder)
    for signal in (psutil.Process.terminate, psutil.Process.kill):
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                signal(process)
        _, alive = psutil.wait_procs(alive, _GRACE_SECONDS)
    return len(found)
