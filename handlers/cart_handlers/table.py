"""Which handler reacts to which event."""

from cart_handlers import notification, popularity, threshold
from cart_handlers.mail import open_mailer
from cart_observability.telemetry import Telemetry
from cart_platform.cart import CART_EVENTS, ThresholdReached
from cart_platform.handler import Handler, service_name
from cart_platform.settings import Settings

CART = frozenset(CART_EVENTS)
THRESHOLD_REACHED = frozenset({ThresholdReached.type})


def handlers(settings: Settings, telemetry: Telemetry) -> tuple[Handler, ...]:
    """The table of handlers; it opens nothing and connects to nothing."""
    mailer = open_mailer(settings.mail_url, telemetry.named(service_name("notification")))
    return (
        Handler("threshold", CART, threshold.handle, slots=2),
        Handler("popularity", CART, popularity.handle, slots=2),
        Handler("notification", THRESHOLD_REACHED, notification.handler(mailer), slots=8, acts_outside=True),
    )
