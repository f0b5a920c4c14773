"""Products: which ones were put into carts most."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Query

from cart_platform.api.models import PopularProducts, ProductTotal
from cart_platform.api.problems import documented
from cart_platform.api.routing import Route
from cart_platform.cart import PRODUCT_POPULARITY
from cart_platform.store import Store

Limit = Annotated[int, Query(ge=1, le=100, description="How many products.")]


class Products:
    """The endpoints of products."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> Iterator[Route]:
        """The routes that lead to the endpoints."""
        yield Route(
            "/products/popular",
            self.read_popular,
            summary="The most popular products",
            tags=["products"],
            responses=documented("invalid_request", "overloaded", "unavailable", "internal_error"),
        )

    async def read_popular(self, limit: Limit = 10) -> PopularProducts:
        """The products of which the most units were put into carts; removals do not subtract."""
        totals = await self._store.top(PRODUCT_POPULARITY, limit)
        return PopularProducts(products=[ProductTotal(product=product, units=units) for product, units in totals])
