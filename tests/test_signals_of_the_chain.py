"""What the chain emits on its whole way, asynchronous edges included, held against the signal matrix."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from prometheus_client import Metric

from cart_observability.signals import Matrix, read
from cart_platform.events import Message, encode
from cart_platform.settings import Settings
from conftest import skip_or_fail
from support.chain import Chain, Emitted, names_of_tree, observed
from support.polling import eventually
from support.redis_stores import throwaway_redis
from support.servers import RabbitServer
from support.strict_handlers import BROKEN, POISON

FILE = Path(__file__).parent.parent / "observability/signals.yaml"
KINDS = ("api", "relay", "worker")
OF_THE_CLIENT_LIBRARY = ("process_", "python_")

OUTAGE = "a server is away for a while"
NEED_MORE = {
    "process.failed": "an error that nobody expected",
    "request.failed": "an error that nobody expected",
    "store.unavailable": OUTAGE,
    "bus.disconnected": OUTAGE,
    "relay.waiting": OUTAGE,
    "fault.injected": "a fault that is switched on",
    "fault.ended": "a fault that is switched on",
    "faults.unusable": "a damaged file",
    "bus.blocked": "a broker short of memory",
    "message.unsendable": "a message that no server takes",
    "results.lost": "a queue of results that is deleted",
    "result.unreadable": "a worker of another version",
    "telemetry.export_failed": "a collector that is away",
    "telemetry.export_resumed": "a collector that was away",
}
"""Log lines that a chain on sound servers does not write, and what they need."""


EVENTS, DEAD_LETTERS = 8, 4
"""Events of carts in the scenario; each of two handlers gives one of them up, and what is no event at all."""


@dataclass(frozen=True)
class Run:
    """What a scenario left: all that was emitted, and how its first request was answered."""

    emitted: Mapping[str, Emitted]
    answer: Mapping[str, Any]
    trace_id: str
    openmetrics: str

    def of(self, kind: str) -> list[Emitted]:
        """The processes of one kind."""
        return [process for process in self.emitted.values() if process.kind == kind]


class Scenario:
    """Shoppers of every sort, and messages that no shopper sends."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {}
        self.repeated = self.trace_id = ""
        self.openmetrics = ""

    async def __call__(self, chain: Chain) -> None:
        """Drive the chain until everything has come to its end."""
        await self._one_request(chain)
        await self._accepted(chain)
        await self._refused(chain)
        await self._given_up(chain)
        await eventually(lambda: self._over(chain))

    async def _one_request(self, chain: Chain) -> None:
        status, self.answer = await chain.add("traced", "milk", 12, Prefer="wait=20")
        assert 200 == status
        _, recorded = await chain.ask("GET", f"/events/{self.answer['id']}")
        self.trace_id = recorded["trace_id"]
        self.openmetrics = await chain.openmetrics()

    async def _accepted(self, chain: Chain) -> None:
        first, second = [await chain.add("c", "milk", Idempotency_Key="once") for _ in range(2)]
        assert (202, 202, first[1]["id"]) == (first[0], second[0], second[1]["id"])
        self.repeated = first[1]["id"]
        assert 202 == (await chain.ask("PATCH", "/carts/c/items/milk", {"quantity": 3}))[0]
        assert 202 == (await chain.add("c", "soap"))[0]
        assert 202 == (await chain.ask("DELETE", "/carts/c/items/soap"))[0]
        assert 202 == (await chain.ask("POST", "/carts/c/checkout"))[0]

    async def _refused(self, chain: Chain) -> None:
        assert 422 == (await chain.add("c", "milk", 0))[0]
        assert 409 == (await chain.add("c", "milk"))[0]
        assert 404 == (await chain.ask("GET", "/nowhere"))[0]

    async def _given_up(self, chain: Chain) -> None:
        assert 202 == (await chain.add("p", POISON))[0]
        assert 202 == (await chain.add("b", BROKEN))[0]
        await chain.publish("cart.item_added", Message(b"\xff no event", {}, "text/plain", "garbage"))
        await chain.publish("cart.item_added", await self._again(chain))

    async def _again(self, chain: Chain) -> Message:
        recorded = await chain.parts.store.event(self.repeated)
        assert recorded is not None
        return encode(recorded.event)

    async def _over(self, chain: Chain) -> bool:
        depth, totals = await chain.parts.store.depth(), await chain.parts.store.totals()
        left = depth.pending + sum((await chain.parts.bus.backlog()).values())
        # The API starts last: all may be handled before it has measured its event loop for the first time.
        measured = "\ncartscope_event_loop_lag_seconds " in await chain.openmetrics()
        done = left == 0 and totals.done["threshold"] == EVENTS - 1 and await chain.dead_letters() == DEAD_LETTERS
        return done and measured


@contextmanager
def servers(bus: str, folder: Path) -> Iterator[tuple[str, str]]:
    """The URLs of a store and a bus that are this module's own."""
    if bus == "sqlite":
        yield f"sqlite:///{folder / 'store.db'}", f"sqlite:///{folder / 'bus.db'}"
        return
    if not RabbitServer.available():
        skip_or_fail("rabbitmq-server")
    with throwaway_redis() as redis:
        rabbit = RabbitServer()
        try:
            yield redis.url, rabbit.start().url
        finally:
            rabbit.stop()


@pytest.fixture(scope="module", params=["sqlite", "servers"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The scenario, run once on each pair of store and bus."""
    folder = tmp_path_factory.mktemp("chain")
    scenario = Scenario()
    with servers(request.param, folder) as (store_url, bus_url):
        settings = Settings(
            store_url=store_url,
            bus_url=bus_url,
            mail_url=f"maildir:///{folder / 'mail'}",
            handlers="support.strict_handlers:handlers",
            retry_delays=(0.1, 0.2),
            api_port=0,
        )
        emitted = asyncio.run(observed(settings, folder, scenario))
    return Run(emitted, scenario.answer, scenario.trace_id, scenario.openmetrics)


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    """The matrix of this repository."""
    return read(FILE)


def families(process: Emitted) -> dict[str, Metric]:
    """The metric families of which a process shows samples, by the name that they are served with."""
    suffix = {"counter": "_total"}
    return {
        family.name + suffix.get(family.type, ""): family
        for family in process.families
        if family.samples and not family.name.startswith(OF_THE_CLIENT_LIBRARY)
    }


def has_moved(family: Metric) -> bool:
    """Whether something was counted, measured or set."""
    return any(sample.value for sample in family.samples if not sample.name.endswith("_created"))


@pytest.mark.parametrize("kind", KINDS)
def test_metrics(run: Run, matrix: Matrix, kind: str) -> None:
    """Each kind of process shows the metrics of the matrix, with their labels, and moves no others."""
    shown = {name for process in run.of(kind) for name in families(process)}
    moved = {name for process in run.of(kind) for name, family in families(process).items() if has_moved(family)}
    foreseen = {metric.name for metric in matrix.metrics if kind in metric.by}
    assert (set(), set()) == (foreseen - shown, moved - foreseen)


def test_labels(run: Run, matrix: Matrix) -> None:
    """Every sample has the labels of the matrix, and none has an id in them."""
    labels = {metric.name: set(metric.labels) for metric in matrix.metrics}
    for process in run.emitted.values():
        for name, family in families(process).items():
            for sample in family.samples:
                assert labels[name] == sample.labels.keys() - {"le"}, sample
                assert not {run.trace_id, run.answer["id"]} & set(sample.labels.values())


@pytest.mark.parametrize("kind", KINDS)
def test_log_lines(run: Run, matrix: Matrix, kind: str) -> None:
    """Each line is as the matrix says, and each kind of line of the matrix is there."""
    lines = [line for process in run.of(kind) for line in process.lines]
    assert Counter() == Counter(problem for line in lines for problem in matrix.problems(kind, line))
    foreseen = {action.action for action in matrix.logs.actions if kind in action.by} - NEED_MORE.keys()
    assert foreseen == {line["event.action"] for line in lines}


def test_fields_have_one_type(run: Run) -> None:
    """A field has the same JSON type in every line of every process."""
    types: dict[str, set[type]] = defaultdict(set)
    for process in run.emitted.values():
        for line in process.lines:
            for name, value in line.items():
                types[name].add(type(value))
    assert {} == {name: several for name, several in types.items() if len(several) > 1}


@pytest.mark.parametrize("kind", KINDS)
def test_spans(run: Run, matrix: Matrix, kind: str) -> None:
    """Each span is one of the matrix, with attributes of the matrix, and each span of the matrix is there."""
    seen = set()
    for process in run.of(kind):
        for span in process.spans.all:
            (found,) = [each for each in matrix.spans if each.matches(span.name, span.kind.name.lower())]
            assert kind in found.by
            assert set() == set(span.attributes or {}) - set(found.attributes) - {"server.address", "server.port"}
            seen.add(found.name)
    assert {span.name for span in matrix.spans if kind in span.by} == seen


def of_trace(run: Run, trace_id: str) -> list[ReadableSpan]:
    """The spans of one trace, over all processes."""
    spans = [span for process in run.emitted.values() for span in process.spans.all]
    return [span for span in spans if trace_of(span) == trace_id]


def trace_of(span: ReadableSpan) -> str:
    """The id of a span's trace as logs have it."""
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


REQUEST, CREATE = "POST /carts/{cart}/items", "create cart.item_added"


def work(handler: str, parent: str) -> list[tuple[str, str | None]]:
    """The spans of one handler at one event that it does at once, each with its parent."""
    process = f"process cart.{handler}"
    done = [f"commit {handler}", "publish cart.results", f"ack cart.{handler}"]
    return [(process, parent), *((name, process) for name in done)]


def test_one_request_is_one_tree(run: Run) -> None:
    """From the HTTP request to the last settle, every span of a request has its parent in the same trace."""
    expected = [
        (REQUEST, None),
        (CREATE, REQUEST),
        ("publish cart.events", CREATE),
        *work("threshold", CREATE),
        *work("popularity", CREATE),
        ("publish cart.events", "process cart.threshold"),
        *work("notification", "process cart.threshold"),
    ]
    assert sorted(expected, key=str) == names_of_tree(of_trace(run, run.trace_id))


def test_retries_are_attempts_in_the_same_trace(run: Run) -> None:
    """Each attempt is a process span under the same parent, and the last one ends in the dead letter."""
    worker = run.emitted["cartscope-worker-popularity"].spans.all
    attempts = [span for span in worker if (span.attributes or {}).get("error.type") == "RuntimeError"]
    assert [1, 2, 3] == [(span.attributes or {})["cartscope.attempt"] for span in attempts]
    assert 1 == len({span.parent.span_id for span in attempts if span.parent})
    tree = names_of_tree(of_trace(run, trace_of(attempts[0])))
    settles = Counter(name for name, _ in tree if name.split()[0] in {"retry", "dead_letter"})
    assert {"retry cart.popularity": 2, "dead_letter cart.popularity": 1} == settles


def test_what_happened_to_events(run: Run) -> None:
    """Done, repeated, retried and given up are each told, as often as they happened."""
    told = Counter(
        (line["cartscope.handler"], line["cartscope.outcome"])
        for process in run.of("worker")
        for line in process.lines
        if "cartscope.outcome" in line
    )
    expected = {
        ("threshold", "done"): EVENTS - 1,
        ("threshold", "duplicate"): 1,
        ("threshold", "dead_lettered"): 2,
        ("popularity", "done"): EVENTS - 1,
        ("popularity", "duplicate"): 1,
        ("popularity", "retried"): 2,
        ("popularity", "dead_lettered"): 2,
        ("notification", "done"): 1,
    }
    assert expected == told


def test_its_trace_is_in_every_log(run: Run) -> None:
    """The trace id of one request is found in the log of every process that it passed."""
    assert set(run.emitted) == {
        service
        for service, process in run.emitted.items()
        if any(line.get("trace.id") == run.trace_id for line in process.lines)
    }


def test_its_exemplar_is_in_the_metrics(run: Run) -> None:
    """The API's OpenMetrics name the trace of the request as an exemplar."""
    accepted = [line for line in run.openmetrics.splitlines() if line.startswith("cartscope_events_accepted_total{")]
    assert any(f'trace_id="{run.trace_id}"' in line for line in accepted)
