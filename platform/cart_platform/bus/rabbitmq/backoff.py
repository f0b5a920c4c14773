"""How long to wait before trying again, and how to tell of it: full jitter, and one log line for each new reason."""

from collections.abc import Mapping

from tenacity import AsyncRetrying, RetryCallState, wait_random_exponential

from cart_observability.telemetry import Telemetry
from cart_platform.errors import CartscopeError, Unavailable

FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 10.0

_jitter = wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS)


class Trying:
    """Tries for ever.

    Args:
        telemetry: Of the process.
        text: Of the log line when an attempt has failed.
        fields: Of the same line.
    """

    def __init__(self, telemetry: Telemetry, text: str, fields: Mapping[str, str]) -> None:
        self._log = telemetry.log
        self._text = text
        self._fields = fields
        self._told = ""

    def attempts(self) -> AsyncRetrying:
        """Call the result with a function and its arguments: it gives what the function gives in the end."""
        self._told = ""
        return AsyncRetrying(wait=_wait, before_sleep=self._tell)

    def _tell(self, state: RetryCallState) -> None:
        text = str(_failure(state))
        if text != self._told:
            self._told = text
            self._log.warning(self._text, **self._fields, **{"error.message": text})


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


def _wait(state: RetryCallState) -> float:
    """What only a person can mend (a changed password) is tried at the longest interval."""
    error = _failure(state)
    lasting = isinstance(error, CartscopeError) and not isinstance(error, Unavailable)
    return LONGEST_WAIT_SECONDS if lasting else float(_jitter(state))
