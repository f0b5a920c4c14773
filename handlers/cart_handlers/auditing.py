"""The audit for a person or a script."""

import json
from pathlib import Path

from cart_handlers.audit import Audit, as_text, document
from cart_handlers.mail import mails_in
from cart_platform.looking import looking


async def report(data_dir: Path | None, *, as_json: bool) -> tuple[str, int]:
    """Audit a chain; gives the text to print, and 1 when something is missing or repeated.

    Raises:
        CartscopeError: when there is no such chain, or its store cannot be reached.
    """
    async with looking(data_dir) as parts:
        audit = Audit(parts.store, parts.handlers, mails_in(parts.settings.mail_url))
        findings = await audit.run()
    return json.dumps(document(audit)) if as_json else as_text(audit), 1 if findings.counts else 0
