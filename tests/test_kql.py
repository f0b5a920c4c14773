"""The translation by which the tests try what Kibana's searches ask."""

from typing import Any

import pytest

from support import kql

TRANSLATED: dict[str, dict[str, Any]] = {
    "": {"match_all": {}},
    "a.b: *": {"exists": {"field": "a.b"}},
    "a: b": {"match": {"a": "b"}},
    'a: "b c"': {"match_phrase": {"a": "b c"}},
    "a: b*": {"query_string": {"fields": ["a"], "query": "b*"}},
    "a > 5": {"range": {"a": {"gt": "5"}}},
    "a <= 5": {"range": {"a": {"lte": "5"}}},
    'a: ("b" or c)': kql.any_of([{"match_phrase": {"a": "b"}}, {"match": {"a": "c"}}]),
    "a: b and not c: d": {"bool": {"filter": [{"match": {"a": "b"}}, {"bool": {"must_not": {"match": {"c": "d"}}}}]}},
    "a: b or c: d and e: f": kql.any_of(
        [{"match": {"a": "b"}}, {"bool": {"filter": [{"match": {"c": "d"}}, {"match": {"e": "f"}}]}}]
    ),
    "(a: b or c: d) AND e: f": {
        "bool": {"filter": [kql.any_of([{"match": {"a": "b"}}, {"match": {"c": "d"}}]), {"match": {"e": "f"}}]}
    },
}

UNKNOWN = [
    "a",
    "a:",
    "a: b c: d",
    "a: (b and c)",
    "a: {b: c}",
    '"a": b',
    "a: b or",
    "(a: b",
    "a* : b",
    'a: "b',
    "and: b",
]


@pytest.mark.parametrize("query", TRANSLATED)
def test_translation(query: str) -> None:
    """A query becomes what Kibana would ask of Elasticsearch."""
    assert TRANSLATED[query] == kql.translate(query).dsl


def test_fields() -> None:
    """The fields that a query asks about are known."""
    assert {"a.b", "c", "d"} == kql.translate("a.b: 1 and (c: x* or not d > 3)").fields


@pytest.mark.parametrize("query", UNKNOWN)
def test_what_is_not_known_is_refused(query: str) -> None:
    """A query that the translation does not cover fails the test that uses it, and is never guessed."""
    with pytest.raises(kql.UnknownSyntax):
        kql.translate(query)
