"""A throwaway Alertmanager with the stack's own file, and the mail server that it tells."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from cart_platform.native import alertmanager_server
from cart_platform.native.installed import find
from cart_platform.native.ports import LOOPBACK, free_ports
from support.servers import RunningProgram

STACK = Path(__file__).parents[2] / "prometheus" / "alertmanager.yml"


class Mailbox:
    """A mail server's handler that keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        """Keep an e-mail."""
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 kept"

    def to(self, recipient: str) -> list[EmailMessage]:
        """The e-mails to an address."""
        return [mail for mail in self.mails if mail["To"] == recipient]


class Alertmanager:
    """A running one, asked over its API v2."""

    def __init__(self, port: int, mailbox: Mailbox) -> None:
        self._alerts = f"http://{LOOPBACK}:{port}/api/v2/alerts"
        self.mailbox = mailbox

    def fire(self, alerts: Sequence[Mapping[str, str]], annotations: Mapping[str, str] | None = None) -> None:
        """Report that alerts with these labels fire."""
        now = datetime.now(UTC)
        body = [
            {
                "labels": labels,
                "annotations": annotations or {},
                "startsAt": now.isoformat(),
                "endsAt": (now + timedelta(minutes=5)).isoformat(),
                "generatorURL": "http://127.0.0.1:9090/graph",
            }
            for labels in alerts
        ]
        request = Request(self._alerts, json.dumps(body).encode(), {"Content-Type": "application/json"})
        urlopen(request, timeout=10).close()

    def told(self) -> list[dict[str, str]]:
        """The labels of the alerts that fire and are not silenced by another one."""
        with urlopen(f"{self._alerts}?inhibited=false", timeout=10) as answer:
            return [alert["labels"] for alert in json.load(answer)]

    def known(self) -> int:
        """How many alerts fire, silenced or not."""
        with urlopen(self._alerts, timeout=10) as answer:
            return len(json.load(answer))


def available() -> bool:
    """Whether Alertmanager is installed."""
    return find("prometheus-alertmanager", "alertmanager") is not None


@contextmanager
def alertmanager(folder: Path, **route: str) -> Iterator[Alertmanager]:
    """An Alertmanager with the stack's file: only the mail server is another one, and what `route` says of times."""
    port, smtp_port = free_ports(2)
    mailbox = Mailbox()
    mail_server = Controller(mailbox, hostname=LOOPBACK, port=smtp_port)
    program = alertmanager_server.program(find("prometheus-alertmanager", "alertmanager") or "", folder, port)
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(configured(f"{LOOPBACK}:{smtp_port}", route)))
    server = RunningProgram(program)
    mail_server.start()
    try:
        server.start()
        yield Alertmanager(port, mailbox)
    finally:
        server.stop()
        mail_server.stop()


def configured(smarthost: str, route: Mapping[str, str]) -> dict[str, Any]:
    """The stack's configuration with another mail server and other times."""
    stack: dict[str, Any] = yaml.safe_load(STACK.read_text())
    stack["global"]["smtp_smarthost"] = smarthost
    stack["route"] |= route
    return stack
