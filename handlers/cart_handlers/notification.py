"""Acts outside: tells the shop by e-mail that a cart reached the threshold.

The e-mail's Message-ID comes from the event's id, so that a repeated one can be told. The worker claims the event
before this handler starts and marks it done after. A crash between the sending and the mark repeats the sending: a
Maildir recognises the Message-ID and keeps one e-mail, an SMTP server may deliver two with the same Message-ID.
"""

from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from cart_handlers.mail import Mailer
from cart_handlers.reading import threshold_reached
from cart_platform.cart import ThresholdReached
from cart_platform.events import Event
from cart_platform.handler import Handle, UnitOfWork

SENDER = "cartscope@localhost"
RECIPIENT = "shop@localhost"


def handler(mailer: Mailer) -> Handle:
    """The handler that sends through this mailer."""

    async def handle(event: Event, _unit: UnitOfWork) -> Mapping[str, Any]:
        message = compose(event, threshold_reached(event))
        await mailer.send(message)
        return {"message_id": str(message["Message-ID"])}

    return handle


def compose(event: Event, reached: ThresholdReached) -> EmailMessage:
    """The e-mail for an event: the same, to the byte, whenever the event is handled again."""
    message = EmailMessage()
    message["Message-ID"] = f"<{event.id}@cartscope>"
    message["Date"] = format_datetime(event.time)
    message["From"] = SENDER
    message["To"] = RECIPIENT
    message["Subject"] = f"Cart {reached.cart} reached {reached.units} units"
    message.set_content(
        f"Cart {reached.cart} went to {reached.units} units at its version {reached.version}; "
        f"the threshold is {reached.threshold}.\n\nEvent {event.id}, caused by {event.causationid}.\n"
    )
    return message
