"""The storefront: what there is to buy, commands for the API, how a cart stands, and the e-mails that it brought."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import quote

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.routing import Route

from cart_observability.console.web.problem import Problem
from cart_platform.cart import EVENT_OF_COMMAND, EVENTS, MAXIMUM_QUANTITY, THRESHOLD_UNITS, CheckOut
from cart_platform.console.answering import answering, body_of, limit_of
from cart_platform.console.api_client import ApiAnswer, ApiClient
from cart_platform.console.mails import Mails, maildir
from cart_platform.console.watched import Watched
from cart_platform.errors import Unavailable, UsageError
from cart_platform.handler import reacting
from cart_platform.shoppers import request
from cart_platform.shoppers.catalogue import PRODUCTS
from cart_platform.shoppers.request import Request

LONGEST_WAIT = 10
"""Seconds for which the page may have the API wait."""

MAILS, MOST_MAILS = 10, 100
POPULAR = 100
"""Products whose totals are asked for: more than the shop sells."""

NOT_FOUND, SERVER_ERROR = 404, 500

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """A command as the page sends it; `key` names it: the same key again is the same command again."""

    cart: Name
    command: Literal["add_item", "change_quantity", "remove_item", "check_out"]
    key: Annotated[str, msgspec.Meta(pattern=r"\A[\x21-\x7e]{1,255}\Z")]
    product: Name | None = None
    quantity: Annotated[int, msgspec.Meta(ge=1, le=MAXIMUM_QUANTITY)] = 1
    wait: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_WAIT)] | None = None


class Shop:
    """The endpoints of the storefront; `close` them at the end."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._api = ApiClient(watched.api)
        folder = maildir(watched.parts.settings.mail_url)
        self._mails = Mails(folder) if folder else None
        self._reading = asyncio.Lock()

    def routes(self) -> Sequence[Route]:
        """The routes that lead to the endpoints."""
        return (
            Route("/api/shop/products", answering(self.products)),
            Route("/api/shop/commands", answering(self.command), methods=["POST"]),
            Route("/api/shop/carts/{cart:path}", answering(self.cart)),
            Route("/api/shop/mail", answering(self.mail)),
        )

    async def close(self) -> None:
        """Let go of the API."""
        await self._api.close()

    async def products(self, _request: HttpRequest) -> Mapping[str, Any]:
        """What is sold, how much was ever put into carts, who reacts to which event, and which a command brings."""
        return {
            "products": [{"product": product, "units": units} for product, units in (await self._sold()).items()],
            "threshold": THRESHOLD_UNITS,
            "most": MAXIMUM_QUANTITY,
            "reactions": {event: reacting(self._watched.handlers, event) for event in EVENTS},
            "commanded": list(EVENT_OF_COMMAND.values()),
        }

    async def _sold(self) -> Mapping[str, int | None]:
        try:
            answer = await self._api.get(f"/products/popular?limit={POPULAR}")
            totals = {row["product"]: row["units"] for row in answer.document["products"]}
        except (Unavailable, KeyError, TypeError):
            # What is sold is known without the API; commands will say that it is away.
            return dict.fromkeys(PRODUCTS)
        return {product: totals.get(product, 0) for product in PRODUCTS}

    async def command(self, http: HttpRequest) -> Mapping[str, Any]:
        """Send a command to the API: its event, how long the answer took, and the results if they were waited for."""
        wish = await body_of(http, Wish)
        answer = checked(await self._api.send(request_for(wish), wish.wait))
        return {
            "status": answer.status,
            "duration_ms": answer.seconds * 1e3,
            "event": answer.document,
            "repeated": answer.headers.get("Idempotency-Replayed") == "true",
        }

    async def cart(self, http: HttpRequest) -> Mapping[str, Any]:
        """How a cart stands; one that has no events yet is empty."""
        cart = http.path_params["cart"]
        answer = await self._api.get(f"/carts/{quote(cart, safe='')}")
        if answer.status == NOT_FOUND:
            return {"id": cart, "version": 0, "items": {}, "units": 0, "checked_out": False}
        document: Mapping[str, Any] = checked(answer).document
        return document

    async def mail(self, http: HttpRequest) -> Mapping[str, Any]:
        """The newest e-mails, of one cart if it is named; `folder` is None where e-mails go to a mail server."""
        limit = limit_of(http, MAILS, MOST_MAILS)
        if self._mails is None:
            return {"mails": [], "folder": None}
        async with self._reading:
            mails = await asyncio.to_thread(self._mails.newest, limit, http.query_params.get("cart"))
        return {"mails": mails, "folder": str(self._mails.folder)}


def checked(answer: ApiAnswer) -> ApiAnswer:
    """The answer of an API that did what it was asked; raises Problem, in the API's words, when it did not."""
    if answer.status < 300:  # noqa: PLR2004  the API redirects nowhere
        return answer
    problem = answer.document if isinstance(answer.document, dict) else {}
    said = problem.get("detail") or problem.get("title") or f"HTTP {answer.status}"
    if answer.status >= SERVER_ERROR:
        raise Unavailable(f"the API cannot do it at present: {said}")
    raise Problem(answer.status, str(said))


OF_PRODUCT: Mapping[str, Callable[[str, str, int, str], Request]] = {
    "add_item": request.add_item,
    "change_quantity": request.change_quantity,
    "remove_item": lambda cart, product, _quantity, key: request.remove_item(cart, product, key),
}
"""Commands that concern a product, as requests."""


def request_for(wish: Wish) -> Request:
    """The request that a wish is for the API; raises UsageError when it can be none."""
    if wish.command == CheckOut.name:
        made = request.check_out(wish.cart, wish.key)
    elif wish.product is None:
        raise UsageError(f"{wish.command} needs a product")
    else:
        made = OF_PRODUCT[wish.command](wish.cart, wish.product, wish.quantity, wish.key)
    if made.path is None:
        raise UsageError("no cart and no product is called that")
    return made
