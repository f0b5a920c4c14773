"""Stands in for `cartscope api|relay|worker NAME|ship-logs|console`: serves its metrics and readiness, ends on SIGTERM.

It can be told to write a line when it ends (`STAND_IN_FAREWELLS`, a file), so that tests see in which order.
"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import Any

PORTS = {"api": ["CARTSCOPE_TELEMETRY_PORT", "CARTSCOPE_API_PORT"], "ship-logs": [], "console": []}
"""The variables of the ports that a process serves; most have one."""


class Answer(BaseHTTPRequestHandler):
    """An empty page for every path."""

    def do_GET(self) -> None:
        """Answer 200 with one metric."""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(b"stand_in 1\n")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def end(_number: int, _frame: FrameType | None) -> None:
    """Leave a line, then end at once."""
    if farewells := os.environ.get("STAND_IN_FAREWELLS"):
        with Path(farewells).open("a") as file:
            file.write(f"{'-'.join(sys.argv[1:])}\n")
    os._exit(0)


def main() -> None:
    """Serve until told to end."""
    signal.signal(signal.SIGTERM, end)
    for name in PORTS.get(sys.argv[1], ["CARTSCOPE_TELEMETRY_PORT"]):
        server = ThreadingHTTPServer(("127.0.0.1", int(os.environ[name])), Answer)
        Thread(target=server.serve_forever, daemon=True).start()
    signal.pause()


if __name__ == "__main__":
    main()
