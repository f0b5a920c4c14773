"""The runbooks: one for each alert, whose queries and searches are understood, and whose commands do what they say."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from cart_observability.signals import read
from cart_platform.native.ports import free_ports
from conftest import skip_or_fail
from support.documents import NATIVE_DATA, ROOT, Document, commands, documents, of_a_native_run, of_the_stack
from support.foreign_series import FOREIGN
from support.kql import translate
from support.promql_names import series_named
from support.reader import Reader, environment
from support.servers import RabbitServer, RedisServer, wait_until

RUNBOOKS = [Document(path) for path in sorted((ROOT / "docs/runbooks").glob("[A-Z]*.md")) if path.stem != "README"]
GROUPS = [
    group
    for file in (ROOT / "prometheus/rules").glob("*.yml")
    for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
]
RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = {rule["alert"] for rule in RULES if "alert" in rule}
MATRIX = read(ROOT / "observability/signals.yaml")
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
CARTSCOPE = str(Path(sys.executable).with_name("cartscope"))
ON_LOOPBACK = re.compile(r"http://127\.0\.0\.1:(3000/d|5601/app/discover#/view|5601/app/dashboards#/view)/([\w-]+)")


def test_every_alert_has_a_runbook() -> None:
    """There is a runbook for each alert, and none for an alert that is not there."""
    assert ALERTS == {runbook.path.stem for runbook in RUNBOOKS}


@pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda runbook: runbook.path.stem)
def test_runbooks_say_what_to_do(runbook: Document) -> None:
    """A runbook says what the alert means, where to look, how to mend it and how to see it fire, in this order."""
    assert [f"# {runbook.path.stem}", "## Look", "## Mend", "## Try it"] == re.findall(
        r"^#+ .*", runbook.text, re.MULTILINE
    )
    assert "**What users notice:**" in runbook.text


def queries() -> Iterator[tuple[str, str]]:
    """Each line of PromQL, with its runbook."""
    for runbook in RUNBOOKS:
        for block in runbook.blocks("promql"):
            for line in block.splitlines():
                yield runbook.path.stem, line


def test_queries_are_understood(tmp_path: Path) -> None:
    """Every query is PromQL."""
    if shutil.which("promtool") is None:
        skip_or_fail("promtool")
    rules = [{"record": f"query_{number}", "expr": promql} for number, (_, promql) in enumerate(queries())]
    (tmp_path / "queries.yml").write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    subprocess.run(["promtool", "check", "rules", tmp_path / "queries.yml"], check=True, capture_output=True)


@pytest.mark.parametrize(("runbook", "promql"), list(queries()))
def test_queries_name_what_exists(runbook: str, promql: str) -> None:
    """A query names series that somebody emits or a rule records."""
    known = (
        {rule["record"] for rule in RULES if "record" in rule}
        | {metric.name for metric in MATRIX.metrics}
        | set(FOREIGN)
        | {"ALERTS", ""}
    )
    suffixes = ("_bucket", "_count", "_sum")
    for name, _ in series_named(promql):
        assert name in known or any(name.removesuffix(suffix) in known for suffix in suffixes), name


@pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda runbook: runbook.path.stem)
def test_searches_are_understood(runbook: Document) -> None:
    """What is to be searched for in Kibana is its language, and asks for fields that lines have."""
    for search in runbook.blocks("text"):
        assert set() == translate(search.strip()).fields - set(MATRIX.fields)


@pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)
def test_links_into_the_stack(document: Document) -> None:
    """A link to a dashboard or search leads to one that is provisioned."""
    dashboards = {path.stem for path in (ROOT / "grafana/dashboards").glob("*.json")}
    objects = (ROOT / "elk/kibana/cartscope.ndjson").read_text(encoding="utf-8").splitlines()
    there = dashboards | {json.loads(line).get("id") for line in objects}
    assert set() == {name for _, name in ON_LOOPBACK.findall(document.text)} - there


@pytest.mark.parametrize("command", list(dict.fromkeys(command for _, command in commands() if of_the_stack(command))))
def test_stack(command: str) -> None:
    """A command of the stack names services and files that there are, and inside them commands and options."""
    words = [word for word in shlex.split(command) if "=" not in word or word.startswith("-")]
    if words[:2] != ["docker", "compose"]:
        return
    words = words[2:]
    while words[0] == "-f":
        assert (ROOT / words[1]).exists()
        words = words[2:]
    verb, *rest = words
    assert verb in {"up", "down", "stop", "start", "restart", "pause", "unpause", "exec"}
    named = [word for word in rest if not word.startswith("-")]
    if verb != "exec":
        assert set() == set(named) - set(SERVICES)
        return
    service, program = named[:2]
    assert service in SERVICES
    if program == "cartscope":
        assert_understood([word for word in rest[2:] if not word.startswith("/")])


def assert_understood(words: Sequence[str]) -> None:
    """The program has this command, with these options."""
    path = [word for word in words[:2] if word.isidentifier() or "-" in word.strip("-")]
    depth = 2 if words[0] in {"faults", "dead-letters"} else 1
    asked = subprocess.run([CARTSCOPE, *path[:depth], "--help"], capture_output=True, text=True, check=True)
    assert set() == {word for word in words if word.startswith("--")} - set(re.findall(r"--[\w-]+", asked.stdout))


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """A reader in a folder like the checkout."""
    for server in (RedisServer, RabbitServer):
        if not server.available():
            skip_or_fail(server.__name__)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    [port] = free_ports(1)
    return Reader(
        tmp_path,
        environment(tmp_path, CARTSCOPE_API_PORT=str(port)),
        {"--rate 5000 --duration 400": "--rate 100 --duration 2"},
    )


def test_native(reader: Reader) -> None:
    """What is to be typed on a native run ends well, and what stands still goes on afterwards."""
    typed = dict.fromkeys(command for _, command in commands() if of_a_native_run(command))
    folder = reader.folder / NATIVE_DATA
    with reader.runs(f".venv/bin/cartscope native --data-dir {NATIVE_DATA}", "data "):
        running = json.loads((folder / "running.json").read_text())
        reader.instead["http://127.0.0.1:8000"] = running["urls"]["api"]
        if "prometheus" in running["urls"]:
            reader.types_until_shown(".venv/bin/cartscope capacity --lambda 200", "threshold")
        for command in typed:
            process = re.search(r'"([\w-]+)":', command)
            if process is None or process[1] in running["processes"]:
                reader.types(command, SHOWN.get(command.split()[1], ""))
        wait_until(lambda: reader.types("curl -s " + running["urls"]["api"] + "/readyz", "") != "", "the API")


SHOWN = {"capacity": "threshold", "shop": "commands accepted", "dead-letters": "replayed"}
"""What the output of a command shows, by the word after the program's name."""
