"""The API's commands: what is accepted, repeated and refused, and what is counted, logged and traced of it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cart_observability.telemetry import Telemetry, silent
from cart_platform.api.middleware import Admission
from cart_platform.api.problems import REASONS
from cart_platform.api.routing import MAXIMUM_BODY
from cart_platform.cart import MAXIMUM_PRODUCTS, Cart
from cart_platform.errors import Overloaded, Unavailable
from support.api import Api, ask


async def test_accepted() -> None:
    """A command is answered with its event, and with where to find it."""
    api = Api()
    answer = await api.add("c", "milk", 2)
    assert answer.status == 202
    assert answer.headers["location"] == f"/events/{answer.json['id']}"
    assert answer.json == {
        "id": next(iter(api.store.recorded)),
        "type": "cart.item_added",
        "cart": "c",
        "version": 1,
        "status": "accepted",
        "results": {},
    }


async def test_every_command() -> None:
    """Each command has its method and path, and they change one cart in turn."""
    api = Api()
    answers = [
        await api.ask("POST", "/carts/c/items", {"product": "milk"}),
        await api.ask("POST", "/carts/c/items", {"product": "rolls/buns", "quantity": 3}),
        await api.ask("PATCH", "/carts/c/items/milk", {"quantity": 5}),
        await api.ask("DELETE", "/carts/c/items/rolls%2Fbuns"),
        await api.ask("POST", "/carts/c/checkout"),
    ]
    assert [202] * 5 == [answer.status for answer in answers]
    assert [1, 2, 3, 4, 5] == [answer.json["version"] for answer in answers]
    assert Cart("c", 5, {"milk": 5}, checked_out=True) == api.store.carts["c"]


@pytest.mark.parametrize("target", ["/carts/a%2Fb/items/rolls%2Fbuns", "/carts/a%2fb/items/rolls/buns"])
async def test_slash_in_identifier(target: str) -> None:
    """An encoded slash belongs to the identifier; in a product, which comes last, a plain one does too."""
    api = Api()
    await api.add("a%2Fb", "rolls/buns")
    answer = await api.ask("PATCH", target, {"quantity": 7})
    assert answer.status == 202
    assert {"rolls/buns": 7} == api.store.carts["a/b"].items


@pytest.mark.parametrize("cart", ["%FF", "%00", "%20", "a%252Fb", "%C3%BC", "x" * 65, "x" * 10_000, "%2", "a:b"])
async def test_bad_identifier_in_path(cart: str) -> None:
    """What is no identifier is refused, however it is encoded."""
    api = Api()
    assert (await api.add(cart)).reason == "invalid_identifier"
    assert (await api.ask("GET", f"/carts/{cart}")).reason == "invalid_identifier"
    assert not api.store.carts


QUANTITIES = [b'"abc"', b'"2"', b"1.5", b"true", b"null", b"0", b"-1", b"10001", b"1e400", b"9" * 300, b"[1]", b"{}"]


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity[:12].decode())
async def test_bad_quantity(quantity: bytes) -> None:
    """A quantity of a wrong type or size is refused by the same word as the cart's own rule."""
    api = Api()
    answer = await api.ask("POST", "/carts/c/items", b'{"product": "milk", "quantity": ' + quantity + b"}")
    assert answer.status == 422
    assert answer.reason == "invalid_quantity"


async def test_whole_number_with_a_point() -> None:
    """2.0 is a whole number, as JSON Schema has it."""
    api = Api()
    assert (await api.ask("POST", "/carts/c/items", b'{"product": "milk", "quantity": 2.0}')).status == 202
    assert api.store.carts["c"].units == 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"product": 1}', "invalid_identifier"),
        (b'{"product": "white bread"}', "invalid_identifier"),
        (b'{"product": ""}', "invalid_identifier"),
        (b'{"product": "m\\u0000"}', "invalid_identifier"),
        (b'{"quantity": 1}', "invalid_request"),
        (b'{"product": "milk", "quantty": 2}', "invalid_request"),
        (b"", "invalid_request"),
        (b"[]", "invalid_request"),
        (b"null", "invalid_request"),
        (b'{"product":', "invalid_request"),
        (b"\xff\xfe", "invalid_request"),
        (b"[" * 60_000, "invalid_request"),
        (b'{"product": "milk", "quantity": ' + b"9" * 5_000 + b"}", "invalid_request"),
    ],
    ids=lambda value: value[:20].decode("latin-1") if isinstance(value, bytes) else value,
)
async def test_bad_body(body: bytes, reason: str) -> None:
    """A body that is not what was asked for is refused, by the rule's word where a rule speaks of it."""
    answer = await Api().ask("POST", "/carts/c/items", body)
    assert answer.status == 422
    assert answer.reason == reason


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/problem+json", "application/jsonx"])
async def test_content_type(content_type: str) -> None:
    """Only application/json is read."""
    answer = await Api().ask("POST", "/carts/c/items", b'{"product": "milk"}', content_type=content_type)
    assert answer.status == 415
    assert answer.reason == "unsupported_media_type"


async def test_content_type_with_parameters() -> None:
    """A charset, or another case, makes no difference."""
    answer = await Api().ask(
        "POST", "/carts/c/items", b'{"product": "milk"}', content_type="Application/JSON; charset=utf-8"
    )
    assert answer.status == 202


async def test_large_body() -> None:
    """A body above the limit is refused, also when it comes in chunks of unknown number."""
    headers = [(b"content-type", b"application/json")]
    largest = b'{"product": "milk"}'.ljust(MAXIMUM_BODY)
    chunks = [b'{"product": "milk"}', *[b" " * 10_000] * 7]
    app = Api().app
    assert (await ask(app, "POST", "/carts/c/items", headers, [largest])).status == 202
    assert (await ask(app, "POST", "/carts/c/items", headers, [largest + b" "])).reason == "body_too_large"
    assert (await ask(app, "POST", "/carts/c/items", headers, chunks)).status == 413


async def test_slow_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that does not come does not hold its request for ever."""
    monkeypatch.setattr("cart_platform.api.routing.BODY_SECONDS", 0.01)
    answer = await ask(Api().app, "POST", "/carts/c/items", [(b"content-type", b"application/json")], [])
    assert answer.status == 408
    assert answer.reason == "body_too_slow"


async def test_refused_by_state() -> None:
    """What the cart's state does not allow is a conflict, named by the rule."""
    api = Api()
    assert (await api.ask("POST", "/carts/c/checkout")).reason == "cart_empty"
    assert (await api.ask("DELETE", "/carts/c/items/milk")).reason == "item_not_in_cart"
    await api.add()
    await api.ask("POST", "/carts/c/checkout")
    refused = await api.add()
    assert (409, "cart_checked_out") == (refused.status, refused.reason)
    api.store.carts["full"] = Cart("full", 1, {f"p{number}": 1 for number in range(MAXIMUM_PRODUCTS)})
    assert (await api.add("full")).reason == "cart_full"


async def test_idempotency_key() -> None:
    """The same key answers with the same event again, and says that it does."""
    api = Api()
    first = await api.add(idempotency_key="k")
    again = await api.add(idempotency_key="k")
    assert first.json == again.json
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert len(api.store.recorded) == 1
    assert api.telemetry.registry.get_sample_value("cartscope_events_accepted_total", {"event_type": ADDED}) == 1


async def test_idempotency_key_reused() -> None:
    """A key that stands for another command is refused."""
    api = Api()
    await api.add(quantity=1, idempotency_key="k")
    answer = await api.add(quantity=2, idempotency_key="k")
    assert answer.status == 422
    assert answer.reason == "idempotency_key_reused"


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "schlüssel", "a\x00"])
async def test_bad_idempotency_key(key: str) -> None:
    """A key that cannot be one is refused before anything happens."""
    api = Api()
    answer = await api.add(idempotency_key=key)
    assert answer.status == 400
    assert answer.reason == "invalid_idempotency_key"
    assert not api.store.recorded


async def test_longest_idempotency_key() -> None:
    """255 visible ASCII characters are a key."""
    assert (await Api().add(idempotency_key="!~" * 127 + "x")).status == 202


@pytest.mark.parametrize(
    ("failure", "reason", "pause"),
    [(Overloaded("full", 2.6), "overloaded", "3"), (Unavailable("no server"), "unavailable", "1")],
)
async def test_not_now(failure: Exception, reason: str, pause: str) -> None:
    """When the store cannot take more, the client is told when to come back."""
    api = Api()
    api.store.failure = failure
    answer = await api.add()
    assert answer.status == 503
    assert answer.reason == reason
    assert answer.headers["retry-after"] == pause


async def test_too_many_requests_under_way() -> None:
    """Requests beyond the limit are turned away at once, and supervisors are still answered."""
    telemetry, release, entered = silent(), asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        entered.set()
        if scope["path"] == "/slow":
            await release.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    admission = Admission(app, telemetry, limit=1)
    slow = asyncio.create_task(ask(admission, "GET", "/slow", [], [b""]))
    await entered.wait()
    turned_away = await ask(admission, "GET", "/other", [], [b""])
    assert (503, "overloaded") == (turned_away.status, turned_away.reason)
    assert turned_away.headers["retry-after"] == "1"
    assert (await ask(admission, "GET", "/livez", [], [b""])).status == 200
    release.set()
    await slow
    assert (await ask(admission, "GET", "/other", [], [b""])).status == 200


async def test_unexpected_failure(tmp_path: Path) -> None:
    """What nobody expected is logged with its stack and trace, and tells the client nothing."""
    telemetry = Telemetry.start("cartscope-api", log_folder=tmp_path, stdout=False)
    api = Api(telemetry)
    api.store.failure = RuntimeError("the secret is 42")
    answer = await api.add()
    telemetry.close()
    assert answer.status == 500
    assert answer.reason == "internal_error"
    assert b"42" not in answer.body
    [line] = log_lines(tmp_path)
    assert line["log.level"] == "error"
    assert "the secret is 42" in line["error.stack_trace"]
    assert len(line["trace.id"]) == 32


async def test_client_gone_while_sending() -> None:
    """A client that leaves in the middle of its body is nobody's error."""
    gone = asyncio.Event()
    gone.set()
    api = Api()
    answer = await ask(api.app, "POST", "/carts/c/items", [(b"content-type", b"application/json")], [], gone)
    assert answer.status == 0
    assert not api.store.recorded


async def test_every_rule_has_a_problem() -> None:
    """Each reason that the cart's rules give is in the table of problems."""
    named = {
        word.strip(" `\n") for word in (Cart.decide.__doc__ or "").partition("Reasons:")[2].partition(".")[0].split(",")
    }
    assert len(named) == 6
    assert named <= REASONS.keys()


ADDED = "cart.item_added"


async def test_telemetry_of_commands(tmp_path: Path) -> None:
    """Accepted and rejected commands are counted and logged, with the trace that the event carries."""
    exporter = InMemorySpanExporter()
    telemetry = Telemetry.start("cartscope-api", log_folder=tmp_path, stdout=False, spans=SimpleSpanProcessor(exporter))
    api = Api(telemetry)
    answer = await api.add()
    await api.add(quantity=0)
    value = telemetry.registry.get_sample_value
    assert value("cartscope_events_accepted_total", {"event_type": ADDED}) == 1
    assert value("cartscope_commands_rejected_total", {"command": "add_item", "reason": "invalid_quantity"}) == 1
    telemetry.close()
    accepted, rejected = log_lines(tmp_path)
    assert accepted["event.action"] == "event.accepted"
    assert accepted["cartscope.event.id"] == answer.json["id"]
    assert accepted["cartscope.cart.id"] == rejected["cartscope.cart.id"] == "c"
    assert rejected["event.action"] == "command.rejected"
    create = next(span for span in exporter.get_finished_spans() if span.name == f"create {ADDED}")
    server = next(span for span in exporter.get_finished_spans() if span.name == "POST /carts/{cart}/items")
    assert create.parent is not None
    assert create.parent.span_id == server.context.span_id
    assert accepted["trace.id"] in api.store.origins[0].headers["traceparent"]
    assert f"{create.context.span_id:016x}" in api.store.origins[0].headers["traceparent"]


async def test_refusal_is_no_error_of_a_span() -> None:
    """A command that the rules refuse leaves no span with an error."""
    exporter = InMemorySpanExporter()
    api = Api(silent(SimpleSpanProcessor(exporter)))
    await api.ask("POST", "/carts/c/checkout")
    assert {"UNSET"} == {span.status.status_code.name for span in exporter.get_finished_spans()}


def log_lines(folder: Path) -> list[dict[str, Any]]:
    """The log lines of the API, as JSON."""
    return [json.loads(line) for line in (folder / "cartscope-api.log").read_text().splitlines()]
