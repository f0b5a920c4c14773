"""`cartscope faults` on a running demo, as its users type it, and without a chain that it could disturb."""

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cart_platform.faults.catalogue import CATALOGUE, POISON_MESSAGE
from support.observability import lines_of
from support.program import Ask, Finished, Running, cartscope, running
from support.servers import wait_until

pytest_plugins = ["support.asking"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One demo for the tests that leave it undisturbed behind them."""
    folder = tmp_path_factory.mktemp("demo")
    with running("demo", "--rate", "5", folder=folder / "data", XDG_STATE_HOME=str(folder)) as run:
        yield run


@dataclass(frozen=True)
class Faults:
    """The commands `cartscope faults ...`."""

    ask: Ask

    def __call__(self, *words: str) -> Finished:
        """What a command says about the latest run."""
        return self.ask("faults", *words)

    def on(self, name: str) -> list[dict[str, Any]]:
        """For which handlers a fault is on, as a script reads it."""
        [found] = [fault for fault in self("list", "--json").json if fault["name"] == name]
        return list(found["on"])

    @property
    def any_on(self) -> bool:
        """Whether a fault is on."""
        return any(fault["on"] for fault in self("list", "--json").json)


@pytest.fixture
def faults(ask: Ask, demo: Running, monkeypatch: pytest.MonkeyPatch) -> Faults:
    """The commands, for whom the demo is the latest run."""
    monkeypatch.setenv("XDG_STATE_HOME", str(demo.folder.parent))
    return Faults(ask)


def told(run: Running, action: str, fault: str) -> list[dict[str, Any]]:
    """The log lines about a fault, over all processes."""
    lines = [line for file in (run.folder / "logs").glob("*.log") for line in lines_of(file)]
    return [line for line in lines if (line["event.action"], line.get("cartscope.fault")) == (action, fault)]


@pytest.mark.parametrize("name", [name for name in CATALOGUE if name != POISON_MESSAGE])
def test_on_and_off(demo: Running, faults: Faults, name: str) -> None:
    """Each fault is switched on and off in the latest run; the list shows since when, and the log has both."""
    assert [] == faults.on(name)
    on = faults("on", name)
    assert (0, "") == (on.code, on.errors)
    assert f"{name} is on" in on.output
    assert CATALOGUE[name].watch.metric in on.output
    wait_until(lambda: bool(told(demo, "fault.injected", name)), "the fault in the log", 10)
    entries = faults.on(name)
    since = datetime.fromisoformat(entries[0]["since"])
    assert {
        line["cartscope.handler"] for line in told(demo, "fault.injected", name) if "cartscope.handler" in line
    } == {entry["handler"] for entry in entries if entry["handler"]}
    assert f"{name}: on" in faults("list").output
    late = [datetime.fromisoformat(line["@timestamp"]) - since for line in told(demo, "fault.injected", name)]
    assert all(delay.total_seconds() < 2 for delay in late)
    assert f"{name} is off\n" == faults("off", name).output
    wait_until(lambda: len(told(demo, "fault.ended", name)) == len(entries), "its end in the log", 10)
    assert f"{name} was not on\n" == faults("off", name).output


def test_poison(demo: Running, faults: Faults) -> None:
    """A poison message is a dead letter a moment later, and the fault is over by itself."""
    assert 0 == faults("on", POISON_MESSAGE, "--handler", "notification").code
    wait_until(lambda: bool(told(demo, "fault.ended", POISON_MESSAGE)), "its end in the log", 10)
    wait_until(lambda: "not_json" in faults.ask("dead-letters list").output, "a dead letter")
    assert [] == faults.on(POISON_MESSAGE)


def test_one_handler_for_some_seconds(demo: Running, faults: Faults) -> None:
    """A fault of one handler for some seconds says when it ends."""
    on = faults("on", "stopped-handler", "--handler", "popularity", "--seconds", "60")
    assert "stopped-handler is on for popularity until " in on.output
    [entry] = faults.on("stopped-handler")
    lasts = datetime.fromisoformat(entry["until"]) - datetime.fromisoformat(entry["since"])
    assert ("popularity", 60.0) == (entry["handler"], lasts.total_seconds())
    assert 0 == faults("off", "stopped-handler").code


def test_all_off(demo: Running, faults: Faults) -> None:
    """All faults are switched off at once, even where the switchboard is damaged."""
    faults("on", "paused-relay")
    (demo.folder / "faults.json").write_text("{")
    assert "cartscope faults off --all makes it anew" in faults("list").complaint
    assert "every fault is off\n" == faults("off", "--all").output
    assert not faults.any_on


def test_a_burst(demo: Running, faults: Faults) -> None:
    """While a burst is on, several times as many commands arrive."""
    before = demo.accepted()
    faults("on", "burst")
    wait_until(lambda: demo.accepted() > before + 200, "a burst", 15)
    assert 0 == faults("off", "burst").code


def faults_of(run: Running, *words: str) -> Finished:
    """What a process of its own says about the latest run."""
    return cartscope("faults", *words, XDG_STATE_HOME=str(run.folder.parent))


REFUSED = {
    "slow-handler --handler accounting": "no handler is called accounting: the table has threshold, popularity",
    "paused-relay --handler threshold": "paused-relay disturbs the relay: it takes no --handler",
    "mail-down --handler threshold": "mail-down disturbs every handler that acts outside: it takes no --handler",
    "burst --seconds 0": "burst for 0 s: give more than 0",
    "poison-message --seconds 5": "poison-message happens once: it takes no --seconds",
}


@pytest.mark.parametrize("asked", REFUSED)
def test_what_cannot_be(faults: Faults, asked: str) -> None:
    """A fault that cannot be as asked is refused in one line, and nothing is switched on."""
    refused = faults("on", *asked.split())
    assert REFUSED[asked] in refused.complaint
    assert 2 == refused.code
    assert not faults.any_on


def test_no_chain(tmp_path: Path) -> None:
    """Where no chain is known, or the known one has no switchboard, one line says what there must be."""
    state = {"XDG_STATE_HOME": str(tmp_path)}
    for settings in ({}, {"CARTSCOPE_STORE_URL": "sqlite:///here.db"}):
        refused = cartscope("faults", "on", "burst", **state, **settings)
        assert "no chain is known in which faults can be switched" in refused.complaint
        assert "set CARTSCOPE_FAULTS_FILE" in refused.complaint
        assert 2 == refused.code


def test_a_shared_file(tmp_path: Path) -> None:
    """With CARTSCOPE_FAULTS_FILE the command needs no run: whoever reads that file acts."""
    file = tmp_path / "shared" / "faults.json"
    finished = cartscope("faults", "on", "slow-handler", "--handler", "threshold", CARTSCOPE_FAULTS_FILE=str(file))
    assert (0, "") == (finished.code, finished.errors)
    [entry] = json.loads(file.read_text())["faults"]
    assert ("slow-handler", "threshold") == (entry["fault"], entry["handler"])


def test_a_run_that_has_ended(tmp_path: Path) -> None:
    """A run that has ended cannot be disturbed; resumed, it says which faults are on still, and acts on them."""
    data, state = tmp_path / "data", {"XDG_STATE_HOME": str(tmp_path)}
    with running("demo", folder=data, **state) as run:
        assert 0 == faults_of(run, "on", "doubled-deliveries").code
        wait_until(lambda: bool(told(run, "fault.injected", "doubled-deliveries")), "the fault in the log", 10)
        ended = run.end(signal.SIGTERM)
        assert 0 == ended.code, ended.errors
    refused = cartscope("faults", "on", "burst", **state)
    assert f"the chain in {data} does not run: start it again" in refused.complaint
    assert 2 == refused.code
    with running("demo", folder=data, **state) as run:
        wait_until(lambda: len(told(run, "fault.injected", "doubled-deliveries")) == 2, "the fault in the log", 10)
        assert 0 == faults_of(run, "off", "--all").code
        ended = run.end(signal.SIGTERM)
    assert "doubled-deliveries is on (cartscope faults off doubled-deliveries ends it)" in ended.errors
    audit = cartscope("audit", "--json", **state)
    assert (0, {}) == (audit.code, audit.json["findings"])
