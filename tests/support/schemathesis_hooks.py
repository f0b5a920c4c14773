"""Hooks for schemathesis, loaded by its command line through SCHEMATHESIS_HOOKS."""

import uuid
from typing import Any

import schemathesis


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Gives each command a key of its own where the key is valid.

    A key that stands for another command is refused, which no schema can say: `null`, tried everywhere, would be.
    """
    headers: Any = case.headers or {}
    key = headers.get("idempotency-key")
    if isinstance(key, str) and key.isascii() and key.isprintable() and 0 < len(key) < 200 and " " not in key:
        headers["idempotency-key"] = f"{key}{uuid.uuid4()}"
