"""The page itself, written on the server: it is whole without any script."""

from collections.abc import Callable, Iterable, Mapping
from html import escape
from importlib.resources import files
from string import Template
from typing import TypeVar

from cart_platform.front_door.places import GRAFANA, KIBANA, Link, Places, Server

ASSETS = files("cart_platform.front_door") / "assets"
TEMPLATE = Template((ASSETS / "page.html").read_text(encoding="utf-8"))
STATES = {True: "answers", False: "silent"}

Item = TypeVar("Item")


def render(places: Places, states: Mapping[str, bool], host: str) -> str:
    """The page for a visitor who calls this machine `host`."""
    return TEMPLATE.substitute(
        host=escape(host),
        grafana=GRAFANA,
        kibana=KIBANA,
        dashboards=_each(places.dashboards, lambda link: _card(link, host)),
        logs=_each(places.logs, lambda link: _card(link, host)),
        servers=_each(places.servers, lambda server: _row(server, states.get(server.name, False), host)),
    )


def _each(items: Iterable[Item], write: Callable[[Item], str]) -> str:
    return "\n".join(write(item) for item in items)


def _card(link: Link, host: str) -> str:
    return f'<li><a href="{escape(link.url(host))}">{escape(link.title)}</a><p>{escape(link.about)}</p></li>'


def _row(server: Server, is_answering: bool, host: str) -> str:  # noqa: FBT001  what the row shows
    page = server.page
    name = f'<a href="{escape(page.url(host))}">{escape(server.name)}</a>' if page else escape(server.name)
    state = f'<td data-server="{escape(server.name)}" data-answers="{int(is_answering)}">{STATES[is_answering]}</td>'
    return f'<tr><th scope="row">{name}</th>{state}<td>{escape(server.about)}</td></tr>'
