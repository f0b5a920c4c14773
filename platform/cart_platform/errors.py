"""Errors that end in one clear line for the person at the keyboard."""


class CartscopeError(Exception):
    """What went wrong, where, and what to do about it, in one line.

    The command line prints the text and ends with `exit_code`: 1 for what failed while running, 2 for what was asked
    wrongly (an option, a URL, a file).
    """

    exit_code = 1


class UsageError(CartscopeError):
    """The command was asked for something that cannot be: a bad option, URL or file."""

    exit_code = 2


class Unavailable(CartscopeError):  # noqa: N818  the state of a dependency, not a kind of mistake
    """A server that this process needs does not answer at present; trying again later may succeed."""


class Overloaded(Unavailable):
    """More work waits than the process is willing to hold in memory; try again after `retry_after` seconds."""

    def __init__(self, text: str, retry_after: float = 1.0) -> None:
        super().__init__(text)
        self.retry_after = retry_after
