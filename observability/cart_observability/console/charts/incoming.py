"""What comes in from outside, where no store counts it: what is sent by those that handle nothing themselves.

What a process that handles messages sends follows from those. Where every process that sends also handles, the two
cannot be told apart.
"""

import sqlite3
from typing import Final

from cart_observability.console.metrics.series import selected

SENT: Final = "messaging_client_sent_messages_total"
PROCESSED: Final = "messaging_process_duration_seconds"
PROCESS: Final = "process"


def senders(connection: sqlite3.Connection) -> set[str]:
    """The processes whose `SENT` is what comes in."""
    sending, handling = ({series.label(PROCESS) for series in selected(connection, of, {})} for of in (SENT, PROCESSED))
    return sending - handling or sending
