"""The stack's Compose file, held against its specification, the files that it mounts, and what it promises."""

import re
from typing import Any

import jsonschema
import pytest
import yaml

from cart_handlers import table
from cart_observability.telemetry import silent
from cart_platform.console.places import SERVERS
from cart_platform.settings import Settings
from cart_platform.stack.passwords import CARTSCOPE_USER, READERS
from support.compose_file import SCHEMA, Service, load, services, variables
from support.documents import ROOT

SERVICES = services()
EVERY = pytest.mark.parametrize("service", SERVICES.values(), ids=lambda service: service.name)
CHAIN = {"api", "relay", "worker-threshold", "worker-popularity", "worker-notification"}
TELEMETRY = {"prometheus", "alertmanager", "grafana", "elasticsearch", "logstash", "kibana", "collector", "tempo"}
GIGABYTE = 10**9
PORTS = {
    "console": 8080,
    "api": 8000,
    "grafana": 3000,
    "kibana": 5601,
    "prometheus": 9090,
    "alertmanager": 9093,
    "elasticsearch": 9200,
    "rabbitmq": 15672,
    "mailpit": 8025,
    "tempo": 3200,
}
WRITES_INTO_ITS_IMAGE = {"elasticsearch", "logstash", "kibana"}


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.dev.yml"])
def test_specification(name: str) -> None:
    """Compose files are what the Compose specification allows."""
    jsonschema.validate(load(name), SCHEMA)


def test_specification_notices_mistakes() -> None:
    """The schema refuses a key that is none."""
    with pytest.raises(jsonschema.ValidationError, match="memory_limit"):
        jsonschema.validate({"services": {"api": {"image": "x", "memory_limit": "1g"}}}, SCHEMA)


def test_versions() -> None:
    """Every version is in .env.example once, with the value that holds without it."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert variables("docker-compose.yml") == dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]", line))


@EVERY
def test_images_are_pinned(service: Service) -> None:
    """No image is whatever is newest: each has a tag with a number, but for the one that is built here."""
    assert service.is_own or re.search(r":v?\d+\.\d+", service.image)


def test_one_service_builds_the_image() -> None:
    """The image of all own processes is built by the service that each of them waits for, and looked for nowhere."""
    assert ["passwords"] == [service.name for service in SERVICES.values() if "build" in service.settings]
    own = [service for service in SERVICES.values() if service.is_own]
    assert {"never"} == {service.settings["pull_policy"] for service in own}
    assert all("passwords" in waits_for(service) for service in own if service.name != "passwords")


def waits_for(service: Service) -> set[str]:
    """The services that one waits for, directly or not."""
    direct = set(service.waits_for)
    return direct.union(*(waits_for(SERVICES[name]) for name in direct))


def test_ports() -> None:
    """Every port is on loopback, and each service has the one that the documents name."""
    published = {(service.name, port) for service in SERVICES.values() for port in service.settings.get("ports", [])}
    assert {(name, f"127.0.0.1:{port}:{port}") for name, port in PORTS.items()} == published


def test_ports_for_developing() -> None:
    """The ports that developing adds are on loopback too."""
    added = [
        port for service in load("docker-compose.dev.yml")["services"].values() for port in service.get("ports", [])
    ]
    assert 2 == len(added)
    assert all(port.startswith("127.0.0.1:") for port in added)


def test_memory() -> None:
    """All that stays up may use less than 5 GB together."""
    assert sum(service.memory for service in SERVICES.values() if not service.runs_once) < 5 * GIGABYTE


@pytest.mark.parametrize("name", ["elasticsearch", "logstash", "kibana"])
def test_heaps(name: str) -> None:
    """A heap that is set leaves a third of the container's memory to everything else."""
    service = SERVICES[name]
    told = " ".join(str(value) for value in service.environment.values())
    [heap] = re.findall(r"-Xmx(\d+)m|--max-old-space-size=(\d+)", told)
    assert int("".join(heap)) * 2**20 * 1.45 <= service.memory


@EVERY
def test_go_servers_know_their_limit(service: Service) -> None:
    """A Go server's soft limit is below the hard one."""
    if limit := service.environment.get("GOMEMLIMIT"):
        assert int(limit.removesuffix("MiB")) * 2**20 <= service.memory * 0.85


@EVERY
def test_privileges(service: Service) -> None:
    """No container may gain privileges; only the one that gives files away runs as root."""
    assert ["no-new-privileges:true"] == service.settings["security_opt"]
    assert ["ALL"] == service.settings["cap_drop"]
    if service.name == "passwords":
        assert ["CHOWN", "DAC_OVERRIDE"] == service.settings["cap_add"]
    else:
        assert "cap_add" not in service.settings
        assert service.is_own or not service.settings["user"].startswith("0")


@EVERY
def test_root_is_read_only(service: Service) -> None:
    """A container writes into its volumes and /tmp alone, but for those whose start writes beside their program."""
    assert (service.name not in WRITES_INTO_ITS_IMAGE) == service.settings.get("read_only", False)


@EVERY
def test_restarts_and_logs(service: Service) -> None:
    """A server comes back when it dies, and what a container prints is bounded."""
    assert service.settings["restart"] == ("no" if service.name in {"passwords", "setup"} else "unless-stopped")
    assert {"max-size": "5m", "max-file": "2"} == service.settings["logging"]["options"]


@EVERY
def test_health(service: Service) -> None:
    """Whatever stays up and can be asked is asked for its health; the chain's own processes are by their image."""
    unasked = {"shoppers", "passwords", "setup", "collector"}
    asked = service.is_own or "test" in service.settings.get("healthcheck", {})
    disabled = service.settings.get("healthcheck", {}).get("disable", False)
    assert (service.name not in unasked) == (asked and not disabled)


def test_telemetry_never_holds_up_the_shop() -> None:
    """Neither the chain nor its store and bus wait for anything that only looks on."""
    for name in CHAIN | {"shoppers"}:
        assert {"passwords", "redis", "rabbitmq"} == waits_for(SERVICES[name]) - {"api"}


@EVERY
def test_conditions(service: Service) -> None:
    """What ends by itself is waited for to its end, what is waited for to be healthy can be asked for its health."""
    for name, condition in service.waits_for.items():
        other = SERVICES[name]
        assert (condition == "service_completed_successfully") == other.runs_once
        assert condition != "service_healthy" or "test" in other.settings["healthcheck"]


def test_workers() -> None:
    """Each handler has a worker of its own, which any number of may run."""
    handlers = {handler.name for handler in table.handlers(Settings(), silent())}
    assert {("worker", name) for name in handlers} == {
        tuple(service.command) for service in SERVICES.values() if service.name.startswith("worker-")
    }
    assert not any(
        {"container_name", "ports", "hostname"} & set(SERVICES[f"worker-{name}"].settings) for name in handlers
    )


@pytest.mark.parametrize("name", sorted(CHAIN))
def test_stopping(name: str) -> None:
    """A process of the chain has more time than its drain."""
    assert int(SERVICES[name].settings["stop_grace_period"].removesuffix("s")) > Settings().drain + 10


@EVERY
def test_settings(service: Service) -> None:
    """A variable of Cartscope that a container gets is a setting, and can be read as one."""
    given = {name: value for name, value in service.environment.items() if name.startswith("CARTSCOPE_")}
    fields = {name.removeprefix("CARTSCOPE_").lower(): value for name, value in given.items()}
    assert set(fields) <= set(Settings.model_fields)
    Settings.model_validate(fields)


@EVERY
def test_mounts(service: Service) -> None:
    """Every file that is mounted is in the repository, and mounted for reading; every volume is declared."""
    declared = set(load("docker-compose.yml")["volumes"])
    for mount in service.mounts:
        assert mount.source in declared if mount.is_volume else (ROOT / mount.source).exists(), mount
        assert mount.is_volume or mount.is_read_only, mount


def test_volumes() -> None:
    """No volume is declared that nobody mounts, and none is kept beyond `docker compose down --volumes`."""
    declared = load("docker-compose.yml")["volumes"]
    assert set(declared) == {
        mount.source for service in SERVICES.values() for mount in service.mounts if mount.is_volume
    }
    assert {None} == set(declared.values())


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_passwords_reach_their_readers(reader: Any) -> None:
    """Each reader's volume is written by `passwords`, and mounted by services that run as the user whom it is for."""
    volume = f"secrets-{reader.name}"
    writer = {mount.source: mount for mount in SERVICES["passwords"].mounts}[volume]
    assert (f"/secrets/{reader.name}", False) == (writer.target, writer.is_read_only)
    users = [s for s in SERVICES.values() for m in s.mounts if m.source == volume and s.name != "passwords"]
    assert users
    for service in users:
        assert service.settings.get("user", f"{CARTSCOPE_USER}:{CARTSCOPE_USER}") == f"{reader.user}:{reader.group}"
        [mount] = [mount for mount in service.mounts if mount.source == volume]
        assert ("/run/secrets", True) == (mount.target, mount.is_read_only)


@EVERY
def test_password_files(service: Service) -> None:
    """A file of /run/secrets that a service names is one that its reader gets."""
    readers = {f"secrets-{reader.name}": set(reader.files) for reader in READERS}
    mounted = {name for mount in service.mounts for name in readers.get(mount.source, ())}
    conf = [(ROOT / mount.source) for mount in service.mounts if not mount.is_volume]
    texts = [file.read_text() for file in conf if file.is_file()] + [str(dict(service.settings))]
    assert set(re.findall(r"/run/secrets/(\w[\w.]+)", " ".join(texts))) <= mounted


def test_log_folders() -> None:
    """Every folder that is written into by another user than root was given to that user."""
    gifts = dict(text.removeprefix("--give=").split("=") for text in SERVICES["passwords"].command if "--give" in text)
    assert f"{CARTSCOPE_USER}:{CARTSCOPE_USER}" == gifts["/var/log/cartscope"] == gifts["/run/faults"]
    for name in ("rabbitmq", "redis", "grafana", "kibana"):
        assert SERVICES[name].settings["user"] == gifts[f"/var/log/stack/{name}"]
    assert SERVICES["collector"].settings["user"] == gifts["/var/lib/otelcol"]
    mounted = {mount.target for mount in SERVICES["passwords"].mounts}
    assert all(any(folder.startswith(target) for target in mounted) for folder in gifts)


def named(text: str) -> set[str]:
    """The hosts that a configuration names by a port, without those of its own machine."""
    found = re.findall(r"(?<![\w.-])([a-z][a-z-]+):\d{4,5}\b", text)
    return set(found) - {"localhost"}


@pytest.mark.parametrize(
    "file",
    [
        "prometheus/prometheus.yml",
        "prometheus/alertmanager.yml",
        "tracing/collector.yml",
        "tracing/tempo.yml",
        "elk/kibana/kibana.yml",
        *(str(file.relative_to(ROOT)) for file in sorted((ROOT / "elk/logstash/pipeline").glob("*.conf"))),
        *(str(file.relative_to(ROOT)) for file in sorted((ROOT / "grafana/provisioning").rglob("*.y*ml"))),
        "docker-compose.yml",
    ],
)
def test_hosts(file: str) -> None:
    """A host that a configuration names is a service of the stack."""
    assert set() == named((ROOT / file).read_text()) - set(SERVICES)


def test_scraped_processes() -> None:
    """Prometheus looks for every process of the chain by its service's name."""
    jobs = yaml.safe_load((ROOT / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    [chain] = [job for job in jobs if job["job_name"] == "cartscope"]
    assert set(chain["dns_sd_configs"][0]["names"]) == CHAIN


def test_console_asks_services() -> None:
    """What the console asks for its health, and where it leads, is a service of the stack and its port."""
    for server in SERVERS:
        [host] = re.findall(r"http://([a-z-]+):", server.check)
        assert host in SERVICES
        assert server.port in {None, PORTS.get(host)}


def test_developing() -> None:
    """When developing, every own process that is no one-shot of root runs from the checkout."""
    changed = load("docker-compose.dev.yml")["services"]
    assert {s.name for s in SERVICES.values() if s.is_own and s.name != "passwords"} == set(changed) - {
        "redis",
        "rabbitmq",
    }
    for service in changed.values():
        for text in service.get("volumes", []):
            source, target, _ = text.split(":")
            assert (ROOT / source).is_dir()
            assert target in changed["api"]["environment"]["PYTHONPATH"].split(":")
