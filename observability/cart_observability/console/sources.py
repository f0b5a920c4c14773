"""Where what is recorded comes from, and how each source does: said as it is, also when it is silent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from cart_observability.console.logs.tailing import Tail
from cart_observability.console.metrics.tiers import MILLISECOND, SECOND
from cart_observability.console.traces.receiving import Receiver

FRESH_SECONDS: Final = 60
"""Lines and spans come when there is something to tell: only after so long without any a source counts as silent."""

Source = dict[str, Any]
"""As the HTTP API shows it."""


def of_logs(tail: Tail, folder: Path, now: int) -> Source:
    """A folder of log files; `now` in ns since the epoch."""
    state = "silent" if tail.trouble and tail.last else _state(tail.last, now)
    return {
        **_source("logs", str(folder), state, tail.last, tail.received),
        "behind_ms": tail.behind / MILLISECOND,
        "refused": tail.refused,
        "detail": tail.trouble or tail.refusal or _untimely(tail.untimely),
    }


def of_traces(receiver: Receiver, address: str, now: int) -> list[Source]:
    """All that comes by OTLP, then what comes of it from each service."""
    receipts = receiver.receipts
    last = max((receipt.last for receipt in receipts.values()), default=None)
    received = sum(receipt.received for receipt in receipts.values())
    return [
        {
            **_source("traces", "OTLP", _state(last, now), last, received),
            "refused": receiver.refused,
            "detail": "; ".join([f"{address}/v1/traces", *_remarks(receiver)]),
        },
        *(
            _source("traces", service, _state(receipt.last, now), receipt.last, receipt.received)
            for service, receipt in sorted(receipts.items())
        ),
    ]


def _untimely(lines: int) -> str | None:
    return f"passed over, as older than is kept or of a time to come: {lines:,}" if lines else None


def _remarks(receiver: Receiver) -> Iterator[str]:
    if receiver.refusal:
        yield f"refused last: {receiver.refusal}"
    if receiver.deferred:
        # Not lost, as far as is known here: exporters send them again.
        yield f"asked for again, as there was no room: {receiver.deferred:,}"


def _state(last: int | None, now: int) -> str:
    if last is None:
        return "never"
    return "fresh" if now - last < FRESH_SECONDS * SECOND else "silent"


def _source(kind: str, name: str, state: str, last: int | None, received: int) -> Source:
    return {
        "kind": kind,
        "name": name,
        "state": state,
        "last": None if last is None else last / MILLISECOND,
        "behind_ms": None,
        "received": received,
        "dropped": 0,
        "refused": 0,
        "detail": None,
    }
