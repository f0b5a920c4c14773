"""Every command in the documents is run: each stands in one table here, under the circumstances that it is meant for.

A command is run as it is written, in a folder that has `.venv` and `examples` as the checkout has, with other ports,
ids and folders in the place of the printed ones, and for a shorter time. Only what `make` would do is asked for instead
of done: it is this very test run, or installs.
"""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from enum import Enum
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from cart_platform.native.ports import free_ports
from conftest import skip_or_fail
from support.documents import ROOT, commands, of_a_native_run, of_the_stack
from support.reader import Collector, Reader, environment
from support.redis_stores import throwaway_redis
from support.servers import RabbitServer, RedisServer


class Scene(Enum):
    """What is there when a command is run."""

    MAKE = "its recipe is asked for"
    RUNNING = "a demo is running"
    ENDED = "nothing at first, then what the command before left"
    ALONE = "nothing"
    COLLECTOR = "a collector"
    NATIVE = "the servers are installed"
    SERVERS = "a Redis and a RabbitMQ, and what was started before"
    LETTERS = "a demo with dead letters has ended"
    CONSOLE = "a demo has ended, and what is looked at may come later"


EVENT = "01a2078b-6b21-740f-a7c0-dec1761ebb48"
TRACE = "114efb9c0270893b1d41fcf46e7dd8b2"
FOLDER = "/tmp/cartscope-ltjotr5t"
API, METRICS, COLLECTOR = "127.0.0.1:8000", "127.0.0.1:39329", "127.0.0.1:4318"
SHORT = {"--duration 30": "--duration 2 --rate 100", "--duration 10": "--duration 2"}
POST = (
    f"curl -s http://{API}/carts/my-cart/items -H 'Content-Type: application/json' -H 'Prefer: wait=5' "
    """-d '{"product": "whole_milk", "quantity": 12}'"""
)
SCRAPE = f"curl -s -H 'Accept: application/openmetrics-text' http://{METRICS}/metrics | grep"
OTLP = f"OTEL_EXPORTER_OTLP_ENDPOINT=http://{COLLECTOR}"
SAMPLED = "OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=0.1"
CARTSCOPE = ".venv/bin/cartscope"
PORTS = {"--data-dir demo-data": "--data-dir demo-data --port 0 --otlp 0", "--otlp 4318": "--port 0 --otlp 0"}
DONE = r"threshold: [1-9]\d* done"
AUDITED = "every event has its effect once"

COMMANDS: Mapping[str, tuple[Scene, str]] = {
    "make demo DURATION=30": (Scene.MAKE, f"{CARTSCOPE} demo --duration 30"),
    "make native DURATION=30": (Scene.MAKE, f"{CARTSCOPE} native --duration 30"),
    "make test": (Scene.MAKE, "tests/install-servers\n.venv/bin/pytest"),
    "make test TESTS=tests/test_cart.py": (Scene.MAKE, ".venv/bin/pytest tests/test_cart.py"),
    "make check": (Scene.MAKE, "ruff check\n"),
    "make format": (Scene.MAKE, "ruff format\n"),
    "make signals": (Scene.MAKE, "cart_observability.signals observability/signals.yaml"),
    POST: (Scene.RUNNING, '"reached":true'),
    f"curl -s http://{API}/events/{EVENT}": (Scene.RUNNING, '"published":true'),
    f"{SCRAPE} 'events_handled_total.*trace_id'": (Scene.RUNNING, 'handler="threshold",outcome="done"'),
    f"{SCRAPE} 'process_duration_seconds_bucket.*trace_id'": (Scene.RUNNING, 'handler="popularity"'),
    f'grep -h {TRACE} {FOLDER}/logs/*.log | grep -o \'"event.action":"[a-z_.]*"\'': (
        Scene.RUNNING,
        "event.accepted(.|\n)*event.published(.|\n)*event.handled(.|\n)*notification.sent(.|\n)*event.handled",
    ),
    f"{CARTSCOPE} audit --json": (Scene.ENDED, '"complete": true, "findings": {}'),
    f"{CARTSCOPE} status --json": (Scene.ENDED, '"popular": '),
    f"PYTHONPATH=$PWD/examples CARTSCOPE_HANDLERS=loyalty:handlers {CARTSCOPE} demo --duration 30": (
        Scene.ALONE,
        r"loyalty: [1-9]\d* done",
    ),
    f"{CARTSCOPE} demo --duration 30 --data-dir demo-data": (Scene.ALONE, DONE),
    f"{CARTSCOPE} demo --replay examples/baskets.csv": (Scene.ENDED, "21 commands accepted(.|\n)*notification: 1 done"),
    f"{CARTSCOPE} native --duration 30": (Scene.NATIVE, DONE),
    f"{OTLP} {SAMPLED} {CARTSCOPE} demo --duration 30": (Scene.COLLECTOR, DONE),
    "export CARTSCOPE_STORE_URL='redis://:PASSWORD@127.0.0.1:6379/0'": (Scene.SERVERS, ""),
    "export CARTSCOPE_BUS_URL='amqp://USER:PASSWORD@127.0.0.1:5672/%2F'": (Scene.SERVERS, ""),
    f"{CARTSCOPE} api &": (Scene.SERVERS, "api.listening"),
    f"{CARTSCOPE} relay &": (Scene.SERVERS, "process.started"),
    f"{CARTSCOPE} worker threshold popularity notification &": (Scene.SERVERS, "process.started"),
    f"{CARTSCOPE} worker threshold popularity &": (Scene.SERVERS, "process.started"),
    f"{CARTSCOPE} worker notification &": (Scene.SERVERS, "process.started"),
    f"curl -s http://{API}/livez": (Scene.SERVERS, '{"status":"alive"}'),
    f"curl -s http://{API}/readyz": (Scene.SERVERS, '{"status":"ready"'),
    f"{CARTSCOPE} shop --url http://{API} --duration 10": (Scene.SERVERS, ", 0 failed, 0 not sent"),
    f"{CARTSCOPE} shop --url http://{API} --duration 10 --profile burst --wait 5": (
        Scene.SERVERS,
        ", 0 failed, 0 not sent",
    ),
    f"{CARTSCOPE} status": (Scene.SERVERS, "events published, 0 pending"),
    f"{CARTSCOPE} audit": (Scene.SERVERS, AUDITED),
    f"{CARTSCOPE} dead-letters list": (
        Scene.LETTERS,
        r"1  cart.loyalty  cart.checked_out  attempts_exhausted  after 3",
    ),
    f"{CARTSCOPE} dead-letters show 1": (Scene.LETTERS, "ValueError: no points for today"),
    f"{CARTSCOPE} dead-letters replay 1": (Scene.LETTERS, "1 replayed"),
    f"{CARTSCOPE} dead-letters list --handler loyalty --json": (Scene.LETTERS, '"reason": "attempts_exhausted"'),
    f"{CARTSCOPE} dead-letters replay --all --handler loyalty": (Scene.LETTERS, "[1-9]\\d* replayed"),
    f"{CARTSCOPE} dead-letters purge --all": (Scene.LETTERS, "0 purged"),
    f"{CARTSCOPE} console --data-dir demo-data": (Scene.CONSOLE, "console  "),
    f"{CARTSCOPE} console --metrics parcels=http://127.0.0.1:9464/metrics --logs logs --otlp 4318": (
        Scene.CONSOLE,
        "console  ",
    ),
}
"""Every command of the documents, the scene it is run in, and what its output must show."""

BROKEN = """\
from cart_handlers import table
from cart_platform.handler import Handler

async def fail(event, unit):
    raise ValueError("no points for today")

def handlers(settings, telemetry):
    return (*table.handlers(settings, telemetry), Handler("loyalty", frozenset({"cart.checked_out"}), fail))
"""


def of_scene(*scenes: Scene) -> Sequence[str]:
    """The commands of these scenes, in the order of the documents, each once."""
    known = (command for _, command in commands() if command in COMMANDS)
    return list(dict.fromkeys(command for command in known if COMMANDS[command][0] in scenes))


def test_every_command_is_known() -> None:
    """The documents have no command that is not run here, and no command is run that they do not have.

    Those of the stack and of an observed native run are in test_runbooks.py.
    """
    assert {command for _, command in commands() if not (of_the_stack(command) or of_a_native_run(command))} == set(
        COMMANDS
    )


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """A reader for whom the API's port is free."""
    if shutil.which("curl") is None:
        skip_or_fail("curl")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    api, metrics = free_ports(2)
    return Reader(
        tmp_path,
        environment(tmp_path, CARTSCOPE_API_PORT=str(api)),
        SHORT | {API: f"127.0.0.1:{api}", METRICS: f"127.0.0.1:{metrics}"},
    )


@pytest.mark.parametrize("command", of_scene(Scene.MAKE))
def test_make(command: str, tmp_path: Path) -> None:
    """A target of the Makefile does what the documents say of it."""
    asked = command.replace("make ", "make --dry-run ", 1)
    finished = subprocess.run(
        ["bash", "-c", asked], cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=True
    )
    assert COMMANDS[command][1] in finished.stdout


@pytest.mark.parametrize("command", of_scene(Scene.ALONE))
def test_alone(command: str, reader: Reader) -> None:
    """A run needs nothing but this program."""
    reader.types(command, COMMANDS[command][1])


def test_after_a_run(reader: Reader) -> None:
    """A run that has ended can be looked at without naming it."""
    for command in of_scene(Scene.ENDED):
        reader.types(command, COMMANDS[command][1])


def test_native(reader: Reader) -> None:
    """A native run starts, works and ends by one command."""
    for server in (RedisServer, RabbitServer):
        if not server.available():
            skip_or_fail(server.__name__)
    for command in of_scene(Scene.NATIVE):
        reader.types(command, COMMANDS[command][1])


def test_running_demo(reader: Reader) -> None:
    """An event is followed from the request to its log lines and metrics by what the documents say."""
    port = reader.instead[METRICS].rpartition(":")[2]
    reader.environment["CARTSCOPE_TELEMETRY_PORT"] = port
    data = reader.folder / "data"
    reader.instead[FOLDER] = str(data)
    with reader.runs(f"{CARTSCOPE} demo --rate 5 --data-dir {data}", "data "):
        for command in of_scene(Scene.RUNNING):
            output = reader.types_until_shown(command, COMMANDS[command][1])
            if command == POST:
                reader.instead[EVENT] = json.loads(output)["id"]
            elif EVENT in command:
                reader.instead[TRACE] = json.loads(output)["trace_id"]


@pytest.mark.parametrize("command", of_scene(Scene.COLLECTOR))
def test_collector(command: str, reader: Reader) -> None:
    """Spans come to the collector that the standard variable names."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    reader.instead[COLLECTOR] = f"127.0.0.1:{server.server_port}"
    before = Collector.taken
    reader.types(command, COMMANDS[command][1])
    server.shutdown()
    server.server_close()
    assert Collector.taken > before


def test_dead_letters(reader: Reader) -> None:
    """Dead letters are listed, shown, replayed and deleted by what the documents say."""
    (reader.folder / "broken.py").write_text(BROKEN)
    reader.environment |= {
        "PYTHONPATH": str(reader.folder),
        "CARTSCOPE_HANDLERS": "broken:handlers",
        "CARTSCOPE_RETRY_DELAYS": "[0.05,0.1]",
    }
    process = reader.start(f"{CARTSCOPE} demo --duration 30")
    output, _ = process.communicate(timeout=60)
    assert 0 == process.returncode, output
    for command in of_scene(Scene.LETTERS):
        reader.types(command, COMMANDS[command][1])


def test_console(reader: Reader) -> None:
    """A console looks at a run that has ended, or at services that may come later, until it is asked to end."""
    reader.types(f"{CARTSCOPE} demo --duration 30 --data-dir demo-data", DONE)
    reader.instead |= PORTS
    for command in of_scene(Scene.CONSOLE):
        with reader.runs(command, COMMANDS[command][1]):
            pass


@pytest.fixture
def servers(reader: Reader, rabbitmq_server: RabbitServer) -> Iterator[Reader]:
    """A reader who has a Redis and a RabbitMQ; what was started in the background is ended at the end."""
    with throwaway_redis() as redis:
        reader.environment |= {"CARTSCOPE_STORE_URL": redis.url, "CARTSCOPE_BUS_URL": rabbitmq_server.url}
        yield reader


@pytest.mark.parametrize("document", ["README.md", "docs/operations.md"])
def test_own_servers(document: str, servers: Reader) -> None:
    """The processes run on one's own servers, each until it is asked to end."""
    typed = [command for name, command in commands() if name == document and command in of_scene(Scene.SERVERS)]
    with ExitStack() as background:
        for command in typed:
            if command.startswith("export "):
                assert command.removeprefix("export ").partition("=")[0] in servers.environment
            elif command.endswith(" &"):
                background.enter_context(servers.runs(command.removesuffix(" &"), COMMANDS[command][1]))
            else:
                servers.types_until_shown(command, COMMANDS[command][1])
