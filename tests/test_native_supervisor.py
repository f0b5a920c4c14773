"""Programs are kept running, counted, and ended in order."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from cart_platform.errors import CartscopeError
from cart_platform.native.parting import dying_with_parent
from cart_platform.native.program import Program
from cart_platform.native.supervisor import Supervisor
from support.servers import wait_until

# Says by its file that it can be ended in order; each start makes the file anew.
STEADY = """
import pathlib, signal, sys
def end(*_):
    with open("farewells", "a") as file: file.write(sys.argv[1] + "\\n")
    sys.exit()
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1]).touch()
while True: signal.pause()
"""
STUBBORN = """
import pathlib, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
while True: signal.pause()
"""
DYING = "import sys; sys.exit('no such thing')"
PARENT = """
import pathlib, signal, subprocess, sys
pathlib.Path(sys.argv[1]).write_text(str(subprocess.Popen(["sleep", "1000"]).pid))
signal.pause()
"""


def python(text: str, name: str, folder: Path, *, stop_seconds: float = 10.0) -> Program:
    """A program in Python that is ready when it has made the file of its name."""
    return Program(
        name=name,
        command=(sys.executable, "-c", text, name),
        folder=folder,
        ready=(folder / name).exists,
        stop_seconds=stop_seconds,
    )


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait, without holding up the loop, until the condition holds."""
    await asyncio.to_thread(wait_until, condition, what, 30.0)


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    """A supervisor whose programs print into the test's folder."""
    made = Supervisor(os.environ, tmp_path, lambda: None)
    yield made
    await made.stop()


async def test_killed_program_runs_again(supervisor: Supervisor, tmp_path: Path) -> None:
    """A program killed by -9 runs again under another id, and the count of restarts is exact."""
    [child] = supervisor.launch(python(STEADY, "steady", tmp_path))
    seen = set[int]()
    for _ in range(4):
        await until(lambda: child.pid not in {None, *seen}, "another process id")
        assert child.pid is not None
        assert {"steady": child.pid} == supervisor.processes
        seen.add(child.pid)
        os.kill(child.pid, signal.SIGKILL)
    await until(lambda: child.pid not in {None, *seen}, "another process id")
    assert {"steady": 4} == supervisor.restarts


async def test_every_change_is_told(tmp_path: Path) -> None:
    """Whoever follows the processes sees each one come and go."""
    told = list[dict[str, int]]()
    told_of = Supervisor(os.environ, tmp_path, lambda: told.append(told_of.processes))
    [child] = told_of.launch(python(STEADY, "steady", tmp_path))
    await child.wait_ready(30)
    pid = child.pid
    await told_of.stop()
    assert [{"steady": pid}, {}] == told


async def test_dying_program_is_not_given_up(supervisor: Supervisor, tmp_path: Path) -> None:
    """A program that ends whenever it starts is started again and again."""
    [child] = supervisor.launch(python(DYING, "dying", tmp_path))
    await until(lambda: child.restarts >= 2, "two restarts")


async def test_last_words(supervisor: Supervisor, tmp_path: Path) -> None:
    """Who waits for a program that keeps ending is told why in one line."""
    [child] = supervisor.launch(python(DYING, "dying", tmp_path))
    with pytest.raises(CartscopeError, match=r"dying ends as soon as it starts: no such thing \(see .*dying.log and "):
        await child.wait_ready(30)


async def test_never_ready(supervisor: Supervisor, tmp_path: Path) -> None:
    """Who waits for a program that does not serve in time is told so in one line."""
    [child] = supervisor.launch(Program("mute", ("/bin/sleep", "1000"), tmp_path, ready=lambda: False))
    with pytest.raises(CartscopeError, match=r"mute is not ready after 0.1 s: it said nothing"):
        await child.wait_ready(0.1)


async def test_missing_executable(supervisor: Supervisor, tmp_path: Path) -> None:
    """A program that cannot even be started is reported, not raised into the dark."""
    [child] = supervisor.launch(Program("absent", (str(tmp_path / "absent"),), tmp_path, ready=lambda: False))
    with pytest.raises(CartscopeError, match=r"absent ends as soon as it starts: .*No such file"):
        await child.wait_ready(30)


async def test_end_in_reverse_order(supervisor: Supervisor, tmp_path: Path) -> None:
    """The group launched last ends first; ending twice does nothing more."""
    for name in ("server", "worker", "api"):
        [child] = supervisor.launch(python(STEADY, name, tmp_path))
        await child.wait_ready(30)
    await supervisor.stop()
    await supervisor.stop()
    assert ["api", "worker", "server"] == (tmp_path / "farewells").read_text().split()
    assert {} == supervisor.processes


async def test_stubborn_program_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    """A program that ignores the request to end is killed when its time is over."""
    [child] = supervisor.launch(python(STUBBORN, "stubborn", tmp_path, stop_seconds=0.2))
    await child.wait_ready(30)
    pid = child.pid
    await supervisor.stop()
    assert pid is not None
    assert not psutil.pid_exists(pid)


async def test_nothing_started(supervisor: Supervisor) -> None:
    """Ending what never started is no error."""
    await supervisor.stop()
    assert {} == supervisor.restarts


async def test_programs_of_a_killed_program_end(supervisor: Supervisor, tmp_path: Path) -> None:
    """What a killed program had started itself does not stay behind."""
    [child] = supervisor.launch(python(PARENT, "parent", tmp_path))
    pid_file = tmp_path / "parent"
    await until(lambda: pid_file.exists() and bool(pid_file.read_text()), "the grandchild")
    grandchild = psutil.Process(int(pid_file.read_text()))
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    await until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE, "its end")


def test_programs_end_with_the_supervisor(tmp_path: Path) -> None:
    """A supervisor killed by -9 takes its programs with it, where the system can."""
    if not dying_with_parent():
        pytest.skip("this system has no setpriv --pdeathsig")
    text = (
        "import asyncio, os, pathlib, sys\n"
        "from cart_platform.native.program import Program\n"
        "from cart_platform.native.supervisor import Supervisor\n"
        "async def main():\n"
        "    folder = pathlib.Path(sys.argv[1])\n"
        "    supervisor = Supervisor(os.environ, folder, lambda: None)\n"
        "    [child] = supervisor.launch(Program('sleep', ('/bin/sleep', '1000'), folder))\n"
        "    await child.wait_ready(30)\n"
        "    while psutil.Process(child.pid).name() != 'sleep': await asyncio.sleep(0.01)\n"
        "    print(child.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "import psutil\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", text, tmp_path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        process.kill()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the program's end", 30)
