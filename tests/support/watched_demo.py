"""A demo that a page shows, and what is true of it by its own telling: its metrics, log files, API, mail and commands.

Nothing here asks the console.
"""

import json
import os
import re
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from cart_platform.native.ports import free_ports
from support.program import Running, cartscope, get, running

RATE = "15"
ACCEPTED, HANDLED = '"event.action":"event.accepted"', '"event.action":"event.handled"'
DONE = '"cartscope.outcome":"done"'
_TIME = re.compile(r'"@timestamp":"([^"]+)"')


class WatchedDemo:
    """A demo on a folder of its own, started again on the same ports after it was killed.

    Attributes:
        started: When it was started the last time, in seconds since the epoch.
        run: The process under way.
        console: Where its page is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "data"
        api, console = free_ports(2)
        self._settings = {
            "CARTSCOPE_API_PORT": str(api),
            "CARTSCOPE_CONSOLE_PORT": str(console),
            "CARTSCOPE_RETRY_DELAYS": "[0.2,1]",
            "XDG_STATE_HOME": str(folder),
        }
        self._under_way = ExitStack()
        self.started = 0.0
        self.run: Running
        self.console = f"http://127.0.0.1:{console}"

    def start(self) -> None:
        """Start it, and wait until its API is ready."""
        self.started = time.time()
        self.run = self._under_way.enter_context(running("demo", "--rate", RATE, folder=self.folder, **self._settings))

    def kill(self) -> None:
        """End it by SIGKILL."""
        os.killpg(self.run.process.pid, signal.SIGKILL)
        self._under_way.close()

    @property
    def logs(self) -> Path:
        """The folder of its log files."""
        return self.folder / "logs"

    def grep(self, *texts: str) -> list[str]:
        """The lines of its log files that have all these texts in them."""
        return [line for line in self._lines() if all(text in line for text in texts)]

    def _lines(self) -> Iterator[str]:
        for file in sorted(self.logs.glob("*.log*")):
            yield from file.read_text(encoding="utf-8").splitlines()

    def rate(self, *texts: str, seconds: float = 10.0) -> float:
        """How many lines with these texts were logged per second, of the last seconds."""
        now = datetime.now(UTC)
        times = (datetime.fromisoformat(_TIME.findall(line)[0]) for line in self.grep(*texts))
        return sum(0 <= (now - time).total_seconds() < seconds for time in times) / seconds

    def logged(self, start: float, end: float, *texts: str) -> int:
        """How many lines with these texts were logged from a time to another, in seconds since the epoch."""
        times = (datetime.fromisoformat(_TIME.findall(line)[0]).timestamp() for line in self.grep(*texts))
        return sum(start <= time < end for time in times)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of what /metrics shows under a name with these labels."""
        families = text_string_to_metric_families(self.run.metrics("api"))
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def slowest(self, name: str) -> float:
        """The upper bound of the slowest bucket of a histogram that has something in it, in its unit."""
        families = text_string_to_metric_families(self.run.metrics("api"))
        samples = [sample for family in families for sample in family.samples if sample.name == f"{name}_bucket"]
        counts: dict[float, float] = {}
        for sample in samples:
            bound = float(sample.labels["le"])
            counts[bound] = counts.get(bound, 0.0) + sample.value
        return min(bound for bound, count in counts.items() if count == counts[float("inf")])

    def asks(self, *command: str) -> Any:
        """What a command of the program says of it, as JSON."""
        finished = cartscope(*command, "--data-dir", self.folder, "--json", **self._settings)
        assert 0 == finished.code, finished.errors
        return finished.json

    def heal(self) -> None:
        """Switch every fault off."""
        cartscope("faults", "off", "--all", "--data-dir", self.folder, **self._settings)

    def api(self, path: str) -> Mapping[str, Any]:
        """What its API, where shoppers go, answers."""
        answer: Mapping[str, Any] = json.loads(get(self.run.url("api") + path))
        return answer

    def mails(self, cart: str) -> list[str]:
        """The e-mails about a cart, as they lie in the Maildir."""
        texts = (file.read_text() for file in (self.folder / "mail" / "new").iterdir())
        return [text for text in texts if cart in text]
