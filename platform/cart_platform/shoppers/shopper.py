"""Shoppers who fill carts: mostly adding, at times changing their minds, some of them checking out."""

from collections.abc import Iterator
from itertools import count
from random import Random

from cart_platform.shoppers import request
from cart_platform.shoppers.catalogue import DEMAND, PRODUCTS
from cart_platform.shoppers.request import Request

THINKING_TIME = 1.0
"""Mean seconds between two commands of one shopper: at a rate of n a second, n shoppers are in the shop."""

FEWEST_SHOPPERS = 4
MEAN_FURTHER_COMMANDS = 8
CHECKOUT_SHARE = 0.4

ACT_WEIGHTS = (80, 12, 8)
"""How often a shopper adds, changes a quantity, removes."""

QUANTITIES = (1, 2, 3, 6)
QUANTITY_WEIGHTS = (70, 18, 8, 4)


class Shopper:
    """One shopper's way through the shop with one cart; remembers what is in it, so as to ask for what makes sense."""

    def __init__(self, cart: str, chance: Random) -> None:
        self._cart = cart
        self._chance = chance
        self._positions = count(1)
        # A dict for its order: a set's differs from process to process, and with it what the seed brings.
        self._basket: dict[str, None] = {}

    def commands(self) -> Iterator[Request]:
        """The commands for the cart, in order; at least one."""
        for _ in range(1 + int(self._chance.expovariate(1 / MEAN_FURTHER_COMMANDS))):
            yield self._act()
        if self._basket and self._chance.random() < CHECKOUT_SHARE:
            yield request.check_out(self._cart, self._key())

    def _act(self) -> Request:
        if not self._basket:
            return self._add()
        return self._chance.choices((self._add, self._change, self._remove), ACT_WEIGHTS)[0]()

    def _add(self) -> Request:
        product = self._chance.choices(PRODUCTS, cum_weights=DEMAND)[0]
        self._basket[product] = None
        return request.add_item(self._cart, product, self._quantity(), self._key())

    def _change(self) -> Request:
        return request.change_quantity(self._cart, self._something(), self._quantity(), self._key())

    def _remove(self) -> Request:
        product = self._something()
        del self._basket[product]
        return request.remove_item(self._cart, product, self._key())

    def _something(self) -> str:
        return self._chance.choice(list(self._basket))

    def _quantity(self) -> int:
        return self._chance.choices(QUANTITIES, QUANTITY_WEIGHTS)[0]

    def _key(self) -> str:
        return f"{self._cart}-{next(self._positions)}"


def crowd(run: str, rate: float, seed: int) -> Iterator[Request]:
    """Endless commands of as many shoppers at once as the rate keeps busy; one who leaves makes room for the next.

    Args:
        run: Begins the name of every cart, so that two runs fill different ones.
        rate: Commands per second at which they will be sent.
        seed: The same seed gives the same commands, apart from `run`.
    """
    chance = Random(f"shoppers {seed}")  # noqa: S311  load, not secrets
    carts = (f"{run}-{number}" for number in count(1))
    shoppers = [
        Shopper(next(carts), chance).commands() for _ in range(max(FEWEST_SHOPPERS, round(rate * THINKING_TIME)))
    ]
    while True:
        place = chance.randrange(len(shoppers))
        command = next(shoppers[place], None)
        if command is None:
            shoppers[place] = Shopper(next(carts), chance).commands()
            command = next(shoppers[place])
        yield command
