"""A throwaway Tempo on free ports, configured as the stack's is."""

import json
import shutil
import tempfile
import urllib.parse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from cart_platform.native import tempo_server
from cart_platform.native.installed import find
from cart_platform.native.ports import free_ports
from conftest import skip_or_fail
from support.servers import RunningProgram


class TempoServer:
    """A Tempo whose span metrics go to the Prometheus at a port."""

    def __init__(self, prometheus_port: int) -> None:
        executable = find("tempo")
        if executable is None:
            skip_or_fail("tempo")
        self._folder = Path(tempfile.mkdtemp(prefix="cartscope-test-"))
        self.ports = tempo_server.TempoPorts(*free_ports(3))
        self._main = RunningProgram(tempo_server.program(str(executable), self._folder, self.ports, prometheus_port))

    def start(self) -> None:
        """Start it and wait until it serves."""
        self._main.start()

    def halt(self) -> None:
        """End it in good order; its data stay for the next start."""
        self._main.stop()

    def stop(self) -> None:
        """End it and throw its data away."""
        self._main.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """Where it answers questions."""
        return f"http://127.0.0.1:{self.ports.http}"


def spans_of(url: str, trace_id: str) -> list[dict[str, Any]]:
    """The spans of a trace in the Tempo at a URL, each with its `service`; none when it knows no such trace."""
    try:
        with urlopen(f"{url}/api/traces/{trace_id}") as answer:
            batches = json.load(answer)["batches"]
    except HTTPError as error:
        if error.code != 404:
            raise
        return []
    return [
        {**span, "service": _service(batch["resource"])}
        for batch in batches
        for scope in batch["scopeSpans"]
        for span in scope["spans"]
    ]


def _service(resource: dict[str, Any]) -> str:
    named = {each["key"]: each["value"].get("stringValue", "") for each in resource["attributes"]}
    return str(named["service.name"])


def found(url: str, query: str = "{ }") -> set[str]:
    """Ids of the traces that a TraceQL query finds in the Tempo at a URL, 5,000 at most; without leading zeros."""
    with urlopen(f"{url}/api/search?{urllib.parse.urlencode({'q': query, 'limit': 5000})}") as answer:
        return {trace["traceID"].lstrip("0") for trace in json.load(answer).get("traces", [])}
