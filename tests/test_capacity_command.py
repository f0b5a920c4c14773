"""What `cartscope capacity` tells of a Prometheus whose series are known."""

import json
import shutil
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from conftest import skip_or_fail
from support.backfilled import backfilled
from support.program import Ask

pytest_plugins = ["support.asking"]

QUEUE = "rabbitmq_detailed_queue_messages"


def handler(
    name: str, slots: int, rate: float, busy: float, ages: float, backlog: float | None, growth: float = 0.0
) -> dict[str, tuple[float, float]]:
    """The series of a handler: slots, deliveries a second, and what the sums of times grow by a second."""
    labels = f'{{handler="{name}",process="worker-{name}"}}'
    long_ago = 1e6
    series = {
        f"cartscope_handler_slots{labels}": (float(slots), 0.0),
        f"messaging_process_duration_seconds_count{labels}": (long_ago, rate),
        f"messaging_process_duration_seconds_sum{labels}": (long_ago, busy),
        f"cartscope_event_age_seconds_count{labels}": (long_ago, rate),
        f"cartscope_event_age_seconds_sum{labels}": (long_ago, ages),
    }
    if backlog is not None:
        series[f'{QUEUE}{{queue="cart.{name}",vhost="/"}}'] = (backlog, growth)
        # What waits for another attempt, or was given up, is not what the handler has before it.
        series[f'{QUEUE}{{queue="cart.{name}.retry.1000ms",vhost="/"}}'] = (2.0, 0.0)
        series[f'{QUEUE}{{queue="cart.{name}.dead",vhost="/"}}'] = (88.0, 1.0)
    return series


SERIES = {
    'cartscope_outbox_pending_events{process="api"}': (0.0, 0.0),
    'cartscope_outbox_pending_events{process="relay"}': (8.0, 0.0),
    'cartscope_events_published_total{event_type="cart.item_added",outcome="confirmed"}': (1e6, 60.0),
    'cartscope_events_accepted_total{event_type="cart.item_added"}': (1e6, 25.0),
    'cartscope_events_accepted_total{event_type="cart.checked_out"}': (1e6, 5.0),
    **handler("threshold", slots=2, rate=30, busy=1.5, ages=12, backlog=6),
    **handler("popularity", slots=1, rate=20, busy=1.0, ages=200, backlog=3000, growth=10),
    **handler("notification", slots=8, rate=3, busy=0.3, ages=0.6, backlog=None),
    **handler("loyalty", slots=1, rate=0, busy=0, ages=0, backlog=0),
}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that has those series."""
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        skip_or_fail("prometheus")
    with backfilled(tmp_path_factory.mktemp("prometheus"), SERIES, time.time()) as url:
        yield url


def figures(ask: Ask, prometheus: str, options: str = "") -> dict[str, dict[str, float | None]]:
    """What the command tells of each handler."""
    told = ask(f"capacity --prometheus {prometheus} --json {options}")
    assert (0, "") == (told.code, told.errors)
    handlers: dict[str, dict[str, float | None]] = json.loads(told.output)["handlers"]
    return handlers


def test_a_steady_handler(ask: Ask, prometheus: str) -> None:
    """Thirty events a second of 50 ms in two slots, done 0.4 s old: 6 queued, 2 to be retried, 4 in the outbox."""
    assert figures(ask, prometheus)["threshold"] == pytest.approx(
        {
            "arrival_rate": 30,
            "processing_seconds": 0.05,
            "slots": 2,
            "utilisation": 0.75,
            "service_rate": 40,
            "headroom": 2,
            "slots_needed": 2,
            "waiting_seconds": 0.05 * 9 / 7,
            "backlog": 6,
            "drain_seconds": 0.6,
            "backlog_in_an_hour": 0,
            "events_measured": 12,
            "events_computed": 12,
        },
        rel=1e-3,
    )


def test_a_handler_that_falls_behind(ask: Ask, prometheus: str) -> None:
    """What its queue grows by has come to it as well; it never drains, and an hour ahead is foretold."""
    found = figures(ask, prometheus)["popularity"]
    assert 30 == pytest.approx(found["arrival_rate"], rel=1e-3)
    assert 1.5 == pytest.approx(found["utilisation"], rel=1e-3)
    assert 2 == found["slots_needed"]
    assert (None, None) == (found["drain_seconds"], found["waiting_seconds"])
    backlog = found["backlog"] or 0
    assert 3000 == pytest.approx(backlog, rel=0.2)
    assert backlog + 36_000 == pytest.approx(found["backlog_in_an_hour"], rel=1e-3)


def test_a_handler_whose_queue_nobody_scrapes(ask: Ask, prometheus: str) -> None:
    """Without the broker's metrics arrivals are what was handled, and all about the backlog is unknown, not zero."""
    found = figures(ask, prometheus)["notification"]
    assert 3 == pytest.approx(found["arrival_rate"], rel=1e-3)
    assert {None} == {found[name] for name in ("backlog", "drain_seconds", "backlog_in_an_hour", "events_measured")}


def test_a_handler_that_nothing_came_to(ask: Ask, prometheus: str) -> None:
    """Without a single event there is no processing time, and nothing follows from it."""
    found = figures(ask, prometheus)["loyalty"]
    assert (0, 1, None, None) == tuple(
        found[name] for name in ("arrival_rate", "slots", "processing_seconds", "utilisation")
    )


def test_what_if_the_load_grew(ask: Ask, prometheus: str) -> None:
    """A load four times the measured one comes to each handler in the measured proportion."""
    told = ask(f"capacity --prometheus {prometheus} --json --lambda 120").json
    assert told["lambda"] == pytest.approx({"measured": 30, "supposed": 120}, rel=1e-3)
    assert 120 == pytest.approx(told["handlers"]["threshold"]["arrival_rate"], rel=1e-3)
    assert 3.0 == pytest.approx(told["handlers"]["threshold"]["utilisation"], rel=1e-3)
    assert 8 == told["handlers"]["threshold"]["slots_needed"]
    assert 12 == pytest.approx(told["handlers"]["notification"]["arrival_rate"], rel=1e-3)


def test_what_if_there_were_more_slots(ask: Ask, prometheus: str) -> None:
    """Slots for all, and for one handler otherwise."""
    found = figures(ask, prometheus, "--slots 3 --slots popularity=5")
    assert {"threshold": 3, "popularity": 5, "notification": 3, "loyalty": 3} == {
        name: figure["slots"] for name, figure in found.items()
    }
    assert 0.5 == pytest.approx(found["threshold"]["utilisation"], rel=1e-3)
    assert found["popularity"]["drain_seconds"] == pytest.approx(3000 / 70, rel=0.2)


def test_a_table_for_people(ask: Ask, prometheus: str) -> None:
    """Without --json it is a table with a column for each handler, Little's law both ways."""
    told = ask(f"capacity --prometheus {prometheus}")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in told.output.splitlines() if line[0] == "│"]
    shown = {name: cells for name, *cells in rows}
    assert told.output.startswith(f"λ 30.0 events/s accepted over the last 300 s, by {prometheus}\n")
    assert ["loyalty", "notification", "popularity", "threshold"] == _header(told.output)
    assert ["0", "3", "30", "30"] == shown["λ, events/s"]
    assert ["-", "0.0375", "1.5", "0.75"] == shown["ρ = λ · E[T_process] / c"]
    assert ["-", "-", "∞", "600 ms"] == shown["time to drain"]
    assert ["12", "12"] == [shown["L measured, events"][-1], shown["L = λ · W, events"][-1]]


def _header(output: str) -> list[str]:
    return next(line for line in output.splitlines() if line.startswith("┃")).replace("┃", " ").split()


def test_a_supposed_table_says_what_it_supposes(ask: Ask, prometheus: str) -> None:
    """A what-if names its load and slots, and leaves out what can only be measured."""
    told = ask(f"capacity --prometheus {prometheus} --lambda 60 --slots threshold=4")
    assert "supposed: λ 60.0 events/s, loyalty 1 slots" in told.output
    assert "threshold 4 slots" in told.output
    assert "L measured" not in told.output


REFUSED = {
    "--prometheus http://127.0.0.1:1": (1, "cannot reach Prometheus at http://127.0.0.1:1 (connection refused)"),
    "--prometheus http://user:secret@127.0.0.1:1": (1, "cannot reach Prometheus at http://127.0.0.1:1 ("),
    "--prometheus ftp://nowhere": (2, "'ftp://nowhere' is no URL of a Prometheus"),
    "--slots many": (2, "cannot read the slots 'many': give 4 or threshold=4"),
    "--slots threshold=0": (2, "cannot read the slots 'threshold=0'"),
    "--lambda nan": (2, "a load of nan events a second cannot be"),
    "--lambda -1": (2, "a load of -1.0 events a second cannot be"),
    "--window 5": (2, "Invalid value for '--window'"),
}


@pytest.mark.parametrize("options", REFUSED)
def test_what_cannot_be_asked_gets_one_line(ask: Ask, options: str) -> None:
    """A wrong option or a server that is not there is named in one line, and no password is."""
    refused = ask(f"capacity {options}")
    code, text = REFUSED[options]
    assert text in refused.complaint
    assert "secret" not in refused.complaint
    assert (code, "") == (refused.code, refused.output)


def test_a_handler_that_is_not_there(ask: Ask, prometheus: str) -> None:
    """Slots of a handler that Prometheus does not know are refused with the names that it knows."""
    refused = ask(f"capacity --prometheus {prometheus} --slots accounting=2")
    assert "no handler is called accounting: Prometheus knows loyalty, notification, popularity" in refused.complaint
    assert 2 == refused.code


class Answer(BaseHTTPRequestHandler):
    """Answers every GET with the server's `page` and `status`."""

    def do_GET(self) -> None:
        """Answer."""
        status, page = self.server.answer  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


EMPTY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
ANSWERS = {
    "another page": (404, b"<h1>Not found</h1>", "is not Prometheus (status 404): correct --prometheus"),
    "another JSON": (200, b"[]", "is not Prometheus (status 200)"),
    "a refusal": (503, b'{"status":"error","error":"query timed out"}', "refuses a query: query timed out"),
    "no series": (200, EMPTY, "knows no handler: it scrapes no worker of Cartscope, or has not yet"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_that_is_of_no_use_gets_one_line(ask: Ask, case: str) -> None:
    """What is not Prometheus, refuses, or has no data yet is said in one line, with exit code 1."""
    status, page, text = ANSWERS[case]
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.answer = (status, page)  # type: ignore[attr-defined]
        Thread(target=server.serve_forever).start()
        try:
            refused = ask(f"capacity --prometheus http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
    assert text in refused.complaint
    assert (1, "") == (refused.code, refused.output)


def test_no_load_cannot_be_scaled(ask: Ask, tmp_path: Path) -> None:
    """Where no event was accepted there is no proportion in which a load would come to the handlers."""
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        skip_or_fail("prometheus")
    series = handler("threshold", slots=2, rate=0, busy=0, ages=0, backlog=0)
    with backfilled(tmp_path, series, time.time()) as url:
        refused = ask(f"capacity --prometheus {url} --lambda 10")
    assert "no event was accepted in this time, so no load can be scaled" in refused.complaint
    assert (1, "") == (refused.code, refused.output)


def test_the_prometheus_of_a_run(ask: Ask, prometheus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --prometheus it asks that of the latest run while that runs, and the usual address after."""
    state = tmp_path / "cartscope"
    state.mkdir()
    (state / "latest-run").write_text(str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("CARTSCOPE_STORE_URL", raising=False)
    running = {"processes": {"prometheus": 1}, "urls": {"prometheus": prometheus}}
    (tmp_path / "running.json").write_text(json.dumps(running))
    assert prometheus == ask("capacity --json").json["prometheus"]

    (tmp_path / "running.json").write_text(json.dumps(running | {"processes": {}}))
    monkeypatch.setattr("cart_platform.planning_report.DEFAULT_URL", "http://127.0.0.1:1")
    assert "cannot reach Prometheus at http://127.0.0.1:1" in ask("capacity --json").complaint
