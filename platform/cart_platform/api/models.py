"""The documents that the API takes and gives; their JSON Schemas are in /openapi.json."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from cart_platform.cart import IDENTIFIER_PATTERNS, MAXIMUM_QUANTITY, Cart
from cart_platform.events import encode_structured
from cart_platform.handler import Result
from cart_platform.store import Execution, Recorded

CART_PATTERN = f"^{IDENTIFIER_PATTERNS['cart']}$"
PRODUCT_PATTERN = f"^{IDENTIFIER_PATTERNS['product']}$"
"""What `cart.check_identifier` accepts, as JSON Schema says it."""


def whole(number: object) -> object:
    """2.0 as 2: JSON has one kind of number, and JSON Schema calls 2.0 an integer."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


Product = Annotated[str, Field(pattern=PRODUCT_PATTERN, description="The product's name.", examples=["whole_milk"])]
Quantity = Annotated[int, Field(ge=1, le=MAXIMUM_QUANTITY, description="Units.", examples=[2]), BeforeValidator(whole)]


class Body(BaseModel):
    """A request's body: a misspelt member is refused rather than ignored, and `"2"` is no number."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewItem(Body):
    """Units of a product to put into the cart."""

    product: Product
    quantity: Quantity = 1


class NewQuantity(Body):
    """How many units of the product there are to be in the cart."""

    quantity: Quantity


class HandlerResult(BaseModel):
    """What a handler reported about the event: what it returned, or why it was given up."""

    outcome: str = Field(description="`done` or `dead_lettered`.", examples=["done"])
    time: datetime
    data: dict[str, Any] = Field(examples=[{"reached": False}])


def handler_results(results: Mapping[str, Result]) -> dict[str, HandlerResult]:
    """The results by handler, as they are shown."""
    return {
        handler: HandlerResult(outcome=result.outcome, time=result.time, data=dict(result.data))
        for handler, result in results.items()
    }


class Accepted(BaseModel):
    """A command was accepted: its event is kept and will be handled."""

    id: str = Field(description="The event's id.", examples=["019ab1c2-3d4e-7f50-8a9b-0c1d2e3f4a5b"])
    type: str = Field(description="The event's type.", examples=["cart.item_added"])
    cart: str = Field(examples=["cart-42"])
    version: int = Field(description="The cart's version after the event, counted from 1.", examples=[3])
    status: Literal["accepted", "handled"] = Field(description="`handled` once every handler has reported.")
    results: dict[str, HandlerResult] = Field(description="What handlers have reported so far, by handler.")

    @classmethod
    def of(cls, execution: Execution, results: Mapping[str, Result], *, handled: bool) -> Self:
        """What is said of a command that was executed, with the results that were waited for."""
        event = execution.event
        return cls(
            id=event.id,
            type=event.type,
            cart=event.subject or "",
            version=event.data["version"],
            status="handled" if handled else "accepted",
            results=handler_results(results) if results else {},
        )


class CartDocument(BaseModel):
    """A cart as its events have made it."""

    id: str = Field(examples=["cart-42"])
    version: int = Field(description="How many events have made it.", examples=[3])
    items: dict[str, int] = Field(description="Units by product.", examples=[{"whole_milk": 2}])
    units: int = Field(description="All units in the cart.", examples=[2])
    checked_out: bool

    @classmethod
    def of(cls, cart: Cart) -> Self:
        """The cart as it is shown."""
        return cls(
            id=cart.id, version=cart.version, items=dict(cart.items), units=cart.units, checked_out=cart.checked_out
        )


class EventDocument(BaseModel):
    """An event of the log and what has become of it."""

    event: dict[str, Any] = Field(
        description="The event as CloudEvents 1.0 JSON (structured mode).",
        examples=[{"specversion": "1.0", "id": "019ab1c2", "source": "/cartscope/carts", "type": "cart.item_added"}],
    )
    results: dict[str, HandlerResult] = Field(description="What handlers have reported so far, by handler.")
    trace_id: str | None = Field(description="The trace of the request that brought the event about.")
    published: bool = Field(description="Whether the bus has confirmed the event.")

    @classmethod
    def of(cls, recorded: Recorded) -> Self:
        """The recorded event as it is shown."""
        return cls(
            event=msgspec.json.decode(encode_structured(recorded.event)),
            results=handler_results(recorded.results),
            trace_id=trace_id(recorded.event.traceparent),
            published=recorded.sent,
        )


def trace_id(traceparent: str | None) -> str | None:
    """The trace id in a W3C traceparent (`version-traceid-spanid-flags`), None when there is none."""
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) > 1 else None


class ProductTotal(BaseModel):
    """A product and the units of it that were ever put into carts."""

    product: str = Field(examples=["whole_milk"])
    units: int = Field(examples=[2513])


class PopularProducts(BaseModel):
    """The products with the largest totals, largest first."""

    products: list[ProductTotal]


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Dependency(BaseModel):
    """A server that the API needs, and why it cannot be used when it cannot."""

    ready: bool
    reason: str | None = Field(None, examples=["cannot reach Redis at 127.0.0.1:6379"])


class Readiness(BaseModel):
    """Whether commands can be taken."""

    status: Literal["ready"] = "ready"
    dependencies: dict[str, Dependency]


class ProblemExplanation(BaseModel):
    """What a problem's `type` means."""

    type: str = Field(examples=["/problems/cart_empty"])
    title: str
    status: int
    advice: str


class Problem(BaseModel):
    """A problem, as RFC 9457 describes it."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        description="Where the problem is explained; ends in its reason.", examples=["/problems/cart_empty"]
    )
    title: str
    status: int
    detail: str
