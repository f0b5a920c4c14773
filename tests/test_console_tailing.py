"""Log files followed into the console's file: each line once, whatever happens to either."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_observability.console.events import events
from cart_observability.console.file import SignalFile
from cart_observability.console.logs import lines, tailing
from cart_observability.console.logs.conditions import Everything
from cart_observability.console.logs.decoding import MOST_FIELDS, RefusedError, line_of
from cart_observability.console.logs.moments import FIRST, LAST
from cart_observability.console.logs.tailing import Tail
from cart_observability.console.pruning import Bounds
from cart_observability.line_writer import LogFile
from support.console_running import watching
from support.polling import eventually
from support.servers import wait_until

SCHEMAS = (lines.SCHEMA, events.SCHEMA, tailing.SCHEMA)
START = datetime(2025, 11, 26, 12, tzinfo=UTC)
SECONDS = 10.0
AGES = 1e9
"""Seconds: longer ago than the lines of these tests."""
LINE = {"@timestamp": START.isoformat(), "message": "m"}


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """An empty folder of log files."""
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SignalFile]:
    """The console's file."""
    file = SignalFile(tmp_path / "signals.db", SCHEMAS)
    yield file
    file.close()


def text(message: str, second: float = 0, /, **fields: Any) -> bytes:
    """A line of JSON of some second after the start."""
    stamp = (START + timedelta(seconds=second)).isoformat()
    return json.dumps({"@timestamp": stamp, "message": message, **fields}).encode() + b"\n"


def append(path: Path, *texts: bytes) -> None:
    """Write on at the end of a file."""
    with path.open("ab") as file:
        file.write(b"".join(texts))


def kept(file: SignalFile, limit: int = 100_000) -> list[str]:
    """The messages of all lines that were recorded, in their order."""
    with file.reading() as connection:
        answer = lines.search(connection, Everything(), FIRST, LAST, limit=limit, seconds=60)
    return [line["message"] for line in reversed(answer["lines"])]


def read_all(tail: Tail) -> None:
    """Look as long as there is more."""
    while tail.turn():
        pass


def test_a_line(file: SignalFile, logs: Path) -> None:
    """A line is recorded with its fields, flat, whoever wrote it."""
    nested = {
        "log": {"level": "WARN"},
        "event": {"action": "a.b"},
        "service.name": "shop",
        "x": {"y": {"z": [1, {}]}},
        "e": {},
    }
    append(logs / "other.log", text("m", 1.5, **nested))
    read_all(Tail(file, logs))
    with file.reading() as connection:
        (line,) = lines.search(connection, Everything(), FIRST, LAST)["lines"]
    time = START.timestamp() * 1000 + 1500
    said = {
        "time": time,
        "level": "warn",
        "service": "shop",
        "action": "a.b",
        "message": "m",
        "fields": {"x.y.z": [1, {}]},
    }
    assert {"id": line["id"], **said} == line


def test_lines_of_other_times(file: SignalFile, logs: Path) -> None:
    """A line that is older than is kept, or of a time that is yet to come, is passed over and counted."""
    now = datetime.now(UTC)
    times = {"1970": datetime(1970, 1, 1, tzinfo=UTC), "before": now - timedelta(hours=2), "later": now.replace(2100)}
    times |= {"just now": now, "in another zone": now + timedelta(hours=12)}
    append(logs / "a.log", *(text(name, (time - START).total_seconds()) for name, time in times.items()))
    tail = Tail(file, logs, age_seconds=3600)
    read_all(tail)
    assert {"just now", "in another zone"} == set(kept(file))
    assert (2, 3, 0) == (tail.received, tail.untimely, tail.refused)


def test_what_a_line_leaves_out(file: SignalFile, logs: Path) -> None:
    """A line that does not say whose it is is that of its file; one without a level informs."""
    append(logs / "cart.2.log", text("m", **{"log.level": None}))
    read_all(Tail(file, logs))
    with file.reading() as connection:
        (line,) = lines.search(connection, Everything(), FIRST, LAST)["lines"]
    assert ("cart.2", "info", None, {}) == (line["service"], line["level"], line["action"], line["fields"])


@pytest.mark.parametrize(
    "bad",
    [
        b"Traceback (most recent call last):",
        b"{",
        b"[1]",
        b"null",
        b'"text"',
        b"{}",
        b'{"message":"no time"}',
        b'{"@timestamp":"2026-11-26T12:00:00Z"}',
        b'{"@timestamp":1795694400000,"message":"m"}',
        b'{"@timestamp":"yesterday","message":"m"}',
        b'{"@timestamp":"0001-01-01T00:00:00Z","message":"m"}',
        b'{"@timestamp":"9999-01-01T00:00:00Z","message":"m"}',
        json.dumps({**LINE, "message": 1}).encode(),
        json.dumps({**LINE, "message": None}).encode(),
        json.dumps({**LINE, "log.level": 3}).encode(),
        json.dumps({**LINE, "log.level": "x" * 33}).encode(),
        json.dumps({**LINE, "log.level": ""}).encode(),
        json.dumps({**LINE, "service": {"name": []}}).encode(),
        json.dumps({**LINE, "event.action": {"a": "b"}, "event": {"action": 1}}).encode(),
        json.dumps(LINE)[:-1].encode() + b',"x":"\xff"}',
        json.dumps(LINE)[:-1].encode() + b',"x":"\\ud800"}',
        json.dumps(LINE)[:-1].encode() + b',"x":NaN}',
        json.dumps(LINE)[:-1].encode() + b',"x":1' + b"0" * 5000 + b"}",
        json.dumps(LINE)[:-1].encode() + b',"x":' + b"[" * 100_000 + b"}",
        json.dumps(LINE)[:-1].encode() + b',"x":' + b'{"x":' * 100_000 + b"1}",
        json.dumps({**LINE, **{str(number): number for number in range(MOST_FIELDS)}}).encode(),
        b"x" * 3_000_000,
    ],
)
def test_what_is_no_line(file: SignalFile, logs: Path, bad: bytes) -> None:
    """What cannot be recorded is counted, said why, and passed over."""
    append(logs / "a.log", text("before"), bad + b"\n", b" \n", text("after"))
    tail = Tail(file, logs)
    read_all(tail)
    assert (["before", "after"], 2, None) == (kept(file), tail.received, tail.trouble)
    assert (1 if len(bad) < 1_000_000 else 3) == tail.refused
    assert tail.refusal is not None
    assert tail.refusal.startswith(str(logs / "a.log"))


@settings(deadline=None, max_examples=300)
@given(
    fields=st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
            lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
            max_leaves=5,
        ),
        max_size=5,
    ),
    garbage=st.binary(max_size=20),
)
def test_any_line_is_recorded_or_refused(fields: dict[str, Any], garbage: bytes) -> None:
    """Whatever a line holds is kept and found again, or refused."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript("".join(SCHEMAS))
    for said in (json.dumps({**fields, **LINE}).encode(), json.dumps({**LINE, **fields}).encode(), garbage):
        try:
            line = line_of(said, "service")
        except RefusedError:
            continue
        lines.record(connection, [line])
        assert lines.search(connection, Everything(), FIRST, LAST, limit=1)["lines"][0]["fields"] == line.fields
    connection.close()


def test_unreadable_garbage_is_passed_over(file: SignalFile, logs: Path) -> None:
    """A file of anything at all is read to its end."""
    append(logs / "a.log", bytes(range(256)) * 1000, b"\n", text("m"))
    read_all(tail := Tail(file, logs))
    assert (["m"], 0) == (kept(file), tail.bytes_left)


def test_rotation(file: SignalFile, logs: Path) -> None:
    """Lines are met once each while the file that they are in is started anew under them."""
    output = LogFile(logs, "a", limit=2_000)
    tail = Tail(file, logs)
    for number in range(200):
        output.write(text(str(number), number))
        if number % 7 == 0:
            read_all(tail)
    read_all(tail)
    output.close()
    assert [str(number) for number in range(200)] == kept(file)


def test_a_restart(file: SignalFile, logs: Path) -> None:
    """A console that starts again goes on where it was."""
    append(logs / "a.log", text("one"))
    read_all(Tail(file, logs))
    append(logs / "a.log", text("two"))
    read_all(tail := Tail(file, logs))
    assert (["one", "two"], 1) == (kept(file), tail.received)


def test_old_files_are_read_in_the_order_of_time(file: SignalFile, logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were written long ago, side by side and one after another, are recorded in the order of time."""
    monkeypatch.setattr(tailing, "TURN_BYTES", 2_000)
    append(logs / "a.log.1", *(text(f"{second:03}", second) for second in range(0, 150, 2)))
    append(logs / "a.log", *(text(f"{second:03}", second) for second in range(150, 300, 2)))
    append(logs / "b.log", *(text(f"{second:03}", second) for second in range(1, 300, 2)))
    append(logs / "c.log", b"\n", b"garbage\n" * 500)
    tail = Tail(file, logs)
    read_all(tail)
    assert ([f"{second:03}" for second in range(300)], 500) == (kept(file), tail.refused)


def test_a_clock_that_is_wrong_holds_nobody_up(file: SignalFile, logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose times are another year's, forth and back, is read to its end, and so is every other."""
    monkeypatch.setattr(tailing, "TURN_BYTES", 1_000)
    year = 365 * 86_400
    append(logs / "a.log", *(text("a", year * (-1) ** number) for number in range(100)))
    append(logs / "b.log", *(text("b", number) for number in range(100)))
    read_all(tail := Tail(file, logs))
    assert (200, 0) == (tail.received, tail.bytes_left)


def test_no_room(tmp_path: Path, logs: Path) -> None:
    """While the file takes no more nothing is read, and then all of it is."""
    file = SignalFile(tmp_path / "signals.db", SCHEMAS, limit=10)
    append(logs / "a.log", *(text(str(number)) for number in range(20)))
    tail = Tail(file, logs)
    release = threading.Event()
    busy = file.submit(lambda _: release.wait(SECONDS))
    assert not tail.turn()
    assert (0, True, None) == (tail.received, tail.bytes_left > 0, tail.trouble)
    release.set()
    busy.result(SECONDS)
    read_all(tail)
    assert ([str(number) for number in range(20)], 0) == (kept(file), tail.bytes_left)
    file.close()


def test_trouble_passes(file: SignalFile, logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be kept for now is told, and kept as soon as it can be."""
    append(logs / "a.log", text("m"))
    tail = Tail(file, logs)
    with monkeypatch.context() as broken:
        broken.setattr(lines, "record", lambda *_: sqlite3.connect(":memory:").execute("SELECT x"))
        assert not tail.turn()
    assert (True, 0, True) == ("no such column" in str(tail.trouble), tail.received, tail.bytes_left > 0)
    read_all(tail)
    assert (None, ["m"], 0) == (tail.trouble, kept(file), tail.bytes_left)


def test_how_far_behind(file: SignalFile, logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tail that has more to read tells how much, and how old the last is that it read."""
    monkeypatch.setattr(tailing, "TURN_BYTES", 1_000)
    append(logs / "a.log", *(text("m" * 100, number) for number in range(100)))
    tail = Tail(file, logs)
    assert (0, None) == (tail.behind, tail.last)
    assert tail.turn()
    left = (logs / "a.log").stat().st_size - tail.bytes_left
    assert 0 < left <= 1_000
    age = time.time_ns() - int(START.timestamp() * 1e9)
    assert abs(age - tail.behind) < 60e9
    read_all(tail)
    assert (0, 0, True) == (tail.behind, tail.bytes_left, tail.last is not None)


async def test_following(tmp_path: Path) -> None:
    """While a console runs, lines are there soon after they were written; at its end all that was written is there."""
    async with watching(tmp_path, bounds=Bounds(age_seconds=AGES)) as console:
        append(console.logs / "a.log", text("one"))

        async def is_there() -> bool:
            return bool((await console.source("logs"))["received"] == 1)

        await eventually(is_there)
        append(console.logs / "a.log", text("two"))
    file = SignalFile(tmp_path / "console.db", SCHEMAS)
    assert ["one", "two"] == kept(file)
    file.close()


def test_waiting_is_no_work(file: SignalFile, logs: Path) -> None:
    """What a look at the files had to wait for is not counted as its work, by which it is paced."""
    append(logs / "a.log", *(text(str(number)) for number in range(100)))
    tail = Tail(file, logs)
    file.submit(lambda _: threading.Event().wait(0.5))
    began = time.monotonic()
    assert not tail.turn()
    taken = time.monotonic() - began
    assert 0 < tail.worked < taken - 0.4


PROGRAM = """
import sys
from pathlib import Path
from cart_observability.console.events import events
from cart_observability.console.logs import lines, tailing
from cart_observability.console.file import SignalFile
folder = Path(sys.argv[1])
tailing.TURN_BYTES = 1_000
tail = tailing.Tail(SignalFile(folder / "signals.db", [lines.SCHEMA, events.SCHEMA, tailing.SCHEMA]), folder / "logs")
while True:
    tail.turn()
"""


def test_killed(tmp_path: Path, logs: Path) -> None:
    """A console that is killed at any moment loses no line, and has none twice."""
    for number in range(3):
        append(logs / f"{number}.log", *(text(f"{number}-{second}", second) for second in range(2_000)))
    for _ in range(6):
        before = _recorded(tmp_path)
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)])
        try:
            wait_until(partial(_has_more, tmp_path, before), "further lines recorded", SECONDS)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    assert _recorded(tmp_path) < 6_000
    file = SignalFile(tmp_path / "signals.db", SCHEMAS)
    read_all(Tail(file, logs))
    assert {f"{number}-{second}" for number in range(3) for second in range(2_000)} == set(kept(file))
    assert 6_000 == len(kept(file))
    file.close()


def _has_more(folder: Path, lines_before: int) -> bool:
    return _recorded(folder) > lines_before


def _recorded(folder: Path) -> int:
    path = folder / "signals.db"
    if not path.exists():
        return 0
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        return int(connection.execute("SELECT count(*) FROM lines").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()
