"""The Prefer header (RFC 7240): which of its preferences the API honours."""

import re

LONGEST_WAIT = 60
"""Seconds that a request may wait for results; a longer wish is cut to this."""

# A comma within a quoted string separates nothing.
_PREFERENCE = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
_WAIT = re.compile(r'\s*wait\s*=\s*(?:(\d{1,9})|"(\d{1,9})")\s*(?:;.*)?', re.IGNORECASE | re.ASCII | re.DOTALL)


def wait_preference(header: str | None) -> int | None:
    """The seconds of the first `wait` preference, 60 at most; None when there is none that can be read."""
    if header is None:
        return None
    for preference in _PREFERENCE.findall(header):
        found = _WAIT.fullmatch(preference)
        if found is not None:
            return min(int(found[1] or found[2]), LONGEST_WAIT)
    return None
