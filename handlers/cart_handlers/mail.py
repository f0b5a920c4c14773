"""Sends e-mails: by SMTP, or into a Maildir on this machine."""

import asyncio
import hashlib
import mailbox
import os
from collections import Counter
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, unquote, urlsplit

import aiosmtplib

from cart_observability.telemetry import Telemetry
from cart_platform.errors import UsageError
from cart_platform.handler import Reject

SMTP_PORT = 25
SMTP_TIMEOUT_SECONDS = 10.0
"""Shorter than the lease of a claim, so that a hanging server cannot outlast it."""


class Mailer(Protocol):
    """Sends e-mails.

    `send` returns when the e-mail is the receiver's; raises Reject (`address_refused`) when it never will be, and any
    other error when another attempt may succeed.
    """

    async def send(self, message: EmailMessage) -> None:
        """Send one e-mail."""


class Maildir:
    """A Maildir (https://cr.yp.to/proto/maildir.html) on this machine.

    The name of an e-mail's file comes from its Message-ID, so that sending it again does nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def send(self, message: EmailMessage) -> None:
        """Put the e-mail into `new`, complete and durable, unless it is there or was moved to `cur`."""
        await asyncio.to_thread(self._deliver, message)

    def _deliver(self, message: EmailMessage) -> None:
        for name in ("tmp", "new", "cur"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(message["Message-ID"].encode()).hexdigest()[:32] + ".cartscope"
        if any((self.folder / "cur").glob(name + "*")):
            return
        written = self.folder / "tmp" / f"{name}.{os.getpid()}"
        with written.open("wb") as file:
            file.write(message.as_bytes(policy=SMTP))
            file.flush()
            os.fsync(file.fileno())
        written.replace(self.folder / "new" / name)
        sync(self.folder / "new")


def sync(folder: Path) -> None:
    """Make a folder's entries durable: a file that is synced in a folder that is not can be lost with the power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class SmtpServer:
    """An SMTP server; a connection for each e-mail, so that none is held while there is nothing to say."""

    def __init__(self, host: str, port: int, user: str | None = None, password: str | None = None) -> None:
        self.host = host
        self.port = port
        self._login = (user, password)

    async def send(self, message: EmailMessage) -> None:
        """Send by SMTP; an address that the server refuses for good (5xx) is a Reject."""
        user, password = self._login
        try:
            async with asyncio.timeout(SMTP_TIMEOUT_SECONDS):
                await aiosmtplib.send(message, hostname=self.host, port=self.port, username=user, password=password)
        except aiosmtplib.SMTPRecipientsRefused as error:
            _reject_if_permanent(max(refusal.code for refusal in error.recipients), error)
            raise
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPRecipientRefused) as error:
            _reject_if_permanent(error.code, error)
            raise


def _reject_if_permanent(code: int, error: Exception) -> None:
    """RFC 5321, 4.2.1: 5yz is a permanent negative completion, 4yz a transient one."""
    if code >= 500:  # noqa: PLR2004  the reply codes' own boundary
        raise Reject("address_refused", f"the mail server refuses the address for good: {error}") from error


class ObservedMailer:
    """Counts and logs what a mailer has sent."""

    def __init__(self, mailer: Mailer, telemetry: Telemetry) -> None:
        self._mailer = mailer
        self._log = telemetry.log
        self._metrics = telemetry.metrics

    async def send(self, message: EmailMessage) -> None:
        """Send, then tell."""
        await self._mailer.send(message)
        self._metrics.notification_sent()
        self._log.info(
            "notification sent", **{"event.action": "notification.sent", "email.message_id": str(message["Message-ID"])}
        )


def open_mailer(url: str, telemetry: Telemetry) -> Mailer:
    """The mailer that a URL names: `smtp://[user:password@]host[:port]`, `maildir:///relative`, `maildir:////absolute`.

    Raises:
        UsageError: when the URL names none.
    """
    try:
        mailer = _mailer(urlsplit(url))
    except ValueError:  # a port that is no number
        mailer = None
    if mailer is not None:
        return ObservedMailer(mailer, telemetry)
    raise UsageError(
        f"no mail server is meant by {url!r}: set CARTSCOPE_MAIL_URL to smtp://host:port or maildir:///folder"
    )


def mails_in(url: str) -> Counter[str] | None:
    """How many e-mails a Maildir holds by Message-ID; None when the URL names no Maildir that is there."""
    mailer = _mailer(urlsplit(url))
    if not isinstance(mailer, Maildir) or not mailer.folder.is_dir():
        return None
    mails = mailbox.Maildir(str(mailer.folder), create=False)
    return Counter(str(message["Message-ID"]) for message in mails)


def _mailer(parts: SplitResult) -> Mailer | None:
    if parts.scheme == "maildir" and not parts.netloc and len(parts.path) > 1:
        return Maildir(Path(unquote(parts.path[1:])))
    if parts.scheme == "smtp" and parts.hostname:
        user, password = (unquote(text) if text else None for text in (parts.username, parts.password))
        return SmtpServer(parts.hostname, parts.port or SMTP_PORT, user, password)
    return None
