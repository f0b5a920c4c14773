"""The programs of a native run: which there are, on which ports, with which settings."""

import os
import sys
from collections.abc import Sequence
from functools import cached_property

from cart_observability.span_export import ENDPOINTS
from cart_platform.data_folder import DataFolder
from cart_platform.native import console_server, rabbitmq_server, redis_server
from cart_platform.native.installed import Servers
from cart_platform.native.kept import Kept, keep
from cart_platform.native.ports import LOOPBACK
from cart_platform.native.probe import serves
from cart_platform.native.program import Program
from cart_platform.native.rabbitmq_server import RabbitPorts
from cart_platform.native.watchers import CONSOLE_PORTS, PORTS, Watchers
from cart_platform.native.yielding import yielding

CARTSCOPE = (sys.executable, "-m", "cart_platform")
"""The program `cartscope` of this installation, wherever PATH leads."""

_RABBIT_PORTS = ("amqp", "rabbitmq-metrics", "rabbitmq-distribution", "epmd")
_SERVER_PORTS = ("redis", *_RABBIT_PORTS, *CONSOLE_PORTS, *PORTS, "api")

# Above CARTSCOPE_DRAIN's 20 s: a process that drains is not killed while it does.
_DRAIN_SECONDS = 30.0
# What is not shipped by then is when the run is resumed.
_SHIPPING_SECONDS = 5.0


class Layout:
    """Where each part of a run on one data folder is, and how it is started.

    Raises CartscopeError when the folder's file of ports and passwords is damaged.
    """

    def __init__(
        self,
        folder: DataFolder,
        servers: Servers,
        workers: Sequence[str],
        cartscope: tuple[str, ...] = CARTSCOPE,
        *,
        has_console: bool = True,
    ) -> None:
        self._folder = folder
        self._has_console = has_console
        self._servers = servers
        self._cartscope = cartscope
        self._arguments = {"api": ("api",), "relay": ("relay",)} | {
            f"worker-{name}": ("worker", name) for name in workers
        }
        telemetry = [self._telemetry(name) for name in self._arguments]
        self._kept = keep(folder.path, ports=[*_SERVER_PORTS, *telemetry], passwords=["redis", "rabbitmq"])
        self._watchers = Watchers(servers.watchers, folder.path, self._kept.ports, has_console=has_console)

    @staticmethod
    def _telemetry(process: str) -> str:
        return f"{process}-telemetry"

    @property
    def missing(self) -> tuple[str, ...]:
        """A line for each server that a run can do without and does."""
        return self._servers.missing

    @property
    def kept(self) -> Kept:
        """Ports and passwords by name."""
        return self._kept

    @property
    def store_url(self) -> str:
        """Address of Redis."""
        return redis_server.url(self._kept.ports["redis"], self._kept.passwords["redis"])

    @property
    def bus_url(self) -> str:
        """Address of RabbitMQ."""
        return rabbitmq_server.url(self._rabbit_ports, self._kept.passwords["rabbitmq"])

    @property
    def urls(self) -> dict[str, str | dict[str, str]]:
        """Addresses as `running.json` gives them."""
        return {
            "store": self.store_url,
            "bus": self.bus_url,
            "api": self._url("api"),
            **({"console": self._url("console")} if self._has_console else {}),
            **self._watchers.urls,
            "metrics": {name: f"http://{LOOPBACK}:{port}/metrics" for name, port in self._metrics_ports.items()},
        }

    def _url(self, port: str) -> str:
        return f"http://{LOOPBACK}:{self._kept.ports[port]}"

    @cached_property
    def _rabbit_ports(self) -> RabbitPorts:
        return RabbitPorts(*(self._kept.ports[name] for name in _RABBIT_PORTS))

    @property
    def _metrics_ports(self) -> dict[str, int]:
        return {name: self._kept.ports[self._telemetry(name)] for name in self._arguments}

    @property
    def settings(self) -> dict[str, str]:
        """The environment by which Cartscope's processes find one another."""
        return {
            "CARTSCOPE_STORE_URL": self.store_url,
            "CARTSCOPE_BUS_URL": self.bus_url,
            "CARTSCOPE_MAIL_URL": f"maildir:///{self._folder.mail}",
            "CARTSCOPE_LOG_DIR": str(self._folder.logs),
            "CARTSCOPE_FAULTS_FILE": str(self._folder.faults),
            "CARTSCOPE_API_PORT": str(self._kept.ports["api"]),
            # A server that was killed is restarted as well: waiting for it costs less than dying for it.
            "CARTSCOPE_START_PATIENCE": "120",
        }

    @property
    def _spans(self) -> dict[str, str]:
        """Where spans go; the environment's word counts for more, an empty one (to nobody) too."""
        console = self._url("console-otlp") if self._has_console else None
        # The Collector hands on to the console what it is given.
        taker = self._watchers.urls.get("collector", console)
        return {ENDPOINTS[1]: taker} if taker and not any(name in os.environ for name in ENDPOINTS) else {}

    def epmd(self) -> Program:
        """What RabbitMQ needs first."""
        return rabbitmq_server.mapper_program(self._servers.epmd, self._folder.path / "rabbitmq", self._rabbit_ports)

    def redis(self) -> Program:
        """The event source."""
        ports, passwords = self._kept.ports, self._kept.passwords
        return redis_server.program(
            self._servers.redis, self._folder.path / "redis", ports["redis"], passwords["redis"]
        )

    def rabbitmq(self) -> Program:
        """The bus."""
        folder, password = self._folder.path / "rabbitmq", self._kept.passwords["rabbitmq"]
        return rabbitmq_server.program(self._servers.rabbitmq, folder, self._rabbit_ports, password)

    def watchers(self) -> list[Program]:
        """What watches the run, as far as it is installed, in the order in which it is to start."""
        return [*self._console(), *self._watchers.programs(self._metrics_ports), *self._shipper()]

    def _console(self) -> list[Program]:
        """The page, where it is wanted."""
        if not self._has_console:
            return []
        ports = console_server.ConsolePorts(*(self._kept.ports[name] for name in CONSOLE_PORTS))
        rabbitmq = self._kept.ports["rabbitmq-metrics"]
        return [yielding(console_server.program(self._cartscope, self._folder.path, ports, rabbitmq))]

    def _shipper(self) -> list[Program]:
        """What brings log lines to Elasticsearch, where that is."""
        url = self._watchers.urls.get("elasticsearch")
        if url is None:
            return []
        arguments = ("ship-logs", "--data-dir", str(self._folder.path), "--elasticsearch", url)
        shipper = Program(
            name="log-shipper",
            command=(*self._cartscope, *arguments),
            folder=self._folder.path,
            stop_seconds=_SHIPPING_SECONDS,
        )
        return [yielding(shipper)]

    def api(self) -> Program:
        """The HTTP API."""
        return self._process("api", self._kept.ports["api"], "/readyz")

    def movers(self) -> list[Program]:
        """The relay and the workers."""
        return [self._process(name, port, "/metrics") for name, port in self._metrics_ports.items() if name != "api"]

    def _process(self, name: str, ready_port: int, ready_path: str) -> Program:
        return Program(
            name=name,
            command=(*self._cartscope, *self._arguments[name]),
            folder=self._folder.path,
            environment={**self.settings, **self._spans, "CARTSCOPE_TELEMETRY_PORT": str(self._metrics_ports[name])},
            ready=lambda: serves(ready_port, ready_path),
            stop_seconds=_DRAIN_SECONDS,
            # The same lines are in the log folder.
            keeps_stdout=False,
        )
