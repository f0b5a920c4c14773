"""A command that ends when the process that started it does, however that one ends."""

import shutil
import subprocess
import sys
from collections.abc import Sequence

_PREFIX = ("--pdeathsig", "KILL", "--")


def dying_with_parent() -> tuple[str, ...]:
    """What to put before a command; nothing where the system has no such program (macOS, busybox)."""
    program = shutil.which("setpriv") if sys.platform == "linux" else None
    return (program, *_PREFIX) if program and _works([program, *_PREFIX, "true"]) else ()


def _works(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603  our own words
