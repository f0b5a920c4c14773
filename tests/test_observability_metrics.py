"""The verbs that record, their bounds and their exemplars."""

import asyncio
import contextlib
import threading

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter

from cart_observability.families import LIMIT, OTHER, Family
from cart_observability.metrics import Metrics, watch_event_loop
from cart_observability.tracing import extract
from support.observability import SAMPLED, UNSAMPLED, exemplars_of, recording, sample
from support.polling import eventually


def test_each_process_counts_in_its_own_registry() -> None:
    """Two sets of metrics do not see each other."""
    one, other = CollectorRegistry(), CollectorRegistry()
    Metrics(one).event_accepted("cart.item_added")
    Metrics(other)
    assert sample(one, "cartscope_events_accepted_total", event_type="cart.item_added") == 1
    assert sample(other, "cartscope_events_accepted_total", event_type="cart.item_added") is None


def test_every_verb_has_its_series() -> None:
    """What a verb says is found under the name that dashboards rely on."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, "rabbitmq")
    client = {"messaging_system": "rabbitmq", "messaging_destination_name": "cart.events", "error_type": ""}
    metrics.event_repeated()
    metrics.command_rejected("AddItem", "checked_out")
    metrics.outbox_depth(3, 1.5)
    metrics.event_published("cart.item_added", "confirmed", 5)
    metrics.event_handled("threshold", "cart.item_added", "done")
    metrics.event_aged("threshold", 0.2)
    metrics.dead_lettered("threshold", "malformed")
    metrics.slots("threshold", 4)
    metrics.in_flight("threshold", 7)
    metrics.in_flight("threshold", -2)
    metrics.notification_sent()
    metrics.store_operation("redis", "execute", 0.001, 12)
    metrics.store_available(True)
    metrics.bus_connected("publisher", True)
    metrics.bus_blocked("publisher", False)
    metrics.bus_reconnected("publisher")
    metrics.waiters(2)
    metrics.overloaded()
    metrics.shards_held(8)
    metrics.queue_depth("cart.threshold", 11)
    metrics.telemetry_dropped("logs", 9)
    metrics.event_loop_lag(0.01)
    metrics.http_request("GET", "/carts/{cart}", 200, 0.01)
    metrics.client_operation("publish", "cart.events", 0.01)
    metrics.messages_sent("cart.events", 5)
    metrics.messages_consumed("threshold", 6)
    metrics.processed("threshold", "threshold", 0.0001, "ValueError")
    expected: list[tuple[float, str, dict[str, str]]] = [
        (1, "cartscope_commands_repeated_total", {}),
        (1, "cartscope_commands_rejected_total", {"command": "AddItem", "reason": "checked_out"}),
        (3, "cartscope_outbox_pending_events", {}),
        (1.5, "cartscope_outbox_oldest_event_age_seconds", {}),
        (5, "cartscope_events_published_total", {"event_type": "cart.item_added", "outcome": "confirmed"}),
        (
            1,
            "cartscope_events_handled_total",
            {"handler": "threshold", "event_type": "cart.item_added", "outcome": "done"},
        ),
        (1, "cartscope_event_age_seconds_count", {"handler": "threshold"}),
        (1, "cartscope_dead_letters_total", {"handler": "threshold", "reason": "malformed"}),
        (4, "cartscope_handler_slots", {"handler": "threshold"}),
        (5, "cartscope_handler_in_flight_events", {"handler": "threshold"}),
        (1, "cartscope_notifications_sent_total", {}),
        (1, "cartscope_store_operation_duration_seconds_count", {"store": "redis", "operation": "execute"}),
        (12, "cartscope_store_batch_items_sum", {"store": "redis", "operation": "execute"}),
        (1, "cartscope_store_available", {}),
        (1, "cartscope_bus_connected", {"connection": "publisher"}),
        (0, "cartscope_bus_blocked", {"connection": "publisher"}),
        (1, "cartscope_bus_reconnects_total", {"connection": "publisher"}),
        (2, "cartscope_api_waiters", {}),
        (1, "cartscope_api_overloads_total", {}),
        (8, "cartscope_relay_shards_held", {}),
        (11, "cartscope_queue_messages", {"queue": "cart.threshold"}),
        (9, "cartscope_telemetry_dropped_total", {"signal": "logs"}),
        (0, "cartscope_telemetry_dropped_total", {"signal": "traces"}),
        (0.01, "cartscope_event_loop_lag_seconds", {}),
        (
            1,
            "http_server_request_duration_seconds_count",
            {"http_request_method": "GET", "http_route": "/carts/{cart}", "http_response_status_code": "200"},
        ),
        (
            1,
            "messaging_client_operation_duration_seconds_count",
            {"messaging_operation_name": "publish", **client},
        ),
        (5, "messaging_client_sent_messages_total", {"messaging_operation_name": "publish", **client}),
        (
            6,
            "messaging_client_consumed_messages_total",
            {"messaging_operation_name": "receive", **client, "messaging_destination_name": "threshold"},
        ),
        (
            1,
            "messaging_process_duration_seconds_count",
            {
                "messaging_operation_name": "process",
                **client,
                "messaging_destination_name": "threshold",
                "error_type": "ValueError",
                "handler": "threshold",
            },
        ),
    ]
    assert expected == [(registry.get_sample_value(name, labels), name, labels) for _, name, labels in expected]


def test_what_was_never_measured_is_not_shown() -> None:
    """A service without a store, an outbox or an event loop shows no level of one; one that has it shows its 0."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    names = (
        "cartscope_outbox_pending_events",
        "cartscope_outbox_oldest_event_age_seconds",
        "cartscope_relay_shards_held",
        "cartscope_store_available",
        "cartscope_api_waiters",
        "cartscope_event_loop_lag_seconds",
    )
    assert [None] * len(names) == [sample(registry, name) for name in names]
    metrics.outbox_depth(0, 0.0)
    metrics.shards_held(0)
    metrics.store_available(False)
    metrics.waiters(0)
    metrics.event_loop_lag(0.0)
    assert [0] * len(names) == [sample(registry, name) for name in names]


def test_the_first_loss_of_a_connection_is_an_increase() -> None:
    """What can happen to a connection is shown at 0 from its opening on, and not reset when it opens again."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.bus_connected("publisher", True)
    names = ("cartscope_bus_blocked", "cartscope_bus_reconnects_total")
    assert [0, 0] == [sample(registry, name, connection="publisher") for name in names]
    metrics.bus_reconnected("publisher")
    metrics.bus_blocked("publisher", True)
    metrics.bus_connected("publisher", True)
    assert [1, 1] == [sample(registry, name, connection="publisher") for name in names]


def test_fast_handlers_are_told_apart() -> None:
    """T_process of 80 and of 800 microseconds fall into different buckets."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for seconds in (0.00008, 0.0008):
        metrics.processed("threshold", "threshold", seconds)
    buckets = {
        each.labels["le"]: each.value
        for metric in registry.collect()
        for each in metric.samples
        if each.name == "messaging_process_duration_seconds_bucket"
    }
    assert (0, 1, 2) == (buckets["5e-05"], buckets["0.0001"], buckets["0.001"])


def test_a_sender_does_not_decide_how_many_series_there_are() -> None:
    """Beyond the limit of distinct values, everything is counted together and nothing is lost."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for number in range(LIMIT + 1000):
        metrics.event_accepted(f"hostile.{number}")
    (family,) = [metric for metric in registry.collect() if metric.name == "cartscope_events_accepted"]
    totals = [each for each in family.samples if each.name.endswith("_total")]
    assert LIMIT + 1 == len(totals)
    assert sample(registry, "cartscope_events_accepted_total", event_type=OTHER) == 1000


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), max_size=60))
def test_a_bounded_family_counts_everything(values: list[tuple[str, str]]) -> None:
    """Whatever the label values, the sum over all children is the number of records, and the children are bounded."""
    registry = CollectorRegistry()
    family = Family(Counter("seen", "Seen.", ("a", "b"), registry=registry), labels=2, limit=3)
    for value in values:
        family.child(*value).inc()
    (metric,) = registry.collect()
    totals = [each.value for each in metric.samples if each.name == "seen_total"]
    assert len(values) == sum(totals)
    assert len(totals) <= 4 * 4


def test_an_exemplar_leads_from_a_count_to_a_sampled_trace() -> None:
    """A record under a sampled span carries its ids, one under a span that is not sampled carries none."""
    telemetry, _ = recording()
    with telemetry.tracer.start_as_current_span("request") as span:
        telemetry.metrics.event_accepted("cart.item_added")
    telemetry.metrics.event_accepted("cart.checked_out", span_context=extract(UNSAMPLED))
    context = span.get_span_context()
    ids = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
    assert [ids] == exemplars_of(telemetry.registry, "cartscope_events_accepted_total")


def test_the_span_context_that_is_given_wins() -> None:
    """A record about a message carries that message's exemplar, whatever span is current."""
    telemetry, _ = recording()
    with telemetry.tracer.start_as_current_span("batch"):
        telemetry.metrics.event_aged("threshold", 0.1, span_context=extract(SAMPLED))
    expected = [{"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"}]
    assert expected == exemplars_of(telemetry.registry, "cartscope_event_age_seconds_bucket")


def test_an_invented_http_method_is_no_label() -> None:
    """A method that HTTP does not know is counted as `_OTHER`."""
    registry = CollectorRegistry()
    Metrics(registry).http_request("BREW", "/pot", 418, 0.1)
    labels = {"http_request_method": "_OTHER", "http_route": "/pot", "http_response_status_code": "418"}
    assert sample(registry, "http_server_request_duration_seconds_count", **labels) == 1


async def test_a_stalled_event_loop_is_seen() -> None:
    """A callback that holds the loop shows as lag, and is still shown some samples later."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    watch = asyncio.create_task(watch_event_loop(metrics, interval=0.005, window=1000))

    def lag() -> float:
        return sample(registry, "cartscope_event_loop_lag_seconds") or 0.0

    await eventually(lambda: lag() > 0)
    asyncio.get_running_loop().call_soon(threading.Event().wait, 0.2)
    await eventually(lambda: lag() > 0.1)
    watch.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watch
