"""`cartscope native` whole: real servers, a replay, and every process of it killed by -9 in turn."""

import json
import mailbox
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cart_platform.native import leftovers
from conftest import skip_or_fail
from support.program import Running, cartscope, running
from support.servers import RabbitServer, RedisServer, wait_until

CHAIN = ("relay", "worker-threshold", "worker-popularity", "worker-notification", "api")
SERVERS = ("rabbitmq", "redis")
IN_TURN = ("relay", "api", "redis", "rabbitmq", "worker-threshold", "worker-popularity", "worker-notification")
PRODUCTS = [f"product-{number}" for number in range(17)]
BASKETS = 300
THRESHOLD = 10


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both servers are there, and no process of a run outlives its test."""
    for server in (RedisServer, RabbitServer):
        if not server.available():
            skip_or_fail(server.__name__)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield
    leftovers.end(tmp_path / "data")


def write_baskets(file: Path) -> list[list[str]]:
    """Baskets of 1 to 17 products, each size as often as the others."""
    baskets = [PRODUCTS[: 1 + number % len(PRODUCTS)] for number in range(BASKETS)]
    file.write_text("".join(",".join(basket) + "\n" for basket in baskets))
    return baskets


def kill(run: Running, name: str) -> None:
    """End a process of the run by SIGKILL and wait until it works again, or the run is over."""
    before = run.file["processes"].get(name)
    if before is None:
        return
    with suppress(ProcessLookupError):
        os.kill(before, signal.SIGKILL)
    wait_until(lambda: has_ended(run) or is_back(run, name, before), f"{name} at work again")


def has_ended(run: Running) -> bool:
    """Whether the run is over."""
    return run.process.poll() is not None


def is_back(run: Running, name: str, before: int) -> bool:
    """Whether a process runs under another id and shows its metrics; a server need not be ready."""
    return run.file["processes"].get(name) not in {None, before} and (name in SERVERS or serves(run, name))


def serves(run: Running, name: str) -> bool:
    """Whether a process shows its metrics."""
    try:
        return bool(run.metrics(name))
    except OSError:
        return False


def message_ids(folder: Path) -> Counter[str]:
    """The e-mails of a run by their Message-ID."""
    return Counter(str(mail["Message-ID"]) for mail in mailbox.Maildir(str(folder / "mail"), create=False))


def test_a_replay_while_everything_is_killed(tmp_path: Path) -> None:
    """Whatever is killed by -9 meanwhile, each command is accepted once, handled once, and each e-mail sent once."""
    baskets = write_baskets(tmp_path / "baskets.csv")
    with running("native", "--replay", tmp_path / "baskets.csv", "--json", folder=tmp_path / "data") as run:
        for name in (*IN_TURN, *CHAIN):
            kill(run, name)
        finished = run.end()
    assert 0 == finished.code, finished.errors
    assert set(IN_TURN) == {name for name, count in finished.json["restarts"].items() if count}
    assert_exact(finished.json, baskets, tmp_path / "data")


def assert_exact(summary: dict[str, Any], baskets: list[list[str]], folder: Path) -> None:
    """The summary, the e-mails and the audit are what the baskets say."""
    items = sum(len(basket) for basket in baskets)
    full = sum(len(basket) >= THRESHOLD for basket in baskets)
    assert {"accepted": items, "rejected": {}} == summary["commands"]
    assert {"published": items + full, "pending": 0} == summary["events"]
    done = {name: handler["done"] for name, handler in summary["handlers"].items()}
    assert {"threshold": items, "popularity": items, "notification": full} == done
    assert not any(handler["dead_lettered"] for handler in summary["handlers"].values())
    totals = Counter(product for basket in baskets for product in basket)
    assert [list(entry) for entry in sorted(totals.items(), key=rank)[:10]] == summary["popular"]
    mails = message_ids(folder)
    assert (full, full) == (len(mails), mails.total())
    audit = cartscope("audit", "--data-dir", folder, "--json")
    assert {"events": items + full, "complete": True, "findings": {}} == audit.json
    assert "no dead letters\n" == cartscope("dead-letters", "list", "--data-dir", folder).output


def rank(entry: tuple[str, int]) -> tuple[int, str]:
    """Most units first, names ascending among equals."""
    return -entry[1], entry[0]


def test_a_short_run(tmp_path: Path) -> None:
    """Shoppers come and go, `status --json` tells of it meanwhile, and Ctrl-C ends it in order."""
    with running("native", "--rate", "50", "--json", folder=tmp_path / "data") as run:
        wait_until(lambda: run.accepted() > 20, "accepted commands")
        status = cartscope("status", "--data-dir", tmp_path / "data", "--json").json
        assert set(run.file["processes"]) >= {*CHAIN, *SERVERS}
        assert set(run.file["urls"]["metrics"]) == set(CHAIN)
        finished = run.end(signal.SIGINT)
    assert 0 == finished.code, finished.errors
    assert set(finished.json) - {"load"} == set(status)
    assert finished.json["commands"]["accepted"] >= status["commands"]["accepted"] > 20
    assert status["rates"]["lambda"] > 0
    assert {} == json.loads((tmp_path / "data" / "running.json").read_text())["processes"]
