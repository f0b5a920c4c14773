"""Explanations: what stands behind the `type` of a problem."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Path

from cart_platform.api.models import ProblemExplanation
from cart_platform.api.problems import REASONS, ProblemError, documented
from cart_platform.api.routing import Route

ReasonName = Annotated[str, Path(description="The last segment of the problem's type.", examples=["cart_empty"])]


class Explanations:
    """The endpoints of problems."""

    def routes(self) -> Iterator[Route]:
        """The routes that lead to the endpoints."""
        yield Route(
            "/problems/{reason:path}",
            self.explain,
            summary="What a problem means",
            tags=["problems"],
            responses=documented("problem_not_found", "overloaded", "internal_error"),
        )

    async def explain(self, reason: ReasonName) -> ProblemExplanation:
        """What the problem is called, and what can be done about it."""
        if reason not in REASONS:
            raise ProblemError("problem_not_found", f"no problem is called {reason[:80]!r}")
        status, title, advice = REASONS[reason]
        return ProblemExplanation(type=f"/problems/{reason}", title=title, status=status, advice=advice)
