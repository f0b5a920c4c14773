"""The fixture that asks the command line in the test's own process; a test module asks for it by `pytest_plugins`."""

import pytest

from support.program import Ask


@pytest.fixture
def ask(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Ask:
    """The command line, with state in a folder of its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.setenv("COLUMNS", "100")
    return Ask(monkeypatch, capsys)
