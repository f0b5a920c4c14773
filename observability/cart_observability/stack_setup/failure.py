"""Why the set-up could not be done."""


class SetupFailed(Exception):  # noqa: N818  what happened, in the past tense
    """One line: what was asked of which server, and how it answered."""
