"""Log lines on their way into a real Elasticsearch: all of them, once, each field as what it is."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cart_observability.elastic import template
from cart_observability.elastic.shipper import ship
from cart_observability.line_writer import LogFile
from cart_observability.signals import read
from cart_platform.events import new_id
from cart_platform.lifetime import Stop
from cart_platform.native import checkout
from cart_platform.settings import Settings
from conftest import skip_or_fail
from support import log_shipper
from support.chain import Chain, observed
from support.elasticsearch_server import ElasticsearchServer
from support.observability import lines_of
from support.polling import eventually
from support.servers import wait_until
from support.strict_handlers import BROKEN, POISON

FILE = Path(__file__).parent.parent / "observability/signals.yaml"
TIME = "2026-11-24T12:00:00.000000Z"
SECONDS = 120.0


async def shipped(server: ElasticsearchServer, folder: Path) -> tuple[dict[str, int], list[str]]:
    """Ship what is there; gives the counts, and what was reported."""
    stop, reported = Stop(), list[str]()
    stop.set()
    logs, output, state = folder / "logs", folder / "output", folder / "positions.json"
    counts = await ship(server.url, logs, output, state, template.load(checkout.TEMPLATES), reported.append, stop)
    return dict(counts), reported


def under(folder: Path, **more: Any) -> Any:
    """The query for what came from a folder: the server is everybody's."""
    return {"bool": {"filter": [{"prefix": {"log.file.path": str(folder)}}, *more.values()]}}


async def drive(chain: Chain) -> None:
    """Shoppers whose events are handled, repeated, refused, retried and given up."""
    for number in range(20):
        assert 202 == (await chain.add(f"cart-{number}", "milk", 12))[0]
    assert 422 == (await chain.add("cart-0", "milk", 0))[0]
    assert 202 == (await chain.ask("POST", "/carts/cart-0/checkout"))[0]
    assert 409 == (await chain.add("cart-0", "milk"))[0]
    assert 202 == (await chain.add("poisoned", POISON))[0]
    assert 202 == (await chain.add("broken", BROKEN))[0]

    async def over() -> bool:
        depth = await chain.parts.store.depth()
        return 0 == depth.pending + sum((await chain.parts.bus.backlog()).values()) and await chain.dead_letters() == 2

    await eventually(over, 60.0)


async def test_every_line_of_the_chain(elasticsearch_server: ElasticsearchServer, tmp_path: Path) -> None:
    """Every line of every process is indexed, none is refused, and each field is found as what it is."""
    settings = Settings(
        store_url=f"sqlite:///{tmp_path / 'store.db'}",
        bus_url=f"sqlite:///{tmp_path / 'bus.db'}",
        mail_url=f"maildir:///{tmp_path / 'mail'}",
        handlers="support.strict_handlers:handlers",
        retry_delays=(0.1, 0.2),
        api_port=0,
    )
    emitted = await observed(settings, tmp_path / "chain", drive)
    logs = tmp_path / "logs"
    logs.mkdir()
    for process in emitted.values():
        for file in process.folder.glob("*.log"):
            file.rename(logs / file.name)
    lines = [line for file in logs.glob("*.log") for line in lines_of(file)]
    counts, reported = await shipped(elasticsearch_server, tmp_path)

    assert ({"indexed": len(lines)}, []) == (counts, reported)
    assert len(lines) == elasticsearch_server.count(template.LINES, under(tmp_path)) > 120
    matrix = read(FILE)
    used = {name for line in lines for name, value in line.items() if value is not None}
    assert {"error.stack_trace", "event.duration", "event.reason", "cartscope.attempt"} <= used <= matrix.fields.keys()
    for name in used:
        kind, carriers = matrix.fields[name].type, [line[name] for line in lines if line.get(name) is not None]
        asked = under(tmp_path, there={"exists": {"field": name}})
        assert (name, len(carriers)) == (name, elasticsearch_server.count(template.LINES, asked))
        found = elasticsearch_server.count(template.LINES, under(tmp_path, same=same(name, kind, carriers[0])))
        expected = carriers.count(carriers[0])
        # Words are found in other texts as well, and dates are kept in milliseconds.
        assert (name, True) == (name, found >= expected if kind in ("text", "date") else found == expected)


def same(name: str, kind: str, value: Any) -> Any:
    """The query for what has this value in a field, as a dashboard would ask."""
    if kind == "text":
        return {"match_phrase": {name: value.splitlines()[-1]}}
    return {"range": {name: {"gte": value, "lte": value}}} if kind in ("long", "date") else {"term": {name: value}}


async def test_numbers_are_numbers(elasticsearch_server: ElasticsearchServer, tmp_path: Path) -> None:
    """Durations are summed in nanoseconds, and the delay of shipping in milliseconds."""
    (tmp_path / "logs").mkdir()
    lines = [{"@timestamp": TIME, "event.duration": number * 1_000_000} for number in range(1, 5)]
    (tmp_path / "logs/some.log").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    await shipped(elasticsearch_server, tmp_path)
    elasticsearch_server.count(template.LINES)
    found = elasticsearch_server.ask(
        "POST",
        f"{template.LINES}/_search",
        {
            "size": 0,
            "query": under(tmp_path),
            "aggs": {
                "total": {"sum": {"field": "event.duration"}},
                "delay": {"min": {"field": "cartscope.shipping.delay"}},
                "came": {"date_histogram": {"field": "event.ingested", "fixed_interval": "1d"}},
            },
        },
    )["aggregations"]
    assert (10_000_000, 4) == (found["total"]["value"], found["came"]["buckets"][0]["doc_count"])
    assert isinstance(found["delay"]["value"], float)


async def test_lines_that_are_none(elasticsearch_server: ElasticsearchServer, tmp_path: Path) -> None:
    """What is no JSON, or has a field of another type, is kept whole in a stream of its own; all else is indexed."""
    (tmp_path / "logs").mkdir()
    good = json.dumps({"@timestamp": TIME, "event.duration": 5, "message": "good", "unheard.of": {"by": ["anybody"]}})
    wrong = [
        "no JSON",
        json.dumps({"@timestamp": TIME, "event.duration": "long"}),
        json.dumps({"@timestamp": TIME, "error": "no object"}),
        json.dumps({"@timestamp": TIME, "message": {"an": "object"}}),
        good[:-1] + ',"event.ingested":"already"}',
        "x" * 100_000,
    ]
    (tmp_path / "logs/some.log").write_text("".join(f"{line}\n" for line in [good, *wrong, good]))
    counts, reported = await shipped(elasticsearch_server, tmp_path)
    assert ({"indexed": 2, "unparsed": len(wrong)}, []) == (counts, reported)
    assert 2 == elasticsearch_server.count(template.LINES, under(tmp_path))
    kept = elasticsearch_server.documents(template.UNPARSED, under(tmp_path))
    assert sorted(wrong) == sorted(document["event.original"] for document in kept)
    assert all(document["error.message"] for document in kept)
    (typed,) = [document for document in kept if "event.duration" in document["error.message"]]
    assert "long" in typed["error.message"]


async def test_long_values(elasticsearch_server: ElasticsearchServer, tmp_path: Path) -> None:
    """A line with values of any length is indexed; words of a long text are found."""
    (tmp_path / "logs").mkdir()
    names = ("message", "error.stack_trace", "cartscope.cart.id", "event.reason")
    long = dict.fromkeys(names, "word " * 20_000)
    (tmp_path / "logs/some.log").write_text(json.dumps({"@timestamp": TIME, **long}) + "\n")
    counts, _ = await shipped(elasticsearch_server, tmp_path)
    assert {"indexed": 1} == counts
    asked = under(tmp_path, word={"match": {"error.stack_trace": "word"}})
    assert 1 == elasticsearch_server.count(template.LINES, asked)


async def test_what_servers_say(elasticsearch_server: ElasticsearchServer, tmp_path: Path) -> None:
    """The lines of RabbitMQ and Redis are found by the name of the server and by their words."""
    output = tmp_path / "output"
    output.mkdir()
    (output / "rabbitmq.log").write_text("2026-11-23 23:10:49.137577+00:00 [info] <0.223.0> Feature flags: list\n")
    (output / "redis.log").write_text("5809:M 23 Nov 2026 23:10:45.946 * Ready to accept connections\n")
    counts, _ = await shipped(elasticsearch_server, tmp_path)
    assert {"indexed": 2} == counts
    asked = under(tmp_path, name={"term": {"service.name": "rabbitmq"}}, words={"match": {"message": "feature flags"}})
    (said,) = elasticsearch_server.documents(template.STACK, asked)
    assert "2026-11-23T23:10:49.137577Z" == said["@timestamp"]


class Processes:
    """An Elasticsearch and a shipper, each a process that can be killed."""

    def __init__(self, folder: Path) -> None:
        self.elasticsearch = ElasticsearchServer()
        self._folder = folder
        self._shipper: subprocess.Popen[bytes] | None = None

    def start_shipper(self) -> None:
        """Start the shipper."""
        command = [sys.executable, log_shipper.__file__, self.elasticsearch.url, str(self._folder)]
        self._shipper = subprocess.Popen(command, env={"PYTHONPATH": str(Path(__file__).parent)})

    def kill_shipper(self) -> None:
        """End the shipper by SIGKILL."""
        if self._shipper:
            self._shipper.kill()
            self._shipper.wait()

    def end_shipper(self) -> int:
        """Ask the shipper to end, and wait until it has shipped what is left."""
        assert self._shipper is not None
        self._shipper.send_signal(signal.SIGTERM)
        return self._shipper.wait(SECONDS)

    def has(self, count: int) -> bool:
        """Whether that many lines have arrived."""
        try:
            return self.elasticsearch.count(template.LINES) >= count
        except OSError:
            return False


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Both, running, on an empty folder of logs."""
    if not ElasticsearchServer.available():
        skip_or_fail("elasticsearch")
    both = Processes(tmp_path)
    try:
        both.elasticsearch.start()
        both.start_shipper()
        yield both
    finally:
        both.kill_shipper()
        both.elasticsearch.stop()


class Writer:
    """A process that logs, and starts its file anew as Cartscope's do."""

    def __init__(self, folder: Path, stem: str) -> None:
        self.ids: list[str] = []
        self._file = LogFile(folder / "logs", stem, limit=1_500_000)

    def write(self, count: int) -> None:
        """Log so many lines, a hundred in each write."""
        for _ in range(count // 100):
            ids = [new_id() for _ in range(100)]
            lines = [{"@timestamp": TIME, "message": "x" * 150, "cartscope.event.id": each} for each in ids]
            self._file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            self.ids += ids

    def close(self) -> None:
        """Log no more."""
        self._file.close()


def test_killed_in_the_middle(processes: Processes, tmp_path: Path) -> None:
    """However often shipper and Elasticsearch are killed while files are rotated, each line is there once."""
    writers = [Writer(tmp_path, stem) for stem in ("one", "two")]
    for writer in writers:
        writer.write(4000)
    wait_until(lambda: processes.has(1), "the first lines", SECONDS)
    processes.kill_shipper()
    for writer in writers:
        writer.write(4000)
    processes.start_shipper()
    wait_until(lambda: processes.has(9000), "more than was there at the kill", SECONDS)
    processes.elasticsearch.kill()
    for writer in writers:
        writer.write(3000)
    processes.kill_shipper()
    processes.start_shipper()
    processes.elasticsearch.start()
    for writer in writers:
        writer.write(1000)
        writer.close()
    assert list((tmp_path / "logs").glob("*.log.1"))
    written = {each for writer in writers for each in writer.ids}
    wait_until(lambda: processes.has(len(written)), "all lines", SECONDS)
    assert 0 == processes.end_shipper()
    assert 24_000 == len(written) == processes.elasticsearch.count(template.LINES)
    several = {"terms": {"field": "cartscope.event.id", "min_doc_count": 2}}
    found = processes.elasticsearch.ask("POST", f"{template.LINES}/_search", {"size": 0, "aggs": {"several": several}})
    assert [] == found["aggregations"]["several"]["buckets"]
    assert 0 == processes.elasticsearch.count(template.UNPARSED)
