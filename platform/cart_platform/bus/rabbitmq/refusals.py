"""What RabbitMQ or the network refused, as one clear line for the person at the keyboard."""

from pika.connection import Parameters
from pika.exceptions import AMQPError, ChannelClosedByBroker

from cart_platform.errors import CartscopeError, Unavailable

_PRECONDITION_FAILED = 406


def place(parameters: Parameters) -> str:
    """The broker's name in an error's text; never with a password."""
    return f"RabbitMQ at {parameters.host}:{parameters.port}"


def refused_connection(parameters: Parameters, error: BaseException) -> CartscopeError:
    """Why no connection came about: `Unavailable` for what may pass by itself."""
    text = repr(error)
    for words, explain in _LASTING.items():
        if words in text:
            return CartscopeError(explain.format(where=place(parameters), parameters=parameters))
    return Unavailable(f"cannot reach {place(parameters)} ({_cause(error)}): start it, or set CARTSCOPE_BUS_URL")


# By the broker's own words: pika calls any connection that is lost at these stages a probable refusal.
_LASTING = {
    "ACCESS_REFUSED": (
        "{where} refuses the user {parameters.credentials.username!r}: correct user and password in CARTSCOPE_BUS_URL"
    ),
    "NOT_ALLOWED - vhost": (
        "{where} has no virtual host {parameters.virtual_host!r}: create it with rabbitmqctl add_vhost,"
        " or correct CARTSCOPE_BUS_URL"
    ),
    "NOT_ALLOWED - access to vhost": (
        "{where} does not let the user {parameters.credentials.username!r} into the virtual host"
        " {parameters.virtual_host!r}: grant it with rabbitmqctl set_permissions"
    ),
    "IncompatibleProtocolError": "what listens at {parameters.host}:{parameters.port} is not RabbitMQ:"
    " correct CARTSCOPE_BUS_URL",
}


def _cause(error: BaseException) -> str:
    """The innermost of pika's nested errors: of a refused connection `Connection refused`."""
    nested = getattr(error, "exceptions", None) or (getattr(error, "exception", None), *error.args[:1])
    for inner in nested:
        if isinstance(inner, BaseException):
            return _cause(inner)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def refused_declaration(parameters: Parameters, name: str, error: AMQPError) -> CartscopeError:
    """Why an exchange or a queue could not be declared or used."""
    if not isinstance(error, ChannelClosedByBroker):
        return lost(parameters, error)
    if error.reply_code == _PRECONDITION_FAILED:
        return CartscopeError(
            f"{name} is declared otherwise on {place(parameters)} ({error.reply_text}):"
            " empty and delete it, or use another virtual host in CARTSCOPE_BUS_URL"
        )
    return CartscopeError(f"{place(parameters)} refuses {name} ({error.reply_text})")


def lost(parameters: Parameters, error: BaseException) -> Unavailable:
    """The connection, or a channel of it, ended under way."""
    return Unavailable(f"lost {place(parameters)} ({_cause(error)})")
