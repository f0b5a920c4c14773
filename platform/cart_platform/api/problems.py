"""Problems: what the API answers when it cannot do what was asked (RFC 9457).

One table names every reason. The last segment of a problem's `type` is its reason, the same word that the cart's rules
and the metrics use; `GET /problems/{reason}` explains it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from starlette.responses import Response

from cart_platform.cart import IDENTIFIER_RULES

MEDIA_TYPE = "application/problem+json"
SCHEMA = "#/components/schemas/Problem"

Documentation = dict[int | str, dict[str, Any]]


class Reason(NamedTuple):
    """A kind of problem: its HTTP status, what it is called, and what whoever meets it can do."""

    status: int
    title: str
    advice: str


_IDENTIFIER_ADVICE = f"A cart has {IDENTIFIER_RULES['cart']}; a product has {IDENTIFIER_RULES['product']}."

REASONS: Mapping[str, Reason] = {
    "invalid_identifier": Reason(422, "Invalid identifier", _IDENTIFIER_ADVICE),
    "invalid_quantity": Reason(422, "Invalid quantity", "Send a whole number from 1 to 10000."),
    "invalid_request": Reason(422, "Invalid request", "Send a JSON object as /openapi.json describes it."),
    "invalid_idempotency_key": Reason(400, "Invalid Idempotency-Key", "Send 1 to 255 visible ASCII characters."),
    "idempotency_key_reused": Reason(422, "Idempotency-Key reused", "Take a fresh key for each different command."),
    "cart_checked_out": Reason(409, "The cart is checked out", "Go on with another cart."),
    "cart_full": Reason(409, "The cart is full", "Remove a product, or go on with another cart."),
    "cart_empty": Reason(409, "The cart is empty", "Put something into the cart before it is checked out."),
    "item_not_in_cart": Reason(409, "The product is not in the cart", "Look the cart up: GET /carts/{cart}."),
    "cart_not_found": Reason(404, "No such cart", "A cart exists from its first event on: add an item."),
    "event_not_found": Reason(404, "No such event", "It never was, or it is older than the retention."),
    "problem_not_found": Reason(404, "No such problem", "Look the reasons up in /openapi.json."),
    "not_found": Reason(404, "Not found", "Look the paths up in /openapi.json; encode a / in an identifier as %2F."),
    "method_not_allowed": Reason(405, "Method not allowed", "Use a method that the Allow header names."),
    "body_too_slow": Reason(408, "The body came too slowly", "Send the whole body without a pause."),
    "body_too_large": Reason(413, "The body is too large", "Send 64 KiB at most."),
    "unsupported_media_type": Reason(415, "Unsupported media type", "Send Content-Type: application/json."),
    "internal_error": Reason(500, "Internal error", "It is in the log under the trace id of the request."),
    "overloaded": Reason(503, "Overloaded", "Try again after Retry-After seconds, with the same Idempotency-Key."),
    "unavailable": Reason(503, "Unavailable", "Try again after Retry-After seconds, with the same Idempotency-Key."),
    "not_ready": Reason(503, "Not ready", "See which dependency is missing, and start it."),
}
"""Every reason that a problem can have."""

STATE_REFUSED = 409
RETRY_AFTER = {
    "Retry-After": {"description": "Seconds after which another attempt is fair.", "schema": {"type": "integer"}}
}


class ProblemError(Exception):
    """The request ends in the problem with this reason of the table; the text is its detail."""

    def __init__(self, reason: str, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.reason = reason
        self.headers = headers


def problem(reason: str, detail: str, headers: Mapping[str, str] | None = None, **members: object) -> Response:
    """The response that tells of a problem; `members` extend it.

    A reason that is not in the table is a handler's or rule's own: it counts as a refusal by state.
    """
    known = REASONS.get(reason) or Reason(STATE_REFUSED, reason.replace("_", " ").capitalize(), "")
    body = {"type": f"/problems/{reason}", "title": known.title, "status": known.status, "detail": detail, **members}
    return Response(msgspec.json.encode(body), known.status, headers, MEDIA_TYPE)


def documented(*reasons: str) -> Documentation:
    """The OpenAPI description of the responses that carry these problems, grouped by status."""
    statuses = sorted({REASONS[reason].status for reason in reasons})
    return {status: _response([name for name in reasons if REASONS[name].status == status]) for status in statuses}


def _response(reasons: Iterable[str]) -> dict[str, Any]:
    examples = {reason: _example(reason) for reason in reasons}
    response = {
        "description": "; ".join(REASONS[reason].title for reason in examples),
        "content": {MEDIA_TYPE: {"schema": {"$ref": SCHEMA}, "examples": examples}},
    }
    return response | ({"headers": RETRY_AFTER} if "overloaded" in examples else {})


def _example(reason: str) -> dict[str, Any]:
    status, title, advice = REASONS[reason]
    return {"value": {"type": f"/problems/{reason}", "title": title, "status": status, "detail": advice}}
