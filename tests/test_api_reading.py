"""What the API shows: carts, events, popular products, health, problems; and how it answers what it does not know."""

import asyncio
import re
from typing import Any

import pytest

from cart_platform.api.problems import REASONS
from cart_platform.errors import Unavailable
from support.api import Api, result_of


async def test_cart() -> None:
    """A cart is shown as its events made it."""
    api = Api()
    await api.add("a%2Fb", "milk", 2)
    await api.add("a%2Fb", "bread", 1)
    answer = await api.ask("GET", "/carts/a%2Fb?unexpected=1")
    assert answer.json == {
        "id": "a/b",
        "version": 2,
        "items": {"milk": 2, "bread": 1},
        "units": 3,
        "checked_out": False,
    }


async def test_no_such_cart() -> None:
    """A cart without an event does not exist."""
    answer = await Api().ask("GET", "/carts/none")
    assert (404, "cart_not_found") == (answer.status, answer.reason)


async def test_event() -> None:
    """An event is shown as CloudEvents JSON with its trace, its results, and whether it is published."""
    api = Api()
    accepted = await api.add("c", "milk", 2)
    recorded = api.store.recorded[accepted.json["id"]]
    before = await api.ask("GET", accepted.headers["location"])
    api.store.keep(result_of(recorded.event, "threshold", reached=False))
    after = await api.ask("GET", accepted.headers["location"])
    assert before.json["event"]["specversion"] == "1.0"
    assert before.json["event"]["data"]["units_after"] == 2
    assert before.json["trace_id"] == (recorded.event.traceparent or "").split("-")[1]
    assert (False, {}) == (before.json["published"], before.json["results"])
    assert after.json["published"]
    assert after.json["results"]["threshold"]["outcome"] == "done"
    assert after.json["results"]["threshold"]["data"] == {"reached": False}


@pytest.mark.parametrize("event_id", ["none", "%FF", "%00", "x" * 5_000, "a/b"])
async def test_no_such_event(event_id: str) -> None:
    """An event that is not there is not found, whatever it is called."""
    answer = await Api().ask("GET", f"/events/{event_id}")
    assert (404, "event_not_found") == (answer.status, answer.reason)


async def test_popular_products() -> None:
    """Ten products are shown unless told otherwise, the most popular first."""
    api = Api()
    api.store.popular = [(f"p{number}", 100 - number) for number in range(20)]
    assert len((await api.ask("GET", "/products/popular")).json["products"]) == 10
    answer = await api.ask("GET", "/products/popular?limit=2")
    assert answer.json == {"products": [{"product": "p0", "units": 100}, {"product": "p1", "units": 99}]}


@pytest.mark.parametrize("limit", ["0", "101", "x", "", "-1", "1.5", "9" * 5_000])
async def test_bad_limit(limit: str) -> None:
    """A limit beyond 1 to 100 is refused."""
    answer = await Api().ask("GET", f"/products/popular?limit={limit}")
    assert (422, "invalid_request") == (answer.status, answer.reason)


async def test_ready() -> None:
    """The API is ready when store and bus answer."""
    answer = await Api().ask("GET", "/readyz")
    assert answer.status == 200
    assert answer.json["dependencies"]["bus"] == {"ready": True, "reason": None}


async def test_not_ready() -> None:
    """What is missing is named, with the reason; the process lives all the same."""
    api = Api()
    api.bus.failure = Unavailable("cannot reach RabbitMQ at 127.0.0.1:5672")
    answer = await api.ask("GET", "/readyz")
    assert (503, "not_ready") == (answer.status, answer.reason)
    assert answer.json["detail"] == "missing: bus"
    assert answer.json["dependencies"] == {
        "store": {"ready": True, "reason": None},
        "bus": {"ready": False, "reason": "cannot reach RabbitMQ at 127.0.0.1:5672"},
    }
    assert (await api.ask("GET", "/livez")).status == 200


async def test_dependency_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dependency that does not answer in time counts as missing."""
    monkeypatch.setattr("cart_platform.api.health.PATIENCE", 0.01)
    api = Api()

    async def hang() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(api.store, "ping", hang)
    answer = await Api(store=api.store).ask("GET", "/readyz")
    assert answer.json["detail"] == "missing: store"


async def test_supervisors_are_not_traced() -> None:
    """What supervisors ask is not among the measured requests."""
    api = Api()
    await api.ask("GET", "/livez")
    await api.ask("GET", "/readyz")
    await api.ask("GET", "/products/popular")
    counted = {
        sample.labels["http_route"]
        for family in api.telemetry.registry.collect()
        for sample in family.samples
        if sample.name == "http_server_request_duration_seconds_count"
    }
    assert {"/products/popular"} == counted


@pytest.mark.parametrize("reason", sorted(REASONS))
async def test_every_problem_is_explained(reason: str) -> None:
    """The type of a problem is a path at which it is explained."""
    answer = await Api().ask("GET", f"/problems/{reason}")
    assert answer.json["type"] == f"/problems/{reason}"
    assert answer.json["advice"]


async def test_unknown_problem() -> None:
    """A problem that is not in the table is not found."""
    assert (await Api().ask("GET", "/problems/none")).reason == "problem_not_found"


@pytest.mark.parametrize("path", ["/none", "/carts", "/carts/a/b/items", "/carts/c/", "//", "/%FF", ""])
async def test_unknown_path(path: str) -> None:
    """An unknown path is a problem too."""
    answer = await Api().ask("GET", path)
    assert (404, "not_found") == (answer.status, answer.reason)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/carts/c", "GET, HEAD, OPTIONS"),
        ("GET", "/carts/c/items", "OPTIONS, POST"),
        ("GET", "/carts/c/items/milk", "DELETE, OPTIONS, PATCH"),
        ("TRACE", "/livez", "GET, HEAD, OPTIONS"),
    ],
)
async def test_other_method(method: str, path: str, allowed: str) -> None:
    """A method that a path does not take is refused with those it takes; OPTIONS asks for them."""
    api = Api()
    answer = await api.ask(method, path)
    assert (405, "method_not_allowed") == (answer.status, answer.reason)
    assert answer.headers["allow"] == allowed
    options = await api.ask("OPTIONS", path)
    assert (204, allowed) == (options.status, options.headers["allow"])


async def test_head() -> None:
    """HEAD is answered as GET is."""
    api = Api()
    assert (await api.ask("HEAD", "/livez")).status == 200
    assert (await api.ask("HEAD", "/carts/none")).status == 404
    assert (await api.ask("HEAD", "/carts/c/items")).status == 405


async def test_docs() -> None:
    """There is a page to try the API on, and nothing that it loads comes from another host."""
    api = Api()
    answer = await api.ask("GET", "/docs")
    assert answer.status == 200
    assert b"/openapi.json" in answer.body
    loaded = re.findall(rb'(?:src|href)="([^"]+)"', answer.body)
    assert len(loaded) == 3
    for address in loaded:
        assert (await api.ask("GET", address.decode())).status == 200


async def test_openapi_is_complete() -> None:
    """Every operation tells what it takes and gives, its problems included, and nothing refers to what is not there."""
    document = (await Api().ask("GET", "/openapi.json")).json
    assert "Problem" in document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"]
            for status, response in operation["responses"].items():
                assert response["content"], f"{path} {status}"
                kind = "application/problem+json" if int(status) >= 400 else "application/json"
                assert {kind} == set(response["content"])
    commands = document["paths"]["/carts/{cart}/items/{product}"]["patch"]["responses"]
    assert {"200", "202", "400", "408", "409", "413", "415", "422", "500", "503"} == set(commands)
    assert {"Location", "Idempotency-Replayed", "Preference-Applied"} == set(commands["202"]["headers"])
    assert "Retry-After" in commands["503"]["headers"]


async def test_lifespan() -> None:
    """A server that sends lifespan events finds nothing in their way."""
    sent: list[str] = []
    events = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, str]:
        return {"type": next(events)}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await Api().app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == sent
