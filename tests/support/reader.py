"""Someone who types what the documents say."""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from support.program import WITHOUT_ELASTICSEARCH
from support.servers import wait_until


@dataclass
class Reader:
    """Someone who types what the documents say, in a folder like the checkout, with a home of their own."""

    folder: Path
    environment: dict[str, str]
    instead: dict[str, str]

    def written(self, command: str) -> str:
        """The command with what differs here from what is printed there."""
        for printed, here in self.instead.items():
            command = command.replace(printed, here)
        return command

    def start(self, command: str) -> "subprocess.Popen[str]":
        """Start the command, both its outputs in one."""
        # A signal is for the program, not for the shell that would wait for it.
        become = "exec " if command.startswith(".venv/") else ""
        return subprocess.Popen(
            ["bash", "-c", f"set -o pipefail; {become}{self.written(command)}"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def types(self, command: str, shows: str) -> str:
        """The output of the command, which must end well and show what the pattern says."""
        process = self.start(command)
        output, _ = process.communicate(timeout=90)
        assert 0 == process.returncode, f"{command}\n{output}"
        assert re.search(shows, output), f"{command}\n{output}"
        return output

    def types_until_shown(self, command: str, shows: str) -> str:
        """As `types`, tried until what is under way has come so far."""
        outputs: list[str] = []

        def has_shown() -> bool:
            try:
                outputs.append(self.types(command, shows))
            except AssertionError:
                return False
            return True

        wait_until(has_shown, command, 60)
        return outputs[-1]

    @contextmanager
    def runs(self, command: str, shows: str) -> Iterator[None]:
        """The command, running from the line that shows this on; it must end well when it is asked to end."""
        process = self.start(command)
        assert process.stdout is not None
        try:
            seen = []
            while shows not in (line := process.stdout.readline()):
                seen.append(line)
                assert line, f"{command}\n{''.join(seen)}"
            # Read on: a full pipe would stop the process.
            reading = threading.Thread(target=process.stdout.read)
            reading.start()
            yield
            process.send_signal(signal.SIGTERM)
            assert 0 == process.wait(30)
            reading.join()
        finally:
            process.kill()
            process.communicate()


def environment(home: Path, **variables: str) -> dict[str, str]:
    """The environment of a reader who has set nothing but these."""
    foreign = ("CARTSCOPE_", "OTEL_", "MAKE", "MFLAGS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | WITHOUT_ELASTICSEARCH | {"XDG_STATE_HOME": str(home / "state"), "TMPDIR": str(home)} | variables


class Collector(BaseHTTPRequestHandler):
    """Takes spans as a collector does, and counts the requests."""

    taken = 0

    def do_POST(self) -> None:
        """Take what an exporter sends."""
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).taken += self.path == "/v1/traces"
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
