"""A native run in which everything happens that dashboards and alerts are there to show.

Each step brings something about and waits until Prometheus shows it, so that a slow machine only takes longer.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pika
import psutil
import yaml

from cart_platform.bus import EVENTS_EXCHANGE
from cart_platform.faults.switchboard import Switchboard, switched_on
from cart_platform.native import installed
from support.asked_servers import Prometheus, ask, moves
from support.program import WITH_ELASTICSEARCH, Running, cartscope, running
from support.servers import wait_until
from support.visitor import Visitor

RULES = Path(__file__).parents[2] / "prometheus" / "rules"
RATE = "15"
PATIENCE = 180.0
STRAY = "this line is no JSON\n"


def rules(kind: str) -> list[tuple[str, str]]:
    """Names and expressions of all rules of a kind, `alert` or `record`; an alert that has several has their causes."""
    documents = [yaml.safe_load(file.read_text()) for file in sorted(RULES.glob("*.yml"))]
    found = [rule for document in documents for group in document["groups"] for rule in group["rules"]]
    return [(_name(rule, kind), rule["expr"]) for rule in found if kind in rule]


def _name(rule: Mapping[str, Any], kind: str) -> str:
    labels = rule.get("labels", {})
    return " ".join([rule[kind], *(labels[name] for name in ("cause", "window") if name in labels)])


@dataclass
class EventfulRun:
    """The run, and how to bring things about in it."""

    run: Running
    began: float = field(default_factory=time.time)
    step_began: float = field(default_factory=time.time)

    @property
    def board(self) -> Switchboard:
        """Its switchboard of faults."""
        return Switchboard(self.run.folder / "faults.json")

    @property
    def prometheus(self) -> Prometheus:
        """Its Prometheus."""
        return Prometheus(self.run.url("prometheus"))

    @property
    def span(self) -> tuple[float, float]:
        """From its beginning to this moment."""
        return self.began, time.time()

    def shows(self, promql: str) -> None:
        """Wait until Prometheus has a value for this that is not zero."""
        wait_until(lambda: moves(self.prometheus.now(promql)), promql, PATIENCE)

    def begin(self, step: Callable[["EventfulRun"], None]) -> None:
        """Take a step: what it waits to be met must be met from here on."""
        self.step_began = time.time()
        step(self)

    def meets(self, *alerts: str) -> None:
        """Wait until this step has met the condition of each of these alerts, for each cause where none is named."""
        for name, promql in rules("alert"):
            if {name, name.split()[0]} & {*alerts}:
                wait_until(partial(self._met, promql), f"{name}: {promql}", PATIENCE)

    def _met(self, promql: str) -> bool:
        return bool(self.prometheus.during(promql, (self.step_began, time.time()), 2))

    def fault(self, name: str, *handlers: str | None) -> None:
        """Switch a fault on."""
        self.board.on([switched_on(name, handler) for handler in handlers or (None,)])

    def pid(self, name: str) -> int:
        """The process id of a part, waited for while it is down."""
        wait_until(lambda: name in self.run.file["processes"], f"a process of {name}")
        return int(self.run.file["processes"][name])

    def kill(self, name: str) -> None:
        """End a part by SIGKILL, and wait until it has been started again."""
        killed = self.pid(name)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: self.pid(name) != killed, f"another process of {name}")

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """A part that is there and does nothing, as long as the block."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def control_broker(self, *arguments: str) -> None:
        """Run rabbitmqctl, which lies beside the server's own script, on the run's broker."""
        command = [str(Path(installed.rabbitmq() or "").with_name("rabbitmqctl")), *arguments]
        environment = psutil.Process(self.pid("rabbitmq")).environ()
        subprocess.run(command, env=environment, check=True, capture_output=True)

    @contextmanager
    def unbound(self, queue: str, event_type: str) -> Iterator[None]:
        """A queue that gets no events of a type, as long as the block."""
        self._broker("queue_unbind", queue, EVENTS_EXCHANGE, event_type)
        try:
            yield
        finally:
            self._broker("queue_bind", queue, EVENTS_EXCHANGE, event_type)

    def _broker(self, method: str, *arguments: str) -> None:
        with pika.BlockingConnection(pika.URLParameters(self.run.url("bus"))) as connection:
            getattr(connection.channel(), method)(*arguments)


def _ordinary(run: EventfulRun) -> None:
    """Nothing is wrong: every process is scraped, shoppers shop, visitors repeat themselves and are refused."""
    (run.run.folder / "logs" / "stray.log").write_text(STRAY)
    for promql in (
        "min by (process) (rate(cartscope_events_accepted_total[1m]))",
        "cartscope_notifications_sent_total",
        "cartscope_commands_repeated_total",
        "sum by (reason) (cartscope_commands_rejected_total)",
        'cartscope_events_handled_total{handler="notification", outcome="done"}',
    ):
        run.shows(promql)


def _odd_messages(run: EventfulRun) -> None:
    """A message that is no event, and events that come twice."""
    run.fault("poison-message", "threshold")
    run.fault("doubled-deliveries")
    run.meets("DuplicatesUnusual", "DeadLetters")
    run.board.off("doubled-deliveries")


def _too_much(run: EventfulRun) -> None:
    """More comes than a slow handler can take, another fails, and nobody takes the spans."""
    run.fault("slow-handler", "threshold")
    run.fault("failing-handler", "popularity")
    run.fault("mail-down", "notification")
    run.fault("burst")
    with run.frozen("collector"):
        run.meets("TelemetryDropped", "RetriesRising", "SuccessBudgetBurn", "BacklogGrowing", "UtilisationHigh")
    run.board.off("burst")
    run.board.off("mail-down")
    run.board.off("failing-handler")


def _standstill(run: EventfulRun) -> None:
    """Nothing leaves the outbox, who waits for results waits, a queue has no consumer, and then the store is silent."""
    run.fault("paused-relay")
    run.shows("cartscope_api_waiters")
    run.fault("stopped-handler", "popularity")
    run.meets("OutboxEventTooOld", "QueuedEventTooOld", "FreshnessBudgetBurn", "HandlerWithoutConsumer")
    with run.frozen("redis"):
        run.meets(
            "StoreDown", "ApiErrors", "ApiSlow", "HandlerWithoutProgress", "RelayStopped stuck", "BacklogForecast"
        )
    run.board.clear()
    run.shows("min(handler:rabbitmq_queue_consumers:sum)")


def _broker(run: EventfulRun) -> None:
    """An event has no queue, the broker blocks publishers, and then it is killed."""
    with run.unbound("cart.notification", "cart.threshold_reached"):
        run.meets("PublishUnroutable")
    run.control_broker("set_vm_memory_high_watermark", "0")
    run.meets("BrokerBlocked", "BrokerAlarm", "PublishUnconfirmed")
    run.control_broker("set_vm_memory_high_watermark", "0.4")
    run.shows("sum(cartscope_bus_blocked) == bool 0")
    run.kill("rabbitmq")
    # Frozen while it starts again, because Prometheus looks only now and then.
    with run.frozen("rabbitmq"):
        run.meets("BrokerDown")


def _processes(run: EventfulRun) -> None:
    """A worker is killed and started again, a relay hangs, and so does Tempo while spans come."""
    run.kill("worker-notification")
    with run.frozen("relay"):
        run.meets("TargetDown down", "RelayStopped down")
    with run.frozen("tempo"):
        run.shows("max(otelcol_exporter_queue_size{exporter='otlp_grpc'})")


def _recovered(run: EventfulRun) -> None:
    """All faults are over, what was given up is replayed, and every queue empties."""
    # The broker serves its metrics before it takes connections.
    run.shows("min(up)")
    wait_until(lambda: _replayed(run), "dead letters replayed", PATIENCE)
    run.shows('sum(handler_queue_role:rabbitmq_queue_messages:sum{queue_role=~"work|retry"}) < bool 50')
    run.shows("cartscope:cartscope_outbox_pending_events:max < bool 50")


def _replayed(run: EventfulRun) -> bool:
    return cartscope("dead-letters", "replay", "--all", "--data-dir", run.run.folder).code == 0


STEPS = (_ordinary, _odd_messages, _too_much, _standstill, _broker, _processes, _recovered)


def _scraped(run: Running) -> bool:
    """Whether Prometheus has an answer of everything that it is to watch."""
    try:
        targets = ask(f"{run.url('prometheus')}/api/v1/targets")["data"]["activeTargets"]
    except OSError:
        return False
    return {"up"} == {target["health"] for target in targets}


@contextmanager
def eventful_run(folder: Path) -> Iterator[EventfulRun]:
    """A run that has been through all of it, with its servers still up; in the end nothing of it must be lost."""
    settings = WITH_ELASTICSEARCH | {"XDG_STATE_HOME": str(folder), "CARTSCOPE_RETRY_DELAYS": "[0.5,2]"}
    with running("native", "--rate", RATE, folder=folder / "data", **settings) as run:
        wait_until(lambda: _scraped(run), "every target scraped", PATIENCE)
        eventful = EventfulRun(run)
        with Visitor(run.url("api")).visiting():
            for step in STEPS:
                eventful.begin(step)
            yield eventful
        ended = run.end(signal.SIGTERM)
        assert 0 == ended.code, ended.errors
    audit = cartscope("audit", "--json", "--data-dir", run.folder)
    assert (0, {}) == (audit.code, audit.json["findings"])
