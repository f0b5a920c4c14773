"""E-mails: into a Maildir, and to a real SMTP server."""

import mailbox
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from cart_handlers.mail import Maildir, SmtpServer, open_mailer
from cart_observability.telemetry import silent
from cart_platform.errors import UsageError
from cart_platform.handler import Reject
from cart_platform.native.ports import free_ports


def mail(message_id: str = "<1@test>", recipient: str = "shop@localhost") -> EmailMessage:
    """An e-mail."""
    message = EmailMessage()
    message["Message-ID"], message["From"], message["To"] = message_id, "cartscope@localhost", recipient
    message["Subject"] = "Cart c reached 12 units"
    message.set_content("Cart c\n")
    return message


async def test_maildir_holds_what_was_sent(tmp_path: Path) -> None:
    """What was sent is read by the standard library's Maildir."""
    await Maildir(tmp_path / "mail").send(mail())
    (kept,) = mailbox.Maildir(str(tmp_path / "mail"), create=False)
    assert ("<1@test>", "Cart c reached 12 units") == (kept["Message-ID"], kept["Subject"])


@pytest.mark.parametrize("read", [False, True])
async def test_maildir_keeps_one_mail_of_an_id(tmp_path: Path, read: bool) -> None:  # noqa: FBT001  a case
    """Sending an e-mail again leaves one, also when somebody has read the first and moved it to cur."""
    folder = tmp_path / "mail"
    await Maildir(folder).send(mail())
    if read:
        (new,) = (folder / "new").iterdir()
        new.rename(folder / "cur" / f"{new.name}:2,S")
    await Maildir(folder).send(mail())
    assert len(mailbox.Maildir(str(folder), create=False)) == 1


async def test_maildir_that_cannot_be_written_may_be_retried(tmp_path: Path) -> None:
    """A folder that cannot be written is an error that another attempt may mend, no Reject."""
    (tmp_path / "mail").write_text("a file")
    with pytest.raises(OSError, match="mail"):
        await Maildir(tmp_path / "mail").send(mail())


class Inbox:
    """An SMTP server's handler: refuses recipients whose name is a reply code."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take or refuse a recipient."""
        name = address.partition("@")[0]
        if name.isdigit():
            return f"{name} refused"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        """Take a message."""
        assert isinstance(envelope.content, bytes)
        self.messages.append(envelope.content)
        return "250 OK"


@pytest.fixture
def smtp() -> Iterator[tuple[Inbox, SmtpServer]]:
    """A real SMTP server on a free port, and a mailer for it."""
    inbox = Inbox()
    [port] = free_ports(1)
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield inbox, SmtpServer("127.0.0.1", port)
    controller.stop()


async def test_smtp_server_gets_the_mail(smtp: tuple[Inbox, SmtpServer]) -> None:
    """The server receives the e-mail with its Message-ID."""
    inbox, mailer = smtp
    await mailer.send(mail())
    assert b"Message-ID: <1@test>" in inbox.messages[0]


async def test_an_address_refused_for_good_is_rejected(smtp: tuple[Inbox, SmtpServer]) -> None:
    """A recipient that the server refuses with 550 never will be right."""
    with pytest.raises(Reject) as rejected:
        await smtp[1].send(mail(recipient="550@localhost"))
    assert rejected.value.reason == "address_refused"


@pytest.mark.parametrize("recipient", ["450@localhost", "451@localhost"])
async def test_an_address_refused_for_now_may_be_retried(smtp: tuple[Inbox, SmtpServer], recipient: str) -> None:
    """A recipient refused with 45x is an error that another attempt may mend."""
    with pytest.raises(Exception, match="refused") as raised:
        await smtp[1].send(mail(recipient=recipient))
    assert not isinstance(raised.value, Reject)


async def test_a_server_that_is_down_may_be_retried() -> None:
    """A connection refused is an error that another attempt may mend."""
    with pytest.raises(Exception, match=r"[Cc]onnect") as raised:
        await SmtpServer("127.0.0.1", 1).send(mail())
    assert not isinstance(raised.value, Reject)


@pytest.mark.parametrize("url", ["", "maildir://", "maildir:///", "smtp://", "http://mail", "smtp://host:port"])
def test_a_wrong_url_is_one_clear_error(url: str) -> None:
    """A URL that names no mail server is refused with what to set."""
    with pytest.raises(UsageError, match="CARTSCOPE_MAIL_URL"):
        open_mailer(url, silent())


async def test_sent_mail_is_counted(tmp_path: Path) -> None:
    """Each e-mail sent raises the counter by one."""
    telemetry = silent()
    await open_mailer(f"maildir:///{tmp_path}/mail", telemetry).send(mail())
    assert telemetry.registry.get_sample_value("cartscope_notifications_sent_total") == 1
