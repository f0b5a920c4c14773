"""Faults on a native run: processes of their own on real servers, killed and started again in between."""

import os
import signal
from collections.abc import Iterator

import pika
import pytest

from cart_platform.faults.switchboard import Switchboard, switched_on
from conftest import skip_or_fail
from support.observability import lines_of
from support.program import Running, cartscope, running
from support.servers import RabbitServer, RedisServer, wait_until


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One native run for all tests; what they did to it is audited at the end."""
    for server in (RedisServer, RabbitServer):
        if not server.available():
            skip_or_fail(server.__name__)
    folder = tmp_path_factory.mktemp("native")
    with running("native", "--rate", "10", folder=folder / "data", XDG_STATE_HOME=str(folder)) as run:
        yield run
        ended = run.end(signal.SIGTERM)
        assert 0 == ended.code, ended.errors
    audit = cartscope("audit", "--json", "--data-dir", run.folder)
    assert (0, {}) == (audit.code, audit.json["findings"])


@pytest.fixture
def board(native: Running) -> Iterator[Switchboard]:
    """The run's switchboard, on which a test leaves nothing."""
    board = Switchboard(native.folder / "faults.json")
    yield board
    board.clear()


def told(run: Running, service: str, action: str, fault: str) -> int:
    """How often a process told of a fault."""
    log = run.folder / "logs" / f"cartscope-{service}.log"
    lines = lines_of(log) if log.exists() else []
    return sum((line["event.action"], line.get("cartscope.fault")) == (action, fault) for line in lines)


def counted(run: Running, process: str, series: str) -> float:
    """The sum of the samples of a process whose line begins so."""
    lines = run.metrics(process).splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(series))


def queue(run: Running, name: str) -> tuple[int, int]:
    """How many consumers and ready messages a queue has, as RabbitMQ says."""
    with pika.BlockingConnection(pika.URLParameters(run.url("bus"))) as connection:
        found = connection.channel().queue_declare(name, passive=True).method
        return found.consumer_count, found.message_count


def test_stopped_handler(native: Running, board: Switchboard) -> None:
    """A stopped handler has no consumer, not even after its process was killed, and drains its queue afterwards."""
    wait_until(lambda: queue(native, "cart.popularity")[0] == 1, "a consumer")
    board.on([switched_on("stopped-handler", "popularity")])
    wait_until(lambda: queue(native, "cart.popularity")[0] == 0, "no consumer")
    wait_until(lambda: queue(native, "cart.popularity")[1] > 10, "messages that wait")
    killed = native.file["processes"]["worker-popularity"]
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: native.file["processes"].get("worker-popularity") not in {None, killed}, "another process")
    wait_until(lambda: told(native, "worker-popularity", "fault.injected", "stopped-handler") == 2, "the fault again")
    assert 0 == queue(native, "cart.popularity")[0]
    assert 1 == queue(native, "cart.threshold")[0]
    board.clear()
    wait_until(lambda: queue(native, "cart.popularity")[0] == 1, "a consumer")
    wait_until(lambda: queue(native, "cart.popularity")[1] < 5, "a drained queue")
    wait_until(lambda: told(native, "worker-popularity", "fault.ended", "stopped-handler") == 1, "the end of the fault")


def test_doubled_deliveries(native: Running, board: Switchboard) -> None:
    """Doubled deliveries are dropped as duplicates by every handler."""
    series = 'cartscope_events_handled_total{event_type="cart.item_added",handler="threshold",outcome="duplicate"}'
    before = counted(native, "worker-threshold", series)
    board.on([switched_on("doubled-deliveries")])
    wait_until(lambda: counted(native, "worker-threshold", series) > before + 10, "duplicates")
    wait_until(lambda: told(native, "relay", "fault.injected", "doubled-deliveries") == 1, "the fault in the log")


def test_poison_message(native: Running, board: Switchboard) -> None:
    """A poison message is the dead letter of the chosen handler alone."""
    board.on([switched_on("poison-message", "notification")])
    series = 'cartscope_dead_letters_total{handler="notification",reason="not_json"}'
    wait_until(lambda: counted(native, "worker-notification", series) == 1, "a dead letter")
    assert [] == board.read()
    letters = cartscope("dead-letters", "list", "--json", "--data-dir", native.folder).json
    assert [("cart.notification", "not_json")] == [(letter["queue"], letter["reason"]) for letter in letters]


def test_paused_relay_and_burst(native: Running, board: Switchboard) -> None:
    """A burst fills the outbox of a paused relay, the shoppers tell of it, and the outbox empties afterwards."""
    board.on([switched_on("paused-relay"), switched_on("burst")])
    pending = "cartscope_outbox_pending_events"
    wait_until(lambda: counted(native, "relay", pending) > 200, "events in the outbox")
    wait_until(lambda: told(native, "shoppers", "fault.injected", "burst") == 1, "the burst in the log")
    board.clear()
    wait_until(lambda: counted(native, "relay", pending) < 20, "an outbox that empties")
    wait_until(lambda: told(native, "shoppers", "fault.ended", "burst") == 1, "the end of the burst")
