"""Keeps programs running and ends them in the reverse of the order in which they were started.

The library supervisord restarts as quickly, but keeps no count of restarts, tells no one of a new process id, knows
no readiness, and is one process more that may die and leave all others behind.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from cart_platform.native.child import Child, Surroundings
from cart_platform.native.parting import dying_with_parent
from cart_platform.native.program import Program


class Supervisor:
    """Programs in groups: a group starts at once and ends at once, the groups one after another.

    Where the system can, a program dies with the thread that launched it: launch from the main thread's loop.
    """

    def __init__(self, environment: Mapping[str, str], output: Path, changed: Callable[[], None]) -> None:
        """Prepare; nothing starts yet.

        Args:
            environment: The variables that every program starts with.
            output: An existing folder for what the programs print.
            changed: Called whenever a program has started or ended.
        """
        self._surroundings = Surroundings(environment, output, dying_with_parent(), changed)
        self._groups: list[list[Child]] = []

    @property
    def processes(self) -> dict[str, int]:
        """Process ids of the programs that run at this moment."""
        return {child.program.name: child.pid for child in self._children if child.pid is not None}

    @property
    def restarts(self) -> dict[str, int]:
        """How often each program was started again."""
        return {child.program.name: child.restarts for child in self._children}

    @property
    def _children(self) -> list[Child]:
        return [child for group in self._groups for child in group]

    def launch(self, *programs: Program) -> list[Child]:
        """Start a group of programs and keep them running."""
        group = [Child(program, self._surroundings) for program in programs]
        self._groups.append(group)
        return group

    async def stop(self) -> None:
        """End all programs, the group launched last first; may be called again, and on what never started."""
        for group in reversed(self._groups):
            await asyncio.gather(*(child.stop() for child in group))
