"""What one supervised process is: its command, its surroundings, how it shows that it is ready and how it ends."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """A command to keep running.

    Attributes:
        name: Under which it appears in `running.json`, in progress lines and as the name of its output file.
        command: Absolute path of the executable, then its arguments. It must stay in the foreground and must be,
            or replace itself by, the process that does the work, so that its pid is the one to watch and to kill.
        folder: Its working directory; it exists.
        environment: Variables on top of those of the starting process.
        ready: Whether it serves at this moment; blocks for a second or two at most and never raises.
        stop_signal: What asks it to end in good order.
        stop_seconds: How long it may take for that before it is killed.
        keeps_stdout: Whether what it prints is kept; what it complains about (standard error) always is.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = lambda: True
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    keeps_stdout: bool = True
