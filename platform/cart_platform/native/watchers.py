"""The servers that watch a native run: those that are installed, by the very files of the stack."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cart_platform.native import (
    alertmanager_server,
    collector_server,
    elasticsearch_server,
    prometheus_server,
    tempo_server,
)
from cart_platform.native.collector_server import CollectorPorts
from cart_platform.native.ports import LOOPBACK
from cart_platform.native.program import Program
from cart_platform.native.tempo_server import TempoPorts
from cart_platform.native.yielding import yielding

_COLLECTOR_PORTS = ("collector", "collector-grpc", "collector-metrics")
_ELASTICSEARCH_PORTS = ("elasticsearch", "elasticsearch-transport")
_TEMPO_PORTS = ("tempo", "tempo-internal", "tempo-otlp")
CONSOLE_PORTS: Final = ("console", "console-otlp")
"""Of the page, and of the spans that come to it."""
PORTS: Final = ("prometheus", "alertmanager", *_TEMPO_PORTS, *_COLLECTOR_PORTS, *_ELASTICSEARCH_PORTS)
"""Names of the ports that they may need."""

_IN_THE_STACK = {
    "rabbitmq:15692": "rabbitmq-metrics",
    "alertmanager:9093": "alertmanager",
    "localhost:9090": "prometheus",
    "collector:8888": "collector-metrics",
    "tempo:3200": "tempo",
}
"""The address that a server's metrics have in the stack, and the name of its port here."""


class Watchers:
    """What watches one run."""

    def __init__(
        self, executables: Mapping[str, str], folder: Path, ports: Mapping[str, int], *, has_console: bool
    ) -> None:
        """Prepare; no file is written yet.

        Args:
            executables: Paths by name; only these are started.
            folder: The data folder; each has a folder of its name in it.
            ports: At least `PORTS`, RabbitMQ's and the console's, on the loopback interface.
            has_console: Whether there is a console, which is to see the spans too.
        """
        self._has_console = has_console
        self._executables = executables
        self._folder = folder
        self._ports = ports

    @property
    def urls(self) -> dict[str, str]:
        """Addresses by name; the Collector's is where spans go."""
        return {name: f"http://{LOOPBACK}:{self._ports[name]}" for name in self._executables}

    def programs(self, metrics: Mapping[str, int]) -> list[Program]:
        """Write their configurations and give their programs, in the order of the executables.

        Args:
            metrics: Telemetry port of each process of the chain, by its name.
        """
        makers: dict[str, Callable[[str, Path], Program]] = {
            "alertmanager": self._alertmanager,
            "prometheus": lambda executable, folder: self._prometheus(executable, folder, metrics),
            "tempo": self._tempo,
            "collector": self._collector,
            "elasticsearch": self._elasticsearch,
        }
        return [makers[name](path, self._folder / name) for name, path in self._executables.items()]

    def _alertmanager(self, executable: str, folder: Path) -> Program:
        return alertmanager_server.program(executable, folder, self._ports["alertmanager"])

    def _prometheus(self, executable: str, folder: Path, metrics: Mapping[str, int]) -> Program:
        run = {"rabbitmq-metrics", *self._executables, *(f"{name}-metrics" for name in self._executables)}
        addresses = {address: self._ports[name] for address, name in _IN_THE_STACK.items() if name in run}
        return prometheus_server.program(executable, folder, self._ports["prometheus"], metrics, addresses)

    def _tempo(self, executable: str, folder: Path) -> Program:
        ports = TempoPorts(*(self._ports[name] for name in _TEMPO_PORTS))
        # What comes meanwhile waits in the Collector's queue.
        return yielding(tempo_server.program(executable, folder, ports, self._ports["prometheus"]))

    def _collector(self, executable: str, folder: Path) -> Program:
        ports = CollectorPorts(*(self._ports[name] for name in _COLLECTOR_PORTS))
        console = self._ports["console-otlp"] if self._has_console else None
        return collector_server.program(executable, folder, ports, self._ports["tempo-otlp"], console)

    def _elasticsearch(self, executable: str, folder: Path) -> Program:
        ports = (self._ports[name] for name in _ELASTICSEARCH_PORTS)
        # It starts when everything does, and takes most of the machine for it.
        return yielding(elasticsearch_server.program(executable, folder, *ports))
