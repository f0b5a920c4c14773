"""The set-up of the stack: against a real Elasticsearch, and stand-ins that know the documented requests alone."""

import asyncio
import json
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cart_observability.elastic import template
from cart_observability.stack_setup.failure import SetupFailed
from cart_observability.stack_setup.run import Plan, set_up
from cart_platform.native.ports import LOOPBACK, free_ports
from support import kibana
from support.elasticsearch_server import ElasticsearchServer
from support.fake_elasticsearch import FakeElasticsearch
from support.fake_kibana import FakeKibana

ELK = Path(__file__).parent.parent / "elk"
PASSWORDS = {
    "elastic_password": "of elastic",
    "kibana_system_password": "of kibana_system",
    "logstash_password": "of logstash",
    "viewer_password": "of the viewer",
}
NOT_READY = (503, "Kibana server is not ready yet")


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The folder of the stack's passwords, as the one-shot `passwords` writes it."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name, password in PASSWORDS.items():
        (folder / name).write_text(f"{password}\n")
    return folder


@dataclass
class Stack:
    """Stand-ins of both servers, and what the set-up said."""

    elasticsearch: FakeElasticsearch = field(default_factory=FakeElasticsearch)
    kibana: FakeKibana = field(default_factory=FakeKibana)
    said: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[tuple[str, str]]:
        """Serve both; gives their URLs."""
        async with self.elasticsearch.served() as elasticsearch, self.kibana.served() as kibana_url:
            yield elasticsearch, kibana_url

    async def set_up(self, secrets: Path, patience: float = 20.0, elk: Path = ELK) -> None:
        """Serve both, and set them up."""
        async with self.served() as (elasticsearch, kibana_url):
            await set_up(Plan(elasticsearch, kibana_url, secrets, elk, patience), self.said.append)


def kept(stack: Stack) -> str:
    """All that the stand-ins keep, for comparison."""
    store, view = stack.elasticsearch, stack.kibana
    objects = {"/".join(key): each for key, each in view.objects.items()}
    return json.dumps(
        [store.passwords, store.roles, store.users, sorted(store.streams), view.roles, objects], sort_keys=True
    )


async def test_twice_is_once(elasticsearch_server: ElasticsearchServer, secrets: Path) -> None:
    """A second run asks for the same, finds what is there, and leaves everything as the first one did."""
    stack = Stack(FakeElasticsearch(backend=elasticsearch_server.url))

    def templates() -> object:
        paths = ("_component_template/cartscope-*", "_index_template/logs-cartscope")
        return [elasticsearch_server.ask("GET", path) for path in paths]

    await stack.set_up(secrets)
    first = kept(stack), templates()
    asked, stack.elasticsearch.requests = stack.elasticsearch.requests, []
    await stack.set_up(secrets)
    assert first == (kept(stack), templates())
    assert [each for each in asked if not each.startswith("PUT _data_stream/")] == stack.elasticsearch.requests
    assert ([], []) == (stack.elasticsearch.faults, stack.kibana.faults)


async def test_the_real_elasticsearch_takes_the_templates(
    elasticsearch_server: ElasticsearchServer, secrets: Path
) -> None:
    """Afterwards the server has mappings of the signal matrix for the chain's data stream."""
    stack = Stack(FakeElasticsearch(backend=elasticsearch_server.url))
    await stack.set_up(secrets)
    simulated = elasticsearch_server.ask("POST", f"_index_template/_simulate_index/{template.LINES}")
    assert "long" == simulated["template"]["mappings"]["properties"]["event"]["properties"]["duration"]["type"]


async def test_what_is_put_into_elasticsearch(secrets: Path) -> None:
    """Kibana's user gets its password; Logstash may only add, the viewer only read, and both in our streams alone."""
    stack = Stack()
    await stack.set_up(secrets)
    store = stack.elasticsearch
    assert {"kibana_system": "of kibana_system"} == store.passwords
    assert {template.LINES, template.UNPARSED, template.STACK} == store.streams
    assert ("of logstash", "of the viewer") == tuple(
        store.users[name]["password"] for name in ("cartscope_logstash", "cartscope_viewer")
    )
    granted = {name: set(role["indices"][0]["privileges"]) for name, role in store.roles.items()}
    assert {"create_doc", "auto_configure"} == granted["cartscope_logstash"]
    assert {"read", "view_index_metadata"} == granted["cartscope_reader"]
    assert set(store.users["cartscope_viewer"]["roles"]) == {"cartscope_reader", *stack.kibana.roles}
    for stream in store.streams:
        patterns = store.roles["cartscope_logstash"]["indices"][0]["names"]
        assert any(Path(stream).match(pattern) for pattern in patterns)
    assert not any(Path("logs-nginx-default").match(pattern) for pattern in patterns)


async def test_what_is_put_into_kibana(secrets: Path) -> None:
    """Every object of elk/kibana, and a role that may look at them and no more."""
    stack = Stack()
    await stack.set_up(secrets)
    assert {(each["type"], each["id"]) for each in kibana.objects()} == stack.kibana.objects.keys()
    (privileges,) = stack.kibana.roles["cartscope_viewer"]["kibana"]
    assert [["read"]] * 3 == list(privileges["feature"].values())


async def test_it_waits_and_says_so(secrets: Path) -> None:
    """Servers that start are waited for, with a line now and then, and each step is said."""
    stack = Stack()
    stack.elasticsearch.upsets = deque([(401, "unable to authenticate user [elastic]"), (503, "starting")])
    stack.kibana.upsets = deque([NOT_READY, NOT_READY])
    await stack.set_up(secrets)
    waits = [line for line in stack.said if line.startswith("waiting for ")]
    assert ["Elasticsearch"] * 2 + ["Kibana"] * 2 == [line.split()[2] for line in waits]
    assert "401" in waits[0]
    assert waits[-1].endswith("GET api/status: 503 Kibana server is not ready yet")
    assert [line.partition(":")[0] for line in stack.said if line not in waits] == [
        "Elasticsearch answers",
        "roles and users",
        "templates",
        "data streams",
        "Kibana answers",
        "role",
        "objects",
    ]


async def test_nobody_there(secrets: Path) -> None:
    """A server that never answers ends the set-up when patience is over, with its name and URL."""
    (port,) = free_ports(1)
    url = f"http://{LOOPBACK}:{port}"
    with pytest.raises(SetupFailed, match=f"^Elasticsearch at {url}: .*onnect"):
        await set_up(Plan(url, url, secrets, ELK, 0.5), list[str]().append)


async def test_kibana_that_stays_degraded(secrets: Path) -> None:
    """A Kibana that answers but does not become available is told by its status."""
    stack = Stack(kibana=FakeKibana(level="critical"))
    with pytest.raises(SetupFailed, match=r"^Kibana at .*: its status is critical$"):
        await stack.set_up(secrets, 0.5)


async def test_a_wrong_password(secrets: Path) -> None:
    """A password that the server does not know is told with the answer that it gave."""
    (secrets / "elastic_password").write_text("of another stack")
    with pytest.raises(SetupFailed, match=r"^Elasticsearch at .*: 401 unable to authenticate user \[elastic\]$"):
        await Stack().set_up(secrets, 0.5)


async def test_a_server_error(secrets: Path) -> None:
    """An error that does not pass by itself is told at once: what was asked, the status, the reason."""
    stack = Stack()
    stack.elasticsearch.upsets = deque([(500, '{"error": {"reason": "no space left"}}')])
    with pytest.raises(SetupFailed, match=r"^Elasticsearch at .*: GET _cluster/health: 500 no space left$"):
        await stack.set_up(secrets)
    assert [] == stack.said


async def test_half_imported(secrets: Path) -> None:
    """Objects that Kibana does not take are named, with its reasons and how many it took."""
    stack = Stack(kibana=FakeKibana(refused={"cartscope-slow"}))
    expected = r": 8 of 9 objects of cartscope.ndjson were imported: search cartscope-slow: unsupported_type$"
    with pytest.raises(SetupFailed, match=expected):
        await stack.set_up(secrets)


@pytest.mark.parametrize("missing", PASSWORDS)
async def test_a_missing_password(secrets: Path, missing: str) -> None:
    """A password that is not there, or empty, is told by its file before anything is asked."""
    (secrets / missing).write_text("\n")
    with pytest.raises(SetupFailed, match=f"the password in {secrets / missing} is empty"):
        await Stack().set_up(secrets)
    (secrets / missing).unlink()
    with pytest.raises(SetupFailed, match=f"cannot read the password in {secrets / missing}: No such file"):
        await Stack().set_up(secrets)


async def test_an_empty_elk(secrets: Path, tmp_path: Path) -> None:
    """A folder without templates or objects is told, not taken for a set-up of nothing."""
    (tmp_path / "elasticsearch").mkdir()
    with pytest.raises(SetupFailed, match="holds no templates"):
        await Stack().set_up(secrets, elk=tmp_path)


async def started(*arguments: str, **settings: str) -> asyncio.subprocess.Process:
    """`cartscope setup` as a process of its own."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cart_platform",
        "setup",
        *arguments,
        env={**os.environ, **settings, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_the_command(secrets: Path) -> None:
    """`cartscope setup` takes everything from the environment, prints each step, and ends with 0."""
    stack = Stack()
    async with stack.served() as (elasticsearch, kibana_url):
        program = await started(
            CARTSCOPE_ELASTICSEARCH_URL=elasticsearch,
            CARTSCOPE_KIBANA_URL=kibana_url,
            CARTSCOPE_SECRETS_DIR=str(secrets),
            CARTSCOPE_ELK_DIR=str(ELK),
        )
        output, errors = await program.communicate()
    assert (0, b"") == (program.returncode, errors)
    assert b"objects: 9 of cartscope.ndjson" == output.splitlines()[-1]


async def test_the_command_fails(secrets: Path) -> None:
    """What cannot be done is one line on standard error, and exit code 1."""
    (port,) = free_ports(1)
    program = await started(
        "--elasticsearch", f"http://{LOOPBACK}:{port}", "--secrets", str(secrets), "--elk", str(ELK), "--patience", "0"
    )
    _, errors = await program.communicate()
    (line,) = errors.decode().splitlines()
    assert (1, True) == (program.returncode, line.startswith(f"cartscope: Elasticsearch at http://{LOOPBACK}:{port}: "))


async def test_the_command_is_interrupted(secrets: Path) -> None:
    """Ctrl-C ends the wait at once, without a traceback."""
    (port,) = free_ports(1)
    program = await started(
        "--elasticsearch", f"http://{LOOPBACK}:{port}", "--secrets", str(secrets), "--elk", str(ELK)
    )
    assert program.stdout is not None
    assert b"waiting for Elasticsearch" in await program.stdout.readline()
    program.send_signal(signal.SIGINT)
    _, errors = await program.communicate()
    assert (130, b"") == (program.returncode, errors)
