"""Commands whose servers, ports or readers are not as they should be."""

import socket
import subprocess
from pathlib import Path

import pytest

from support.program import PROGRAM, Finished, cartscope, environment

UNREACHABLE = {
    "api": {"CARTSCOPE_STORE_URL": "redis://127.0.0.1:1"},
    "relay": {"CARTSCOPE_BUS_URL": "amqp://127.0.0.1:1"},
    "worker threshold": {"CARTSCOPE_STORE_URL": "redis://127.0.0.1:1"},
    "status": {"CARTSCOPE_STORE_URL": "redis://127.0.0.1:1"},
    "audit --json": {"CARTSCOPE_STORE_URL": "redis://127.0.0.1:1"},
    "dead-letters list": {"CARTSCOPE_BUS_URL": "amqp://127.0.0.1:1", "CARTSCOPE_STORE_URL": "sqlite:///store.db"},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to run in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


@pytest.mark.parametrize("command", UNREACHABLE)
def test_an_unreachable_server_gets_one_line(command: str, folder: Path) -> None:
    """A server that does not answer is named in one line with what to do, and the exit code is 1."""
    failed = cartscope(*command.split(), **UNREACHABLE[command])
    variable = next(iter(UNREACHABLE[command]))
    server = {"CARTSCOPE_STORE_URL": "Redis", "CARTSCOPE_BUS_URL": "RabbitMQ"}[variable]
    assert f"cannot reach {server} at 127.0.0.1:1 (connection refused)".lower() in failed.complaint.lower()
    assert failed.complaint.endswith(f"start it, or set {variable}")
    assert 1 == failed.code


def test_an_unreachable_api_gets_one_line(folder: Path) -> None:
    """Shoppers who find no API say so in one line."""
    failed = cartscope("shop", "--url", "http://127.0.0.1:1", "--duration", "1")
    assert "http://127.0.0.1:1" in failed.complaint
    assert (1, "") == (failed.code, failed.output)


@pytest.mark.parametrize("variable", ["CARTSCOPE_API_PORT", "CARTSCOPE_TELEMETRY_PORT"])
@pytest.mark.parametrize("command", ["demo --duration 1", "api"])
def test_a_port_in_use_gets_one_line(command: str, variable: str, folder: Path) -> None:
    """A port that somebody else listens on is named in one line."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        failed = cartscope(*command.split(), **{variable: port})
    assert f"127.0.0.1:{port} (address already in use)" in failed.complaint.lower()
    assert 1 == failed.code


@pytest.mark.parametrize("unusable", ["file", "file/folder", "/proc/folder"])
def test_an_unusable_data_folder_gets_one_line(unusable: str, folder: Path) -> None:
    """A data folder that is a file, or cannot be made, is named in one line with what to do."""
    (folder / "file").write_text("")
    failed = cartscope("demo", "--duration", "1", "--data-dir", unusable)
    assert "as data folder" in failed.complaint
    assert failed.complaint.endswith("choose another with --data-dir")
    assert (1, "") == (failed.code, failed.output)


@pytest.mark.parametrize("command", ["--help", "status"])
def test_a_reader_that_is_gone_is_no_failure(command: str, folder: Path) -> None:
    """Output that nobody reads to its end (`| head`) leaves no complaint."""
    program = subprocess.Popen(
        [PROGRAM, command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    assert program.stdout is not None
    program.stdout.close()
    assert program.stderr is not None
    with program.stderr:
        errors = program.stderr.read()
    assert Finished(0, "", "") == Finished(program.wait(), "", errors)
