"""The way of lines to a file or to standard output: bounded, whole, never in the way."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cart_observability.line_writer import FILES_KEPT, LineWriter, LogFile, StandardOutput
from support.observability import lines_of
from support.polling import eventually


class Counts:
    """Counts what a writer wrote and lost."""

    def __init__(self) -> None:
        self.written = 0
        self.dropped = 0

    def write(self, lines: int) -> None:
        """The output took lines."""
        self.written += lines

    def drop(self, lines: int) -> None:
        """Lines were lost."""
        self.dropped += lines


class Gate:
    """An output that takes nothing until it is opened, and can fail."""

    name = "gate"

    def __init__(self) -> None:
        self.open = threading.Event()
        self.reached = threading.Event()
        self.error: Exception | None = None
        self.taken: list[bytes] = []

    def write(self, lines: bytes) -> None:
        """Waits for the gate."""
        self.reached.set()
        self.open.wait(30)
        if self.error:
            raise self.error
        self.taken.append(lines)

    def close(self) -> None:
        """Nothing to give back."""


def writer_to(output: Gate | LogFile, capacity: int = 1000) -> tuple[LineWriter, Counts]:
    """A writer and what it counts."""
    counts = Counts()
    return LineWriter(output, counts.write, counts.drop, capacity), counts


def test_lines_are_written_in_order_and_drained_at_the_end(tmp_path: Path) -> None:
    """What was taken before the close is in the file, whole and in order."""
    writer, counts = writer_to(LogFile(tmp_path, "service"))
    for number in range(500):
        writer.write(b'{"number":%d}\n' % number)
    writer.close()
    assert list(range(500)) == [line["number"] for line in lines_of(tmp_path / "service.log")]
    assert (500, 0) == (counts.written, counts.dropped)


def test_a_stuck_output_never_blocks_the_service() -> None:
    """While the output takes nothing, lines beyond the capacity are dropped and counted."""
    gate = Gate()
    writer, counts = writer_to(gate, capacity=10)
    writer.write(b"first\n")
    assert gate.reached.wait(30)
    for _ in range(25):
        writer.write(b"line\n")
    assert 15 == counts.dropped
    gate.open.set()
    writer.close()
    assert (11, 15) == (counts.written, counts.dropped)
    assert b"first\n" == gate.taken[0]


def test_closing_does_not_wait_for_an_output_that_is_stuck_for_good() -> None:
    """The close is bounded, and what is left then is counted."""
    gate = Gate()
    writer, counts = writer_to(gate)
    writer.write(b"first\n")
    assert gate.reached.wait(30)
    writer.write(b"second\n")
    writer.close(timeout=0.01)
    assert 1 == counts.dropped
    gate.open.set()


def test_a_closed_writer_counts_what_comes_late() -> None:
    """A line after the close is lost, and seen to be."""
    gate = Gate()
    gate.open.set()
    writer, counts = writer_to(gate)
    writer.close()
    writer.write(b"late\n")
    assert (0, 1) == (counts.written, counts.dropped)


async def test_an_outage_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk costs lines and a counter, one sentence on standard error, and never an exception."""
    gate = Gate()
    gate.open.set()
    gate.error = OSError(28, "No space left on device")
    writer, counts = writer_to(gate)
    for lost in (1, 2):
        writer.write(b"line\n")
        await eventually(lambda lost=lost: counts.dropped == lost)  # type: ignore[misc]  # a default binds the turn
    gate.error = None
    writer.write(b"line\n")
    writer.close()
    assert (1, 2) == (counts.written, counts.dropped)
    told = capsys.readouterr().err
    assert 1 == told.count("\n")
    assert "log lines are lost, gate takes none: [Errno 28] No space left on device" in told


def test_a_line_that_does_not_fit_leaves_no_trace(tmp_path: Path) -> None:
    """A write cut short by a full disk is taken back: the file holds whole lines only."""
    file = LogFile(tmp_path, "service")
    file.write(b'{"number":1}\n')
    program = (
        "import resource, signal, sys, pathlib\n"
        "from cart_observability.line_writer import LogFile\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))\n"
        "file = LogFile(pathlib.Path(sys.argv[1]), 'limited')\n"
        "file.write(b'{\"number\":1}\\n')\n"
        "try: file.write(b'{\"number\":2}\\n' * 10)\n"
        "except OSError as error: print(error)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "did not fit" in finished.stdout
    assert [{"number": 1}] == lines_of(tmp_path / "limited.log")
    file.close()


def test_a_file_that_was_moved_is_made_again(tmp_path: Path) -> None:
    """What rotates files from outside needs to tell nobody."""
    file = LogFile(tmp_path, "service")
    file.write(b"1\n")
    (tmp_path / "service.log").rename(tmp_path / "moved")
    file.write(b"2\n")
    (tmp_path / "service.log").unlink()
    file.write(b"3\n")
    file.close()
    assert ("1\n", "3\n") == ((tmp_path / "moved").read_text(), (tmp_path / "service.log").read_text())


def test_files_are_bounded(tmp_path: Path) -> None:
    """At its limit a file is put aside, and only so many parts are kept."""
    file = LogFile(tmp_path, "service", limit=20)
    for number in range(10):
        file.write(b"%010d\n" % number)
    file.close()
    names = ["service.log", *(f"service.log.{part}" for part in range(1, FILES_KEPT + 1))]
    assert set(names) == {path.name for path in tmp_path.iterdir()}
    assert [9, 8, 7, 6] == [int((tmp_path / name).read_text()) for name in names]


def test_two_processes_of_one_name_write_two_files(tmp_path: Path) -> None:
    """A second writer takes the next free name; a name whose process has died is free."""
    first, second = LogFile(tmp_path, "service"), LogFile(tmp_path, "service")
    assert ("service.log", "service.2.log") == (first.path.name, second.path.name)
    first.close()
    third = LogFile(tmp_path, "service")
    assert "service.log" == third.path.name
    second.close()
    third.close()


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    """The error says what, where and what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(RuntimeError, match=r"cannot write logs in .*file/logs .*: make it writable, or name another"):
        LogFile(tmp_path / "file" / "logs", "service")


def test_standard_output_takes_lines(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Lines on standard output are flushed as they come."""
    StandardOutput().write(b'{"number":1}\n')
    assert b'{"number":1}\n' == capfdbinary.readouterr().out


PROGRAM = (
    "import sys, pathlib, threading\n"
    "from cart_observability.telemetry import Telemetry\n"
    "telemetry = Telemetry.start('service', log_folder=pathlib.Path(sys.argv[1]), stdout=sys.argv[2] == 'stdout')\n"
    "for number in range(100): telemetry.log.info('said', number=number)\n"
)


def test_a_closed_standard_output_harms_nobody(tmp_path: Path) -> None:
    """A reader that goes away costs its own lines; the file has all of them and the process ends well."""
    reading, writing = os.pipe()
    os.close(reading)
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM + "telemetry.close()\nsys.stdout = None", str(tmp_path), "stdout"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert 100 == len(lines_of(tmp_path / "service.log"))
    assert "standard output takes none: [Errno 32] Broken pipe" in finished.stderr
    assert 0 == finished.returncode


def test_the_last_words_of_a_crash_are_written(tmp_path: Path) -> None:
    """A process that ends by an exception, without closing its telemetry, loses no line."""
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM + "raise SystemExit(3)", str(tmp_path), "file"], check=False
    )
    assert (3, 100) == (finished.returncode, len(lines_of(tmp_path / "service.log")))


async def test_a_killed_process_has_written_what_it_said_before(tmp_path: Path) -> None:
    """Lines reach the file without any close, so that a kill -9 loses only what was said in the last moment."""
    program = PROGRAM + "threading.Event().wait()\n"
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path), "file"]) as process:  # noqa: ASYNC220  the loop has nothing else to do
        path = tmp_path / "service.log"
        await eventually(lambda: path.exists() and path.read_bytes().count(b"\n") == 100)
        process.kill()
    assert list(range(100)) == [line["number"] for line in lines_of(path)]
