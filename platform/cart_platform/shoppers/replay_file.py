"""A file of recorded commands, read as requests in its own order and without holding it in memory."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, TextIO

import msgspec

from cart_platform.errors import UsageError
from cart_platform.shoppers.request import Quantity, Request, add_item

DEFAULT_COLUMNS: Mapping[str, str] = {"cart": "cart", "product": "product", "quantity": "quantity"}

_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,100}\s*")


class ReplayFileError(UsageError):
    """The file cannot be replayed as asked: it is missing, empty, not UTF-8, no CSV, or lacks a column."""


class Row(NamedTuple):
    """One command of the file: `line` counts from 1 and `position` from 0 within it; the rest is text as it stands."""

    line: int
    position: int
    cart: str
    product: str
    quantity: str


def parse_columns(text: str) -> dict[str, str]:
    """Which column of a file is what, from `cart=A,product=B,quantity=C`; what is not named keeps its own name.

    Raises:
        UsageError: for anything but pairs with `cart`, `product` or `quantity` on the left, each at most once.
    """
    pairs = [pair.partition("=") for pair in text.split(",")]
    columns = {role.strip(): name.strip() for role, _, name in pairs}
    if len(columns) < len(pairs) or not columns.keys() <= DEFAULT_COLUMNS.keys() or not all(columns.values()):
        raise UsageError(f"cannot read the columns {text!r}: name them as in cart=A,product=B,quantity=C, each once")
    return columns


@dataclass(frozen=True)
class ReplayFile:
    """A UTF-8 file, with or without a byte order mark, in one of the `LAYOUTS`.

    Every method reads it anew and raises ReplayFileError for what it meets on its way.
    """

    path: Path
    layout: str = "baskets"
    columns: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise UsageError(f"there is no layout {self.layout!r}: choose one of {', '.join(LAYOUTS)}")
        if self.columns and self.layout != "lines":
            raise UsageError(f"a file of {self.layout} has no columns: leave them out, or choose the layout lines")

    def count(self) -> int:
        """How many commands the whole file holds, at least one; an error anywhere in it shows here."""
        if not self.path.is_file() and self.path.exists():
            raise ReplayFileError(f"cannot replay {self.path}: it is not a regular file")
        total = sum(1 for _ in self.rows())
        if not total:
            raise ReplayFileError(f"cannot replay {self.path}: it holds no commands")
        return total

    def rows(self) -> Iterator[Row]:
        """The commands as text, in the order of the file."""
        with _readable(self.path) as file:
            yield from LAYOUTS[self.layout](file, self.columns or {})

    def requests(self) -> Iterator[Request]:
        """The commands as requests, in the order of the file; the same file gives the same idempotency keys."""
        for row in self.rows():
            yield add_item(row.cart, row.product, _quantity(row.quantity), self._key(row))

    def _key(self, row: Row) -> str:
        # The command is part of its key: another file of the same name adds its own items, not the first file's again.
        identity = "\0".join((self.path.name, *map(str, row)))
        return blake2b(identity.encode(), digest_size=16).hexdigest()


@contextmanager
def _readable(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except OSError as error:
        raise ReplayFileError(f"cannot read the replay file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ReplayFileError(f"cannot replay {path}: it is not UTF-8 ({error.reason}): convert it first") from error
    except (csv.Error, _UnfitHeader) as error:
        raise ReplayFileError(f"cannot replay {path}: {error}") from error


class _UnfitHeader(Exception):  # noqa: N818  becomes a ReplayFileError where the file's name is known
    pass


def _baskets(file: TextIO, _: Mapping[str, str]) -> Iterator[Row]:
    for number, line in enumerate(file, 1):
        if line.strip():
            for position, product in enumerate(line.rstrip("\r\n").split(",")):
                yield Row(number, position, f"basket-{number}", product, "1")


def _lines(file: TextIO, columns: Mapping[str, str]) -> Iterator[Row]:
    rows = _csv_rows(file)
    _, header = next(rows, (0, []))
    pick = _picker([name.strip() for name in header], columns)
    for number, row in rows:
        yield Row(number, 0, *pick(row))


def _csv_rows(file: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the number of its last line."""
    # Strict: else a quote that is never closed takes the rest of the file into one field, unseen.
    reader = csv.reader(file, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise csv.Error(f"line {reader.line_num} is no CSV ({error})") from error


def _picker(header: list[str], columns: Mapping[str, str]) -> Callable[[list[str]], tuple[str, str, str]]:
    """Takes cart, product and quantity out of a row; a row too short has an empty text there."""
    names = {**DEFAULT_COLUMNS, **columns}
    optional = set() if "quantity" in columns else {"quantity"}
    missing = [name for role, name in names.items() if name not in header and role not in optional]
    if missing:
        raise _UnfitHeader(
            f"it has no column {missing[0]!r} (its columns: {', '.join(header) or 'none'}): "
            "say which is which with cart=A,product=B,quantity=C"
        )
    cart, product = header.index(names["cart"]), header.index(names["product"])
    quantity = header.index(names["quantity"]) if names["quantity"] in header else None

    def field(row: list[str], index: int) -> str:
        return row[index] if index < len(row) else ""

    return lambda row: (field(row, cart), field(row, product), "1" if quantity is None else field(row, quantity))


def _quantity(text: str) -> Quantity:
    """An integer as JSON writes it, of any size; any other text as it is."""
    return msgspec.Raw(str(int(text)).encode()) if _INTEGER.fullmatch(text) else text


LAYOUTS: Mapping[str, Callable[[TextIO, Mapping[str, str]], Iterator[Row]]] = {"baskets": _baskets, "lines": _lines}
"""baskets: a line a cart, products between commas, one unit each. lines: a CSV with a header, a row a command."""
