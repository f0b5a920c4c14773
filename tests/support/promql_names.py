"""Which series and labels an expression names, without PromQL's whole grammar."""

import re
from collections.abc import Iterator
from typing import Final

_WORDS: Final = {
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "and",
    "or",
    "unless",
    "offset",
    "bool",
    "Inf",
    "NaN",
}
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_RANGE: Final = re.compile(r"\[[^\]]*\]")
_GROUPING: Final = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR: Final = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)?\s*\{(?P<matchers>[^}]*)\}")
_NAME: Final = re.compile(r"(?<![\w.:])[a-zA-Z_:][\w:]*(?![\w:]*\s*\()")
_LABEL: Final = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


def series_named(promql: str) -> Iterator[tuple[str, set[str]]]:
    """The name of each series and the labels that it is chosen by; a name chosen by pattern is the empty string."""
    text = _GROUPING.sub("", _RANGE.sub("", _QUOTED.sub('""', promql)))
    for match in _SELECTOR.finditer(text):
        yield match["name"] or "", set(_LABEL.findall(match["matchers"])) - {"__name__"}
    rest = re.sub(r"\boffset\s+\w+", "", _SELECTOR.sub("", text))
    for name in _NAME.findall(rest):
        if name not in _WORDS:
            yield name, set()


def labels_grouped_by(promql: str) -> set[str]:
    """The labels by which an expression adds up, or joins."""
    lists = _GROUPING.findall(_QUOTED.sub('""', promql))
    return {label.strip() for each in lists for label in each.split(",") if label.strip()}
