"""How Elasticsearch is told to keep log lines."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from cart_observability.elastic import template
from cart_observability.elastic.client import Client, ElasticError
from cart_observability.signals import Matrix, read
from cart_platform.native import checkout
from support.bulk_server import bulk_server
from support.elasticsearch_server import ElasticsearchServer

FILE = Path(__file__).parent.parent / "observability/signals.yaml"
POLICY = "_ilm/policy/cartscope-logs"
SETTINGS = "_component_template/cartscope-settings"
INDEX = "_index_template/logs-cartscope"


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    """The matrix of this repository."""
    return read(FILE)


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Client]:
    """A client of a server."""
    async with aiohttp.ClientSession() as http:
        yield Client(http, url)


def test_every_field_has_its_type(matrix: Matrix) -> None:
    """Each field of the matrix is mapped with the type that it has there."""
    mapped = template.mapped(matrix)
    assert {name: field.type for name, field in matrix.fields.items()} == {
        name: mapped[name]["type"] for name in matrix.fields
    }


def test_no_field_holds_another(matrix: Matrix) -> None:
    """No field's name is the beginning of another's: a value cannot be an object as well."""
    names = template.mapped(matrix).keys()
    assert [] == [(one, other) for one in names for other in names if other.startswith(f"{one}.")]


def test_the_files_are_those_of_the_matrix(matrix: Matrix) -> None:
    """What the stack puts into Elasticsearch is made from the matrix as it is."""
    assert json.loads(json.dumps(template.objects(matrix))) == template.load(checkout.TEMPLATES)


def test_files(matrix: Matrix, tmp_path: Path) -> None:
    """What is written is read again, in the order in which it is needed."""
    wanted = template.objects(matrix)
    template.write(wanted, tmp_path)
    loaded = template.load(tmp_path)
    assert wanted == loaded
    assert (POLICY, INDEX) == (next(iter(loaded)), list(loaded)[-1])
    with pytest.raises(ValueError, match="no templates"):
        template.load(tmp_path / "elsewhere")


async def test_a_distribution_gets_everything(matrix: Matrix) -> None:
    """Where there are lifecycle policies, the policy comes first and the settings name it."""
    wanted = template.objects(matrix)
    async with bulk_server() as server, client(server.url) as distribution:
        assert list(wanted) == await template.install(distribution, wanted)
        assert list(wanted) == list(server.put)
    settings = server.put[SETTINGS]["template"]["settings"]
    assert "cartscope-logs" == settings["index.lifecycle.name"]
    assert {"hot", "delete"} == server.put[POLICY]["policy"]["phases"].keys()


async def test_the_core_takes_the_rest(elasticsearch_server: ElasticsearchServer, matrix: Matrix) -> None:
    """Elasticsearch's core, which has no lifecycle policies, takes all else, once and again."""
    wanted = template.objects(matrix)
    async with client(elasticsearch_server.url) as core:
        for _ in range(2):
            assert [path for path in wanted if path != POLICY] == await template.install(core, wanted)


async def test_what_is_refused_is_told(elasticsearch_server: ElasticsearchServer) -> None:
    """A template that Elasticsearch refuses is an error that says why."""
    wrong = {INDEX: {"index_patterns": ["logs-wrong"], "composed_of": ["nowhere"]}}
    async with client(elasticsearch_server.url) as core:
        with pytest.raises(ElasticError, match="nowhere") as refused:
            await template.install(core, wrong)
    assert 400 == refused.value.status


@pytest.mark.parametrize("stream", [template.LINES, template.UNPARSED, template.STACK])
async def test_a_stream_is_made_by_its_template(
    elasticsearch_server: ElasticsearchServer, matrix: Matrix, stream: str
) -> None:
    """The first line makes a data stream with the settings and the fields of the template, and no others."""
    async with client(elasticsearch_server.url) as core:
        await template.install(core, template.objects(matrix))
    line = {"@timestamp": "2026-11-24T12:00:00Z", "made.by": "this test", "cartscope": {"unheard": {"of": 1}}}
    elasticsearch_server.ask("POST", f"{stream}/_create/{stream}-made", line)
    [(index, made)] = elasticsearch_server.ask("GET", stream).items()
    assert (stream, f".ds-{stream}-") == (made["data_stream"], index[: len(f".ds-{stream}-")])
    settings = made["settings"]["index"]
    assert ("standard", "best_compression", "0") == tuple(
        settings[name] for name in ("mode", "codec", "number_of_replicas")
    )
    fields = elasticsearch_server.ask("GET", f"{stream}/_field_caps?fields=*&filters=-metadata,-parent")["fields"]
    expected = {name: mapping["type"] for name, mapping in template.mapped(matrix).items()}
    expected |= {f"{name}.keyword": "keyword" for name, kind in expected.items() if kind == "text"}
    assert expected == {name: next(iter(kinds)) for name, kinds in fields.items()}
