"""Reads Logstash pipelines, as far as to tell each plugin's options; `logstash-parse` has the whole grammar."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TOKEN = re.compile(r"""#[^\n]*|"[^"]*"|'[^']*'|=>|==|[{}\[\](),]|[^\s{}\[\](),"'#=]+|\S""")
SECTIONS = {"input", "filter", "output"}
CONDITIONS = {"if", "else"}


@dataclass(frozen=True)
class Plugin:
    """A plugin with the text of each of its options; strings are without their quotes, lists and hashes as written."""

    section: str
    name: str
    options: dict[str, str] = field(default_factory=dict)


def plugins(file: Path) -> list[Plugin]:
    """The plugins of a pipeline, in the order of the file."""
    tokens = [token for token in TOKEN.findall(file.read_text()) if not token.startswith("#")]
    return list(_sections(tokens))


def _sections(tokens: list[str]) -> Iterator[Plugin]:
    while tokens:
        section = tokens.pop(0)
        assert section in SECTIONS, section
        assert "{" == tokens.pop(0)
        yield from _plugins(section, tokens)


def _plugins(section: str, tokens: list[str]) -> Iterator[Plugin]:
    while (name := tokens.pop(0)) != "}":
        if name in CONDITIONS:
            while tokens.pop(0) != "{":
                pass
            yield from _plugins(section, tokens)
            continue
        assert "{" == tokens.pop(0), name
        yield Plugin(section, name, dict(_options(tokens)))


def _options(tokens: list[str]) -> Iterator[tuple[str, str]]:
    while (option := tokens.pop(0)) != "}":
        assert "=>" == tokens.pop(0), option
        yield option, _value(tokens)


def _value(tokens: list[str]) -> str:
    first = tokens.pop(0)
    if first not in {"{", "["}:
        return first.strip("\"'")
    parts, depth = [first], 1
    while depth:
        parts.append(token := tokens.pop(0))
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token, 0)
    return " ".join(parts)
