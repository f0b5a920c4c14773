"""What the command line says to those who ask it, and to those who ask it wrongly."""

from importlib.metadata import version
from pathlib import Path

import pytest

from support.program import Ask

pytest_plugins = ["support.asking"]

PURPOSES = {
    "demo": "Run the whole chain in this one process",
    "native": "Run the whole chain on real Redis, RabbitMQ and Prometheus",
    "api": "Serve the HTTP API",
    "relay": "Take events from the outbox to the bus",
    "console": "Serve a page that shows metrics",
    "worker": "Handle events",
    "shop": "Be the shoppers",
    "ship-logs": "Take the log lines of a run to Elasticsearch",
    "status": "Tell how a chain is doing",
    "capacity": "Tell how much the handlers can take",
    "setup": "Put what the stack needs into Elasticsearch and Kibana",
    "passwords": "Make the stack's passwords",
    "audit": "Check the event log against its effects",
    "faults": "Switch faults on in a running chain",
    "faults list": "List the faults: what each does",
    "faults on": "Switch a fault on; every process that it concerns acts on it within a second",
    "faults off": "Switch a fault off, for every handler",
    "dead-letters": "Inspect, replay or delete events that were given up",
    "dead-letters list": "List the dead letters",
    "dead-letters show": "Show one dead letter whole",
    "dead-letters replay": "Deliver dead letters to their handlers again",
    "dead-letters purge": "Delete dead letters",
}

WRONG = {
    "nonsense": "No such command 'nonsense'",
    "demo --nonsense": "No such option: --nonsense",
    "demo --rate fast": "Invalid value for '--rate'",
    "demo --rate 0": "a load of 0.0 commands a second",
    "demo --duration 0": "for 0.0 s",
    "demo --duration -1": "for -1.0 s",
    "demo --layout columns --replay here": "there is no layout 'columns'",
    "demo --replay nowhere.csv": "cannot read the replay file nowhere.csv: No such file or directory",
    "native --replay nowhere.csv": "cannot read the replay file nowhere.csv: No such file or directory",
    "demo --replay here --columns cart=A": "a file of baskets has no columns",
    "demo --replay here --layout lines --columns basket=A": "cannot read the columns 'basket=A'",
    "shop --url ftp://nowhere": "'ftp://nowhere'",
    "shop --rate 0": "a load of 0.0 commands a second",
    "shop --duration 0": "for 0.0 s",
    "shop --profile hectic": "there is no profile 'hectic'",
    "shop --concurrency 0": "Invalid value for '--concurrency'",
    "passwords": "Missing option '--folder'",
    "passwords --folder . --give here": "'here' does not say who gets which folder",
    "worker": "Missing argument 'HANDLER'",
    "worker accounting": "no handler is called accounting: the table has threshold, popularity, notification",
    "status --data-dir nowhere": "no chain has run in nowhere: name the --data-dir of a demo or native run",
    "audit --data-dir nowhere": "no chain has run in nowhere",
    "ship-logs": "Missing option '--data-dir'",
    "ship-logs --data-dir nowhere": "no chain has run in nowhere: name the --data-dir of a demo or native run",
    "faults": "Missing command",
    "faults list --data-dir nowhere": "no chain has run in nowhere",
    "faults on": "Missing argument 'NAME'",
    "faults on nonsense": "there is no fault 'nonsense': choose one of mail-down, slow-handler",
    "faults on burst --data-dir nowhere": "no chain has run in nowhere",
    "faults off": "name a fault, or --all",
    "faults off burst --all": "name a fault, or --all",
    "faults off nonsense": "there is no fault 'nonsense'",
    "dead-letters": "Missing command",
    "dead-letters list --data-dir nowhere": "no chain has run in nowhere",
    "dead-letters show": "Missing argument 'ID'",
    "dead-letters replay": "name the ids of dead letters, or --all",
    "dead-letters purge some --all": "name the ids of dead letters, or --all",
}

UNUSABLE = {
    "CARTSCOPE_STORE_URL=mysql://here": "CARTSCOPE_STORE_URL is 'mysql://here', but must start with one of sqlite://",
    "CARTSCOPE_STORE_URL=here": "CARTSCOPE_STORE_URL is 'here'",
    "CARTSCOPE_BUS_URL=http://here": "CARTSCOPE_BUS_URL is 'http://here', but must start with one of sqlite://",
    "CARTSCOPE_MAIL_URL=pigeon://post": "no mail server is meant by 'pigeon://post': set CARTSCOPE_MAIL_URL",
    "CARTSCOPE_API_PORT=eighty": "CARTSCOPE_API_PORT: Input should be a valid integer",
    "CARTSCOPE_API_PORT=70000": "CARTSCOPE_API_PORT: Input should be less than or equal to 65535",
    "CARTSCOPE_BATCH=0": "CARTSCOPE_BATCH: Input should be greater than or equal to 1",
    "CARTSCOPE_HANDLERS=nowhere:handlers": "no table of handlers at 'nowhere:handlers'",
    "CARTSCOPE_HANDLERS=cart_handlers.table": "no table of handlers at 'cart_handlers.table'",
    "CARTSCOPE_HANDLERS=cart_handlers.table:CART": "no table of handlers at 'cart_handlers.table:CART'",
    "CARTSCOPE_HANDLERS=os:getcwd": "no table of handlers at 'os:getcwd'",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command is asked in an empty folder with one file `here`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").write_text("milk\n")


@pytest.mark.parametrize("command", PURPOSES)
def test_each_command_explains_itself(ask: Ask, command: str) -> None:
    """`--help` says what the command is for and describes each of its options."""
    told = ask(f"{command} --help")
    assert (0, "") == (told.code, told.errors)
    assert f"Usage: cartscope {command}" in told.output
    assert PURPOSES[command] in " ".join(told.output.split())


@pytest.mark.parametrize("command", ["", "--help"])
def test_the_program_lists_its_commands(ask: Ask, command: str) -> None:
    """Without a command the program explains itself, with every command in it."""
    told = ask(command)
    assert (0, "") == (told.code, told.errors)
    listed = {line.split()[1] for line in told.output.splitlines() if line.startswith("│ ") and line[2] != " "}
    assert {name for name in PURPOSES if " " not in name} == listed - {"--version", "--help"}


def test_the_version(ask: Ask) -> None:
    """`--version` is that of the installed package."""
    assert f"cartscope {version('cartscope')}\n" == ask("--version").output


@pytest.mark.parametrize("command", WRONG)
def test_a_wrong_command_gets_one_line(ask: Ask, command: str, tmp_path: Path) -> None:
    """What cannot be asked is said in one line, with exit code 2, and leaves nothing behind."""
    refused = ask(command)
    assert WRONG[command] in refused.complaint
    assert (2, "") == (refused.code, refused.output)
    assert [tmp_path / "here"] == list(tmp_path.iterdir())


@pytest.mark.parametrize("setting", UNUSABLE)
@pytest.mark.parametrize("command", ["relay", "worker threshold"])
def test_a_wrong_setting_gets_one_line(
    ask: Ask, command: str, setting: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A setting that cannot be used is named in one line, with exit code 2, and leaves nothing behind."""
    name, _, value = setting.partition("=")
    monkeypatch.setenv(name, value)
    refused = ask(command)
    assert UNUSABLE[setting] in refused.complaint
    assert (2, "") == (refused.code, refused.output)
    assert [tmp_path / "here"] == list(tmp_path.iterdir())
