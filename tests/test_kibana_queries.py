"""What Kibana's searches and charts ask, asked of a real Elasticsearch that holds the lines of a real run."""

import asyncio
import json
from pathlib import Path

import pytest

from cart_observability.elastic import template
from cart_observability.signals import read
from cart_platform.settings import Settings
from support import kibana, kql, lens
from support.chain import Chain, observed
from support.elasticsearch_server import ElasticsearchServer
from support.polling import eventually
from support.slow_handlers import SLOW
from support.strict_handlers import BROKEN, POISON

INDEX = "kibana-queries"
SIGNALS = Path(__file__).parent.parent / "observability/signals.yaml"
SEARCHES, (DASHBOARD,) = kibana.of_type("search"), kibana.of_type("dashboard").values()
CHARTS = {panel["panelIndex"]: panel for panel in kibana.panels(DASHBOARD) if panel["type"] == "vis"}


async def all_sorts(chain: Chain) -> None:
    """Events that are done, slow, retried, rejected and given up, and a command that is refused."""
    await chain.add("whole", "milk", 12)
    await chain.add("slow", SLOW)
    await chain.add("poisoned", POISON)
    await chain.add("broken", BROKEN)
    await chain.add("whole", "milk", 0)
    await chain.ask("POST", "/carts/whole/checkout")
    assert 409 == (await chain.add("whole", "milk"))[0]

    async def over() -> bool:
        depth = await chain.parts.store.depth()
        left = depth.pending + sum((await chain.parts.bus.backlog()).values())
        return left == 0 and await chain.dead_letters() == 2

    await eventually(over)


@pytest.fixture(scope="module")
def elasticsearch(
    elasticsearch_server: ElasticsearchServer, tmp_path_factory: pytest.TempPathFactory
) -> ElasticsearchServer:
    """The session's Elasticsearch with an index of every line that a run left."""
    folder = tmp_path_factory.mktemp("chain")
    settings = Settings(
        store_url=f"sqlite:///{folder / 'store.db'}",
        bus_url=f"sqlite:///{folder / 'bus.db'}",
        mail_url=f"maildir:///{folder / 'mail'}",
        handlers="support.slow_handlers:handlers",
        retry_delays=(0.1,),
        api_port=0,
    )
    emitted = asyncio.run(observed(settings, folder, all_sorts))
    mappings = {"dynamic": False, "properties": template.mapped(read(SIGNALS))}
    elasticsearch_server.ask("PUT", INDEX, {"mappings": mappings})
    for process in emitted.values():
        for line in process.lines:
            elasticsearch_server.ask("POST", f"{INDEX}/_doc", line)
    assert elasticsearch_server.count(INDEX) == sum(len(process.lines) for process in emitted.values()) > 40
    return elasticsearch_server


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES.keys())
def test_a_search_finds_lines(elasticsearch: ElasticsearchServer, search: kibana.Object) -> None:
    """The query of a saved search finds lines, in its order, and every column of it has a value in one of them."""
    query, columns, sort = kibana.search_of(search)
    body = {
        "query": kql.translate(query).dsl,
        "sort": [{name: direction} for name, direction in sort],
        "size": 1_000,
        "fields": columns,
    }
    hits = elasticsearch.ask("POST", f"{INDEX}/_search", body)["hits"]["hits"]
    assert hits
    assert set() == set(columns) - {name for hit in hits for name in hit.get("fields", {})}
    # Elasticsearch sorts dates by the millisecond.
    times = [hit["_source"]["@timestamp"][: len("2026-11-24T01:26:54.647")] for hit in hits]
    assert sorted(times, reverse=sort[0][1] == "desc") == times


def test_searches_find_what_they_are_for(elasticsearch: ElasticsearchServer) -> None:
    """Dead letters are those that were given up, failures warn or fail, and the slow one was slow."""

    def found(name: str) -> list[dict[str, object]]:
        return elasticsearch.documents(INDEX, kql.translate(kibana.search_of(SEARCHES[name])[0]).dsl, 1_000)

    assert ["attempts_exhausted", POISON] == sorted(
        str(line["event.reason"]) for line in found("cartscope-dead-letters")
    )
    assert {"warning", "error"} == {line["log.level"] for line in found("cartscope-failures")}
    assert ("popularity", "slow") in {
        (line["cartscope.handler"], line["cartscope.cart.id"]) for line in found("cartscope-slow")
    }
    assert len(found("cartscope-event-story")) < elasticsearch.count(INDEX)


def test_one_story_is_told_whole(elasticsearch: ElasticsearchServer) -> None:
    """Narrowed to one event, the story goes from the API over the relay to every handler."""
    query, _, _ = kibana.search_of(SEARCHES["cartscope-event-story"])
    (first,) = elasticsearch.documents(
        INDEX, kql.translate('event.action: "event.accepted" and cartscope.cart.id: "broken"').dsl
    )
    narrowed = query.replace("*", f'"{first["cartscope.event.id"]}"')
    lines = elasticsearch.documents(INDEX, kql.translate(narrowed).dsl)
    actions = [line["event.action"] for line in sorted(lines, key=lambda line: str(line["@timestamp"]))]
    assert ["event.accepted", "event.published"] == actions[:2]
    assert {"event.handled", "event.retried", "event.dead_lettered"} == set(actions[2:])


@pytest.mark.parametrize("panel", CHARTS.values(), ids=CHARTS.keys())
def test_a_chart_has_values(elasticsearch: ElasticsearchServer, panel: kibana.Object) -> None:
    """The aggregation of a chart gives numbers other than nothing."""
    (layer,) = lens.layers(panel)
    body = {"size": 0, "query": kql.translate(lens.query(panel)).dsl, "aggs": lens.aggregations(layer)}
    answer = elasticsearch.ask("POST", f"{INDEX}/_search", body)
    assert lens.values(answer["aggregations"], layer), json.dumps(answer)[:500]


def test_errors_have_a_type(elasticsearch: ElasticsearchServer) -> None:
    """What handlers raised is told apart by its type."""
    (layer,) = lens.layers(CHARTS["errors"])
    body = {"size": 0, "aggs": lens.aggregations(layer)}
    buckets = elasticsearch.ask("POST", f"{INDEX}/_search", body)["aggregations"][layer["columnOrder"][0]]["buckets"]
    assert {"RuntimeError", "Reject"} == {bucket["key"] for bucket in buckets}


@pytest.mark.parametrize("name", ["cartscope.handler", "cartscope.event.type"])
def test_a_choice_has_values(elasticsearch: ElasticsearchServer, name: str) -> None:
    """The lists above the dashboard offer something to choose."""
    body = {"size": 0, "aggs": {"values": {"terms": {"field": name}}}}
    assert 1 < len(elasticsearch.ask("POST", f"{INDEX}/_search", body)["aggregations"]["values"]["buckets"])
