"""Programs that take only the time that others leave."""

import shutil
from dataclasses import replace

from cart_platform.native.program import Program

_NICENESS = "10"


def yielding(program: Program) -> Program:
    """The same program at a lower priority; as it is where the system has no `nice`."""
    nice = shutil.which("nice")
    return replace(program, command=(nice, "-n", _NICENESS, *program.command)) if nice else program
