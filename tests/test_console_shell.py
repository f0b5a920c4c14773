"""The page's frame, its charts and its plan of capacity, in a real browser, on figures that are known."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page

from support.browser import chromium, violations
from support.console_stand_in import HANDLERS, TRACE, ConsoleStandIn, now
from support.polling import eventually

WIDTHS = (360, 1280, 2560)
PAGES = {"charts": ".chart-legend button", "capacity": ".capacity-figures tbody tr"}
"""What is there once a page shows something."""
LINES = "[...document.querySelectorAll('#status, #controls')].map((part) => part.getBoundingClientRect().bottom)"
"""Where the lines of a small screen's bar end."""


@dataclass
class Visitor:
    """Someone who looks at the page, and what the browser complained about meanwhile."""

    page: Page
    console: ConsoleStandIn
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    async def open(self, address: str) -> None:
        """Open an address of the page, and wait until it shows something."""
        await self.page.goto(f"{self.console.url}/{address}")
        await self.page.wait_for_selector("h1")
        for name, shown in PAGES.items():
            if address.startswith(f"#/{name}"):
                await self.page.wait_for_selector(shown)

    async def text(self, selector: str) -> str:
        """The text of what is at a selector."""
        return (await self.page.locator(selector).first.text_content()) or ""

    async def reads(self, selector: str, pattern: str) -> None:
        """Wait until the text at a selector is so."""

        async def does() -> bool:
            return re.fullmatch(pattern, await self.text(selector)) is not None

        await eventually(does)

    async def is_at(self, pattern: str) -> None:
        """Wait until the address is so."""
        await self.page.wait_for_url(re.compile(pattern))


@pytest.fixture
async def console() -> AsyncIterator[ConsoleStandIn]:
    """A console whose figures are known."""
    console = ConsoleStandIn()
    await console.start()
    yield console
    await console.stop()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium."""
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def visitor(browser: Browser, console: ConsoleStandIn) -> Visitor:
    """Someone with a screen of common size."""
    return await visiting(browser, console)


async def visiting(browser: Browser, console: ConsoleStandIn, **options: Any) -> Visitor:
    """Someone who looks at a console."""
    page = await browser.new_page(**{"viewport": {"width": 1280, "height": 900}} | options)
    visitor = Visitor(page, console)

    def complain(message: ConsoleMessage) -> None:
        visitor.complaints.append(message.text)

    page.on("console", complain)
    page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
    page.on("request", lambda request: visitor.hosts.add(request.url.split("/")[2]))
    return visitor


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
async def test_accessible(name: str, width: int, theme: Any, browser: Browser, console: ConsoleStandIn) -> None:
    """In both themes, on small screens and large, nothing is wider than the screen and axe finds nothing."""
    screen = {"width": width, "height": 900}
    # The page's policy lets no foreign script in, the checker's neither: for it alone the policy is set aside.
    visitor = await visiting(browser, console, viewport=screen, color_scheme=theme, bypass_csp=True)
    await visitor.open(f"#/{name}")
    assert [] == await violations(visitor.page)
    assert width >= await visitor.page.evaluate("document.documentElement.scrollWidth")
    assert [] == visitor.complaints
    assert {console.url.removeprefix("http://")} == visitor.hosts


async def test_navigation(visitor: Visitor) -> None:
    """A link leads to another page, whose heading has the focus; the time range comes along; back leads back."""
    await visitor.open("#/charts?last=300")
    await visitor.page.click("#pages >> text=Capacity")
    await visitor.is_at(r"#/capacity\?last=300$")
    await visitor.reads("h1:focus", "Capacity")
    assert "Capacity · A console" == await visitor.page.title()
    assert "Capacity" == await visitor.text("[aria-current=page]")
    await visitor.page.go_back()
    await visitor.reads("h1", "Charts")
    assert [] == visitor.complaints


async def test_unknown_page(visitor: Visitor) -> None:
    """An address that leads nowhere says so."""
    await visitor.open("#/nowhere")
    await visitor.reads(".empty", "This console has no page called nowhere.")


async def test_page_that_does_not_load(visitor: Visitor) -> None:
    """A page whose code cannot be had says so, and a reload brings it."""
    await visitor.open("#/charts")
    await visitor.page.route("**/pages/capacity.js", lambda route: route.abort())
    await visitor.page.click("#pages >> text=Capacity")
    await visitor.reads(".empty", "This page could not be loaded. Reload")
    await visitor.page.unroute("**/pages/capacity.js")
    await visitor.page.click("text=Reload")
    await visitor.page.wait_for_selector(PAGES["capacity"])


async def test_young_run(visitor: Visitor) -> None:
    """Of a run that is younger than the chosen range, the time since it began is shown, and at least a minute."""
    visitor.console.started = now() - 20_000
    await visitor.open("#/charts?last=900")

    async def asked() -> bool:
        for each in visitor.console.asked:
            found = re.search(r"arrival_rate\?from=(\d+)&to=(\d+)", each)
            if found:
                return 60_000 == int(found[2]) - int(found[1])
        return False

    await eventually(asked)


async def test_range(visitor: Visitor) -> None:
    """A chosen range is in the address and in what is asked for; paused it stands still, and live again it moves."""
    await visitor.open("#/charts")
    await visitor.page.select_option("[aria-label='Time range']", "whole")
    await visitor.is_at("last=whole")
    started = f"from={int(visitor.console.started)}"
    await eventually(lambda: any(f"/api/charts/arrival_rate?{started}" in asked for asked in visitor.console.asked))
    await visitor.page.click("text=Pause")
    await visitor.is_at(rf"{started}&to=\d+$")
    await visitor.page.click("text=Go live")
    await visitor.is_at("last=whole")


async def test_zoom(visitor: Visitor) -> None:
    """Dragging over one chart zooms all of them; a double click goes back to where they were."""
    await visitor.open("#/charts?last=900")
    box = await visitor.page.locator(".chart .u-over").first.bounding_box()
    assert box is not None
    left, middle, height = box["x"], box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await visitor.page.mouse.move(middle, height)
    await visitor.page.mouse.down()
    await visitor.page.mouse.move(left + box["width"] * 0.75, height, steps=3)
    await visitor.page.mouse.up()
    await visitor.is_at(r"from=\d+&to=\d+$")
    start, end = (int(part) for part in re.findall(r"(?:from|to)=(\d+)", visitor.page.url))
    assert 225_000 == pytest.approx(end - start, rel=0.02), "a quarter of 900 s"
    asked = f"from={start}&to={end}"
    await eventually(lambda: any("process_time" in each and asked in each for each in visitor.console.asked))
    await visitor.page.mouse.dblclick(middle, height)
    await visitor.is_at("last=900$")


async def test_cursor(visitor: Visitor) -> None:
    """The cursor stands at the same time in every chart, by the mouse and by the arrow keys alike."""
    await visitor.open("#/charts")
    await visitor.page.locator(".chart .u-over").first.hover()
    moments = visitor.page.locator(".chart-moment")
    first = await visitor.text(".chart-moment")
    assert re.fullmatch(r"\d\d:\d\d:\d\d", first)
    assert [first, first, ""] == await moments.all_text_contents()
    place = visitor.page.locator("[role=slider]").nth(1)
    await place.focus()
    await visitor.page.keyboard.press("Home")
    told = await place.get_attribute("aria-valuetext")
    assert told is not None
    assert told.endswith(f": {HANDLERS[0]} 10 ms, {HANDLERS[1]} 10 ms, {HANDLERS[2]} 10 ms")
    assert [told[:8], told[:8], ""] == await moments.all_text_contents()


async def test_exemplars(visitor: Visitor) -> None:
    """An exemplar leads to its trace, by the mouse and by the keyboard."""
    await visitor.open("#/charts")
    exemplar = visitor.page.locator(".chart-exemplar")
    assert f"#/traces/{TRACE}" == await exemplar.get_attribute("href")
    await visitor.page.locator("[role=slider]").nth(1).press("Enter")
    await visitor.is_at(f"#/traces/{TRACE}")


async def test_chart_without_series(visitor: Visitor) -> None:
    """A chart whose metrics were never seen says so in place of lines."""
    await visitor.open("#/charts")
    section = "[aria-label=Publishing]"
    await visitor.reads(f"{section} .chart-empty", "Not seen: none of the sources gave a metric for this.")


async def test_marks(visitor: Visitor) -> None:
    """A fault that is on for several is marked once on every chart, and named in the bar by the same name."""
    name = "Slow handler: threshold, popularity"
    await visitor.open("#/charts")
    await visitor.reads(".shell-fault", f"On: {name}")
    marks = await visitor.page.locator(".chart-fault").all_text_contents()
    assert [True, True] == [name in mark for mark in marks]


async def test_small_screen(browser: Browser, console: ConsoleStandIn) -> None:
    """On a small screen the bar has two lines whatever it says, and a menu with every page, for the keyboard too."""
    console.silent = True
    visitor = await visiting(browser, console, viewport={"width": 360, "height": 640})
    await visitor.open("#/charts")
    await visitor.reads(".shell-state", "no metrics from relay for 12 s")
    await visitor.page.wait_for_selector(".shell-fault")
    assert 360 >= await visitor.page.evaluate("document.documentElement.scrollWidth")
    assert [38, 76] == pytest.approx(await visitor.page.evaluate(LINES), abs=10)
    links = visitor.page.locator("#pages a:visible")
    assert 0 == await links.count()
    await visitor.page.focus("#menu")
    await visitor.page.keyboard.press("Enter")
    assert ["Map", "Charts", "Events", "Logs", "Capacity"] == await links.all_text_contents()
    await visitor.page.keyboard.press("Escape")
    assert 0 == await links.count()
    await visitor.page.click("#menu")
    await links.last.click()
    await visitor.reads("h1:focus", "Capacity")
    assert 0 == await links.count()


async def test_pointed_chart(browser: Browser, console: ConsoleStandIn) -> None:
    """A link that names a chart leads to it, however far down it is."""
    visitor = await visiting(browser, console, viewport={"width": 360, "height": 400})
    await visitor.open("#/charts?chart=publish_time")
    pointed = visitor.page.locator(".charts-pointed")
    assert "Publishing" == await pointed.get_attribute("aria-label")

    async def seen() -> bool:
        box = await pointed.bounding_box()
        return box is not None and 0 <= box["y"] <= 400 - box["height"]

    await eventually(seen)


async def test_handler(visitor: Visitor) -> None:
    """A chosen handler is in the address and in what is asked for."""
    await visitor.open("#/charts")
    await visitor.page.select_option("label:has-text('Handler') select", "popularity")
    await visitor.is_at("handler=popularity")
    await eventually(lambda: any("handler=popularity" in asked for asked in visitor.console.asked))


async def test_any_metric(visitor: Visitor) -> None:
    """Any metric that was seen can be drawn, split by one of its labels, and a link to it shared."""
    await visitor.open("#/charts")
    await visitor.page.select_option("[aria-label=Metric]", "parcels_total")
    await visitor.page.select_option("[aria-label='A line for each']", "size")
    await visitor.is_at("metric=parcels_total&statistic=rate&by=size")
    wanted = "/api/series?metric=parcels_total&statistic=rate&by=size&"
    await eventually(lambda: any(asked.startswith(wanted) for asked in visitor.console.asked))
    await visitor.page.wait_for_selector("[aria-label='parcels_total, rate'] canvas")


async def test_text_stays_text(visitor: Visitor) -> None:
    """A handler called like markup is shown by its name."""
    for name, shown in {"charts": ".chart-series", "capacity": ".capacity-row h3"}.items():
        await visitor.open(f"#/{name}")
        texts = await visitor.page.locator(shown).all_text_contents()
        assert any(text.startswith("<b>threshold</b>") for text in texts)


async def test_search(visitor: Visitor) -> None:
    """A slash puts the cursor into the search box; an id that is known leads there, one that is not is said so."""
    await visitor.open("#/capacity")
    await visitor.page.keyboard.press("/")
    await visitor.page.keyboard.type("nobody")
    await visitor.page.keyboard.press("Enter")
    await visitor.reads(".shell-found", "Nothing is known of nobody.")
    await visitor.page.fill("[type=search]", " e1 ")
    await visitor.page.keyboard.press("Enter")
    await visitor.is_at("#/events/e1")


@pytest.mark.parametrize("span", ["last=900", "from={from}&to={to}"])
async def test_counting(span: str, visitor: Visitor, console: ConsoleStandIn) -> None:
    """Lines are counted on until all are, and what is not all is shown meanwhile, and said to be."""
    console.uncounted = 3_000
    ends = {"from": console.started, "to": console.started + 60_000}
    await visitor.open(f"#/logs?{span.format(**ends)}")
    await visitor.reads(".logs-legend", r"info 0\+")
    console.uncounted = 8
    await visitor.reads(".logs-legend", r"info 1,000$")
    assert 0 == console.uncounted


async def test_silence(visitor: Visitor) -> None:
    """A source that is silent is named, with how long; being behind is said, with how far."""
    await visitor.open("#/capacity")
    await visitor.reads(".shell-state", "live")
    visitor.console.silent = True
    await visitor.reads(".shell-state", "no metrics from relay for 12 s")
    visitor.console.behind_ms = 4_100
    await visitor.reads(".shell-state", "behind by 4 s")


async def test_sources(visitor: Visitor) -> None:
    """What each source gave, and what was never heard, is told on demand; Escape closes it."""
    await visitor.open("#/capacity")
    await visitor.page.click(".shell-state")
    rows = await visitor.page.locator("#sources tbody tr").all_inner_texts()
    assert ["metrics from relay\tfresh\tnow\t1,234\t0\t0", "spans from OTLP\tnot heard\tnever\t1,234\t0\t0"] == rows
    await visitor.reads("#sources p", "1 MB of at most 1 GB, no older than 1 h.")
    await visitor.page.keyboard.press("Escape")
    assert not await visitor.page.is_visible("#sources")


async def test_restart(visitor: Visitor) -> None:
    """A page whose server goes away says so, keeps what it shows, and goes on by itself when it is back."""
    await visitor.open("#/charts")
    await visitor.reads(".shell-state", "live")
    port = await visitor.console.stop()
    await visitor.reads(".shell-state", "connection lost, trying again")
    assert 2 == await visitor.page.locator("[role=slider]").count()
    visitor.console.asked.clear()
    await visitor.console.start(port)
    await visitor.reads(".shell-state", "live")
    await eventually(lambda: any(asked.startswith("/api/charts/") for asked in visitor.console.asked))
    # That a request failed is the browser's own to log; the page adds nothing to it.
    assert [] == [text for text in visitor.complaints if not text.startswith("Failed to load resource")]


async def test_server_that_comes_late(browser: Browser, console: ConsoleStandIn) -> None:
    """A page that is reloaded while its server is away shows all as soon as that is there."""
    visitor = await visiting(browser, console)
    await visitor.page.route("**/api/overview", lambda route: route.abort())
    await visitor.page.goto(f"{console.url}/#/capacity")
    await visitor.reads(".shell-state", "connecting")
    await visitor.page.unroute("**/api/overview")
    await visitor.reads("h1", "Capacity")


async def test_token(visitor: Visitor) -> None:
    """A token leaves the address at once, stays with the tab, and is shown with every request."""
    await visitor.page.goto(f"{visitor.console.url}/#token=se%2Dcret")
    await visitor.page.wait_for_selector("h1")
    assert "cret" not in visitor.page.url
    await visitor.page.reload()
    await visitor.page.wait_for_selector("h1")
    assert {"Bearer se-cret"} == visitor.console.tokens


async def test_theme(visitor: Visitor) -> None:
    """A chosen theme holds after a reload."""
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    await visitor.open("#/capacity")
    light = await visitor.page.evaluate(ground)
    await visitor.page.select_option("[aria-label=Theme]", "dark")
    dark = await visitor.page.evaluate(ground)
    await visitor.page.reload()
    await visitor.page.wait_for_selector("h1")
    assert light != dark == await visitor.page.evaluate(ground)


async def test_what_if(visitor: Visitor) -> None:
    """What is supposed stands beside what is measured, in figures and in words, and is part of the address."""
    await visitor.open("#/capacity")
    row = ".capacity-row:nth-of-type(1)"
    await visitor.reads(f"{row} .capacity-share", "ρ 40 %")
    await visitor.page.fill("label:has-text('events a second') input", "150")
    await visitor.page.keyboard.press("Enter")
    await visitor.reads(f"{row} .capacity-line:nth-of-type(2) .capacity-share", "ρ 150 %")
    await visitor.reads(f"{row} .capacity-words", "If so: More comes than its slots can finish.*")
    await visitor.page.fill("label:has-text('popularity slots') input", "6")
    await visitor.page.keyboard.press("Enter")
    await visitor.is_at("rate=150&slots=popularity%3A6")
    await visitor.reads(".capacity-row:nth-of-type(3) .capacity-line:nth-of-type(2) .capacity-share", "ρ 50 %")
    await visitor.page.click("text=As measured")
    await visitor.reads(
        f"{row} .capacity-words", "A slot is busy 40 % of the time. 40 /s more would bring it to 80 %.*"
    )
