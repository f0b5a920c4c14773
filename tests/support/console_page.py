"""Someone at the console's page: where things are on it, and how its words are read as numbers."""

import asyncio
import re
from dataclasses import dataclass
from urllib.parse import quote

from playwright.async_api import Locator

from support.browser import Looker

UNKNOWN = "\N{EN DASH}"
UNITS = {"µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "/s": 1.0, "%": 0.01, "": 1.0}
COURSE_SECONDS = 60
_MOMENT = re.compile(r"\d\d:\d\d:\d\d: ")
_NUMBER = re.compile(r"(\d[\d,]*(?:\.\d+)?)\s?(µs|ms|min|s|h|/s|%|)(?![\w/])")


def number(text: str) -> float:
    """The first number in a text, in its base unit; 0 where there is none."""
    found = _NUMBER.search(text)
    return float(found[1].replace(",", "")) * UNITS[found[2]] if found else 0.0


@dataclass
class Visitor(Looker):
    """Someone who looks at the page of a console at an address."""

    console: str = ""

    async def open(self, address: str = "") -> None:
        """Open an address of the page, such as `#/logs?q=word`, and wait until the page has begun to show it."""
        await self.page.goto(f"{self.console}/{address}")
        await self.page.wait_for_selector("h1")

    async def turn_to(self, name: str) -> None:
        """Choose a page by the bar."""
        await self.page.click(f"#pages >> text={name}")
        await self.reads("h1", f"^{name}$")

    async def node(self, node: str) -> list[str]:
        """What stands in a node of the map: its name, then its figures."""
        return await self.texts(f'.way-node[data-id="{node}"] > text')

    async def passing(self, node: str) -> float:
        """Events a second that a node of the map says pass it."""
        return next((number(text) for text in await self.node(node) if text.endswith("/s")), 0.0)

    async def waiting(self, node: str) -> float:
        """How many events a node of the map says wait there."""
        return next((number(text) for text in await self.node(node) if text.endswith("waiting")), 0.0)

    async def lines(self, query: str) -> None:
        """Open the logs of the whole run with a search."""
        await self.open(f"#/logs?q={quote(query)}&last=whole")
        await self.page.wait_for_selector(".logs-line, .logs-main > p:not([hidden])")

    async def counted(self) -> int:
        """How many log lines the open search has found, by the legend of its bars."""
        return sum(int(number(text)) for text in await self.texts(".logs-legend button"))

    async def shown_lines(self) -> list[str]:
        """The newest lines of the open search, as they are shown."""
        return await self.texts(".logs-line .logs-message")

    async def latest(self) -> dict[str, float]:
        """The latest values of the chart that the address names, by series."""
        series = await self.page.locator(".charts-pointed .chart-series").evaluate_all(
            "all => all.map(one => [one.lastChild.previousSibling.textContent, one.lastChild.textContent])"
        )
        return {label: number(value) for label, value in series}

    async def course(self, title: str) -> list[tuple[str, dict[str, float]]]:
        """A chart's values from its beginning to its end, by its arrow keys: (time of day, values by series)."""
        slider = self.page.locator(f'[role=slider][aria-label^="{title}"]')
        async with asyncio.timeout(COURSE_SECONDS):
            told = await self._told(slider)
            # A chart that is drawn anew meanwhile is at no moment, and begins from its end.
            while not all(map(_MOMENT.match, told)):
                told = await self._told(slider)
        return [(moment[:8], _values(moment[10:])) for moment in told]

    async def _told(self, slider: Locator) -> list[str]:
        await slider.press("Home")
        told: list[str] = []
        while not told or (await slider.get_attribute("aria-valuetext")) != told[-1]:
            told.append(await slider.get_attribute("aria-valuetext") or "")
            await slider.press("ArrowRight")
        return told

    async def figure(self, row: str, column: int) -> float:
        """A figure of the table of capacities, by what it begins with and its handler's column."""
        return number(await self.text(f".capacity-figures tr:has(th:text('{row}')) td >> nth={column}"))


def _values(text: str) -> dict[str, float]:
    pairs = (pair.rsplit(" ", 2 if re.search(r"\d (ms|µs|s|/s|%)$", pair) else 1) for pair in text.split(", "))
    return {label: number(" ".join(value)) for label, *value in pairs if value and value[0] != UNKNOWN}
