"""Carts: the commands that change one, and how it stands."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Header, Path
from starlette.requests import Request
from starlette.responses import Response

from cart_platform.api.commands import KEY_PATTERN, Commands
from cart_platform.api.models import CART_PATTERN, PRODUCT_PATTERN, Accepted, CartDocument, NewItem, NewQuantity
from cart_platform.api.problems import Documentation, ProblemError, documented
from cart_platform.api.routing import CommandRoute, Route
from cart_platform.cart import AddItem, ChangeQuantity, CheckOut, RemoveItem
from cart_platform.store import Store

CartId = Annotated[str, Path(pattern=CART_PATTERN, description="The cart's name; encode / as %2F.")]
ProductId = Annotated[str, Path(pattern=PRODUCT_PATTERN, description="The product's name.")]
IdempotencyKey = Annotated[
    str | None,
    Header(pattern=KEY_PATTERN, description="Names the command: the same key again gives the same event again."),
]
Prefer = Annotated[
    str | None,
    Header(description="`wait=N`: wait up to N seconds, 60 at most, for the handlers' results.", examples=["wait=5"]),
]

_HEADERS = {
    "Location": {"description": "Where the event is found.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {
        "description": "`true` when the event is that of an earlier command with this Idempotency-Key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Preference-Applied": {
        "description": "The wait that was kept to (RFC 7240).",
        "schema": {"type": "string", "pattern": "^wait=[0-9]+$"},
    },
}
_ACCEPTED: Documentation = {
    200: {"model": Accepted, "description": "Accepted, and every handler has reported.", "headers": _HEADERS},
    202: {"model": Accepted, "description": "Accepted; handlers may still have to report.", "headers": _HEADERS},
}
_PROBLEMS = ("invalid_identifier", "invalid_idempotency_key", "idempotency_key_reused", "cart_checked_out")
_BODY_PROBLEMS = (
    "invalid_quantity",
    "invalid_request",
    "body_too_slow",
    "body_too_large",
    "unsupported_media_type",
)
_ALWAYS = ("overloaded", "unavailable", "internal_error")


class Carts:
    """The endpoints of carts."""

    def __init__(self, store: Store, commands: Commands) -> None:
        self._store = store
        self._commands = commands

    def routes(self) -> Iterator[Route]:
        """The routes that lead to the endpoints."""
        item = "/carts/{cart}/items/{product:path}"
        yield command("POST", "/carts/{cart}/items", self.add_item, *_BODY_PROBLEMS, "cart_full")
        yield command("PATCH", item, self.change_quantity, *_BODY_PROBLEMS, "item_not_in_cart")
        yield command("DELETE", item, self.remove_item, "item_not_in_cart")
        yield command("POST", "/carts/{cart}/checkout", self.check_out, "cart_empty")
        yield Route(
            "/carts/{cart}",
            self.read_cart,
            summary="How a cart stands",
            tags=["carts"],
            responses=documented("invalid_identifier", "cart_not_found", *_ALWAYS),
        )

    async def add_item(
        self,
        cart: CartId,
        item: NewItem,
        request: Request,
        idempotency_key: IdempotencyKey = None,
        prefer: Prefer = None,
    ) -> Response:
        """Put units of a product into the cart; the first one makes the cart."""
        return await self._commands.accept(AddItem(cart, item.product, item.quantity), request, idempotency_key, prefer)

    async def change_quantity(
        self,
        cart: CartId,
        product: ProductId,
        units: NewQuantity,
        request: Request,
        idempotency_key: IdempotencyKey = None,
        prefer: Prefer = None,
    ) -> Response:
        """Make the units of a product that is in the cart another number."""
        return await self._commands.accept(
            ChangeQuantity(cart, product, units.quantity), request, idempotency_key, prefer
        )

    async def remove_item(
        self,
        cart: CartId,
        product: ProductId,
        request: Request,
        idempotency_key: IdempotencyKey = None,
        prefer: Prefer = None,
    ) -> Response:
        """Take a product out of the cart, all units of it."""
        return await self._commands.accept(RemoveItem(cart, product), request, idempotency_key, prefer)

    async def check_out(
        self, cart: CartId, request: Request, idempotency_key: IdempotencyKey = None, prefer: Prefer = None
    ) -> Response:
        """Close the cart: it takes no further command."""
        return await self._commands.accept(CheckOut(cart), request, idempotency_key, prefer)

    async def read_cart(self, cart: CartId) -> CartDocument:
        """The cart as its events so far have made it."""
        found = await self._store.cart(cart)
        if found is None:
            raise ProblemError("cart_not_found", f"there is no cart {cart}")
        return CartDocument.of(found)


def command(method: str, path: str, endpoint: Any, *reasons: str) -> CommandRoute:
    """The route of a command; its endpoint has the command's name."""
    return CommandRoute(
        path,
        endpoint,
        methods=[method],
        status_code=202,
        tags=["carts"],
        summary=endpoint.__name__.replace("_", " ").capitalize(),
        responses=_ACCEPTED | documented(*_PROBLEMS, *reasons, *_ALWAYS),
    )
