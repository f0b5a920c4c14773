"""The HTTP API in a test: a store and a bus that keep everything in memory, and a client that needs no server."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from cart_observability.telemetry import Telemetry, silent
from cart_platform.api.app import create_app
from cart_platform.api.waiters import Waiters
from cart_platform.bus import Delivery
from cart_platform.cart import Cart, Command
from cart_platform.events import Event, Message, new_id, now
from cart_platform.handler import Handler, Result, UnitOfWork
from cart_platform.store import Execution, IdempotencyKeyReused, Origin, Recorded


class MemoryStore:
    """As much of a store as the API uses; `failure` is raised instead of an answer, `executed` counts commands."""

    shards = 1

    def __init__(self) -> None:
        self.carts: dict[str, Cart] = {}
        self.recorded: dict[str, Recorded] = {}
        self.keys: dict[tuple[str, str], tuple[Command, Event]] = {}
        self.popular: list[tuple[str, int]] = []
        self.failure: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.then: Callable[[Event], None] | None = None
        self.origins: list[Origin] = []

    async def ping(self) -> None:
        """Answers, unless there is a failure."""
        if self.failure is not None:
            raise self.failure

    async def execute(self, command: Command, origin: Origin, idempotency_key: str | None = None) -> Execution:
        """Decides by the cart's own rules; waits for the gate before, and calls `then` with the event after."""
        if self.gate is not None:
            await self.gate.wait()
        await self.ping()
        if idempotency_key is not None and (command.cart, idempotency_key) in self.keys:
            return self._repeat(command, idempotency_key)
        cart = self.carts.get(command.cart, Cart(command.cart))
        change = cart.decide(command)
        self.carts[command.cart] = cart.apply(change)
        event = Event(
            id=new_id(),
            source="/test",
            type=change.type,
            time=now(),
            data=msgspec.to_builtins(change),
            subject=change.cart,
            traceparent=origin.headers.get("traceparent"),
            replyto=origin.replyto,
        )
        self.origins.append(origin)
        self.recorded[event.id] = Recorded(event, {}, sent=False)
        if idempotency_key is not None:
            self.keys[command.cart, idempotency_key] = (command, event)
        if self.then is not None:
            self.then(event)
        return Execution(event)

    def _repeat(self, command: Command, key: str) -> Execution:
        earlier, event = self.keys[command.cart, key]
        if earlier != command:
            raise IdempotencyKeyReused("the key stands for another command")
        return Execution(event, repeated=True)

    async def cart(self, cart: str) -> Cart | None:
        """The cart."""
        await self.ping()
        return self.carts.get(cart)

    async def event(self, event_id: str) -> Recorded | None:
        """The event with its results."""
        await self.ping()
        return self.recorded.get(event_id)

    async def top(self, projection: str, limit: int) -> Sequence[tuple[str, int]]:
        """What was put into `popular`."""
        await self.ping()
        return self.popular[:limit]

    def keep(self, result: Result) -> None:
        """As if a worker had committed the result."""
        recorded = self.recorded[result.event_id]
        results = {**recorded.results, result.handler: result}
        self.recorded[result.event_id] = Recorded(recorded.event, results, sent=True)


class MemorySubscription:
    """What a test puts into it is received."""

    def __init__(self) -> None:
        self.deliveries: asyncio.Queue[Delivery] = asyncio.Queue()
        self.closed = False

    async def receive(self, limit: int) -> Sequence[Delivery]:
        """The next delivery."""
        return [await self.deliveries.get()]

    async def close(self) -> None:
        """Notes that it was closed."""
        self.closed = True


class MemoryBus:
    """As much of a bus as the API uses; `failure` is raised instead of an answer."""

    system = "memory"
    address: str | None = None
    port: int | None = None

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.listening = asyncio.Event()
        self.subscriptions: dict[str, MemorySubscription] = {}

    async def ping(self) -> None:
        """Answers, unless there is a failure."""
        if self.failure is not None:
            raise self.failure

    async def listen(self, routing_key: str) -> MemorySubscription:
        """A subscription for the test to put results into."""
        await self.ping()
        subscription = self.subscriptions[routing_key] = MemorySubscription()
        self.listening.set()
        return subscription

    async def send(self, address: str, result: Result) -> None:
        """As if a worker had published the result to the reply address."""
        await self.listening.wait()
        message = Message(msgspec.json.encode(result))
        self.subscriptions[address].deliveries.put_nowait(Delivery("reply", address, message))


async def handle(event: Event, work: UnitOfWork) -> Mapping[str, Any] | None:
    """A handler that does nothing."""


TABLE = (
    Handler("threshold", frozenset({"cart.item_added", "cart.checked_out"}), handle),
    Handler("popularity", frozenset({"cart.item_added"}), handle),
)


def result_of(event: Event, handler: str, outcome: str = "done", **data: object) -> Result:
    """What a handler reports about an event."""
    return Result(event.id, event.type, handler, outcome, now(), data, event.replyto)


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """The reason of a problem."""
        assert self.headers["content-type"] == "application/problem+json"
        assert self.json["status"] == self.status
        return str(self.json["type"]).removeprefix("/problems/")


@dataclass
class Api:
    """The application on a store and a bus in memory, and how to ask it."""

    telemetry: Telemetry = field(default_factory=silent)
    store: MemoryStore = field(default_factory=MemoryStore)
    bus: MemoryBus = field(default_factory=MemoryBus)
    waiting: int = 1_000

    def __post_init__(self) -> None:
        """Puts the application together."""
        self.waiters = Waiters(self.bus, self.telemetry, limit=self.waiting)  # type: ignore[arg-type]  # a part of a bus
        self.app = create_app(
            store=self.store,  # type: ignore[arg-type]  # a part of a store
            bus=self.bus,  # type: ignore[arg-type]  # a part of a bus
            handlers=TABLE,
            telemetry=self.telemetry,
            waiters=self.waiters,
        )

    async def ask(
        self, method: str, target: str, body: object = None, gone: asyncio.Event | None = None, **headers: str
    ) -> Answer:
        """One request; underscores in header names become hyphens, `gone` says that the client has left."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
        if body is not None and "content_type" not in headers:
            sent.append((b"content-type", b"application/json"))
        return await ask(self.app, method, target, sent, [content], gone)

    async def add(self, cart: str = "c", product: str = "milk", quantity: int = 1, **headers: str) -> Answer:
        """Put something into a cart."""
        return await self.ask(
            "POST", f"/carts/{cart}/items", {"product": product, "quantity": quantity}, None, **headers
        )


async def ask(
    app: Any,
    method: str,
    target: str,
    headers: Sequence[tuple[bytes, bytes]],
    chunks: Sequence[bytes],
    gone: asyncio.Event | None = None,
) -> Answer:
    """One request to an ASGI application, its body in chunks."""
    raw, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote_to_bytes(raw).decode("utf-8", "replace"),
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "headers": list(headers),
        "server": ("testserver", 80),
        "client": ("testclient", 1),
        "root_path": "",
        "state": {},
    }
    left = list(chunks)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if left:
            chunk = left.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(left)}
        await (gone or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if not sent:
        return Answer(0, {}, b"")
    fields = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], fields, b"".join(message.get("body", b"") for message in sent[1:]))
