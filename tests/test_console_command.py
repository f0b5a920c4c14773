"""`cartscope console` as its users run it: a process that looks at services of their own, or at a run."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from opentelemetry.trace import SpanKind

from cart_observability.span_export import ENDPOINTS
from cart_observability.telemetry import Telemetry
from cart_platform.native.running import RunningFile
from cart_platform.whereabouts import metrics_of
from support.program import PROGRAM, SECONDS, Ask, cartscope, environment, get
from support.servers import wait_until

pytest_plugins = ["support.asking"]

ADDRESSES = ["console", "spans", "file"]


class Run:
    """A console under way.

    Attributes:
        page: Its address, token and all.
        spans: Where it takes spans.
        file: Where it keeps everything.
    """

    def __init__(self, *options: str | Path, **settings: str) -> None:
        self.process = subprocess.Popen(
            [PROGRAM, "console", "--otlp", "0", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**settings),
        )
        assert self.process.stderr is not None
        told = [self.process.stderr.readline().split(maxsplit=1) for _ in ADDRESSES]
        assert ADDRESSES == [line[0] for line in told if line], self.process.communicate()
        self.page, self.spans, self.file = (line[1].strip() for line in told)

    def ask(self, path: str, **headers: str) -> Any:
        """The document at a path."""
        with urlopen(Request(self.page.partition("/#")[0] + path, headers=headers), timeout=10) as answer:
            return json.load(answer)

    def sources(self, kind: str) -> dict[str, Any]:
        """The sources of a kind, by name."""
        return {each["name"]: each for each in self.ask("/api/overview")["sources"] if each["kind"] == kind}

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Its exit code, and what else it said."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, said


@contextmanager
def console(*options: str | Path, **settings: str) -> Iterator[Run]:
    """A console that is killed at the end, if the test has not ended it."""
    run = Run(*options, **settings)
    try:
        yield run
    finally:
        run.process.kill()
        run.process.communicate()


@contextmanager
def service(folder: Path, spans: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Telemetry]:
    """A service of somebody's own, which has nothing but the library."""
    monkeypatch.setenv(ENDPOINTS[0], spans)
    telemetry = Telemetry.start("parcels", log_folder=folder, stdout=False, port=0)
    try:
        yield telemetry
    finally:
        telemetry.close()


def test_services_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics, lines and spans of a service of somebody's own are told, and are there again after kill -9."""
    logs = tmp_path / "logs"
    file = tmp_path / "kept.db"
    with (
        console("--logs", logs, "--file", file, "--title", "Parcels") as first,
        service(logs, first.spans, monkeypatch) as telemetry,
    ):
        assert telemetry.metrics_url is not None
        with telemetry.tracer.start_as_current_span("POST /parcels", kind=SpanKind.SERVER):
            telemetry.log.info("a parcel was packed", **{"event.action": "parcel.packed", "parcel.weight": 12})
        telemetry.metrics.event_accepted("parcel.packed")
        wait_until(lambda: "parcels" in first.sources("traces"), "the service's spans", 20)
        wait_until(lambda: first.sources("logs")[str(logs)]["received"] > 0, "the service's lines", 20)
        assert "Parcels" == first.ask("/api/overview")["title"]
        assert [] == first.ask("/api/overview")["pages"]
        assert str(file) == first.file
        first.process.kill()
        first.process.wait()
        with console("--file", file, "--logs", logs, "--metrics", f"packing={telemetry.metrics_url}") as second:
            [line] = second.ask("/api/lines?q=packed")["lines"]
            assert 12 == line["fields"]["parcel.weight"]
            assert ["POST /parcels"] == [trace["name"] for trace in second.ask("/api/traces")["traces"]]
            wait_until(lambda: second.sources("metrics")["packing"]["state"] == "fresh", "the service's metrics", 20)
            names = {metric["name"] for metric in second.ask("/api/metrics")}
            assert "cartscope_events_accepted_total" in names
            assert (0, "") == second.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_asked(number: signal.Signals, tmp_path: Path) -> None:
    """A signal ends it in order, also while a page listens, and it says no more."""
    with console("--file", tmp_path / "c.db") as run, urlopen(f"{run.page}/api/live", timeout=20) as stream:
        assert stream.readline().startswith(b"retry: ")
        assert (0, "") == run.end(number)


def test_a_browser_is_opened(tmp_path: Path) -> None:
    """With --open the browser of the environment is given the page's address; without one a line says so."""
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o700)
    nothing = {"DISPLAY": "", "WAYLAND_DISPLAY": ""}
    with console("--open", "--file", tmp_path / "c.db", **nothing, BROWSER=f"{browser} %s") as run:
        wait_until(lambda: opened.exists() and run.page == opened.read_text().strip(), "the page in a browser", 20)
    with console("--open", "--file", tmp_path / "c.db", **nothing, BROWSER="") as run:
        assert run.process.stderr is not None
        assert run.process.stderr.readline().startswith("no browser is found")


def test_what_a_run_shows(tmp_path: Path) -> None:
    """The metrics of a run are those of its processes while it runs: of one that has every role, once."""
    assert {} == metrics_of(tmp_path)
    ours, theirs = "http://127.0.0.1:1/metrics", "http://127.0.0.1:2/metrics"
    running = RunningFile(tmp_path, {"metrics": {"api": ours, "relay": ours, "worker": theirs}}, {})
    running.write({})
    assert {} == metrics_of(tmp_path)
    running.write({"api": 1})
    assert {"demo": ours, "worker": theirs} == metrics_of(tmp_path)


def test_a_fresh_folder() -> None:
    """Without a name for its file it takes a fresh folder, and says where."""
    with console() as one, console() as other:
        assert one.file != other.file
        assert all(Path(run.file).name == "console.db" and Path(run.file).exists() for run in (one, other))


def test_beyond_this_machine(tmp_path: Path) -> None:
    """Listening for others it prints an address with a token, once, and tells nothing to who has none."""
    with console("--host", "0.0.0.0", "--allow-host", "console.example", "--file", tmp_path / "c.db") as run:
        token = run.page.partition("/#token=")[2]
        assert re.fullmatch(r"[\w-]{32,}", token)
        with pytest.raises(HTTPError, match="401"):
            run.ask("/api/overview")
        assert run.ask("/api/overview", Authorization=f"Bearer {token}", Host="console.example")["needs_token"]
        code, said = run.end()
        assert (0, False) == (code, token in said)


def test_a_port_in_use(ask: Ask, tmp_path: Path) -> None:
    """A port in use is one line that names the option to choose another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for option, other in (("--port", "--otlp"), ("--otlp", "--port")):
            refused = ask("console", option, port, other, "0", "--file", tmp_path / "c.db")
            assert (1, "") == (refused.code, refused.output)
            assert f"cannot listen on 127.0.0.1:{port} (address already in use)" in refused.complaint
            assert f"or set {option}" in refused.complaint


def test_a_run_of_long_ago(tmp_path: Path) -> None:
    """What a run left that has ended is shown as it is, however long ago that was."""
    folder = tmp_path / "run"
    options = ("--duration", "1", "--no-console", "--data-dir", folder)
    assert 0 == cartscope("demo", *options, CARTSCOPE_API_PORT="0").code
    (log,) = (folder / "logs").glob("*.log")
    log.write_text(re.sub('"@timestamp":"[0-9-]+T', '"@timestamp":"2020-11-26T', log.read_text()))
    count = len(log.read_text().splitlines())
    with console("--data-dir", folder) as run:
        (logs,) = run.sources("logs")
        wait_until(lambda: run.sources("logs")[logs]["received"] == count, "the lines of the run", 20)
        assert None is run.ask("/api/overview")["bounds"]["age_ms"]
        assert (0, "") == run.end()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A folder of log files that is not there yet is told, as its name may be a wrong one, and is waited for."""
    logs = tmp_path / "later"
    with console("--logs", logs, "--file", tmp_path / "c.db") as run:
        assert run.process.stderr is not None
        assert f"there is no folder {logs} yet" == run.process.stderr.readline().partition(":")[0]
        logs.mkdir()
        line = {"@timestamp": datetime.now(UTC).isoformat(), "message": "there"}
        (logs / "a.log").write_text(json.dumps(line) + "\n")
        wait_until(lambda: run.sources("logs")[str(logs)]["received"] == 1, "the line", 20)
        assert (0, "") == run.end()


WRONG = {
    "--metrics ftp://nowhere": "'ftp://nowhere' is no address of metrics",
    "--metrics name=": "'name=' is no address of metrics",
    "--metrics http://": "'http://' is no address of metrics",
    "--metrics http://[": "'http://[' is no address of metrics",
    "--metrics a=http://one/ --metrics a=http://two/": "two addresses of metrics are called a",
    "--data-dir nowhere": "no chain has run in nowhere",
    "--otlp 70000": "Invalid value for '--otlp'",
    "--port -1": "Invalid value for '--port'",
    "--max-age 0": "Invalid value for '--max-age'",
    "--max-bytes 1": "Invalid value for '--max-bytes'",
}


@pytest.mark.parametrize("options", WRONG)
def test_what_is_asked_wrongly(options: str, ask: Ask) -> None:
    """What cannot be is one line, with the exit code of what was asked wrongly."""
    refused = ask("console", options)
    assert (2, "") == (refused.code, refused.output)
    assert WRONG[options] in refused.complaint


def test_a_file_that_cannot_be(ask: Ask, tmp_path: Path) -> None:
    """A file that cannot be made, or is something else, is named in one line."""
    nowhere = tmp_path / "nowhere" / "c.db"
    refused = ask("console", "--otlp", "0", "--port", "0", "--file", nowhere)
    assert (1, True) == (refused.code, f"{nowhere}.lock (No such file or directory)" in refused.complaint)
    (tmp_path / "diary").write_text("no database\n" * 1_000)
    refused = ask("console", "--otlp", "0", "--port", "0", "--file", tmp_path / "diary")
    assert (1, True) == (refused.code, f"cannot keep signals in {tmp_path / 'diary'}" in refused.complaint)


def test_hostile_services(tmp_path: Path) -> None:
    """What a service shows, logs or sends in place of what it should is counted, and the console goes on."""
    logs = tmp_path / "logs"
    logs.mkdir()
    fit = json.dumps({"@timestamp": datetime.now(UTC).isoformat(), "message": "<script>"}).encode()
    (logs / "hostile.log").write_bytes(b"\n".join((os.urandom(100_000), b"{" * 100_000, fit, b"")))
    with console("--logs", logs, "--metrics", "itself=http://127.0.0.1:9/", "--file", tmp_path / "c.db") as run:
        for body in (b"\x00" * 10_000, b"\xff" * 10_000, b"{}"):
            with pytest.raises(HTTPError, match="400"):
                urlopen(Request(run.spans, body, {"Content-Type": "application/x-protobuf"}), timeout=10)
        wait_until(lambda: run.sources("logs")[str(logs)]["refused"] > 0, "refused lines", 20)
        wait_until(lambda: run.sources("metrics")["itself"]["refused"] > 0, "a scrape that failed", 20)
        assert ["<script>"] == [line["message"] for line in run.ask("/api/lines?q=script&from=0")["lines"]]
        assert "<script>" not in get(run.page)
        assert (0, "") == run.end()
