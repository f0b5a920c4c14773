"""A command as an HTTP request, encoded before it is due."""

from urllib.parse import quote

import msgspec

LONGEST_PATH = 4096
"""Bytes; servers and proxies cut request lines from about 8 KiB on."""

Quantity = int | str | msgspec.Raw
"""Units, or whatever stands in a file where units should: the API refuses what is none."""


class Request(msgspec.Struct, frozen=True):
    """One command for one cart; `key` is its Idempotency-Key, `path` is relative to the API's root.

    `path` is None when the cart's identifier cannot stand in a path.
    """

    cart: str
    method: str
    path: str | None
    body: bytes | None
    key: str


_encode = msgspec.json.Encoder().encode


def add_item(cart: str, product: str, quantity: Quantity, key: str) -> Request:
    """Asks to put units of a product into the cart."""
    body = _encode({"product": product, "quantity": quantity})
    return Request(cart, "POST", _path("/carts/", cart, "/items"), body, key)


def change_quantity(cart: str, product: str, quantity: Quantity, key: str) -> Request:
    """Asks to make the units of a product in the cart `quantity`."""
    return Request(cart, "PATCH", _path("/carts/", cart, "/items/", product), _encode({"quantity": quantity}), key)


def remove_item(cart: str, product: str, key: str) -> Request:
    """Asks to take a product out of the cart."""
    return Request(cart, "DELETE", _path("/carts/", cart, "/items/", product), None, key)


def check_out(cart: str, key: str) -> Request:
    """Asks to close the cart."""
    return Request(cart, "POST", _path("/carts/", cart, "/checkout"), None, key)


def _path(*parts: str) -> str | None:
    """Fixed parts and identifiers in turn, as one path, or None when an identifier cannot be a segment of it."""
    identifiers = parts[1::2]
    # A dot segment is taken out of a path on its way, percent-encoded or not (RFC 3986, 5.2.4).
    if any(identifier in {"", ".", ".."} for identifier in identifiers):
        return None
    path = "".join(quote(part, safe="") if index % 2 else part for index, part in enumerate(parts))
    return path if len(path) <= LONGEST_PATH else None
