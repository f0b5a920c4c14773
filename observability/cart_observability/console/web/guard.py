"""What stands before the console: foreign names, foreign pages and foreign machines stay out, answers stay in place.

A browser shows a page of any site, and that page can send requests to this machine. It can even have its own name lead
here (DNS rebinding): then the browser takes the console for a part of that site. The name a request was sent to, and
the page that it came from, tell the two apart.
"""

import hashlib
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cart_observability.console.web.problem import Problem

LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
ANYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  compared with, not listened on
MARK: Final = "X-Cartscope-Console"
LARGEST_BODY: Final = 65_536
"""Bytes of what the page sends."""
TOKEN_BYTES: Final = 24
DIGITS: Final = 15
"""Of a length that is too large whatever it is."""

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NO_STORE: Final = "no-store"
"""Of answers under /api: what was seen stays on no disk but the console's own."""


def is_loopback(host: str) -> bool:
    """Whether who listens on this address is heard by this machine alone."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def is_address(name: str) -> bool:
    """Whether this is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(TOKEN_BYTES)


@dataclass(frozen=True, slots=True)
class Rules:
    """Who is let in.

    Attributes:
        hosts: Names by which this console may be called, in lower case and without a port.
        token: What everyone must show who asks for anything under /api; None where only this machine can.
        any_address: Whether it may be called by any IP address: no name was resolved then that could have been rebound.
        reads_freely: Whether the token is asked only of who acts.
    """

    hosts: frozenset[str]
    token: str | None = None
    any_address: bool = False
    reads_freely: bool = False

    @classmethod
    def of(
        cls, host: str, allowed: Iterable[str] = (), token: str | None = None, *, is_published_on_loopback: bool = False
    ) -> "Rules":
        """The rules of a console that listens on this address; beyond loopback with a token, a fresh one by default.

        A container listens on all its addresses, though its port may be published on loopback alone: then whoever is
        on this machine may look, and calls it by a name of loopback. Other containers can reach it, so acting takes
        the token.
        """
        required = None if is_loopback(host) else token or new_token()
        if is_published_on_loopback:
            return cls(_names(*allowed), required, reads_freely=True)
        own = socket.gethostname() if host in ANYWHERE else host
        return cls(_names(own, *allowed), required, host in ANYWHERE)

    def knows(self, name: str) -> bool:
        """Whether the console may be called by this name."""
        return name in self.hosts or (self.any_address and is_address(name))

    @property
    def cookie(self) -> str | None:
        """What lets the holder of the token read, where a browser sends no header of ours (server-sent events)."""
        return None if self.token is None else hashlib.sha256(f"read {self.token}".encode()).hexdigest()


def _names(*names: str) -> frozenset[str]:
    return LOOPBACK_NAMES | {name.lower().strip("[]") for name in names}


class Guard:
    """Refuses what the rules do not let in, bounds what comes in, and adds headers that keep a page in its place."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        is_api = scope["path"].startswith("/api/")
        greeted = False

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = MutableHeaders(scope=message)
                added.update(HEADERS)
                added.setdefault("Cache-Control", NO_STORE if is_api else "no-cache")
                if greeted:
                    added.append("Set-Cookie", self._cookie(scope))
            await send(message)

        try:
            self._check_host(headers)
            if is_api:
                greeted = self._check_reader(scope, headers)
            if scope["method"] not in {"GET", "HEAD"}:
                self._check_writer(headers)
            await self._app(scope, bounded(headers, receive, LARGEST_BODY), answer)
        except Problem as problem:
            await problem.response()(scope, receive, answer)

    def _check_host(self, headers: Headers) -> None:
        """The request was sent to a name of this console."""
        name = name_of(headers.get("host", ""))
        if not self._rules.knows(name):
            raise Problem(
                421, f"{name or 'no name'} is not a name of this console: call it localhost, or allow the name"
            )

    def _check_reader(self, scope: Scope, headers: Headers) -> bool:
        """No page of another site asks, and who asks has shown the token; whether it was the token itself."""
        if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise Problem(403, "a page of another site has no business here")
        is_reading = scope["method"] in {"GET", "HEAD"}
        if self._rules.token is None or (is_reading and self._rules.reads_freely):
            return False
        if equal(headers.get("authorization", ""), f"Bearer {self._rules.token}"):
            return True
        if is_reading and self._shows_cookie(scope, headers):
            return False
        detail = "this console listens beyond this machine: give the token that it printed when it started"
        raise Problem(401, detail, {"WWW-Authenticate": "Bearer"})

    def _check_writer(self, headers: Headers) -> None:
        """The console's own page acts, and means to."""
        origin = urlsplit(headers.get("origin", ""))
        if origin.scheme not in {"http", "https"} or origin.netloc.lower() != headers.get("host", "").lower():
            raise Problem(403, "only the console's own page may act")
        if headers.get(MARK) != "1":
            raise Problem(403, f"{MARK}: 1 is missing")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Problem(415, "send Content-Type: application/json")

    def _shows_cookie(self, scope: Scope, headers: Headers) -> bool:
        wanted = f"{_cookie_name(scope)}={self._rules.cookie}"
        shown = (pair.strip() for line in headers.getlist("cookie") for pair in line.split(";"))
        return any(equal(pair, wanted) for pair in shown)

    def _cookie(self, scope: Scope) -> str:
        return f"{_cookie_name(scope)}={self._rules.cookie}; Path=/api; HttpOnly; SameSite=Strict"


def _cookie_name(scope: Scope) -> str:
    """Cookies know no ports: two consoles on one machine must not take each other's."""
    return f"cartscope-console-{(scope.get('server') or ('', 0))[1]}"


def name_of(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def equal(given: str, wanted: str) -> bool:
    """Whether two secrets are the same, in a time that does not tell how much of them is."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def bounded(headers: Headers, receive: Receive, limit: int) -> Receive:
    """Receive no more of a body than this many bytes.

    Raises:
        Problem: at once when more is announced, else as soon as more has come.
    """
    announced = headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > DIGITS or int(announced) > limit):
        raise _too_large(limit)
    received = 0

    async def receive_within() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise _too_large(limit)
        return message

    return receive_within


def _too_large(limit: int) -> Problem:
    return Problem(413, f"send {limit:,} bytes at most", {"Connection": "close"})
