"""A real Chromium, who looks at a page with it, and what an accessibility checker says of that page."""

import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.async_api import Browser, ConsoleMessage, Page, ViewportSize, async_playwright

from conftest import skip_or_fail
from support.documents import ROOT
from support.polling import eventually

AXE = ROOT / "observability/node_modules/axe-core/axe.min.js"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
SCREEN: Final[ViewportSize] = {"width": 1280, "height": 900}


@dataclass
class Looker:
    """Someone who looks at a page, what the browser complained about meanwhile, and whom it asked."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        def complain(message: ConsoleMessage) -> None:
            self.complaints.append(f"{message.type}: {message.text}")

        self.page.on("console", complain)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))

    async def text(self, selector: str) -> str:
        """The text of the first that is at a selector; empty where nothing is."""
        texts = await self.texts(selector)
        return texts[0] if texts else ""

    async def texts(self, selector: str) -> list[str]:
        """The texts of all that is at a selector."""
        return await self.page.locator(selector).all_text_contents()

    async def reads(self, selector: str, pattern: str) -> None:
        """Wait until the text at a selector has this in it."""

        async def does() -> bool:
            return re.search(pattern, await self.text(selector)) is not None

        await self.until(does, lambda: self.text(selector), pattern)

    async def is_at(self, pattern: str) -> None:
        """Wait until the address has this in it."""
        await self.page.wait_for_url(re.compile(pattern))

    async def until(
        self, condition: Callable[[], Awaitable[bool]], seen: Callable[[], Awaitable[object]], wanted: object
    ) -> None:
        """Wait until a condition holds; what is seen instead is told when it never does."""
        try:
            await eventually(condition)
        except AssertionError as error:
            raise AssertionError(f"wanted {wanted!r}, saw {await seen()!r}") from error

    async def comes_to(self, expected: object, seen: Callable[[], Awaitable[object]]) -> None:
        """Wait until what is seen is as expected."""

        async def does() -> bool:
            return expected == await seen()

        await self.until(does, seen, expected)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless Chromium; the test is skipped where there is none."""
    program = shutil.which("chromium")
    if program is None:
        skip_or_fail("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        await browser.close()


async def violations(page: Page) -> list[str]:
    """What axe finds against a page of a context that bypasses policies; the test is skipped where axe is not there."""
    if not AXE.exists():
        skip_or_fail("axe-core")
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text())
    found: dict[str, Any] = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{each['id']}: {[node['target'] for node in each['nodes']]}" for each in found["violations"]]
