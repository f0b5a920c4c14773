"""The documents: what they show is so, what they link to is there. Their commands are run by test_docs_commands.py."""

import asyncio
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from cart_handlers import table
from cart_observability.http_server import HttpServer
from cart_observability.telemetry import Telemetry, silent
from cart_platform.bus import EVENTS_EXCHANGE, RESULTS_EXCHANGE
from cart_platform.faults.catalogue import CATALOGUE
from cart_platform.settings import Settings
from support.compose_file import variables
from support.documents import ROOT, Document, documents
from support.observability import recording, sample
from support.servers import RabbitServer, wait_until

README = Document(ROOT / "README.md")
OPERATIONS = Document(ROOT / "docs/operations.md")
TELEMETRY = Document(ROOT / "docs/telemetry.md")
LANGUAGES = {"console", "mermaid", "promql", "python", "text"}
START_SNIPPET = 'telemetry = Telemetry.start("parcels", port=9464, log_folder=Path("logs"))\n'


@pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)
def test_links(document: Document) -> None:
    """Every link within the repository leads to a file that is there."""
    lost = [target for target in document.links if not (document.path.parent / target).exists()]
    assert [] == lost


@pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)
def test_blocks(document: Document) -> None:
    """Commands stand in blocks that are run; no other kind of block can hide one."""
    assert set() == document.languages - LANGUAGES


@pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)
def test_code_blocks(document: Document) -> None:
    """Code that is shown is a file of the examples, to the letter."""
    examples = {path.read_text() for path in (ROOT / "examples").glob("*.py")}
    assert set() == set(document.blocks("python")) - examples - {START_SNIPPET}


def test_drawing() -> None:
    """The drawing of the way names the exchanges and handlers that there are, and no others."""
    [drawing] = README.blocks("mermaid")
    handlers = table.handlers(Settings(), silent())
    assert {EVENTS_EXCHANGE, RESULTS_EXCHANGE} | {handler.queue for handler in handlers} == set(
        re.findall(r"cart\.\w+", drawing)
    )
    assert {handler.name for handler in handlers} <= set(re.findall(r"^\s+(\w+)$", drawing, re.MULTILINE))


def settings_rows() -> Iterator[str]:
    """The table of settings as the settings themselves tell it."""
    defaults = Settings.model_construct().model_dump(mode="json")
    for name, field in Settings.model_fields.items():
        value = defaults[name]
        default = "not set" if value is None else f"`{value if isinstance(value, str) else json.dumps(value)}`"
        yield f"| `CARTSCOPE_{name.upper()}` | {default} | {field.description} |"


def test_settings() -> None:
    """Every setting is in the table with its default and meaning, and nothing else is."""
    shown = [line for line in OPERATIONS.text.splitlines() if line.startswith("| `CARTSCOPE_")]
    assert list(settings_rows()) == [line for line in shown if line.count("|") == 4]


def test_faults() -> None:
    """The table of faults is the catalogue."""
    _, _, table = OPERATIONS.text.partition("| fault | what it does | where it is seen |\n|---|---|---|\n")
    rows = [f"| `{fault.name}` | {fault.does} | `{fault.watch.metric}` |" for fault in CATALOGUE.values()]
    assert rows == table.partition("\n\n")[0].splitlines()


def test_variables() -> None:
    """A variable that a document names is a setting, or one of the stack."""
    named = {name for document in documents() for name in re.findall(r"\bCARTSCOPE_[A-Z_]+", document.text)}
    settings = {f"CARTSCOPE_{name.upper()}" for name in Settings.model_fields}
    assert set() == named - settings - set(variables("docker-compose.yml"))


def test_own_handler_is_ten_lines() -> None:
    """A handler with its table takes no more than ten lines."""
    lines = (ROOT / "examples/loyalty.py").read_text().splitlines()
    assert 10 >= len([line for line in lines if line])


@pytest.fixture
def channel(rabbitmq_server: RabbitServer) -> Iterator[BlockingChannel]:
    """A channel of another service, with its exchange and queue."""
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_server.url))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.exchange_declare("parcels", "topic", auto_delete=True)
    channel.queue_declare("parcels", exclusive=True)
    channel.queue_bind("parcels", "parcels", "#")
    yield channel
    connection.close()


async def test_another_service(channel: BlockingChannel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service of the telemetry guide is one trace from its request to its consumer, and measured."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    parcels = importlib.import_module("parcels")
    telemetry, spans = recording()
    server = HttpServer(parcels.api(telemetry, channel), "127.0.0.1", 0)
    await server.start()
    request = Request(f"{server.url}/parcels/p1", method="POST")
    await asyncio.to_thread(lambda: urlopen(request).close())
    await server.stop()
    parcels.consume(telemetry, channel)
    wait_until(lambda: packed(channel, telemetry), "the parcel is packed")

    names = ["POST /parcels/{parcel}", "create parcel.sent", "publish parcels", "process parcels"]
    traces = {span.context.trace_id for name in names if (span := spans.named(name)).context}
    assert 1 == len(traces)
    assert 1 == sample(telemetry.registry, "http_server_request_duration_seconds_count", **REQUEST)


REQUEST = {
    "http_request_method": "POST",
    "http_route": "/parcels/{parcel}",
    "http_response_status_code": "200",
}
PROCESSED = {
    "messaging_operation_name": "process",
    "messaging_system": "rabbitmq",
    "messaging_destination_name": "parcels",
    "error_type": "",
    "handler": "parcels",
}


def packed(channel: BlockingChannel, telemetry: Telemetry) -> bool:
    """Let the consumer work, and see whether it has finished a message."""
    channel.connection.process_data_events(time_limit=0.1)
    return sample(telemetry.registry, "messaging_process_duration_seconds_count", **PROCESSED) == 1


def test_start_snippet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guide's line starts the telemetry of a service, with its metrics served and its log in the folder."""
    assert START_SNIPPET in TELEMETRY.blocks("python")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"Telemetry": Telemetry, "Path": Path}
    exec(START_SNIPPET.replace("9464", "0"), names)
    telemetry = names["telemetry"]
    assert isinstance(telemetry, Telemetry)
    with urlopen(str(telemetry.metrics_url)) as answer:
        assert b"process_start_time_seconds" in answer.read()
    telemetry.log.info("parcel sent")
    telemetry.close()
    assert "parcel sent" in (tmp_path / "logs/parcels.log").read_text()
