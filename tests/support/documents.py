"""The documents of the repository, read for what a test can hold: commands, code, links."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROMPT = "$ "

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


@dataclass(frozen=True, slots=True)
class Document:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        """Its path within the repository."""
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    def blocks(self, language: str) -> list[str]:
        """The fenced blocks in a language."""
        return [text for found, text in _BLOCK.findall(self.text) if found == language]

    @property
    def languages(self) -> set[str]:
        """The languages of its fenced blocks."""
        return {language for language, _ in _BLOCK.findall(self.text)}

    @property
    def links(self) -> list[str]:
        """Where its links lead, without those to other sites."""
        prose = _BLOCK.sub("", self.text)
        return [target for target in _LINK.findall(prose) if "://" not in target]

    @property
    def commands(self) -> list[str]:
        """What it tells its reader to type, in order."""
        lines = [line for block in self.blocks("console") for line in block.splitlines()]
        return [line.removeprefix(PROMPT) for line in lines if line.startswith(PROMPT)]


def documents() -> Sequence[Document]:
    """Every document, the README first."""
    return [
        Document(path)
        for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
    ]


def commands() -> Iterator[tuple[str, str]]:
    """Every command of every document, as (document, command)."""
    for document in documents():
        for command in document.commands:
            yield document.name, command


NATIVE_DATA = "native-data"
_NATIVE = (
    "capacity",
    "faults",
    "dead-letters replay --all --handler popularity",
    "shop --url http://127.0.0.1:8000 --rate",
)


def of_the_stack(command: str) -> bool:
    """Whether a command is one of the stack, which takes a Docker engine."""
    return command.startswith(("git clone ", "cd ", "docker compose ")) or " docker compose " in command


def of_a_native_run(command: str) -> bool:
    """Whether a command is meant for a native run that is under way, and to be looked at or disturbed."""
    return NATIVE_DATA in command or command.removeprefix(".venv/bin/cartscope ").startswith(_NATIVE)
