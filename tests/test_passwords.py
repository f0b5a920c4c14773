"""The stack's passwords: made once, kept, each for its reader alone; and the settings that are read from files."""

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import pika
import pytest
import redis

from cart_platform.errors import CartscopeError, UsageError
from cart_platform.native import installed, rabbitmq_server
from cart_platform.native.ports import free_ports
from cart_platform.native.probe import replies
from cart_platform.native.program import Program
from cart_platform.settings import load_settings
from cart_platform.stack import passwords
from cart_platform.stack.passwords import PASSWORDS, READERS, give, parse_gift, provide
from conftest import skip_or_fail
from support.documents import ROOT
from support.servers import RunningProgram

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def anyone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files stay with who runs the test where that is not root."""
    if os.geteuid() != 0:
        own = [replace(reader, user=os.geteuid(), group=os.getegid()) for reader in READERS]
        monkeypatch.setattr(passwords, "READERS", own)


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder and what it says."""
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.usefixtures("anyone")
def test_every_reader_gets_its_files(tmp_path: Path) -> None:
    """Each reader finds exactly the files that it needs, in a folder of its own."""
    provide(tmp_path)
    assert {f"{reader.name}/{file}" for reader in READERS for file in reader.files} == set(contents(tmp_path))


@pytest.mark.usefixtures("anyone")
def test_passwords_differ(tmp_path: Path) -> None:
    """Every password is another, and the same for all who need it."""
    provide(tmp_path)
    written = [(Path(name).name, text) for name, text in contents(tmp_path).items() if Path(name).name in PASSWORDS]
    assert len(PASSWORDS) == len({text for _, text in written}) == len(set(written))
    assert {48} == {len(text) for _, text in written}


@pytest.mark.usefixtures("anyone")
def test_kept(tmp_path: Path) -> None:
    """A later start changes nothing, and says so."""
    assert provide(tmp_path).startswith(f"0 passwords kept, {len(PASSWORDS)} made")
    before = contents(tmp_path)
    assert provide(tmp_path).startswith(f"{len(PASSWORDS)} passwords kept, 0 made")
    assert before == contents(tmp_path)


@pytest.mark.usefixtures("anyone")
def test_lost_folder(tmp_path: Path) -> None:
    """A reader whose folder was lost gets again what others still have."""
    provide(tmp_path)
    before = contents(tmp_path)
    for file in (tmp_path / "setup").iterdir():
        file.unlink()
    provide(tmp_path)
    assert before == contents(tmp_path)


@pytest.mark.usefixtures("anyone")
def test_interrupted_start(tmp_path: Path) -> None:
    """What a start that was cut short has written is kept, and the rest is made."""
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis/redis_password").write_text("from before")
    (tmp_path / "setup").mkdir()
    (tmp_path / "setup/elastic_password").write_text("")
    provide(tmp_path)
    assert "redis://:from before@redis:6379/0" == (tmp_path / "cartscope/cartscope_store_url").read_text()
    assert (tmp_path / "elasticsearch/elastic_password").read_text() == (
        tmp_path / "setup/elastic_password"
    ).read_text()
    assert "" != (tmp_path / "setup/elastic_password").read_text()


@pytest.mark.usefixtures("anyone")
def test_nothing_is_shown(tmp_path: Path) -> None:
    """What is said of passwords holds none."""
    said = provide(tmp_path)
    assert not any(text.strip() in said for text in contents(tmp_path).values())


@pytest.mark.usefixtures("anyone")
def test_only_the_reader_may_read(tmp_path: Path) -> None:
    """Every file belongs to its reader and is closed to everybody else, as Elasticsearch demands."""
    provide(tmp_path)
    for reader in passwords.READERS:
        for file in (tmp_path / reader.name).iterdir():
            found = file.stat()
            assert (reader.user, reader.group, 0o600) == (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))


def test_not_writable(tmp_path: Path) -> None:
    """Where the files cannot be written, one line says so."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CartscopeError, match="cannot write the passwords below"):
        provide(tmp_path / "file")


@ROOT_ONLY
def test_folders_are_given(tmp_path: Path) -> None:
    """A folder is made and given to the user who will write there, again and again."""
    for _ in range(2):
        give(*parse_gift(f"{tmp_path}/logs/redis=999:998"))
    found = (tmp_path / "logs/redis").stat()
    assert (999, 998) == (found.st_uid, found.st_gid)


@pytest.mark.parametrize("text", ["", "folder", "folder=redis:redis", "=1:1", "folder=1"])
def test_unclear_gifts(text: str) -> None:
    """A gift that does not say who gets what is refused."""
    with pytest.raises(UsageError, match="DIR=USER:GROUP"):
        parse_gift(text)


@pytest.mark.usefixtures("anyone")
def test_settings_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are read from files of their name; a variable goes before a file."""
    provide(tmp_path)
    monkeypatch.setenv("CARTSCOPE_SECRETS_DIR", str(tmp_path / "cartscope"))
    monkeypatch.setenv("CARTSCOPE_BUS_URL", "amqp://elsewhere/")
    settings = load_settings()
    assert (tmp_path / "cartscope/cartscope_store_url").read_text() == settings.store_url
    assert "amqp://elsewhere/" == settings.bus_url


def test_settings_from_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of settings that is not there is refused with one line."""
    monkeypatch.setenv("CARTSCOPE_SECRETS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=r"CARTSCOPE_SECRETS_DIR: .*nowhere is not a folder"):
        load_settings()


@pytest.fixture
def kept(tmp_path: Path, anyone: None) -> Path:
    """The folder with every reader's files, of this user."""
    provide(tmp_path / "secrets")
    return tmp_path / "secrets"


def test_redis_takes_its_configuration(kept: Path, tmp_path: Path) -> None:
    """The stack's redis.conf and its password file make a Redis that keeps every write and refuses when it is full."""
    if installed.redis() is None:
        skip_or_fail("redis-server")
    password = (kept / "redis/redis_password").read_text()
    text = (ROOT / "redis/redis.conf").read_text()
    for inside, outside in {
        "/data": tmp_path,
        "/var/log/stack/redis": tmp_path,
        "/run/secrets": kept / "redis",
    }.items():
        assert inside in text
        text = text.replace(inside, str(outside))
    (tmp_path / "redis.conf").write_text(text)
    [port] = free_ports(1)
    command = (installed.redis() or "", str(tmp_path / "redis.conf"), "--port", str(port), "--bind", "127.0.0.1")
    program = Program(
        "redis",
        command,
        tmp_path,
        ready=lambda: replies(port, f"AUTH {password}\r\nPING\r\n".encode(), b"+OK\r\n+PONG"),
    )
    server = RunningProgram(program)
    server.start()
    try:
        with redis.Redis(port=port, password=password, decode_responses=True) as client:
            found = client.config_get("maxmemory*", "append*", "save")
            assert {
                "maxmemory-policy": "noeviction",
                "appendonly": "yes",
                "appendfsync": "always",
                "save": "",
            }.items() <= (found.items())
            assert 0 < int(found["maxmemory"])
        assert "Ready to accept connections" in (tmp_path / "redis.log").read_text()
    finally:
        server.stop()


@pytest.fixture
def rabbitmq(kept: Path, tmp_path: Path) -> Iterator[tuple[rabbitmq_server.RabbitPorts, int]]:
    """A RabbitMQ with the stack's own files, on free ports; gives them and that of its management page."""
    if installed.rabbitmq() is None or installed.epmd() is None:
        skip_or_fail("rabbitmq-server")
    folder = tmp_path / "rabbitmq"
    *four, management = free_ports(5)
    ports = rabbitmq_server.RabbitPorts(*four)
    (kept / "rabbitmq/ports.conf").write_text(
        f"listeners.tcp.loopback = 127.0.0.1:{ports.amqp}\nprometheus.tcp.ip = 127.0.0.1\n"
        f"prometheus.tcp.port = {ports.metrics}\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\n"
    )
    mapper = RunningProgram(rabbitmq_server.mapper_program(installed.epmd() or "", folder, ports))
    program = rabbitmq_server.program(installed.rabbitmq() or "", folder, ports, "unused")
    (folder / "enabled_plugins").write_text((ROOT / "rabbitmq/enabled_plugins").read_text())
    files = {
        "RABBITMQ_CONFIG_FILE": str(ROOT / "rabbitmq/rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": str(kept / "rabbitmq/*.conf"),
    }
    node = RunningProgram(replace(program, environment={**program.environment, **files}))
    mapper.start()
    node.start()
    yield ports, management
    node.kill()
    mapper.kill()


def test_rabbitmq_takes_its_configuration(
    rabbitmq: tuple[rabbitmq_server.RabbitPorts, int], kept: Path, tmp_path: Path
) -> None:
    """The stack's rabbitmq.conf, plugins and password file make a RabbitMQ that is open to that user, and is seen."""
    ports, management = rabbitmq
    password = (kept / "rabbitmq/rabbitmq_password").read_text()
    pika.BlockingConnection(pika.URLParameters(f"amqp://cartscope:{password}@127.0.0.1:{ports.amqp}/%2F")).close()
    with urlopen(f"http://127.0.0.1:{management}/") as page:
        assert b"RabbitMQ Management" in page.read()
    with urlopen(f"http://127.0.0.1:{ports.metrics}/metrics") as page:
        assert f"rabbitmq_resident_memory_limit_bytes {224 * 2**20}" in page.read().decode()
    lines = (tmp_path / "rabbitmq/log/rabbitmq.log").read_text().splitlines()
    assert {"time", "level", "msg"} <= set(json.loads(lines[0]))
