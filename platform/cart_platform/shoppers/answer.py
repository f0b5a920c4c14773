"""What the API says to a command."""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """What became of a command: accepted, or refused for `reason`, or in `trouble` that may pass.

    `pause` is the number of seconds that the API asks to be left alone for (Retry-After).
    """

    reason: str | None = None
    trouble: str | None = None
    pause: float = 0.0


ACCEPTED = Answer()
UNADDRESSABLE = Answer(reason="invalid_identifier")

_REDIRECTION, _SERVER_ERROR = 300, 500
_TRANSIENT = frozenset({408, 425, 429})
"""Request Timeout, Too Early, Too Many Requests: they ask for the same request again."""

_UNTYPED = "about:blank"


class _Problem(msgspec.Struct):
    type: str = _UNTYPED


_decode_problem = msgspec.json.Decoder(_Problem).decode


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """An HTTP response as an answer; what refuses without a problem type is named `http_` and its status."""
    if status < _REDIRECTION:
        return ACCEPTED
    if status >= _SERVER_ERROR or status in _TRANSIENT:
        return Answer(trouble=f"http {status}", pause=_retry_after(headers.get("Retry-After", "")))
    reason = _problem_type(body).rstrip("/").rpartition("/")[2]
    return Answer(reason=f"http_{status}" if reason in {"", _UNTYPED} else reason)


def _problem_type(body: bytes) -> str:
    try:
        return _decode_problem(body).type
    except msgspec.DecodeError:
        return _UNTYPED


def _retry_after(value: str) -> float:
    """Seconds from now that a Retry-After asks for, written as a number or as a date; 0 when it is neither."""
    try:
        return float(value) if value.isdecimal() else max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return 0.0
