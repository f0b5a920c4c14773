"""The console's page over a running demo, in a real browser: what it shows is compared with what others tell."""

import asyncio
import base64
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any
from urllib.request import Request, urlopen

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Route

from cart_platform.faults.catalogue import CATALOGUE
from support.browser import SCREEN, chromium, violations
from support.console_page import Visitor
from support.fault_signs import HANDLERS, SIGNS
from support.polling import eventually
from support.program import put_into_cart
from support.watched_demo import ACCEPTED, DONE, HANDLED, WatchedDemo

pytestmark = pytest.mark.asyncio(loop_scope="module")

WIDTHS = (360, 1280, 2560)
CHECKED_WIDTHS = (360, 1280)
"""A larger screen has more room, but no other parts."""
THEMES: tuple[Any, ...] = ("dark", "light")
PAGES = {
    "way": ".way-node",
    "charts": ".chart-legend button",
    "events": ".events-row a",
    "logs": ".logs-line",
    "capacity": ".capacity-figures tbody tr",
    "shop": ".shop-product",
    "faults": ".faults-card",
    "dead-letters": ".dead-letters-row",
}
"""What is there once a page shows something."""

SETTLED_SECONDS, CHARTED_SECONDS, LATE_SECONDS = 6, 20, 4
"""Left out at the beginning of a run; looked at; left out at the end, where not all has been scraped."""

SERVICES = ("cartscope-api", "cartscope-relay", "cartscope-worker-threshold", "cartscope-worker-popularity")
MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>"
BAR = "document.getElementById('bar').offsetHeight"
AWAY = re.compile(r"error: Failed to load resource: net::ERR_\w+$")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedDemo]:
    """One demo for all of the tests."""
    demo = WatchedDemo(tmp_path_factory.mktemp("demo"))
    demo.start()
    yield demo
    demo.kill()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all of the tests."""
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def visitor(browser: Browser, demo: WatchedDemo) -> Visitor:
    """One window for all of the tests."""
    return await visiting(browser, demo)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def checker(browser: Browser, demo: WatchedDemo) -> Visitor:
    """A window for the accessibility checker, whose script the page's policy would not let in."""
    return await visiting(browser, demo, bypass_csp=True)


async def visiting(browser: Browser, demo: WatchedDemo, **options: Any) -> Visitor:
    """Somebody with a browser profile of his own."""
    context = await browser.new_context(viewport=SCREEN, **options)
    return Visitor(await context.new_page(), console=demo.console)


@pytest.fixture(autouse=True)
def peace(visitor: Visitor) -> Iterator[None]:
    """Whatever is done, the browser has nothing to complain about, and no other host is asked."""
    yield
    complaints = visitor.complaints[:]
    visitor.complaints.clear()
    assert [] == complaints
    assert {visitor.console.removeprefix("http://")} >= visitor.hosts


@pytest.fixture
def healed(demo: WatchedDemo) -> Iterator[None]:
    """A fault whose test fails stays off the next one."""
    yield
    demo.heal()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def bought(visitor: Visitor) -> str:
    """A cart into which ten units were put by clicks in the shop, from the page that comes first."""
    await visitor.open()
    await visitor.turn_to("Shop")
    cart = await visitor.page.input_value("#shop-name")
    await visitor.page.locator(".shop-product input").first.fill("10")
    await visitor.page.click(".shop-product >> nth=0 >> text=Add")
    await visitor.page.wait_for_selector(".shop-mail")
    return cart


async def nearly(visitor: Visitor, expected: Any, seen: Any, share: float = 0.25) -> None:
    """Wait until what is seen is as expected but for a share, both of which move."""
    pair: list[float] = [0.0, 0.0]

    async def is_near() -> bool:
        pair[:] = await asyncio.to_thread(expected), await seen()
        return pair[0] > 0 and abs(pair[1] - pair[0]) <= share * pair[0]

    async def both() -> object:
        return pair

    await visitor.until(is_near, both, "expected and seen within a share")


async def test_the_story_of_ten_units(visitor: Visitor, demo: WatchedDemo, bought: str) -> None:
    """What was put into a cart is followed by clicks: its event, its story, its follow-up event, the e-mail."""
    await visitor.reads(".shop-mail pre", ".")
    (mail,) = demo.mails(bought)
    assert (await visitor.text(".shop-mail dd >> nth=4")) in mail
    await visitor.page.click(".shop-events > li:last-child a")
    await visitor.reads("h1", r"cart\.item_added")
    await visitor.comes_to(2, lambda: visitor.page.locator(".story-summary .badge.good").count())
    event = await visitor.text(".story-summary .mono")
    assert bought == demo.api(f"/events/{event}")["event"]["subject"]
    for service in (*SERVICES, "cartscope-worker-notification"):
        await visitor.page.wait_for_selector(f".waterfall-name:has-text('{service}')")
    assert await visitor.page.locator(".waterfall-wait:visible").count() >= 3
    assert await visitor.page.locator(".story-wait").count() >= 2
    for said in ("event accepted", "event published", "event handled"):
        await visitor.reads(".story-lines", said)
    await visitor.page.click(".story-kin a >> text=cart.threshold_reached")
    await visitor.reads("h1", r"cart\.threshold_reached")
    await visitor.reads(".story-step[data-kind=sent]", "e-mail|mail|notification")
    assert event.startswith((await visitor.text(".story-summary a.mono"))[:8])
    await visitor.reads(".story-lines", "notification sent")


async def test_an_event_whose_cause_is_unknown(visitor: Visitor, bought: str) -> None:
    """A follow-up event is no command of one's own, not even while nobody has told what it follows from."""

    async def silent(route: Route) -> None:
        answer = await route.fetch()
        told = await answer.json()
        await route.fulfill(json={**told, "events": [{**event, "cause": None} for event in told["events"]]})

    await visitor.page.route("**/api/events?*", silent)
    await visitor.open(f"#/shop?cart={bought}")
    await visitor.comes_to(
        ["outbox", "bus", "notification", "request", "outbox", "bus", "threshold", "popularity"],
        lambda: visitor.texts(".shop-step"),
    )
    await visitor.page.unroute("**/api/events?*")


async def test_the_map(visitor: Visitor, demo: WatchedDemo) -> None:
    """The map's rates are those that the log files have of the last seconds; below are the events seen last."""
    await visitor.open("#/way")
    await nearly(visitor, lambda: demo.rate(ACCEPTED), lambda: visitor.passing("service:cartscope-api"))
    await nearly(visitor, lambda: demo.rate(ACCEPTED), lambda: visitor.passing("caller:callers"))
    for handler in ("threshold", "popularity"):
        done = (HANDLED, DONE, f'"cartscope.handler":"{handler}"')
        await nearly(visitor, lambda done=done: demo.rate(*done), lambda at=handler: visitor.passing(f"handler:{at}"))
    assert await visitor.page.locator('.way-node[data-kind="queue"]').count() == 3
    await visitor.reads(".way-latest li", r"cart\.\w+")
    await visitor.reads(
        ".way-sentence", r"^\d+ events a second come in( and \d+ follows? from them)?, all handlers keep up\.$"
    )


OVERLAPS = """() => {
    const boxes = [...document.querySelectorAll(".way-rate")]
        .filter((rate) => rate.textContent).map((rate) => rate.getBoundingClientRect());
    const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
    return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => meet(a, b))).length;
}"""
"""How many pairs of the map's rates cover each other."""


async def test_rates_on_the_map(visitor: Visitor) -> None:
    """No rate on the map covers another on a screen of any size, and a large screen gets a larger map."""
    await visitor.open("#/way")
    await visitor.page.wait_for_selector(".way-rate")

    async def height() -> float:
        box = await visitor.page.locator(".way-drawing.over").bounding_box()
        return box["height"] if box else 0

    async def is_larger() -> bool:
        return 1.5 * usual < await height()

    usual = await height()
    for width in WIDTHS:
        await visitor.page.set_viewport_size({"width": width, "height": 900})
        await visitor.comes_to(0, lambda: visitor.page.evaluate(OVERLAPS))
    await visitor.until(is_larger, height, f"more than {1.5 * usual}")
    await visitor.page.set_viewport_size(SCREEN)


async def test_events(visitor: Visitor, demo: WatchedDemo) -> None:
    """The events listed are those of the shop's API, with the cart, type and outcomes that it tells."""
    await visitor.open("#/events?handler=threshold&outcome=done&follow=no")
    await visitor.page.wait_for_selector(PAGES["events"])
    rows = visitor.page.locator(".events-row:has(a)")
    for index in range(5):
        row = rows.nth(index)
        told = demo.api(f"/events/{await row.locator('a').get_attribute('title')}")
        text = await row.text_content() or ""
        assert told["event"]["type"] in text
        assert told["event"]["subject"] in text
        assert "done" == told["results"]["threshold"]["outcome"]
        assert "threshold: done" in text


async def test_capacity(visitor: Visitor, demo: WatchedDemo) -> None:
    """Slots are those of the metrics, arrivals those of the log files, and utilisation is λ · E[T] / c."""
    await visitor.open("#/capacity")
    await visitor.page.wait_for_selector(PAGES["capacity"])
    for column, handler in enumerate(("notification", "popularity", "threshold")):
        assert demo.metric("cartscope_handler_slots", handler=handler) == await visitor.figure("c, slots", column)
    await visitor.page.select_option("label:has-text('Measured over') select", "30")
    await nearly(visitor, lambda: demo.rate(ACCEPTED, seconds=30), lambda: visitor.figure("λ, arrivals", 2))
    arrivals, cost, slots, busy = [await visitor.figure(row, 2) for row in ("λ, arrivals", "E[T]", "c, slots", "ρ = ")]
    assert busy == pytest.approx(arrivals * cost / slots, rel=0.2)


async def test_counts(visitor: Visitor, demo: WatchedDemo) -> None:
    """As many handled events are counted as the status of the program says."""
    before = demo.asks("status")["handlers"]["threshold"]["done"]
    await visitor.lines("cartscope.handler:threshold cartscope.outcome:done")
    await visitor.until(lambda: _at_least(visitor, before), visitor.counted, before)
    counted = await visitor.counted()
    assert counted <= demo.asks("status")["handlers"]["threshold"]["done"]


async def _at_least(visitor: Visitor, count: int) -> bool:
    return await visitor.counted() >= count


async def test_shop(visitor: Visitor, demo: WatchedDemo, bought: str) -> None:
    """The shop shows the cart as the API has it, and a synchronous command is answered with its results."""
    await visitor.open(f"#/shop?cart={bought}")
    await visitor.page.click("#shop-synchronous")
    await visitor.page.click(".shop-product >> nth=1 >> text=Add")
    await visitor.reads(".shop-answers tr:last-child .shop-answer", "200OK, with the results of .*threshold")
    cart = demo.api(f"/carts/{bought}")
    assert 11 == cart["units"]
    await visitor.reads(".shop-sum", "^11 units")
    assert len(cart["items"]) == await visitor.page.locator("[aria-label='Items in the cart'] tr").count()


async def test_search_box(visitor: Visitor, demo: WatchedDemo, bought: str) -> None:
    """An event's id, its trace's and its cart's lead there from the search box."""
    line = json.loads(demo.grep(ACCEPTED, bought)[0])
    event, trace = line["cartscope.event.id"], line["trace.id"]
    for text, address in {
        event: f"#/events/{event}",
        trace: f"#/traces/{trace}",
        bought: rf"#/events\?subject={bought}",
    }.items():
        await visitor.page.keyboard.press("Escape")
        await visitor.page.fill("header [type=search]", text)
        await visitor.page.keyboard.press("Enter")
        await visitor.is_at(address)
        await visitor.page.wait_for_selector(".waterfall-row, .story-step, .events-row a")


QUERIES = {
    'cartscope.cart.id:"{cart}"': ('"cartscope.cart.id":"{cart}"',),
    '"event accepted" cartscope.cart.id:"{cart}"': ('"event accepted"', '"cartscope.cart.id":"{cart}"'),
    "trace.id:{trace} AND NOT event.action:event.*": ('"trace.id":"{trace}"', '"notification.sent"'),
    "sent {trace}": ('"notification sent"', "{trace}"),
}
"""Searches, and what grep is told."""


@pytest.mark.parametrize("query", QUERIES)
async def test_log_search(query: str, visitor: Visitor, demo: WatchedDemo, bought: str) -> None:
    """A search in the logs finds as many lines as grep, and those."""
    names = {"cart": bought, "trace": json.loads(demo.grep(ACCEPTED, bought)[0])["trace.id"]}
    found = demo.grep(*(text.format(**names) for text in QUERIES[query]))
    assert found
    await visitor.lines(query.format(**names))
    await visitor.comes_to(len(found), visitor.counted)
    await visitor.comes_to(len(found), lambda: visitor.page.locator(".logs-line").count())


async def test_unreadable_search(visitor: Visitor) -> None:
    """A search that cannot be read is answered by where it goes wrong."""
    await visitor.open("#/logs?q=handled%20AND%20(sent")
    await visitor.reads("#logs-failure", r"Character \d+: ")
    assert await visitor.page.locator("#logs-failure mark").count() == 1
    visitor.complaints[:] = [text for text in visitor.complaints if "status of 400" not in text]


async def test_shared_address(visitor: Visitor, browser: Browser, demo: WatchedDemo) -> None:
    """An address shows the same view after a reload, and to somebody else."""
    await visitor.open("#/logs")
    await visitor.page.fill(".logs-search input", "event.action:event.handled")
    await visitor.page.press(".logs-search input", "Enter")
    await visitor.page.select_option("[aria-label='Time range']", "300")
    await visitor.is_at("q=event.action.*last=300|last=300.*q=event.action")
    address = visitor.page.url
    other = await visiting(browser, demo)
    await visitor.page.reload()
    await other.page.goto(address)
    for one in (visitor, other):
        await one.reads(".logs-line .logs-message", "^event handled")
        assert "event.action:event.handled" == await one.page.input_value(".logs-search input")
        assert "300" == await one.page.input_value("[aria-label='Time range']")
        assert address == one.page.url
    assert [] == other.complaints
    await other.page.context.close()


async def test_markup_stays_text(visitor: Visitor, demo: WatchedDemo) -> None:
    """Markup in a log line, in a span and in a request's header is shown as it is written, and does nothing."""
    assert 202 == put_into_cart(demo.run.url("api"), "hostile", headers={"User-Agent": MARKUP})
    await eventually(lambda: demo.grep(ACCEPTED, '"hostile"') != [])
    (accepted,) = demo.grep(ACCEPTED, '"hostile"')
    line = {**json.loads(accepted), "message": f"hostile line {MARKUP}", "service.name": MARKUP, MARKUP: MARKUP}
    (demo.logs / "guest.log").write_text(json.dumps(line, separators=(",", ":")) + "\n")
    await visitor.page.click(".shell-state")
    await visitor.reads("#sources", r"http://127\.0\.0\.1:\d+/v1/traces")
    (otlp,) = re.findall(r"http://127\.0\.0\.1:\d+/v1/traces", await visitor.text("#sources"))
    send(otlp, spans(line["trace.id"]))
    await visitor.lines("hostile line")
    await visitor.reads(".logs-line .logs-message", re.escape(MARKUP))
    await visitor.page.click(".logs-turn")
    await visitor.reads(".logs-fields", re.escape(MARKUP))
    await visitor.open(f"#/traces/{line['trace.id']}")
    await visitor.reads(".waterfall-name:has-text('onerror')", re.escape(MARKUP))
    await visitor.page.click(".waterfall-name:has-text('POST /carts')")
    await visitor.reads(".waterfall-details", re.escape(MARKUP))
    assert 0 == await visitor.page.locator("main img, main script").count()


def spans(trace: str) -> bytes:
    """An export of one span of a trace, all of whose texts are markup."""
    text = {"stringValue": MARKUP}
    now = time.time_ns()
    span = {
        "traceId": trace,
        "spanId": "00f067aa0ba902b7",
        "name": MARKUP,
        "kind": 1,
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now + 1_000_000),
        "attributes": [{"key": MARKUP, "value": text}],
        "status": {"code": 2, "message": MARKUP},
    }
    resource = {"attributes": [{"key": "service.name", "value": text}]}
    export = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": MARKUP}, "spans": [span]}]}]}
    return json.dumps(export).encode()


def send(address: str, export: bytes) -> None:
    """Send spans as an exporter does."""
    urlopen(Request(address, export, {"Content-Type": "application/json"}), timeout=10).close()


async def test_charts(visitor: Visitor, demo: WatchedDemo) -> None:
    """What the charts draw of some seconds adds up to what the log files have of them, in the metrics' bounds."""
    start = demo.started + SETTLED_SECONDS
    await eventually(lambda: time.time() > start + CHARTED_SECONDS + LATE_SECONDS, 60)
    end = time.time() - LATE_SECONDS
    await visitor.open(f"#/charts?from={int(start * 1000)}&to={int(end * 1000)}")
    await visitor.page.wait_for_selector(".chart-legend button")
    drawn = await visitor.course("Arrival rate")
    mean = sum(values["λ"] for _, values in drawn if values) / len([1 for _, values in drawn if values])
    assert demo.logged(start, end, ACCEPTED) == pytest.approx(mean * (end - start), rel=0.2)
    done = await visitor.course("Throughput")
    rates = [values["threshold"] for _, values in done if values]
    handled = demo.logged(start, end, HANDLED, DONE, '"cartscope.handler":"threshold"')
    assert handled == pytest.approx(sum(rates) / len(rates) * (end - start), rel=0.2)
    times = [values for _, values in await visitor.course("T_process:") if values]
    slowest = demo.slowest("messaging_process_duration_seconds")
    assert all(0 < values["p50"] <= values["p95"] <= values["p99"] <= slowest for values in times)
    # The time range is kept from page to page.
    await visitor.open("#/charts?last=900")


async def test_charts_out_of_sight(visitor: Visitor) -> None:
    """Every chart is drawn, however far down the page: who prints it gets them all."""
    await visitor.open("#/charts?last=900")
    await visitor.page.wait_for_function(
        "() => { const all = [...document.querySelectorAll('.chart')];"
        " return all.length > 10 && all.every(one => one.querySelector('canvas')); }"
    )


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.usefixtures("healed")
async def test_fault(name: str, visitor: Visitor, demo: WatchedDemo) -> None:
    """A fault switched on in the page is seen wherever its card leads to, is marked on charts, and goes off again."""
    card = visitor.page.locator(f"article[aria-labelledby=fault-{name}]")
    await visitor.open("#/faults")
    title = await card.locator("h2").text_content() or name
    if name in HANDLERS:
        await card.get_by_label("For whom").select_option(HANDLERS[name])
    if not CATALOGUE[name].happens_once:
        await card.get_by_label("For how long").select_option("")
    await card.locator("button").click()
    places = {await link.text_content() or "": link for link in await card.locator(".faults-watch a").all()}
    assert set(SIGNS[name]) == set(places)
    addresses = {place: await link.get_attribute("href") or "" for place, link in places.items()}
    if not CATALOGUE[name].happens_once:
        await card.locator("text=Switch off").wait_for()
    for place, address in addresses.items():
        await visitor.open("#/faults")
        await card.locator(f".faults-watch a[href='{address}']").click()
        await visitor.is_at(re.escape(address))
        # A list under the pointer holds still.
        await visitor.page.mouse.move(0, 0)
        sign = SIGNS[name][place]
        await visitor.until(partial(sign, visitor), lambda: visitor.text("main"), f"{name} on {place}")
    await visitor.open("#/charts")
    await visitor.reads(".charts-marks-list", title)
    await visitor.reads(".chart-layer:has(.chart-fault, .chart-mark)", title)
    if not CATALOGUE[name].happens_once:
        await visitor.reads(".shell-fault", title)
        assert await visitor.page.evaluate(BAR) < 50, "one line, though it tells of the fault"
    await visitor.open("#/faults")
    if not CATALOGUE[name].happens_once:
        await card.locator("text=Switch off").click()
    await card.locator(".badge:text('off')").wait_for()
    (fault,) = [fault for fault in demo.asks("faults", "list") if fault["name"] == name]
    assert [] == fault["on"]


async def test_dead_letters(visitor: Visitor, demo: WatchedDemo) -> None:
    """Dead letters are listed with reason and bytes as the program lists them; one replayed by hand is seen done."""
    await visitor.open("#/dead-letters")
    await visitor.page.wait_for_selector(PAGES["dead-letters"])
    letters = demo.asks("dead-letters", "list")
    await visitor.comes_to(len(letters), lambda: visitor.page.locator(".dead-letters-row").count())
    (poison,) = [letter for letter in letters if letter["reason"] == "not_json"]
    await visitor.page.click(".dead-letters-row:has-text('not_json') >> text=Details")
    await visitor.page.click("text=Bytes")
    dump = await visitor.text(".dead-letters-body")
    assert base64.b64decode(poison["body_base64"])[:8].hex(" ") in dump

    exhausted = next(letter for letter in letters if letter["reason"] == "attempts_exhausted")
    await visitor.page.click(f".dead-letters-row:has(a[title='{exhausted['event_id']}']) input")
    await visitor.page.click("text=Replay 1 chosen")
    await visitor.page.click("dialog >> text=Replay >> nth=-1")
    await visitor.reads(".dead-letters-replays summary", "1 dead letter: 1 done")
    left = demo.asks("dead-letters", "list")
    assert exhausted["event_id"] not in {letter["event_id"] for letter in left}
    assert "done" == demo.api(f"/events/{exhausted['event_id']}")["results"]["notification"]["outcome"]
    await visitor.page.click(".dead-letters-replays summary")
    await visitor.page.click(".dead-letters-replays li a")
    await visitor.reads(".story-summary .badge.good", "notification")


async def width_of(visitor: Visitor) -> int:
    """How wide the page is beside what its window can show."""
    width: int = await visitor.page.evaluate("Math.max(0, document.documentElement.scrollWidth - innerWidth)")
    return width


@pytest.mark.parametrize("name", [*PAGES, "story", "trace"])
async def test_accessible(name: str, checker: Visitor, demo: WatchedDemo, bought: str) -> None:
    """In both themes, on small screens and large, nothing is wider than the screen and axe finds nothing."""
    line = json.loads(demo.grep(ACCEPTED, bought)[0])
    others = {"story": f"#/events/{line['cartscope.event.id']}", "trace": f"#/traces/{line['trace.id']}"}
    await checker.open(others.get(name, f"#/{name}"))
    await checker.page.wait_for_selector(PAGES.get(name, ".waterfall-row"))
    for theme in THEMES:
        await checker.page.emulate_media(color_scheme=theme)
        for width in WIDTHS:
            await checker.page.set_viewport_size({"width": width, "height": 900})
            await checker.comes_to(0, lambda: width_of(checker))
            assert [] == (await violations(checker.page) if width in CHECKED_WIDTHS else [])
    assert [] == checker.complaints


async def test_killed_and_started_again(visitor: Visitor, demo: WatchedDemo, bought: str) -> None:
    """A page whose demo is killed goes on by itself with the next one on its folder: all is there, and once."""
    cart = f'cartscope.cart.id:"{bought}"'
    await visitor.lines(cart)
    count = len(demo.grep(f'"cartscope.cart.id":"{bought}"'))
    await visitor.comes_to(count, visitor.counted)
    demo.kill()
    await visitor.reads(".shell-state", "connection lost, trying again")
    assert count == await visitor.page.locator(".logs-line").count()
    await asyncio.to_thread(demo.start)
    await visitor.reads(".shell-state", "^live$")
    assert [] == [text for text in visitor.complaints if not AWAY.match(text)]
    visitor.complaints.clear()
    await visitor.comes_to(count, visitor.counted)
    await visitor.comes_to(count, lambda: visitor.page.locator(".logs-line").count())
    event = json.loads(demo.grep(ACCEPTED, bought)[0])["cartscope.event.id"]
    await visitor.page.fill("header [type=search]", event)
    await visitor.page.keyboard.press("Enter")
    await visitor.is_at(f"#/events/{event}")
    await visitor.page.wait_for_selector(".waterfall-row")
    before = len(demo.grep(ACCEPTED))
    await visitor.lines("event.action:event.accepted")
    await visitor.until(lambda: _at_least(visitor, before), visitor.counted, before)
    counted = await visitor.counted()
    assert counted <= len(demo.grep(ACCEPTED))
