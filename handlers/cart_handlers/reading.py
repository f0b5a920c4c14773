"""Reads the data of cart events into the types of `cart_platform.cart`."""

from typing import TypeVar

import msgspec

from cart_platform.cart import CART_EVENTS, CartEvent, ThresholdReached
from cart_platform.events import Event
from cart_platform.handler import Reject

Data = TypeVar("Data")


def cart_change(event: Event) -> CartEvent:
    """The change of a cart that the event tells of; raises Reject (`invalid_data`) when its data does not."""
    return _convert(event, CART_EVENTS[event.type])


def threshold_reached(event: Event) -> ThresholdReached:
    """The threshold that the event tells of; raises Reject (`invalid_data`) when its data does not."""
    return _convert(event, ThresholdReached)


def _convert(event: Event, into: type[Data]) -> Data:
    try:
        return msgspec.convert(event.data, into)
    except msgspec.ValidationError as error:
        raise Reject("invalid_data", f"the data of {event.type} cannot be read: {error}") from error
