"""The e-mails of a Maildir, read for a person: text only, newest first."""

import email
import heapq
import os
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import default
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

SEARCHED = 2_000
"""E-mails that are looked at, the newest: a folder may hold any number."""

LARGEST = 65_536
"""Bytes that are read of one e-mail."""

LONGEST_TEXT = 4_000
"""Characters that are given of one e-mail."""


_headers = BytesHeaderParser()


class Mail(msgspec.Struct, frozen=True, rename={"sender": "from"}):
    """An e-mail; `time` is its own date, in milliseconds since the epoch."""

    id: str
    time: float
    sender: str
    to: str
    subject: str
    text: str
    message_id: str


class _File(NamedTuple):
    changed: int
    path: str


def maildir(url: str) -> Path | None:
    """The folder that `maildir:///relative` or `maildir:////absolute` names; None for a mail server."""
    parts = urlsplit(url)
    return Path(unquote(parts.path[1:])) if parts.scheme == "maildir" else None


class Mails:
    """A Maildir (https://cr.yp.to/proto/maildir.html); the subject of each e-mail is read once.

    Not for two threads at once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._words: dict[str, frozenset[str]] = {}

    def newest(self, limit: int, mentioning: str | None = None) -> Sequence[Mail]:
        """The newest e-mails, at most `limit`, of those whose subject has a word; none where there is no Maildir."""
        files = self._newest_files()
        if mentioning is not None:
            self._read_subjects(files)
            files = [file for file in files if mentioning in self._words[file.path]]
        return [_mail(file) for file in files[:limit]]

    def _newest_files(self) -> Sequence[_File]:
        return heapq.nlargest(SEARCHED, (file for name in ("new", "cur") for file in _files(self.folder / name)))

    def _read_subjects(self, files: Sequence[_File]) -> None:
        self._words = {file.path: self._words.get(file.path) or _words(file) for file in files}


def _files(folder: Path) -> Iterator[_File]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    yield _File(entry.stat().st_mtime_ns, entry.path)
    except OSError:
        # No e-mail was sent yet, or one was moved by a reader of the Maildir at this moment.
        return


def _words(file: _File) -> frozenset[str]:
    """Those of the subject, as they are on the wire: names of carts need no encoding."""
    return frozenset(str(_headers.parsebytes(_content(file)).get("Subject", "")).split())


def _mail(file: _File) -> Mail:
    message = email.message_from_bytes(_content(file), EmailMessage, policy=default)
    return Mail(
        id=Path(file.path).name,
        time=_sent(message) or file.changed / 1e6,
        sender=str(message.get("From", "")),
        to=str(message.get("To", "")),
        subject=str(message.get("Subject", "")),
        text=_text(message)[:LONGEST_TEXT],
        message_id=str(message.get("Message-ID", "")),
    )


def _content(file: _File) -> bytes:
    try:
        with Path(file.path).open("rb") as content:
            return content.read(LARGEST)
    except OSError:
        # Moved by a reader of the Maildir at this moment: looked at again under its new name the next time.
        return b""


def _sent(message: EmailMessage) -> float | None:
    try:
        return parsedate_to_datetime(str(message["Date"])).timestamp() * 1e3
    except ValueError:
        return None


def _text(message: EmailMessage) -> str:
    """The plain text; an e-mail that has none, or hides it behind an unknown character set, shows nothing."""
    part = message.get_body(("plain",))
    try:
        return str(part.get_content()) if part is not None else ""
    except (LookupError, ValueError):
        return ""
