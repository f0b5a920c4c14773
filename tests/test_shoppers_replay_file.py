"""Files of recorded commands."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_platform.errors import CartscopeError
from cart_platform.shoppers import ReplayFileError, parse_columns
from cart_platform.shoppers.replay_file import ReplayFile


def written(folder: Path, content: str | bytes, name: str = "orders.csv") -> Path:
    """A file of this content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def asked(file: ReplayFile) -> list[tuple[str, object, object]]:
    """Cart, product and quantity of each request."""
    bodies = [(one.cart, json.loads(one.body or b"")) for one in file.requests()]
    return [(cart, body["product"], body["quantity"]) for cart, body in bodies]


def test_baskets(tmp_path: Path) -> None:
    """A line is a cart named by its number, a product one unit; blank lines are passed over and still counted."""
    file = ReplayFile(written(tmp_path, "milk,rolls/buns\r\n\r\n   \nmilk,milk\n"))
    first, second = "basket-1", "basket-4"
    assert asked(file) == [(first, "milk", 1), (first, "rolls/buns", 1), (second, "milk", 1), (second, "milk", 1)]
    assert file.count() == 4


def test_lines(tmp_path: Path) -> None:
    """A row is a command; columns are found by name wherever they stand, quoted or not, after a byte order mark."""
    text = '\ufeffquantity,note,product,cart\r\n2,"a, ""b""\nc",milk,"7"\r\n\r\n30,,soda,8\r\n'
    file = ReplayFile(written(tmp_path, text), "lines")
    assert asked(file) == [("7", "milk", 2), ("8", "soda", 30)]


def test_named_columns(tmp_path: Path) -> None:
    """Columns of other names are used when they are named; without a quantity, each row is one unit."""
    path = written(tmp_path, "Invoice No, Item\n17,milk\n")
    assert asked(ReplayFile(path, "lines", {"cart": "Invoice No", "product": "Item"})) == [("17", "milk", 1)]


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("3", 3),
        (" 3 ", 3),
        ("-1", -1),
        ("+7", 7),
        ("007", 7),
        ("0", 0),
        ("99999999999999999999999", 99999999999999999999999),
        ("2.0", "2.0"),
        ("1e3", "1e3"),
        ("1_000", "1_000"),
        ("two", "two"),
        ("", ""),
        ("٣", "٣"),
    ],
)
def test_quantities(tmp_path: Path, text: str, sent: object) -> None:
    """An integer is sent as one, whatever its size; anything else is sent as it stands, for the API to refuse."""
    assert asked(ReplayFile(written(tmp_path, f"cart,product,quantity\n1,milk,{text}\n"), "lines")) == [
        ("1", "milk", sent)
    ]


def test_short_and_long_rows(tmp_path: Path) -> None:
    """What a row lacks is sent empty, what it has too much is passed over."""
    file = ReplayFile(written(tmp_path, "cart,product,quantity\n1\n1,milk,1,extra\n"), "lines")
    assert asked(file) == [("1", "", ""), ("1", "milk", 1)]


@pytest.mark.parametrize(
    ("cart", "path"),
    [
        ("a/b", "/carts/a%2Fb/items"),
        ("a b?c#d%2F", "/carts/a%20b%3Fc%23d%252F/items"),
        ("größe", "/carts/gr%C3%B6%C3%9Fe/items"),
        ("...", "/carts/.../items"),
        (".", None),
        ("..", None),
        ("", None),
        ("x" * 5000, None),
    ],
)
def test_odd_carts(tmp_path: Path, cart: str, path: str | None) -> None:
    """A cart's identifier is one segment of the path, percent-encoded, or cannot be one."""
    file = written(tmp_path, f"cart,product\n{cart},milk\n")
    assert [one.path for one in ReplayFile(file, "lines").requests()] == [path]


def test_keys_are_stable(tmp_path: Path) -> None:
    """A file read again, also from elsewhere, gives the same keys, each once; other content or name gives others."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    files = [
        written(tmp_path, "milk,milk\nmilk\n"),
        written(elsewhere, "milk,milk\nmilk\n"),
        written(tmp_path, "milk,milk\nmilk\n", "others.csv"),
        written(tmp_path, "soda,soda\nsoda\n", "sodas.csv").rename(elsewhere / "sodas.csv"),
    ]
    keys = [[one.key for one in ReplayFile(path).requests()] for path in files]
    assert keys[0] == keys[1]
    assert len(set(keys[0] + keys[2] + keys[3])) == 9


@settings(deadline=None)
@given(rows=st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.text('ab ,"\n'))))
def test_any_csv_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    """Whatever a CSV writer wrote comes out as it was."""
    path = tmp_path_factory.mktemp("csv") / "any.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("cart", "product"), *rows])
    assert [(row.cart, row.product) for row in ReplayFile(path, "lines").rows()] == rows


@pytest.mark.parametrize(
    ("content", "layout", "columns", "text"),
    [
        (b"", "baskets", None, "holds no commands"),
        (b"\n\n  \n", "baskets", None, "holds no commands"),
        (b"milk\n" * 9000 + b"caf\xe9\n", "baskets", None, "not UTF-8"),
        ("milk\n".encode("utf-16"), "baskets", None, "not UTF-8"),
        (b"", "lines", None, "no column 'cart'"),
        (b"cart,product\n", "lines", None, "holds no commands"),
        (b"cart,item\n1,milk\n", "lines", None, "no column 'product'"),
        (b"cart,product\n1,milk\n", "lines", {"quantity": "units"}, "no column 'units'"),
        (b'cart,product\n1,"milk\n2,soda\n', "lines", None, "line 3 is no CSV"),
        (b"cart,product\n1," + b"x" * 200_000, "lines", None, "line 2 is no CSV"),
    ],
)
def test_unfit_files(tmp_path: Path, content: bytes, layout: str, columns: dict[str, str] | None, text: str) -> None:
    """What cannot be replayed is told in one line, with the file's name, wherever in the file it stands."""
    path = written(tmp_path, content)
    with pytest.raises(ReplayFileError, match=text) as caught:
        ReplayFile(path, layout, columns).count()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("name", "text"), [("missing.csv", "No such file"), (".", "not a regular file")])
def test_no_file(tmp_path: Path, name: str, text: str) -> None:
    """A file that is missing, or no file, is told in one line."""
    with pytest.raises(ReplayFileError, match=text):
        ReplayFile(tmp_path / name).count()


@pytest.mark.parametrize(("layout", "columns"), [("pairs", None), ("baskets", {"cart": "A"})])
def test_unfit_layout(tmp_path: Path, layout: str, columns: dict[str, str] | None) -> None:
    """A layout that is none, or columns where there are none, is told before the file is touched."""
    with pytest.raises(CartscopeError) as caught:
        ReplayFile(tmp_path / "missing.csv", layout, columns)
    assert caught.value.exit_code == 2


def test_parse_columns() -> None:
    """Pairs are read with or without blanks round them; not every column must be named."""
    assert parse_columns("cart=Invoice No, product = Stock=Code,quantity=Q") == {
        "cart": "Invoice No",
        "product": "Stock=Code",
        "quantity": "Q",
    }
    assert parse_columns("product=B") == {"product": "B"}


@pytest.mark.parametrize("text", ["", "cart", "cart=", "=A", "cart=A,cart=B", "basket=A", "cart=A,,product=B"])
def test_parse_columns_refuses_nonsense(text: str) -> None:
    """Anything but pairs of known names, each once, is told in one line."""
    with pytest.raises(CartscopeError) as caught:
        parse_columns(text)
    assert caught.value.exit_code == 2
