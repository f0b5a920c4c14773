"""The telemetry of a process, started and closed as a whole."""

import logging
import socket
import urllib.request
from pathlib import Path

import pytest

from cart_observability.telemetry import Telemetry, silent
from support.observability import lines_of, sample


def test_a_process_is_seen_in_all_three_ways(tmp_path: Path) -> None:
    """One start serves metrics, writes lines with the service's name, and makes spans."""
    telemetry = Telemetry.start("cartscope-api", log_folder=tmp_path, stdout=False, port=0)
    assert telemetry.metrics_url is not None
    telemetry.metrics.event_accepted("cart.item_added")
    with telemetry.tracer.start_as_current_span("request") as span:
        telemetry.log.info("event accepted")
    with urllib.request.urlopen(telemetry.metrics_url, timeout=10) as response:
        served = response.read().decode()
    telemetry.close()
    (line,) = lines_of(tmp_path / "cartscope-api.log")
    assert ("cartscope-api", f"{span.get_span_context().trace_id:032x}") == (line["service.name"], line["trace.id"])
    assert 'cartscope_events_accepted_total{event_type="cart.item_added"} 1.0' in served
    assert "process_resident_memory_bytes" in served
    assert sample(telemetry.registry, "cartscope_telemetry_written_total", signal="logs") == 1


def test_roles_share_a_process(tmp_path: Path) -> None:
    """A named role writes under its own name into the same file and counts in the same registry; closing it is idle."""
    telemetry = Telemetry.start("cartscope-demo", log_folder=tmp_path, stdout=False, port=0)
    relay = telemetry.named("cartscope-relay")
    relay.log.info("event published")
    relay.close()
    relay.named("cartscope-worker").log.info("event handled")
    assert telemetry.registry is relay.registry
    assert telemetry.metrics is relay.metrics
    assert telemetry.metrics_url == relay.metrics_url
    telemetry.close()
    assert ["cartscope-relay", "cartscope-worker"] == [
        line["service.name"] for line in lines_of(tmp_path / "cartscope-demo.log")
    ]


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    """The second close does nothing, and the port is free after the first."""
    telemetry = Telemetry.start("service", log_folder=tmp_path, stdout=False, port=0)
    telemetry.close()
    telemetry.close()
    assert telemetry.metrics_url is None


def test_lines_go_to_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    """Without a folder, standard output has them."""
    telemetry = Telemetry.start("service")
    telemetry.log.info("said")
    telemetry.close()
    assert '"message":"said"' in capfd.readouterr().out


def test_nothing_is_left_behind_by_a_start_that_failed(tmp_path: Path) -> None:
    """After a port in use, the log file is free for the next start."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match="choose another telemetry port"):
            Telemetry.start("service", log_folder=tmp_path, stdout=False, port=port)
    telemetry = Telemetry.start("service", log_folder=tmp_path, stdout=False, port=port)
    telemetry.close()
    assert ["service.log"] == [path.name for path in tmp_path.iterdir()]


def test_silence_is_complete(capfd: pytest.CaptureFixture[str]) -> None:
    """Silent telemetry counts in a registry of its own, and nothing is served, written or configured."""
    handlers = list(logging.getLogger().handlers)
    telemetry = silent()
    telemetry.log.error("said")
    telemetry.metrics.event_repeated()
    telemetry.close()
    assert telemetry.metrics_url is None
    assert sample(telemetry.registry, "cartscope_commands_repeated_total") == 1
    assert ("", "") == capfd.readouterr()
    assert handlers == logging.getLogger().handlers
