"""The demo with its console, asked over HTTP: what it tells is true, is kept, and keeps the demo from nothing."""

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from support.program import Running, get, put_into_cart, running
from support.reader import Collector
from support.servers import wait_until

HANDLERS = {"threshold", "popularity", "notification"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One demo for the tests that leave it running."""
    folder = tmp_path_factory.mktemp("demo")
    with running("demo", "--rate", "5", folder=folder / "data", XDG_STATE_HOME=str(folder)) as run:
        yield run


def ask(run: Running, path: str, **query: Any) -> Any:
    """What the console of a run answers."""
    return json.loads(get(f"{run.url('console')}{path}?{urlencode(query)}"))


def sources(run: Running, kind: str) -> dict[str, dict[str, Any]]:
    """The sources of a kind, by name."""
    return {each["name"]: each for each in ask(run, "/api/overview")["sources"] if each["kind"] == kind}


def handlings(run: Running, cart: str) -> dict[str, dict[str, str | None]]:
    """What became of the events of a cart, by type and handler."""
    events = ask(run, "/api/events", subject=cart)["events"]
    return {each["type"]: {one["handler"]: one["outcome"] for one in each["handlings"]} for each in events}


def test_what_there_is_to_see(demo: Running) -> None:
    """The page of a demo has the shop, the faults and the dead letters beside what every console has."""
    overview = ask(demo, "/api/overview")
    assert "Cartscope demo" == overview["title"]
    assert {"shop", "faults", "dead-letters"} == {page["id"] for page in overview["pages"]}
    assert all("export default" in get(demo.url("console") + page["module"]) for page in overview["pages"])
    assert "<html" in get(demo.url("console"))


def test_all_three_signals_come(demo: Running) -> None:
    """Metrics, log lines and spans of every role come from the start, and none of them is lost."""
    services = {"OTLP", "cartscope-api", "cartscope-relay", *(f"cartscope-worker-{name}" for name in HANDLERS)}
    wait_until(lambda: services <= set(sources(demo, "traces")), "spans of every role", 60)
    wait_until(lambda: sources(demo, "metrics").get("demo", {}).get("state") == "fresh", "metrics", 20)
    assert "fresh" == sources(demo, "logs")[str(demo.folder / "logs")]["state"]
    every = ask(demo, "/api/overview")["sources"]
    assert [0] * len(every) == [source["dropped"] for source in every]


def test_one_event(demo: Running) -> None:
    """An event is followed from its request to its e-mail: what it is, what became of it, and what it brought about."""
    ten = json.dumps({"product": "milk", "quantity": 10}).encode()
    request = Request(f"{demo.url('api')}/carts/followed/items", ten, {"Content-Type": "application/json"})
    with urlopen(request, timeout=10) as answer:
        event = json.load(answer)["id"]
    done = {
        "cart.item_added": {"threshold": "done", "popularity": "done"},
        "cart.threshold_reached": {"notification": "done"},
    }
    wait_until(lambda: done == handlings(demo, "followed"), "the event's handlings", 20)

    def story() -> Any:
        return ask(demo, f"/api/events/{event}")

    wait_until(
        lambda: {"request", "create", "publish", "attempt"} <= {s["kind"] for s in story()["steps"]}, "spans", 20
    )
    told = story()
    assert (event, "followed") == (told["content"]["event"]["id"], told["content"]["event"]["subject"])
    assert ["cart.threshold_reached"] == [follow_up["type"] for follow_up in told["follow_ups"]]
    assert told["trace"]["trace_id"] == told["event"]["trace_id"]
    assert {"event.accepted", "event.published", "event.handled"} <= {line["action"] for line in told["lines"]}
    assert f"#/events/{event}" == ask(demo, "/api/find", id=event)["address"]


def test_figures_are_true(demo: Running) -> None:
    """What the console counts is what the processes themselves show."""
    wait_until(lambda: demo.accepted() > 10, "events")
    wait_until(lambda: "cartscope_events_accepted_total" in str(ask(demo, "/api/metrics")), "metrics", 20)

    def latest() -> float:
        drawn = ask(demo, "/api/series", metric="cartscope_events_accepted_total", statistic="value")
        return float(drawn["series"][0]["values"][-1] or 0)

    before = demo.accepted()
    wait_until(lambda: latest() >= before, "the console's count", 20)
    assert latest() <= demo.accepted()


def test_acting_is_for_its_page(demo: Running) -> None:
    """A fault is switched on by the page, and by no other."""
    url = f"{demo.url('console')}/api/faults/slow-handler/on"
    page = {"Origin": demo.url("console"), "X-Cartscope-Console": "1", "Content-Type": "application/json"}
    assert [403, 200] == [post(url, headers) for headers in (page | {"Origin": "https://evil.example"}, page)]
    wait_until(lambda: "slow-handler" in str(ask(demo, "/api/marks")), "the mark", 20)
    assert 200 == post(url.replace("/on", "/off"), page)


def post(url: str, headers: dict[str, str]) -> int:
    """The status of an action."""
    try:
        with urlopen(Request(url, b"{}", headers), timeout=10) as answer:
            return int(answer.status)
    except OSError as error:
        return int(getattr(error, "code", 0))


def test_resumed(tmp_path: Path) -> None:
    """A demo killed by -9 and started again on its folder shows what was before it, each line once."""
    with running("demo", folder=tmp_path / "data", XDG_STATE_HOME=str(tmp_path)) as run:
        assert 202 == put_into_cart(run.url("api"), "before")
        wait_until(lambda: "cart.item_added" in handlings(run, "before"), "the event", 20)
        os.killpg(run.process.pid, signal.SIGKILL)
        run.process.wait()
    with running("demo", folder=tmp_path / "data", XDG_STATE_HOME=str(tmp_path)) as run:
        assert 202 == put_into_cart(run.url("api"), "after")
        wait_until(lambda: {"after", "before"} == carts(run), "both events", 20)
        finished = run.end(signal.SIGINT)
    assert 0 == finished.code, finished.errors


def carts(run: Running) -> set[str]:
    """Those of two carts that one line each tells of as accepted."""
    lines = [
        line["fields"]["cartscope.cart.id"]
        for cart in ("before", "after")
        for line in ask(run, "/api/lines", q=f"event.action:event.accepted cartscope.cart.id:{cart}")["lines"]
    ]
    return set(lines) if len(lines) == len(set(lines)) else set()


def test_it_ends_while_pages_listen(tmp_path: Path) -> None:
    """Ctrl-C ends the demo in order also while a page listens, and the page's stream ends with it."""
    with (
        running("demo", folder=tmp_path / "data", XDG_STATE_HOME=str(tmp_path)) as run,
        urlopen(f"{run.url('console')}/api/live", timeout=60) as stream,
    ):
        wait_until(lambda: stream.readline().startswith(b"event: tick"), "a tick", 20)
        wait_until(lambda: run.accepted() > 0, "an accepted command")
        finished = run.end(signal.SIGINT)
        stream.read()
    assert 0 == finished.code, finished.errors
    first = finished.errors.splitlines()[0].split()
    assert "console" == first[0]
    assert first[1].startswith("http://127.0.0.1:")


def test_a_port_in_use(tmp_path: Path) -> None:
    """When its port is taken the page is elsewhere, and one line says where."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = {"CARTSCOPE_CONSOLE_PORT": str(port), "XDG_STATE_HOME": str(tmp_path)}
        with running("demo", folder=tmp_path / "data", **settings) as run:
            address = run.url("console")
            assert "Cartscope demo" == ask(run, "/api/overview")["title"]
            wait_until(lambda: run.accepted() > 0, "an accepted command")
            finished = run.end(signal.SIGINT)
    assert f"port {port} is in use: the console is at {address} this time" in finished.errors.splitlines()


def test_without_a_console(tmp_path: Path) -> None:
    """With --no-console there is no page, no file of it, and no address."""
    with running("demo", "--no-console", folder=tmp_path / "data", XDG_STATE_HOME=str(tmp_path)) as run:
        assert "console" not in run.file["urls"]
        wait_until(lambda: run.accepted() > 0, "an accepted command")
        finished = run.end(signal.SIGINT)
    assert (0, "API") == (finished.code, finished.errors.split()[0])
    assert [] == list((tmp_path / "data").glob("console*"))


def test_spans_go_where_they_are_to(tmp_path: Path) -> None:
    """With a collector of one's own, spans go there, and the page says that none came to it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    before = Collector.taken
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "XDG_STATE_HOME": str(tmp_path),
    }
    with running("demo", folder=tmp_path / "data", **settings) as run:
        wait_until(lambda: Collector.taken > before, "spans at the collector", 30)
        assert {"OTLP": "never"} == {name: each["state"] for name, each in sources(run, "traces").items()}
    server.shutdown()
    server.server_close()
