"""What made-up shoppers ask for."""

import json
from collections import Counter, defaultdict
from itertools import islice
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_platform.cart import THRESHOLD_UNITS, AddItem, Cart, ChangeQuantity, CheckOut, Command, RemoveItem
from cart_platform.shoppers.catalogue import PRODUCTS
from cart_platform.shoppers.request import Request
from cart_platform.shoppers.shopper import crowd


def command(request: Request) -> Command:
    """The command that the API would read out of the request."""
    assert request.path is not None
    segments = [unquote(segment) for segment in request.path.split("/")[2:]]
    body = json.loads(request.body or b"{}")
    match request.method, segments:
        case "POST", [cart, "items"]:
            return AddItem(cart, body["product"], body["quantity"])
        case "PATCH", [cart, "items", product]:
            return ChangeQuantity(cart, product, body["quantity"])
        case "DELETE", [cart, "items", product]:
            return RemoveItem(cart, product)
        case "POST", [cart, "checkout"]:
            return CheckOut(cart)
    raise AssertionError(request)


def shop(seed: int, number: int) -> dict[str, Cart]:
    """The carts after so many commands; raises Refused when a command breaks the cart's rules."""
    carts: dict[str, Cart] = {}
    for request in islice(crowd("run", 20, seed), number):
        cart = carts.get(request.cart, Cart(request.cart))
        carts[request.cart] = cart.apply(cart.decide(command(request)))
    return carts


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_commands_make_sense(seed: int) -> None:
    """No command of a shopper is refused by the cart's rules when they arrive in order."""
    shop(seed, 500)


def test_carts_are_like_carts() -> None:
    """Carts end between small and large: many pass the threshold, many do not, some are checked out."""
    carts = shop(1, 5000).values()
    shares = [sum(cart.units >= THRESHOLD_UNITS for cart in carts), sum(cart.checked_out for cart in carts)]
    assert all(0.2 * len(carts) < share < 0.8 * len(carts) for share in shares)


def test_demand_is_skewed() -> None:
    """The most wanted product is added several times as often as one in the middle of the catalogue."""
    requests = islice(crowd("run", 20, 1), 10_000)
    added = Counter(one.product for one in map(command, requests) if isinstance(one, AddItem))
    assert added.most_common(1)[0][0] == PRODUCTS[0]
    assert added[PRODUCTS[0]] > 5 * added[PRODUCTS[len(PRODUCTS) // 2]]


def test_seed_gives_the_same_commands() -> None:
    """The same seed asks for the same, another for something else."""
    first, again, other = (list(islice(crowd("run", 20, seed), 500)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_runs_fill_different_carts() -> None:
    """Two runs of one seed share neither a cart nor an idempotency key."""
    first, other = (list(islice(crowd(run, 20, 1), 500)) for run in ("monday", "tuesday"))
    assert not {one.cart for one in first} & {one.cart for one in other}
    assert not {one.key for one in first} & {one.key for one in other}


def test_keys_differ() -> None:
    """Every command has a key of its own."""
    requests = list(islice(crowd("run", 20, 1), 5000))
    assert len({one.key for one in requests}) == len(requests)


@pytest.mark.parametrize("rate", [0.01, 20, 1000])
def test_shoppers_come_and_go(rate: float) -> None:
    """Whatever the rate, more carts are filled than there are shoppers at once."""
    sizes: defaultdict[str, int] = defaultdict(int)
    for one in islice(crowd("run", rate, 1), 20_000):
        sizes[one.cart] += 1
    assert len(sizes) > 2 * max(4, rate) * 0.5
    assert max(sizes.values()) < 200
