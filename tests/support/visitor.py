"""A visitor who asks an API for all that it offers, again and again, well or badly, whether or not it answers."""

import contextlib
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

SECONDS_BETWEEN = 0.1
JSON = {"Content-Type": "application/json"}


class Visitor:
    """Visits the API at a URL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = threading.Event()

    @contextmanager
    def visiting(self, visitors: int = 4) -> Iterator[None]:
        """Visit for as long as the block lasts, several at once: one that waits keeps no other waiting."""
        threads = [threading.Thread(target=self._visit, args=(number,)) for number in range(visitors)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _visit(self, number: int) -> None:
        for turn in itertools.count():
            if self._over.wait(SECONDS_BETWEEN):
                return
            # An API that is away, or says no, is what this visitor is there for.
            with contextlib.suppress(OSError), urlopen(self._request(f"visit-{number}-{turn}", turn), timeout=10):
                continue

    def _request(self, name: str, turn: int) -> Request:
        """One request of each sort in turn."""
        items = f"{self._url}/carts/{name}/items"
        match turn % 5:
            case 0:
                return Request(items, _body(12), JSON | {"Prefer": "wait=3"})
            case 1:
                # The same key for ever: a repeat of the first.
                return Request(f"{self._url}/carts/again/items", _body(1), JSON | {"Idempotency-Key": "again"})
            case 2:
                return Request(items, _body(0), JSON)
            case 3:
                return Request(f"{self._url}/carts/{name}")
            case _:
                return Request(f"{self._url}/products/popular?limit=5")


def _body(quantity: int) -> bytes:
    return json.dumps({"product": "milk", "quantity": quantity}).encode()
