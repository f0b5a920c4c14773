"""RabbitMQ as bus: a node of its own with its own port mapper, so that nothing of it outlives the run."""

from dataclasses import dataclass
from pathlib import Path

from cart_platform.native.ports import LOOPBACK
from cart_platform.native.private_file import write_private
from cart_platform.native.probe import accepts, replies
from cart_platform.native.program import Program

USER = "cartscope"

_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = b"\x01"

# A named default user takes the place of `guest`; the limits keep small laptops from blocking publishers.
_CONFIGURATION = """\
listeners.tcp.loopback = {host}:{ports.amqp}
default_user = {user}
default_pass = {password}
prometheus.tcp.ip = {host}
prometheus.tcp.port = {ports.metrics}
disk_free_limit.absolute = 50MB
log.console = true
log.console.level = info
log.console.use_colors = off
log.file = false
"""


@dataclass(frozen=True)
class RabbitPorts:
    """The loopback ports of one node: clients, metrics, Erlang's distribution and its port mapper."""

    amqp: int
    metrics: int
    distribution: int
    mapper: int


def url(ports: RabbitPorts, password: str) -> str:
    """Address of the node as `CARTSCOPE_BUS_URL` takes it, on the default virtual host."""
    return f"amqp://{USER}:{password}@{LOOPBACK}:{ports.amqp}/%2F"


def is_ready(ports: RabbitPorts) -> bool:
    """Whether the node answers AMQP's protocol header with its first method."""
    return replies(ports.amqp, _PROTOCOL_HEADER, _METHOD_FRAME)


def mapper_program(executable: str, folder: Path, ports: RabbitPorts) -> Program:
    """Give Erlang's port mapper (epmd) as a program of its own, in the foreground.

    A node that finds none starts one as a daemon, which would outlive the run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return Program(
        name="epmd",
        command=(executable, "-address", LOOPBACK, "-port", str(ports.mapper)),
        folder=folder,
        ready=lambda: accepts(ports.mapper),
    )


def _environment(folder: Path, ports: RabbitPorts) -> dict[str, str]:
    return {
        "HOME": str(folder),  # Erlang keeps its cookie there
        "ERL_CRASH_DUMP": str(folder / "erl_crash.dump"),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "ERL_EPMD_PORT": str(ports.mapper),
        "ERL_FLAGS": "-start_epmd false",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_DIST_PORT": str(ports.distribution),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_NODENAME": "cartscope@localhost",
        "RABBITMQ_NODE_PORT": str(ports.amqp),
        "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        # The start script then replaces itself by Erlang instead of waiting for it: the pid is Erlang's own.
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def program(executable: str, folder: Path, ports: RabbitPorts, password: str) -> Program:
    """Write the node's configuration into the folder and give the program that runs it.

    Its port mapper (`mapper_program`) must run first.

    Args:
        executable: Path of a start script that stays with the user who calls it.
        folder: Where its data lives; made if absent.
        ports: On the loopback interface.
        password: Of the only user, `cartscope`; it takes effect when the folder holds no data yet.
    """
    (folder / "log").mkdir(parents=True, exist_ok=True)
    write_private(
        folder / "rabbitmq.conf", _CONFIGURATION.format(host=LOOPBACK, ports=ports, user=USER, password=password)
    )
    # Empty, so that the machine's own file of this name has no say here.
    (folder / "rabbitmq-env.conf").write_text("", encoding="utf-8")
    (folder / "enabled_plugins").write_text("[rabbitmq_prometheus].\n", encoding="utf-8")
    return Program(
        name="rabbitmq",
        command=(executable,),
        folder=folder,
        environment=_environment(folder, ports),
        ready=lambda: is_ready(ports),
        stop_seconds=30.0,
    )
