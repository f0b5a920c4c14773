"""`/metrics` over HTTP, by prometheus_client's own server: OpenMetrics with exemplars for who asks for it."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.registry import Collector

LOOPBACK = "127.0.0.1"


class _WithoutCreated(Collector):
    """A registry without its `_created` series.

    prometheus_client can leave them out only for the whole process, and whoever else uses it there may want them.
    """

    def __init__(self, registry: Collector) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric

    def restricted_registry(self, names: Iterable[str]) -> "_WithoutCreated":
        """What `/metrics?name[]=...` asks for."""
        assert isinstance(self._registry, CollectorRegistry)
        return _WithoutCreated(self._registry.restricted_registry(names))


class Exposition:
    """Serves a registry until closed.

    Args:
        registry: What is served.
        port: Where; 0 takes any free port.
        address: Loopback unless told otherwise.

    Raises:
        RuntimeError: The port is in use, or the address is not of this machine.
    """

    def __init__(self, registry: CollectorRegistry, port: int, address: str = LOOPBACK) -> None:
        try:
            self._server, self._thread = start_http_server(port, address, _WithoutCreated(registry))
        except OSError as error:
            text = f"cannot serve /metrics on {address}:{port} ({error.strerror}): choose another telemetry port"
            raise RuntimeError(text) from error
        host = f"[{address}]" if ":" in address else address
        self.url = f"http://{host}:{self._server.server_port}/metrics"

    def close(self) -> None:
        """Stops serving and frees the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
