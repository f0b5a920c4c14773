"""The storefront of the console: commands through the API, carts, e-mails, and what the log knows of an event."""

import os
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cart_platform.console import mails
from cart_platform.console.extension import ShopExtension
from cart_platform.console.mails import Mails
from cart_platform.console.watched import Watched
from cart_platform.errors import Unavailable
from cart_platform.shoppers.catalogue import PRODUCTS
from support.embedded import Visitor, embedded
from support.polling import eventually


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Visitor]:
    """The storefront of a running chain."""
    async with embedded(tmp_path) as watched, Visitor(ShopExtension(watched)) as visitor:
        yield visitor


@pytest.fixture
async def closed_shop(tmp_path: Path) -> AsyncIterator[Visitor]:
    """The storefront of a chain of which nothing runs."""
    async with embedded(tmp_path) as watched:
        pass
    async with Visitor(ShopExtension(watched)) as visitor:
        yield visitor


def wish(product: str = "whole_milk", quantity: int = 1, key: str = "k-1", **others: Any) -> dict[str, Any]:
    """A command as the page sends it."""
    return {"cart": "mine", "command": "add_item", "product": product, "quantity": quantity, "key": key, **others}


async def test_products(shop: Visitor) -> None:
    """What is sold is listed with how much was put into carts, who reacts to which event, and which are asked for."""
    await shop.post("/api/shop/commands", wish("honey", 3, wait=10))
    found = await shop.get("/api/shop/products")
    assert list(PRODUCTS) == [row["product"] for row in found["products"]]
    assert {"honey": 3} == {row["product"]: row["units"] for row in found["products"] if row["units"]}
    assert 10 == found["threshold"]
    assert ["threshold", "popularity"] == found["reactions"]["cart.item_added"]
    assert ["notification"] == found["reactions"]["cart.threshold_reached"]
    assert {"cart.threshold_reached"} == found["reactions"].keys() - found["commanded"]


async def test_asynchronous_command(shop: Visitor) -> None:
    """Without a wait the API answers as soon as the event is kept: 202, with the event's id."""
    answer = await shop.post("/api/shop/commands", wish())
    assert (202, False) == (answer["status"], answer["repeated"])
    assert ("cart.item_added", "mine", "accepted") == tuple(
        answer["event"][name] for name in ("type", "cart", "status")
    )
    assert answer["duration_ms"] > 0
    assert {"whole_milk": 1} == (await shop.get("/api/shop/carts/mine"))["items"]


async def test_synchronous_command(shop: Visitor) -> None:
    """With a wait the API answers when every handler has reported: 200, with their results."""
    answer = await shop.post("/api/shop/commands", wish(wait=10))
    assert 200 == answer["status"]
    assert {"threshold": "done", "popularity": "done"} == {
        handler: result["outcome"] for handler, result in answer["event"]["results"].items()
    }


async def test_a_double_click(shop: Visitor) -> None:
    """The same key twice is one command: the second answer names the first one's event and says so."""
    first, second = [await shop.post("/api/shop/commands", wish(key="clicked")) for _ in range(2)]
    assert (first["event"]["id"], True) == (second["event"]["id"], second["repeated"])
    assert 1 == (await shop.get("/api/shop/carts/mine"))["units"]


async def test_every_command(shop: Visitor) -> None:
    """Quantities are changed, products taken out, and the cart checked out."""
    for number, command in enumerate(
        (
            wish("honey", 2),
            wish("garlic", 5),
            wish("honey", 7, command="change_quantity"),
            {"cart": "mine", "command": "remove_item", "product": "garlic"},
            {"cart": "mine", "command": "check_out"},
        )
    ):
        await shop.post("/api/shop/commands", {**command, "key": f"k-{number}"})
    cart = await shop.get("/api/shop/carts/mine")
    assert (5, {"honey": 7}, True) == (cart["version"], cart["items"], cart["checked_out"])


async def test_refused_by_the_rules(shop: Visitor) -> None:
    """What the cart's rules do not allow is refused in the API's own words."""
    refusal = await shop.refusal("POST", "/api/shop/commands", {"cart": "mine", "command": "check_out", "key": "k"})
    assert (409, "cart mine is empty: there is nothing to check out") == refusal
    status, said = await shop.refusal("POST", "/api/shop/commands", wish("<script>alert(1)</script>"))
    assert 422 == status
    assert "1 to 64 letters, digits" in said or "pattern" in said


NO_COMMANDS: list[tuple[Any, str]] = [
    (b"{", "truncated"),
    (b'{"cart": "\xff"}', "utf-8"),
    ([], "Expected `object`"),
    (wish(command="steal"), "Invalid enum value"),
    (wish(key="two\nlines"), "key"),
    (wish(wait=3_600), "wait"),
    (wish(quantity=10_001), "quantity"),
    (wish(colour="red"), "unknown field"),
    (wish(cart=".."), "no cart and no product is called that"),
    ({"cart": "mine", "command": "add_item", "key": "k"}, "add_item needs a product"),
]


@pytest.mark.parametrize(("body", "told"), NO_COMMANDS)
async def test_what_is_no_command(shop: Visitor, body: Any, told: str) -> None:
    """What is no command is refused with what is wrong with it, and asks nothing of the API."""
    status, said = await shop.refusal("POST", "/api/shop/commands", body)
    assert (422, True) == (status, told in said), said


async def test_a_cart_without_events(shop: Visitor) -> None:
    """A cart that nobody used is empty, whatever its name may need of a path."""
    cart = await shop.get("/api/shop/carts/of%2Fsomebody")
    assert ("of/somebody", 0, {}) == (cart["id"], cart["version"], cart["items"])
    assert 422 == (await shop.refusal("GET", "/api/shop/carts/no%20cart"))[0]


async def test_the_api_is_away(closed_shop: Visitor) -> None:
    """While the API is away commands and carts are a 503 in one line, and the products are listed all the same."""
    for method, target, body in (("POST", "/api/shop/commands", wish()), ("GET", "/api/shop/carts/mine", None)):
        status, said = await closed_shop.refusal(method, target, body)
        assert (503, True) == (status, said.startswith("the API at http://127.0.0.1:")), said
        assert "does not answer" in said
    products = (await closed_shop.get("/api/shop/products"))["products"]
    assert {None} == {row["units"] for row in products}


async def test_the_email_of_ten(shop: Visitor) -> None:
    """The e-mail that ten units bring is shown as it lies in the Maildir, to the cart that it is about."""
    assert [] == (await shop.get("/api/shop/mail?cart=mine"))["mails"]
    await shop.post("/api/shop/commands", wish(quantity=10))
    await shop.post("/api/shop/commands", wish(quantity=11, key="k-2", cart="another"))

    async def arrived() -> bool:
        return len((await shop.get("/api/shop/mail"))["mails"]) == 2

    await eventually(arrived)
    [mail] = (await shop.get("/api/shop/mail?cart=mine"))["mails"]
    assert ("Cart mine reached 10 units", "shop@localhost") == (mail["subject"], mail["to"])
    assert "caused by" in mail["text"]
    assert 1 == len((await shop.get("/api/shop/mail?limit=1"))["mails"])
    assert 422 == (await shop.refusal("GET", "/api/shop/mail?limit=many"))[0]


async def test_a_mail_server(tmp_path: Path) -> None:
    """Where e-mails go to a server, there is no folder to show."""
    url = "smtp://user:secret@127.0.0.1:1"
    async with embedded(tmp_path, mail_url=url) as watched, Visitor(ShopExtension(watched)) as shop:
        assert {"mails": [], "folder": None} == await shop.get("/api/shop/mail")


def put(folder: Path, name: str, content: bytes, age: int) -> None:
    """An e-mail in a Maildir, so many seconds old."""
    (folder / "new").mkdir(parents=True, exist_ok=True)
    file = folder / "new" / name
    file.write_bytes(content)
    os.utime(file, (1_000_000_000 - age,) * 2)


def message(subject: str, text: str, kind: str = "plain") -> bytes:
    """An e-mail."""
    made = EmailMessage()
    made["Subject"], made["Date"] = subject, "Mon, 23 Nov 2026 10:00:00 +0000"
    made.set_content(text, subtype=kind)
    return made.as_bytes()


def test_mails_are_text(tmp_path: Path) -> None:
    """E-mails come newest first as bounded text; what is HTML, or no e-mail at all, shows no text and fails nobody."""
    put(tmp_path, "old", message("Cart a reached 10 units", "x" * 10_000), 30)
    put(tmp_path, "html", message("Cart b reached 10 units", "<script>alert(1)</script>", "html"), 20)
    put(tmp_path, "noise", bytes(range(256)) * 400, 10)
    put(tmp_path, "long", message(f"Cart {'x' * 64} reached 10 units", "hello"), 7)
    put(tmp_path, "charset", b"Subject: \xff\xfe\nContent-Type: text/plain; charset=klingon\n\nqapla'", 5)
    found = Mails(tmp_path).newest(10)
    assert ["charset", "long", "noise", "html", "old"] == [mail.id for mail in found]
    assert [0, 4_000] == [len(mail.text) for mail in found[3:]]
    assert 1_795_428_000_000 == found[-1].time
    assert 999_999_990_000 == found[2].time
    assert ["long"] == [mail.id for mail in Mails(tmp_path).newest(10, "x" * 64)]
    assert msgspec.json.encode(found)


def test_mails_of_a_cart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """E-mails are searched by what their subjects name; of a full folder the newest are, and a subject is read once."""
    monkeypatch.setattr(mails, "SEARCHED", 3)
    for number in range(5):
        put(tmp_path, f"m{number}", message(f"Cart c{number} reached 10 units", "hello"), age=number)
    box = Mails(tmp_path)
    assert ["m0", "m1", "m2"] == [mail.id for mail in box.newest(10)]
    assert ["Cart c1 reached 10 units"] == [mail.subject for mail in box.newest(10, "c1")]
    assert [] == box.newest(10, "c")
    (tmp_path / "new" / "m1").write_bytes(b"")
    assert ["m1"] == [mail.id for mail in box.newest(10, "c1")]
    assert [] == box.newest(10, "c4")
    assert [] == Mails(tmp_path / "absent").newest(10)


async def test_content(shop: Visitor) -> None:
    """The log's event is given with its payload and what each handler reported; of another there is nothing."""
    event = (await shop.post("/api/shop/commands", wish("honey", 2, wait=10)))["event"]
    found = await shop.extension.content(event["id"])
    assert found is not None
    assert ("honey", 2) == (found["event"]["data"]["product"], found["event"]["data"]["quantity"])
    assert {"threshold", "popularity"} == set(found["results"])
    assert [None, None] == [await shop.extension.content(event_id) for event_id in ("nobody", "\0")]


async def test_a_chain_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A console in a process of its own finds the chain by the environment, and opens it when it is first asked."""
    async with embedded(tmp_path) as running:
        watched = beside(running, monkeypatch)
        async with Visitor(ShopExtension(watched)) as shop:
            event = (await shop.post("/api/shop/commands", wish(wait=10)))["event"]
            content = await shop.extension.content(event["id"])
        assert event["id"] == (content or {})["event"]["id"]
        assert ["Faults", "Shop"] == [page.title for page in shop.extension.pages]
        assert running.parts.store is not watched.parts.store
        await watched.close()


async def test_a_store_that_comes_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot be opened yet makes an event's content unknown, and is asked again the next time."""
    async with embedded(tmp_path) as running:
        watched = beside(running, monkeypatch)
        start, refusals = watched.parts.store.start, [Unavailable("not yet")]

        async def refuse_first() -> None:
            if refusals:
                raise refusals.pop()
            await start()

        monkeypatch.setattr(watched.openings[0], "_start", refuse_first)
        async with Visitor(ShopExtension(watched)) as shop:
            event = (await shop.post("/api/shop/commands", wish(wait=10)))["event"]
            found = [await shop.extension.content(event["id"]) for _ in range(2)]
        assert [True, False] == [content is None for content in found]
        await watched.close()


def beside(running: Watched, environment: pytest.MonkeyPatch) -> Watched:
    """The same chain, as a console in a process of its own is told of it."""
    for name in ("store_url", "bus_url", "mail_url", "faults_file"):
        environment.setenv(f"CARTSCOPE_{name.upper()}", str(getattr(running.parts.settings, name)))
    return Watched.beside(running.parts.telemetry, api=running.api)
