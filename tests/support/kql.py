"""Kibana's query language, as much of it as the saved searches use, turned into Elasticsearch's.

What it does not know it refuses. The shapes are those of `toElasticsearchQuery` in Kibana's package kbn-es-query
(`src/kuery/node_types` and `functions/{is,range,exists,and,or,not}`): a phrase in quotes is a match_phrase, another
value a match, `*` alone asks whether the field exists, a value with `*` is a query string.
"""

import re
from dataclasses import dataclass, field
from typing import Any

TOKEN = re.compile(r'\s*(?:(?P<phrase>"(?:[^"\\]|\\.)*")|(?P<mark><=|>=|[:()<>])|(?P<word>[^\s:()<>"]+))')
RANGES = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
WORDS = {"and", "or", "not"}


class UnknownSyntax(ValueError):  # noqa: N818  what the query has
    """The query has something that is not translated here."""


@dataclass
class Query:
    """A query in both languages, and the fields that it asks about."""

    dsl: dict[str, Any]
    fields: set[str]


def translate(kql: str) -> Query:
    """Translate a query; an empty one matches everything. Raises UnknownSyntax."""
    if not kql.strip():
        return Query({"match_all": {}}, set())
    reader = _Reader(_tokens(kql))
    dsl = reader.alternatives()
    if reader.left:
        raise UnknownSyntax(f"{kql!r}: {reader.left[0]!r} is left over")
    return Query(dsl, reader.fields)


def _tokens(kql: str) -> list[str]:
    tokens, position = [], 0
    while position < len(kql.rstrip()):
        found = TOKEN.match(kql, position)
        if found is None:
            raise UnknownSyntax(f"{kql!r}: nothing is known that starts with {kql[position:]!r}")
        tokens.append(found.group().strip())
        position = found.end()
    return tokens


@dataclass
class _Reader:
    left: list[str]
    fields: set[str] = field(default_factory=set)

    def alternatives(self) -> dict[str, Any]:
        parts = [self._conjunction()]
        while self._next("or"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else any_of(parts)

    def _conjunction(self) -> dict[str, Any]:
        parts = [self._negation()]
        while self._next("and"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else {"bool": {"filter": parts}}

    def _negation(self) -> dict[str, Any]:
        if self._next("not"):
            return {"bool": {"must_not": self._negation()}}
        if self._next("("):
            inner = self.alternatives()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> dict[str, Any]:
        name = self._literal()
        if "*" in name or name.startswith('"'):
            raise UnknownSyntax(f"{name} is no name of a field")
        self.fields.add(name)
        mark = self.left.pop(0) if self.left else ""
        if mark in RANGES:
            return {"range": {name: {RANGES[mark]: self._literal()}}}
        if mark != ":":
            raise UnknownSyntax(f"after {name} comes {mark!r}")
        if not self._next("("):
            return _is(name, self._literal())
        values = [_is(name, self._literal())]
        while self._next("or"):
            values.append(_is(name, self._literal()))
        self._expect(")")
        return any_of(values)

    def _literal(self) -> str:
        token = self.left.pop(0) if self.left else ""
        if not token or token.lower() in WORDS or token in {":", "(", ")", *RANGES}:
            raise UnknownSyntax(f"a value is missing where {token!r} stands")
        return token

    def _next(self, token: str) -> bool:
        if self.left and self.left[0].lower() == token:
            self.left.pop(0)
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._next(token):
            raise UnknownSyntax(f"{token} is missing")


def any_of(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """A query of which at least one part must hold."""
    return {"bool": {"should": parts, "minimum_should_match": 1}}


def _is(name: str, value: str) -> dict[str, Any]:
    if value == "*":
        return {"exists": {"field": name}}
    if value.startswith('"'):
        return {"match_phrase": {name: re.sub(r"\\(.)", r"\1", value[1:-1])}}
    if "*" in value:
        return {"query_string": {"fields": [name], "query": re.sub(r"([-+.:/])", r"\\\1", value)}}
    return {"match": {name: value}}
