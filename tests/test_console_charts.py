"""The console's charts and live figures, of a chain whose every rate is known."""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from cart_observability.console.charts import charts
from cart_observability.console.charts.charts import CHARTS, UnknownChart
from cart_observability.console.metrics.samples import steps
from support import metered_chain
from support.console_metrics import SECOND, T0, Process, at, counter, gauge, histogram, metrics_file, together

WANTED = {
    "arrival_rate",
    "throughput",
    "process_time",
    "process_time_by_handler",
    "event_age",
    "backlog",
    "failures",
    "duplicates",
    "http_rate",
    "http_time",
    "publish_time",
    "loop_lag",
    "telemetry_dropped",
}


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    """A file in which the chain was recorded for a minute."""
    with metrics_file() as connection:
        metered_chain.run(connection)
        yield connection


def drawn(connection: sqlite3.Connection, name: str, handler: str | None = None) -> dict[str, list[float | None]]:
    """The lines of a chart of that minute."""
    found = charts.draw(connection, name, T0, at(60), 6, handler)
    assert all(len(line["values"]) == len(found["times"]) for line in found["series"])
    return {line["label"]: line["values"] for line in found["series"]}


def at_the_end(connection: sqlite3.Connection, name: str, handler: str | None = None) -> dict[str, float | None]:
    """What the lines of a chart come to."""
    return {label: values[-1] for label, values in drawn(connection, name, handler).items()}


def test_which_charts_there_are() -> None:
    """Each chart has a name of its own, a unit and a group that the page knows, and a sentence about it."""
    assert WANTED <= CHARTS.keys()
    assert {"chain", "handlers", "bus", "process"} == {chart.group for chart in CHARTS.values()}
    assert {chart.unit for chart in CHARTS.values()} <= {"per_second", "seconds", "count", "share", "bytes"}
    assert all(chart.about.endswith(".") for chart in CHARTS.values())


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_can_be_drawn(name: str) -> None:
    """A chart whose metrics nobody ever showed has no lines, and is JSON."""
    with metrics_file() as empty:
        assert [] == json.loads(json.dumps(charts.draw(empty, name, T0, at(3600), 300)))["series"]


def test_rates(connection: sqlite3.Connection) -> None:
    """What is accepted, done, retried and answered in a second is what the chain did."""
    assert {"λ": 10} == at_the_end(connection, "arrival_rate")
    assert {"threshold": 10, "popularity": 9, "notification": 1} == at_the_end(connection, "throughput")
    failures = at_the_end(connection, "failures")
    assert (1, 0, 6) == (failures["popularity retried"], failures["popularity dead_lettered"], len(failures))
    assert {"/carts/{cart}/items": 10} == at_the_end(connection, "http_rate")
    assert {"logs": 0} == at_the_end(connection, "telemetry_dropped")
    assert {0} == set(at_the_end(connection, "duplicates").values())


def test_times(connection: sqlite3.Connection) -> None:
    """Quantiles lie in the bucket that all observations fell into, for all handlers together and for each."""
    assert {"p50": 0.055, "p95": 0.0955, "p99": 0.0991} == pytest.approx(at_the_end(connection, "process_time"))
    by_handler = at_the_end(connection, "process_time_by_handler")
    assert dict.fromkeys(("threshold", "popularity", "notification"), 0.0991) == pytest.approx(by_handler)
    assert 0.991 == pytest.approx(at_the_end(connection, "event_age")["threshold"])
    assert {"threshold": 0.25, "popularity": 0.25, "notification": 0.025} == pytest.approx(
        at_the_end(connection, "utilisation")
    )


def test_backlog(connection: sqlite3.Connection) -> None:
    """The outbox counts once, however many see it, and each queue has a line."""
    backlog = at_the_end(connection, "backlog")
    assert {"outbox": 4, "cart.threshold": 2, "cart.popularity": 58, "cart.notification": 0} == backlog
    assert {"api": 0.002} == at_the_end(connection, "loop_lag")


def test_incoming_where_no_store_counts() -> None:
    """What comes in is what those send that handle nothing: what follows from it is no part of it."""
    with metrics_file() as connection:
        metered_chain.lending(connection)
        assert {"λ": 10} == pytest.approx(at_the_end(connection, "arrival_rate"), rel=0.01)
        assert 10 == pytest.approx(charts.figures(connection, at(60))["arrival_rate"], rel=0.01)


def test_failures_of_which_only_the_error_is_known() -> None:
    """A failure is drawn by its outcome, `failed` too; of a handler that tells of no outcome by its kind of error."""
    with metrics_file() as connection:
        lender, fetcher = Process(connection, "lender"), Process(connection, "fetcher")
        for now in range(0, 61, 2):
            process = "messaging_process_duration_seconds"
            lender.scraped(
                now,
                counter("cartscope_events_handled_total", 2 * now, handler="lender", outcome="failed"),
                histogram(process, (0.1,), [0.05] * 2 * now, handler="lender", error_type="CardExpired"),
            )
            fetcher.scraped(
                now,
                *together(
                    histogram(process, (0.1,), [0.05] * 3 * now, handler="fetcher", error_type=""),
                    histogram(process, (0.1,), [0.05] * now, handler="fetcher", error_type="Lost"),
                ),
            )
        both = {"lender failed": 2, "fetcher Lost": 1}
        assert both == pytest.approx(at_the_end(connection, "failures"), rel=0.01)
        assert ["lender failed"] == list(drawn(connection, "failures", "lender"))
        assert ["fetcher Lost"] == list(drawn(connection, "failures", "fetcher"))
        assert 2 == pytest.approx(charts.figures(connection, at(60))["errors"], rel=0.01)


def test_charts_say_nothing_of_a_shop() -> None:
    """The charts are of any service's events: none takes for granted that they go through an outbox."""
    assert not [name for name, chart in CHARTS.items() if "outbox" in f"{chart.title} {chart.about}"]


def test_one_handler(connection: sqlite3.Connection) -> None:
    """A chart of one handler has its lines alone; what is not told apart by handler stays as it is."""
    assert {"threshold": 10} == at_the_end(connection, "throughput", "threshold")
    assert {"p50", "p95", "p99"} == at_the_end(connection, "process_time", "threshold").keys()
    assert {} == at_the_end(connection, "process_time", "nobody")
    assert {"λ": 10} == at_the_end(connection, "arrival_rate", "threshold")


def test_exemplars(connection: sqlite3.Connection) -> None:
    """A chart of times has points that lead to traces, those of the handler that is asked about."""
    found = charts.draw(connection, "process_time", T0, at(60), 300, "threshold")["exemplars"]
    assert len(found) > 20
    assert {("threshold", 0.05, metered_chain.TRACE)} == {(e["label"], e["value"], e["trace_id"]) for e in found}
    assert all(T0 / 1e6 <= each["time"] < at(60) / 1e6 for each in found)


@pytest.mark.parametrize("hours", [0.01, 0.25, 1, 6, 24, 24 * 90])
@pytest.mark.parametrize("points", [2, 60, 300])
def test_steps(hours: float, points: int) -> None:
    """A range is drawn in no more points than asked for, which cover it to its end."""
    end = T0 + round(hours * 3600 * SECOND) + 12_345
    over = steps(T0 + 777, end, points)
    assert over.points <= points
    assert over.start <= T0 + 777
    assert over.end >= end
    ends = over.ends(end)
    assert (over.points, end) == (len(ends), ends[-1])


def test_unknown_chart(connection: sqlite3.Connection) -> None:
    """A chart or a statistic that there is not is said to be none, with those that there are."""
    with pytest.raises(UnknownChart, match="arrival_rate"):
        charts.draw(connection, "nonsense", T0, at(60), 300)
    with pytest.raises(UnknownChart, match="p99"):
        charts.series(connection, "cartscope_events_accepted_total", "p17", (), {}, T0, at(60), 300)


@pytest.mark.parametrize(
    ("metric", "statistic", "unit", "expected"),
    [
        (
            "cartscope_events_handled_total",
            "rate",
            "per_second",
            {"threshold": 10, "popularity": 10, "notification": 1},
        ),
        ("cartscope_handler_slots", "value", "count", {"threshold": 2, "popularity": 2, "notification": 2}),
        (
            "messaging_process_duration_seconds",
            "mean",
            "seconds",
            dict.fromkeys(("threshold", "popularity", "notification"), 0.05),
        ),
        (
            "messaging_process_duration_seconds",
            "p50",
            "seconds",
            dict.fromkeys(("threshold", "popularity", "notification"), 0.055),
        ),
    ],
)
def test_any_metric(
    connection: sqlite3.Connection, metric: str, statistic: str, unit: str, expected: dict[str, float]
) -> None:
    """Any metric can be drawn, by any of its labels."""
    found = charts.series(connection, metric, statistic, ("handler",), {}, T0, at(60), 6)
    assert unit == found["unit"]
    assert expected == pytest.approx({line["label"]: line["values"][-1] for line in found["series"]})
    one = charts.series(connection, metric, statistic, ("handler",), {"handler": ["threshold"]}, T0, at(60), 6)
    assert ["threshold"] == [line["label"] for line in one["series"]]


def test_known_metrics(connection: sqlite3.Connection) -> None:
    """Each metric is listed by the name that it is asked for by, with kind, meaning and labels."""
    found = {metric["name"]: metric for metric in charts.known(connection)}
    assert {
        "name": "cartscope_events_accepted_total",
        "kind": "counter",
        "about": "What cartscope_events_accepted_total counts.",
        "labels": ["event_type"],
    } == found["cartscope_events_accepted_total"]
    histogram = found["messaging_process_duration_seconds"]
    assert ("histogram", ["handler", "messaging_destination_name"]) == (histogram["kind"], histogram["labels"])
    assert "gauge" == found["up"]["kind"]


def figures(connection: sqlite3.Connection) -> dict[str, Any]:
    """The figures at the end of the minute, as JSON has them."""
    found: dict[str, Any] = json.loads(json.dumps(charts.figures(connection, at(61))))
    return found


def test_live_figures(connection: sqlite3.Connection) -> None:
    """The figures of the last seconds are what the chain did; finished is what the slowest handler has finished."""
    found = figures(connection)
    handlers = found.pop("handlers")
    assert {
        "arrival_rate": 10,
        "throughput": 10,
        "backlog": 66,
        "oldest_age_s": 0.25,
        "errors": 1,
        "dead_letters": 3,
    } == found
    assert ["notification", "popularity", "threshold"] == list(handlers)
    assert {
        "rate": 9,
        "p50": 0.055,
        "p95": 0.0955,
        "p99": 0.0991,
        "age_p99": 0.991,
        "in_flight": 1,
        "slots": 2,
        "errors": 1,
    } == pytest.approx(handlers["popularity"])


def test_figures_of_nothing() -> None:
    """Where nothing is known, figures are unknown, not zero."""
    with metrics_file() as empty:
        found = figures(empty)
    assert ({}, {None}) == (found.pop("handlers"), set(found.values()))


def test_no_dead_letters() -> None:
    """Where handlers tell what they did, and gave nothing up, there are no dead letters."""
    with metrics_file() as connection:
        worker = Process(connection)
        for now in (0, 2):
            worker.scraped(now, counter("cartscope_events_handled_total", 0, handler="a", outcome="dead_lettered"))
        assert 0 == figures(connection)["dead_letters"]


def test_figures_of_another_service() -> None:
    """A service that counts messages alone has a rate of arrivals, and queues that only its broker tells of."""
    with metrics_file() as connection:
        service, broker = Process(connection, "parcels"), Process(connection, "rabbitmq")
        for now in range(0, 61, 15):
            service.scraped(now, counter("messaging_client_sent_messages_total", 5 * now))
            queues = {"parcels": 7, "parcels.retry.1000ms": 2, "parcels.dead": 90}
            broker.scraped(now, *(gauge("rabbitmq_detailed_queue_messages", n, queue=q) for q, n in queues.items()))
        found = figures(connection)
        backlog = charts.draw(connection, "backlog", T0, at(61), 6)
    assert (5, 9) == (found["arrival_rate"], found["backlog"])
    assert queues == {line["label"]: line["values"][-1] for line in backlog["series"]}
