"""The composition root: from settings to a store, a bus, a table of handlers and what runs on them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from cart_observability.messaging import Messaging
from cart_observability.telemetry import Telemetry
from cart_platform.bus import Bus, Topology
from cart_platform.errors import UsageError
from cart_platform.handler import Handler
from cart_platform.settings import Settings
from cart_platform.store import Store


@dataclass(frozen=True, slots=True)
class Parts:
    """What every process of the chain is made of; nothing is connected before `start`."""

    settings: Settings
    telemetry: Telemetry
    store: Store
    bus: Bus
    handlers: Sequence[Handler]

    def messaging(self, telemetry: Telemetry | None = None) -> Messaging:
        """Spans and metrics of messages, under the role that `telemetry` speaks for."""
        return Messaging(
            telemetry or self.telemetry,
            system=self.bus.system,
            server_address=self.bus.address,
            server_port=self.bus.port,
        )

    async def start(self) -> None:
        """Connect the store and the bus; raises CartscopeError with one clear line when either cannot be used."""
        await self.store.start()
        await self.bus.start()

    async def close(self) -> None:
        """Let go of both, the bus first: what it still confirms can then be marked in the store."""
        await self.bus.close()
        await self.store.close()


def assemble(settings: Settings, telemetry: Telemetry) -> Parts:
    """Put the parts together that the settings name.

    Raises:
        UsageError: for a URL of an unknown kind, or a table of handlers that is not there.
    """
    handlers = load_handlers(settings, telemetry)
    topology = Topology.of(handlers, settings.retry_delays)
    bus = _of_scheme(settings.bus_url, "CARTSCOPE_BUS_URL", BUSES)(settings, topology, telemetry)
    telemetry.metrics.use_messaging_system(bus.system)
    store = _of_scheme(settings.store_url, "CARTSCOPE_STORE_URL", STORES)(settings, telemetry)
    parts = Parts(settings, telemetry, store, bus, handlers)
    return parts if settings.faults_file is None else _disturbable(parts, settings.faults_file)


def load_handlers(settings: Settings, telemetry: Telemetry) -> Sequence[Handler]:
    """The table of handlers that `settings.handlers` names, as module:function.

    Raises:
        UsageError: when there is no such module or function, or when it gives no table of handlers.
    """
    module, _, function = settings.handlers.partition(":")
    try:
        make: Callable[[Settings, Telemetry], Sequence[Handler]] = getattr(import_module(module), function)
        table = tuple(make(settings, telemetry))
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise UsageError(f"no table of handlers at {settings.handlers!r} ({error}): set CARTSCOPE_HANDLERS") from error
    if not all(isinstance(row, Handler) for row in table):
        raise UsageError(f"{settings.handlers!r} gives no table of handlers: each row must be a Handler")
    return table


def _disturbable(parts: Parts, file: Path) -> Parts:
    # Nothing of it is there for a process that cannot be disturbed.
    from cart_platform.faults.injection import disturbable_parts  # noqa: PLC0415  see above

    return disturbable_parts(parts, file)


# Each driver is imported by the one function that needs it: a worker on Redis does not pay for SQLAlchemy's memory.


def _redis_store(settings: Settings, telemetry: Telemetry) -> Store:
    from cart_platform.store.redis import RedisStore  # noqa: PLC0415  see above

    return _store("redis", RedisStore, settings, telemetry)


def _sql_store(settings: Settings, telemetry: Telemetry) -> Store:
    from cart_platform.store.sql import SqlStore  # noqa: PLC0415  see above

    return _store("sqlite", SqlStore, settings, telemetry)


def _store(name: str, kind: Callable[..., Store], settings: Settings, telemetry: Telemetry) -> Store:
    def measure(operation: str, seconds: float, items: int) -> None:
        telemetry.metrics.store_operation(name, operation, seconds, items)

    return kind(
        settings.store_url,
        shards=settings.shards,
        retention=settings.retention,
        limit=settings.waiting_commands,
        measure=measure,
    )


def _rabbit_bus(settings: Settings, topology: Topology, telemetry: Telemetry) -> Bus:
    from cart_platform.bus.rabbitmq import RabbitBus  # noqa: PLC0415  see above

    return RabbitBus(settings.bus_url, topology, telemetry=telemetry)


def _sql_bus(settings: Settings, topology: Topology, telemetry: Telemetry) -> Bus:
    from cart_platform.bus.sql import SqlBus  # noqa: PLC0415  see above

    return SqlBus(settings.bus_url, topology, telemetry=telemetry)


STORES: Mapping[str, Callable[[Settings, Telemetry], Store]] = {
    "sqlite": _sql_store,
    "redis": _redis_store,
    "rediss": _redis_store,
}
BUSES: Mapping[str, Callable[[Settings, Topology, Telemetry], Bus]] = {
    "sqlite": _sql_bus,
    "amqp": _rabbit_bus,
    "amqps": _rabbit_bus,
}

Kind = TypeVar("Kind")


def _of_scheme(url: str, variable: str, kinds: Mapping[str, Kind]) -> Kind:
    scheme = urlsplit(url).scheme
    if scheme not in kinds:
        raise UsageError(
            f"{variable} is {url!r}, but must start with one of {', '.join(kind + '://' for kind in kinds)}"
        )
    return kinds[scheme]
