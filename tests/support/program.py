"""Runs `cartscope` as its users do: as a process of its own, with nothing but its options and a data folder."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from cart_platform import cli
from support.servers import wait_until

PROGRAM = str(Path(sys.executable).with_name("cartscope"))
SECONDS = 120.0


@dataclass(frozen=True)
class Finished:
    """What a command printed, and its exit code."""

    code: int
    output: str
    errors: str

    @property
    def json(self) -> Any:
        """The output as JSON."""
        return json.loads(self.output)

    @property
    def complaint(self) -> str:
        """The one line on standard error that a failed command must leave."""
        (line,) = self.errors.splitlines()
        assert line.startswith("cartscope: "), line
        return line.removeprefix("cartscope: ")


WITHOUT_ELASTICSEARCH = {"XDG_CACHE_HOME": "/nonexistent"}
"""It lies in the user's cache, and takes longer to start than most runs of tests last."""
WITH_ELASTICSEARCH = {"XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", "")}


def environment(**settings: str) -> dict[str, str]:
    """A clean environment: free ports, no Elasticsearch, no settings but the given ones."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(("CARTSCOPE_", "OTEL_"))}
    ports = {"CARTSCOPE_API_PORT": "0", "CARTSCOPE_CONSOLE_PORT": "0"}
    return inherited | ports | {"COLUMNS": "100", "TERM": "dumb"} | WITHOUT_ELASTICSEARCH | settings


def cartscope(*arguments: str | Path, **settings: str) -> Finished:
    """Run a command to its end."""
    finished = subprocess.run(
        [PROGRAM, *arguments], capture_output=True, text=True, env=environment(**settings), timeout=SECONDS, check=False
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr)


@dataclass
class Running:
    """A demo or native run under way."""

    folder: Path
    process: "subprocess.Popen[str]"

    @property
    def file(self) -> dict[str, Any]:
        """What running.json says at this moment."""
        content: dict[str, Any] = json.loads((self.folder / "running.json").read_text())
        return content

    def url(self, name: str) -> str:
        """An address from running.json."""
        return str(self.file["urls"][name])

    def accepted(self) -> int:
        """How many events the API has accepted, by its own metrics."""
        counts = [
            float(line.rpartition(" ")[2])
            for line in self.metrics("api").splitlines()
            if line.startswith("cartscope_events_accepted_total{")
        ]
        return int(sum(counts))

    def metrics(self, process: str) -> str:
        """What a process shows as its metrics."""
        return get(self.file["urls"]["metrics"][process])

    def end(self, number: signal.Signals | None = None) -> Finished:
        """Send a signal, if one is given, and wait for the end."""
        if number is not None:
            self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=SECONDS)
        return Finished(self.process.returncode, output, errors)


@contextmanager
def running(*arguments: str | Path, folder: Path, **settings: str) -> Iterator[Running]:
    """A run on a data folder that has said where it is reached; killed at the end if the test has not ended it."""
    process = subprocess.Popen(
        [PROGRAM, *arguments, "--data-dir", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**settings),
        start_new_session=True,
    )
    run = Running(folder, process)
    try:
        wait_until(lambda: process.poll() is not None or is_up(run), "running.json with processes")
        assert process.poll() is None, process.communicate()
        yield run
    finally:
        process.kill()
        process.communicate()


def is_up(run: Running) -> bool:
    """Whether the API of a run is ready; a folder that is resumed has the running.json of the run before."""
    try:
        return bool(run.file["processes"]) and get(run.url("api") + "/readyz") != ""
    except (OSError, ValueError):
        return False


def get(url: str, accept: str = "*/*") -> str:
    """The page at a URL."""
    with urlopen(Request(url, headers={"Accept": accept}), timeout=10) as answer:
        return str(answer.read().decode())


def put_into_cart(api: str, cart: str, product: str = "milk", headers: Mapping[str, str] | None = None) -> int:
    """The status with which an API answers a shopper who adds one unit."""
    body = json.dumps({"product": product, "quantity": 1}).encode()
    request = Request(f"{api}/carts/{cart}/items", body, {"Content-Type": "application/json", **(headers or {})})
    try:
        with urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except OSError as error:
        return int(getattr(error, "code", 0))


class Ask:
    """Calls the program's entry point."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *command: str | Path) -> Finished:
        """What a command printed, and its exit code; spaces divide its words."""
        words = [word for part in command for word in str(part).split()]
        self._monkeypatch.setattr(sys, "argv", ["cartscope", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = self._capsys.readouterr()
        return Finished(int(ended.value.code or 0), said.out, said.err)
