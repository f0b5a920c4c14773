"""The cart: commands, events and rules. Pure: no I/O, no clock, no ids.

A command is asked of a cart (`Cart.decide`), which answers with one event or refuses with a named reason; folding the
events of a cart (`Cart.apply`) gives the cart again. Every event carries the cart's version after it, counted from 1,
and the cart's units before and after it, so that a reader of the log can see that no event is missing.
"""

import re
from collections.abc import Mapping
from typing import ClassVar, Self

import msgspec

THRESHOLD_UNITS = 10
"""Units in one cart from which on `cart.threshold_reached` is emitted."""

MAXIMUM_QUANTITY = 10_000
MAXIMUM_PRODUCTS = 1_000
"""Different products one cart may hold: it bounds what every further command on the cart costs to store."""

PRODUCT_POPULARITY = "product_popularity"
"""The projection that counts the units of each product ever put into carts."""

IDENTIFIER_PATTERNS = {"cart": r"[A-Za-z0-9._/\-]{1,64}", "product": r"[A-Za-z0-9._/()\-]{1,64}"}
"""What names a cart and what a product: product names of real catalogues have parentheses too."""

IDENTIFIER_RULES = {"cart": "1 to 64 letters, digits or . _ - /", "product": "1 to 64 letters, digits or . _ - / ( )"}

_IDENTIFIERS = {what: re.compile(pattern) for what, pattern in IDENTIFIER_PATTERNS.items()}


class Refused(Exception):  # noqa: N818  a decision of the rules, not a malfunction
    """The cart's rules do not allow the command.

    `reason` is one of a fixed set of snake_case words, fit for a label; the text says it to a person.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class AddItem(msgspec.Struct, frozen=True):
    """Put `quantity` more units of a product into the cart."""

    name: ClassVar[str] = "add_item"
    cart: str
    product: str
    quantity: int


class ChangeQuantity(msgspec.Struct, frozen=True):
    """Make the units of a product that is in the cart `quantity`."""

    name: ClassVar[str] = "change_quantity"
    cart: str
    product: str
    quantity: int


class RemoveItem(msgspec.Struct, frozen=True):
    """Take a product out of the cart, all units of it."""

    name: ClassVar[str] = "remove_item"
    cart: str
    product: str


class CheckOut(msgspec.Struct, frozen=True):
    """Close the cart: it takes no further command."""

    name: ClassVar[str] = "check_out"
    cart: str


Command = AddItem | ChangeQuantity | RemoveItem | CheckOut


class ItemAdded(msgspec.Struct, frozen=True):
    """`quantity` units of a product were put into the cart."""

    type: ClassVar[str] = "cart.item_added"
    cart: str
    version: int
    product: str
    quantity: int
    units_before: int
    units_after: int


class QuantityChanged(msgspec.Struct, frozen=True):
    """The units of a product in the cart went from `quantity_before` to `quantity`."""

    type: ClassVar[str] = "cart.quantity_changed"
    cart: str
    version: int
    product: str
    quantity_before: int
    quantity: int
    units_before: int
    units_after: int


class ItemRemoved(msgspec.Struct, frozen=True):
    """A product was taken out of the cart with all its `quantity` units."""

    type: ClassVar[str] = "cart.item_removed"
    cart: str
    version: int
    product: str
    quantity: int
    units_before: int
    units_after: int


class CheckedOut(msgspec.Struct, frozen=True):
    """The cart was closed; its units stay as they were."""

    type: ClassVar[str] = "cart.checked_out"
    cart: str
    version: int
    units_before: int
    units_after: int


class ThresholdReached(msgspec.Struct, frozen=True):
    """The cart went from fewer than `threshold` units to `units`, at its version `version`."""

    type: ClassVar[str] = "cart.threshold_reached"
    cart: str
    version: int
    threshold: int
    units: int


CartEvent = ItemAdded | QuantityChanged | ItemRemoved | CheckedOut
"""What changes a cart. `ThresholdReached` follows from such a change and changes nothing itself."""

CART_EVENTS: Mapping[str, type[CartEvent]] = {
    event.type: event for event in (ItemAdded, QuantityChanged, ItemRemoved, CheckedOut)
}
EVENTS: Mapping[str, type[CartEvent | ThresholdReached]] = {**CART_EVENTS, ThresholdReached.type: ThresholdReached}
EVENT_OF_COMMAND: Mapping[type[Command], str] = {
    AddItem: ItemAdded.type,
    ChangeQuantity: QuantityChanged.type,
    RemoveItem: ItemRemoved.type,
    CheckOut: CheckedOut.type,
}


def check_identifier(text: str, what: str) -> None:
    """Hold the name of a `cart` or a `product` against its pattern.

    Raises:
        Refused: with the reason `invalid_identifier`.
    """
    if _IDENTIFIERS[what].fullmatch(text) is None:
        raise Refused("invalid_identifier", f"a {what} is named by {IDENTIFIER_RULES[what]}")


def check_quantity(quantity: int) -> None:
    """Hold a quantity against its limits, 1 to 10,000 units.

    Raises:
        Refused: with the reason `invalid_quantity`.
    """
    if not 1 <= quantity <= MAXIMUM_QUANTITY:
        raise Refused("invalid_quantity", f"a quantity is a whole number from 1 to {MAXIMUM_QUANTITY:,}")


class Cart(msgspec.Struct, frozen=True):
    """One shopper's cart after its first `version` events; `items` gives the units of each product."""

    id: str
    version: int = 0
    items: dict[str, int] = {}
    checked_out: bool = False

    @property
    def units(self) -> int:
        """All units in the cart, over all products."""
        return sum(self.items.values())

    def decide(self, command: Command) -> CartEvent:
        """The event that the command brings about in this cart.

        Raises:
            Refused: when the rules do not allow it. Reasons: `invalid_identifier`, `invalid_quantity`,
                `cart_checked_out`, `cart_full`, `cart_empty`, `item_not_in_cart`.
        """
        check_identifier(self.id, "cart")
        if not isinstance(command, CheckOut):
            check_identifier(command.product, "product")
        if isinstance(command, AddItem | ChangeQuantity):
            check_quantity(command.quantity)
        if self.checked_out:
            raise Refused("cart_checked_out", f"cart {self.id} is checked out and takes no more commands")
        return self._decide(command)

    def _decide(self, command: Command) -> CartEvent:
        match command:
            case AddItem():
                return self._add(command)
            case ChangeQuantity():
                return self._change(command)
            case RemoveItem():
                return self._remove(command)
            case CheckOut():
                return self._check_out()

    def _add(self, command: AddItem) -> ItemAdded:
        if command.product not in self.items and len(self.items) >= MAXIMUM_PRODUCTS:
            raise Refused("cart_full", f"cart {self.id} holds {MAXIMUM_PRODUCTS:,} different products already")
        units = self.units
        return ItemAdded(self.id, self.version + 1, command.product, command.quantity, units, units + command.quantity)

    def _change(self, command: ChangeQuantity) -> QuantityChanged:
        before, units = self._quantity(command.product), self.units
        after = units - before + command.quantity
        return QuantityChanged(self.id, self.version + 1, command.product, before, command.quantity, units, after)

    def _remove(self, command: RemoveItem) -> ItemRemoved:
        quantity, units = self._quantity(command.product), self.units
        return ItemRemoved(self.id, self.version + 1, command.product, quantity, units, units - quantity)

    def _check_out(self) -> CheckedOut:
        units = self.units
        if not units:
            raise Refused("cart_empty", f"cart {self.id} is empty: there is nothing to check out")
        return CheckedOut(self.id, self.version + 1, units, units)

    def _quantity(self, product: str) -> int:
        quantity = self.items.get(product)
        if quantity is None:
            raise Refused("item_not_in_cart", f"cart {self.id} holds no {product}")
        return quantity

    def apply(self, event: CartEvent) -> Self:
        """The cart after the event, which must be the next one of this cart.

        Raises:
            ValueError: when it is not: another cart's, or not the next version.
        """
        if event.cart != self.id or event.version != self.version + 1:
            raise ValueError(f"event {event.cart}:{event.version} does not follow cart {self.id}:{self.version}")
        return type(self)(self.id, event.version, self._items_after(event), isinstance(event, CheckedOut))

    def _items_after(self, event: CartEvent) -> dict[str, int]:
        match event:
            case ItemAdded():
                return {**self.items, event.product: self.items.get(event.product, 0) + event.quantity}
            case QuantityChanged():
                return {**self.items, event.product: event.quantity}
            case ItemRemoved():
                return {product: units for product, units in self.items.items() if product != event.product}
            case CheckedOut():
                return self.items
