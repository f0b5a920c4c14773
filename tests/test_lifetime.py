"""The lifetime of a process: signals, and patience with servers that are away."""

import signal
import subprocess
import sys
import time

import pytest

from cart_platform.errors import Unavailable
from cart_platform.lifetime import Stop, patiently

PROGRAM = """
import asyncio
from cart_platform import lifetime

async def main(stop):
    print("ready", flush=True)
    await stop.wait()
    print("stopping", flush=True)
    {ending}
    return 3

raise SystemExit(lifetime.run(main))
"""
NEVER = "await asyncio.Event().wait()"


def started(ending: str) -> "subprocess.Popen[str]":
    """A process that runs, and that ends as told once it is asked to."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM.format(ending=ending)], stdout=subprocess.PIPE, text=True)
    assert read_line(process) == "ready"
    return process


def read_line(process: "subprocess.Popen[str]") -> str:
    """The next line that the process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_for_the_end(number: signal.Signals) -> None:
    """The first signal lets the process end in order, with an exit code of its own."""
    with started("pass") as process:
        process.send_signal(number)
        assert process.wait(20) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once(number: signal.Signals) -> None:
    """A process that does not come to its end is ended by a second signal, with the exit code of that signal."""
    with started(NEVER) as process:
        process.send_signal(signal.SIGTERM)
        assert read_line(process) == "stopping"
        process.send_signal(number)
        assert process.wait(20) == 128 + number


class Away:
    """A server that answers from its n-th call on."""

    def __init__(self, failures: int) -> None:
        self.left = failures

    async def call(self) -> str:
        """Answer, or not."""
        if self.left:
            self.left -= 1
            raise Unavailable("away")
        return "here"


async def test_patience_waits_for_an_answer() -> None:
    """A server that is away is asked again until it answers."""
    assert await patiently(Away(3).call, Stop()) == "here"


async def test_patience_ends_with_the_stop() -> None:
    """Asked to stop, a process waits for nobody: the last error is raised."""
    stop = Stop()
    stop.set()
    with pytest.raises(Unavailable):
        await patiently(Away(1_000).call, stop)


async def test_patience_has_a_bound() -> None:
    """Where a bound is given, the last error is raised soon after it."""
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await patiently(Away(1_000).call, Stop(), seconds=0.0)
    assert time.monotonic() < began + 20


async def test_other_errors_are_not_waited_for() -> None:
    """Only what another attempt may mend is tried again."""

    async def broken() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await patiently(broken, Stop())
