"""The demo as its users run it: a process, its data folder, what it prints, and what is left when it is killed."""

import json
import os
import resource
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.program import Finished, Running, cartscope, get, put_into_cart, running
from support.servers import wait_until

PROCESSES = {"api", "relay", "worker-threshold", "worker-popularity", "worker-notification"}
HANDLERS = {"threshold", "popularity", "notification"}
SHOWN_FIRST = ["console", "API", "metrics", "logs", "e-mails", "data"]

ROWS = """\
cart,product,quantity
a,milk,9
a,bread,1
b,milk,0
b,milk,10001
b,milk,-1
b,milk,abc
b b,milk,1
b,a product,1
b,{too_long},1
b,bread,10000
a,milk,1
"""
ACCEPTED, EVENTS, MAILS = 4, 6, 2
REJECTED = {"invalid_quantity": 4, "invalid_identifier": 3}
POPULAR = [["bread", 10001], ["milk", 10]]

BASKETS = "milk,bread\n\nmilk,milk,milk,milk,milk,milk,milk,milk,milk,soap\nbread,milk\n"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which run was the latest is nobody else's business."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One demo for the tests that leave it running."""
    folder = tmp_path_factory.mktemp("demo")
    with running("demo", folder=folder / "data", XDG_STATE_HOME=str(folder)) as run:
        yield run


def replayed(name: str, text: str, folder: Path, *options: str) -> dict[str, Any]:
    """The summary of a demo that replays a file with this text on a data folder."""
    file = folder.parent / name
    file.write_text(text)
    finished = cartscope("demo", "--replay", file, "--data-dir", folder, "--json", *options)
    assert 0 == finished.code, finished.errors
    return dict(finished.json)


def audited(folder: Path) -> tuple[int, Any]:
    """The exit code and the findings of an audit."""
    finished = cartscope("audit", "--data-dir", folder, "--json")
    assert "" == finished.errors
    return finished.code, finished.json["findings"]


def events_in(folder: Path) -> int:
    """How many events the store of a run that has ended holds."""
    with closing(sqlite3.connect(folder / "store.db")) as database:
        return int(database.execute("SELECT count(*) FROM events").fetchone()[0])


def assert_tidy(finished: Finished) -> None:
    """A run ended well: a summary on standard output, addresses and progress on standard error, nothing else."""
    assert 0 == finished.code, finished.errors
    assert finished.output.startswith("after ")
    assert finished.output.splitlines()[-1].startswith("most popular: ")
    lines = finished.errors.splitlines()
    assert SHOWN_FIRST == [line.split()[0] for line in lines[: len(SHOWN_FIRST)]]
    assert [] == [line for line in lines[len(SHOWN_FIRST) :] if "λ" not in line or "throughput" not in line]


def test_running_file(demo: Running) -> None:
    """running.json names every process, address and folder."""
    file = demo.file
    assert dict.fromkeys(PROCESSES, demo.process.pid) == file["processes"]
    assert {"api", "console", "store", "bus", "metrics"} == set(file["urls"])
    assert set(file["urls"]["metrics"]) == PROCESSES
    assert {"logs": str(demo.folder / "logs"), "mail": str(demo.folder / "mail")} == file["folders"]


def test_its_pages(demo: Running) -> None:
    """The API has its documentation, and the metrics are served."""
    assert "swagger" in get(demo.url("api") + "/docs").lower()
    assert "cartscope_events_accepted_total" in demo.metrics("api")


def test_a_second_demo_on_the_folder_is_refused(demo: Running) -> None:
    """Who starts a demo on a folder in use is told by whom, and the first goes on."""
    refused = cartscope("demo", "--data-dir", demo.folder)
    assert f"{demo.folder} is in use by a running Cartscope (process {demo.process.pid})" in refused.complaint
    assert (1, "") == (refused.code, refused.output)
    assert 202 == put_into_cart(demo.url("api"), "undisturbed")


def test_status_of_a_running_demo(demo: Running) -> None:
    """`status --json` has the form that scripts rely on, with rates and processing times."""
    wait_until(lambda: demo.accepted() > 0, "an accepted command")
    status = cartscope("status", "--data-dir", demo.folder, "--json").json
    assert_has_the_form_of_status(status)
    assert status["commands"]["accepted"] > 0
    assert status["rates"]["lambda"] > 0
    assert status["processing_seconds"]["threshold"]["p99"] >= status["processing_seconds"]["threshold"]["p50"] > 0


def assert_has_the_form_of_status(status: dict[str, Any]) -> None:
    """The keys of a status are exactly those of the design."""
    top = ["commands", "events", "handlers", "notifications", "popular", "rates", "processing_seconds", "restarts"]
    assert top == list(status)
    assert {"accepted", "rejected"} == set(status["commands"])
    assert {"published", "pending"} == set(status["events"])
    assert HANDLERS == set(status["handlers"]) == set(status["processing_seconds"])
    for counts in status["handlers"].values():
        assert {"done", "duplicates", "retried", "dead_lettered"} == set(counts)
    for times in status["processing_seconds"].values():
        assert {"p50", "p99"} == set(times)
    assert {"lambda", "throughput"} == set(status["rates"])


def test_a_short_run(tmp_path: Path) -> None:
    """A run of some seconds ends by itself with a summary, no warning, and everything done."""
    assert_tidy(cartscope("demo", "--duration", "3", "--data-dir", tmp_path / "data", PYTHONWARNINGS="default"))
    assert (0, {}) == audited(tmp_path / "data")
    assert {} == json.loads((tmp_path / "data" / "running.json").read_text())["processes"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C ends a run in order: what is under way is handled, and the summary is printed."""
    with running("demo", "--rate", "200", folder=tmp_path / "data") as run:
        wait_until(lambda: run.accepted() > 20, "accepted commands")
        assert_tidy(run.end(number))
    assert (0, {}) == audited(tmp_path / "data")


def test_a_replay_of_rows(tmp_path: Path) -> None:
    """Accepted and refused rows are counted exactly, and a second replay on the same folder adds nothing."""
    for _ in range(2):
        summary = replayed("rows.csv", ROWS.format(too_long="x" * 65), tmp_path / "data", "--layout", "lines")
        assert {"accepted": ACCEPTED, "rejected": REJECTED} == summary["commands"]
        assert {"published": EVENTS, "pending": 0} == summary["events"]
        done = {name: counts["done"] for name, counts in summary["handlers"].items()}
        assert {"threshold": ACCEPTED, "popularity": ACCEPTED, "notification": MAILS} == done
        assert (MAILS, POPULAR) == (summary["notifications"], summary["popular"])
        assert MAILS == len(list((tmp_path / "data" / "mail" / "new").iterdir()))
        assert (0, {}) == audited(tmp_path / "data")


def test_the_columns_can_be_named(tmp_path: Path) -> None:
    """Other names of the columns are taken, and other columns are passed over."""
    text = "Invoice,Item,Units,Price\n17,tea,3,1.5\n17,tea,8,1.5\n"
    columns = ["--layout", "lines", "--columns", "cart=Invoice,product=Item,quantity=Units"]
    summary = replayed("sales.csv", text, tmp_path / "data", *columns)
    assert {"accepted": 2, "rejected": {}} == summary["commands"]
    assert (1, [["tea", 11]]) == (summary["notifications"], summary["popular"])


def test_a_replay_of_baskets(tmp_path: Path) -> None:
    """Each line is a cart, each product one unit, and a blank line nothing."""
    summary = replayed("baskets.csv", BASKETS, tmp_path / "data")
    assert {"accepted": 14, "rejected": {}} == summary["commands"]
    assert (1, [["milk", 11], ["bread", 2], ["soap", 1]]) == (summary["notifications"], summary["popular"])


UNFIT = {
    "empty": b"",
    "a header alone": b"cart,product,quantity\n",
    "not UTF-8": "cart,product\nb,m\xfclch\n".encode("latin-1"),
    "a column lacking": b"cart,quantity\na,1\n",
    "an open quote": b'cart,product\na,"milk\nb,bread\n',
}


@pytest.mark.parametrize("content", UNFIT.values(), ids=UNFIT.keys())
def test_an_unfit_file_gets_one_line(content: bytes, tmp_path: Path) -> None:
    """A file that cannot be replayed is named in one line with exit code 2, before anything starts."""
    file = tmp_path / "rows.csv"
    file.write_bytes(content)
    refused = cartscope("demo", "--replay", file, "--layout", "lines", "--data-dir", tmp_path / "data")
    assert refused.complaint.startswith(f"cannot replay {file}: ")
    assert (2, "", False) == (refused.code, refused.output, (tmp_path / "data").exists())


def test_a_killed_replay_is_finished_by_the_next(tmp_path: Path) -> None:
    """A demo killed by -9 in mid-replay, then run again on its folder, gives exactly what the file says."""
    carts, products = 150, [f"product-{number}" for number in range(10)]
    file = tmp_path / "baskets.csv"
    file.write_text(f"{','.join(products)}\n" * carts)
    with running("demo", "--replay", file, folder=tmp_path / "data") as run:
        wait_until(lambda: run.accepted() > 100, "accepted commands")
        os.killpg(run.process.pid, signal.SIGKILL)
        run.process.wait()
    assert 100 < events_in(tmp_path / "data") < carts * len(products)
    summary = replayed("baskets.csv", file.read_text(), tmp_path / "data")
    assert carts * len(products) == summary["commands"]["accepted"]
    done = {name: counts["done"] for name, counts in summary["handlers"].items()}
    assert {"threshold": 1500, "popularity": 1500, "notification": carts} == done
    assert [[name, carts] for name in products] == summary["popular"]
    assert carts == len(list((tmp_path / "data" / "mail" / "new").iterdir()))
    assert (0, {}) == audited(tmp_path / "data")


def test_a_full_disk(tmp_path: Path) -> None:
    """With no room to write, shoppers are told to come again; with room again all goes on and nothing is lost."""
    with running("demo", folder=tmp_path / "data") as run:
        api = run.url("api")
        wait_until(lambda: run.accepted() > 0, "an accepted command")
        resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        wait_until(lambda: put_into_cart(api, "full") == 503, "a refusal")
        resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_until(lambda: put_into_cart(api, "full") == 202, "an acceptance")
        finished = run.end(signal.SIGINT)
    assert 0 == finished.code, finished.errors
    assert "Traceback" not in finished.errors
    assert (0, {}) == audited(tmp_path / "data")


def test_a_disk_without_room_to_start(tmp_path: Path) -> None:
    """A demo that cannot make its files says so in one line."""
    room = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, room[1]))
    try:
        failed = cartscope("demo", "--duration", "1", "--data-dir", tmp_path / "data")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, room)
    assert str(tmp_path / "data") in failed.complaint
    assert (1, "") == (failed.code, failed.output)
