"""What a request asks for: its query, checked and converted."""

import time
from typing import Annotated, Final, TypeVar, get_origin

import msgspec
from starlette.requests import Request

from cart_observability.console.web.problem import Problem

NANOSECONDS: Final = 1_000_000
"""In a millisecond."""
DEFAULT_RANGE_MS: Final = 15 * 60 * 1000
LONGEST_TEXT: Final = 2_000
"""Characters of one parameter: a search that somebody typed."""
LATEST_MS: Final = 4_102_444_800_000
"""The year 2100: no time of a request is later."""

Id = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
"""A number by which the file knows something."""

Kind = TypeVar("Kind", bound=msgspec.Struct)


class Range(msgspec.Struct, rename={"from_": "from"}, kw_only=True):
    """From when to when a question asks, in ms since the epoch; about the last 15 minutes by default."""

    from_: float | None = None
    to: float | None = None

    @property
    def start(self) -> int:
        """In ns since the epoch."""
        return self._bounds()[0]

    @property
    def end(self) -> int:
        """In ns since the epoch."""
        return self._bounds()[1]

    def _bounds(self) -> tuple[int, int]:
        end = time.time() * 1e3 if self.to is None else self.to
        start = end - DEFAULT_RANGE_MS if self.from_ is None else self.from_
        if not 0 <= start <= end <= LATEST_MS:
            raise Problem(400, "from and to are milliseconds since the epoch, from the earlier one")
        return int(start * NANOSECONDS), int(end * NANOSECONDS)


def parameters(request: Request, kind: type[Kind]) -> Kind:
    """The request's query as this kind of struct; a parameter that it does not have is passed over, as links grow old.

    Raises:
        Problem: naming what cannot be used, and why.
    """
    repeated = {field.encode_name for field in msgspec.structs.fields(kind) if get_origin(field.type) is list}
    query = request.query_params
    given = {name: query.getlist(name) if name in repeated else query[name] for name in query}
    if any(len(text) > LONGEST_TEXT for text in query.values()):
        raise Problem(400, f"a parameter is longer than {LONGEST_TEXT:,} characters")
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(400, str(error)) from error
