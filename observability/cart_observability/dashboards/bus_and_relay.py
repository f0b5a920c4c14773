"""Bus and relay: from the outbox through RabbitMQ to the queues, as the relay and as the broker tell it."""

from typing import Final

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from cart_observability.dashboards import links, panels
from cart_observability.dashboards.lines import dashed
from cart_observability.dashboards.page import Section, page
from cart_observability.dashboards.queries import SLOWLY, over_time
from cart_observability.dashboards.style import (
    BAD,
    BY_PUBLISH_OUTCOME,
    BY_QUANTILE,
    BY_QUEUE_ROLE,
    BYTES,
    COUNT,
    DELAYED,
    EVENTS_PER_SECOND,
    GOOD,
    MESSAGES_PER_SECOND,
    PER_SECOND,
    SECONDS,
    steps,
)

_I: Final = "[$__rate_interval]"
_PUBLISHED: Final = f'sum by (outcome) (rate(cartscope_events_published_total{{event_type=~"$event_type"}}{_I}))'
_LATENCY: Final = (
    "sum by (le) (rate(messaging_client_operation_duration_seconds_bucket"
    f'{{messaging_operation_name="publish", messaging_destination_name="cart.events"}}{_I}))'
)
_QUEUE: Final = '{handler=~"$handler", queue_role="work"}'
# Which alarms there are depends on RabbitMQ's version.
_ALARM: Final = '{__name__=~"rabbitmq_alarms_.+"}'
_NO_OR_YES: Final = ((0, "no", GOOD), (1, "yes", BAD))
_YES_OR_NO: Final = ((1, "open", GOOD), (0, "closed", BAD))


def build() -> Dashboard:
    """The dashboard."""
    return page(
        "bus-and-relay",
        "Bus and relay",
        "Does all that is committed get onto the bus, confirmed, and from there to the handlers? What the relay says "
        "is beside what RabbitMQ itself says.",
        [
            Section("At this moment", [*_tiles()]),
            Section("Relay: from the outbox to the bus", [*_relay()]),
            Section("Queues, as RabbitMQ tells it every 15 s", [*_queues()]),
            Section("Connections of our processes", [*_connections()], closed=True),
            Section("RabbitMQ itself", [*_broker()], closed=True),
        ],
    )


def _tiles() -> list[Builder[Panel]]:
    return [
        panels.stat(
            "Confirmed",
            "Events that the bus confirmed, per second.",
            EVENTS_PER_SECOND,
            over_time('sum(outcome:cartscope_events_published:rate1m{outcome="confirmed"})'),
        ),
        panels.stat(
            "Not confirmed",
            "Events, per second, that the bus could not route or whose confirm never came. They are published again.",
            EVENTS_PER_SECOND,
            over_time('sum(outcome:cartscope_events_published:rate1m{outcome!="confirmed"}) or vector(0)'),
            thresholds=steps(GOOD, (0.001, BAD)),
        ).links([links.to_runbook("PublishUnconfirmed"), links.to_runbook("PublishUnroutable")]),
        panels.stat(
            "Relay lag",
            "How long the oldest event in the outbox has waited.",
            SECONDS,
            over_time("cartscope:cartscope_outbox_oldest_event_age_seconds:max"),
            thresholds=steps(GOOD, (1, DELAYED), (2, BAD)),
        ).links([links.to_runbook("OutboxEventTooOld"), links.to_runbook("RelayStopped")]),
        panels.stat(
            "Blocked connections",
            "Connections of ours from which the broker refuses to read, because it is short of memory or disk.",
            COUNT,
            over_time("sum(cartscope_bus_blocked) or vector(0)"),
            thresholds=steps(GOOD, (1, BAD)),
        ).links([links.to_runbook("BrokerBlocked")]),
        panels.stat(
            "Broker alarms",
            "Alarms of RabbitMQ that are on, of memory or disk for instance. With one on, nobody can publish.",
            COUNT,
            over_time(f"sum({_ALARM})", every=SLOWLY),
            thresholds=steps(GOOD, (1, BAD)),
        ).links([links.to_runbook("BrokerAlarm")]),
        panels.stat(
            "RabbitMQ scraped",
            "How many of its two sets of metrics Prometheus gets: that of the broker and that of its queues.",
            COUNT,
            over_time('sum(up{job=~"rabbitmq|rabbitmq-queues"})', every=SLOWLY),
            thresholds=steps(BAD, (2, GOOD)),
        ).links([links.to_runbook("BrokerDown")]),
    ]


def _relay() -> list[Builder[Panel]]:
    graphs = [
        panels.time_series(
            "Published, by outcome",
            "confirmed: the bus has it. unroutable: no queue takes it. unknown: the confirm never came; it is "
            "published again under the same id.",
            EVENTS_PER_SECOND,
            over_time(_PUBLISHED, "{{outcome}}"),
            colours=BY_PUBLISH_OUTCOME,
            stacked=True,
        ).links([links.to_runbook("PublishUnconfirmed"), links.to_runbook("PublishUnroutable")]),
        panels.time_series(
            "Publish latency",
            "From the write to the broker to its confirm, for a batch of events.",
            SECONDS,
            over_time(f"histogram_quantile(0.5, {_LATENCY})", "p50"),
            over_time(f"histogram_quantile(0.99, {_LATENCY})", "p99", exemplars=True),
            colours=BY_QUANTILE,
        ),
        panels.time_series(
            "Outbox: waiting for the relay",
            "Events committed and not yet sent.",
            COUNT,
            over_time("cartscope:cartscope_outbox_pending_events:max", "events"),
        ).links([links.to_runbook("RelayStopped")]),
        panels.time_series(
            "Shards held, by relay",
            "The outbox is split into shards; each is published by one relay at a time, so their sum is constant.",
            COUNT,
            over_time("sum by (instance) (cartscope_relay_shards_held) > 0", "{{instance}}"),
            stacked=True,
        ),
    ]
    return [graph.span(6) for graph in graphs]


def _queues() -> list[Builder[Panel]]:
    return [
        panels.time_series(
            "Ready",
            "Events in each handler's queue that no worker has been given yet.",
            COUNT,
            over_time(
                f"sum by (handler) (rabbitmq_detailed_queue_messages_ready{_QUEUE})", "{{handler}}", every=SLOWLY
            ),
        ).links([links.to_runbook("BacklogGrowing")]),
        panels.time_series(
            "Unacked",
            "Events that a worker was given and has not acked yet.",
            COUNT,
            over_time(
                f"sum by (handler) (rabbitmq_detailed_queue_messages_unacked{_QUEUE})", "{{handler}}", every=SLOWLY
            ),
        ),
        panels.time_series(
            "Consumers",
            "Workers that take from each handler's queue. None: nobody does.",
            COUNT,
            over_time('handler:rabbitmq_queue_consumers:sum{handler=~"$handler"}', "{{handler}}", every=SLOWLY),
        ).links([links.to_runbook("HandlerWithoutConsumer")]),
        panels.time_series(
            "Redeliveries",
            "Messages given to a worker again: the one before died, or lost its connection, before it acked them.",
            MESSAGES_PER_SECOND,
            over_time(f"sum(rate(rabbitmq_global_messages_redelivered_total{_I}))", "redelivered", every=SLOWLY),
        ).links([links.to_runbook("DuplicatesUnusual")]),
        panels.time_series(
            "Waiting for another attempt, and given up",
            "Messages that wait for their next attempt (retry), and those put aside for good (dead).",
            COUNT,
            over_time(
                "sum by (queue_role) (handler_queue_role:rabbitmq_queue_messages:sum"
                '{handler=~"$handler", queue_role=~"retry|dead"})',
                "{{queue_role}}",
                every=SLOWLY,
            ),
            colours=BY_QUEUE_ROLE,
        ).links([links.to_runbook("DeadLetters"), links.to_runbook("RetriesRising")]),
        panels.time_series(
            "Connection churn",
            "Connections opened and closed at RabbitMQ, per second. At rest it is zero.",
            PER_SECOND,
            over_time(f"sum(rate(rabbitmq_connections_opened_total{_I}))", "opened", every=SLOWLY),
            over_time(f"sum(rate(rabbitmq_connections_closed_total{_I}))", "closed", every=SLOWLY),
            colours={"opened": GOOD, "closed": DELAYED},
        ),
    ]


def _connections() -> list[Builder[Panel]]:
    return [
        panels.states(
            "Open",
            "Whether each process has its connection to the bus.",
            over_time("min by (process, connection) (cartscope_bus_connected)", "{{process}} {{connection}}"),
            words=_YES_OR_NO,
        ).span(8),
        panels.states(
            "Blocked",
            "Whether the broker refuses to read from it.",
            over_time("max by (process, connection) (cartscope_bus_blocked)", "{{process}} {{connection}}"),
            words=_NO_OR_YES,
        ).span(8),
        panels.time_series(
            "Reconnects",
            "Connections that were opened again after a loss, per second.",
            PER_SECOND,
            over_time(
                f"sum by (process, connection) (rate(cartscope_bus_reconnects_total{_I}))", "{{process}} {{connection}}"
            ),
        ).height(6),
    ]


def _broker() -> list[Builder[Panel]]:
    def against(title: str, description: str, used: str, limit: str) -> Builder[Panel]:
        """A size of the broker, and dashed the limit at which its alarm goes on."""
        queries = (over_time(f"max({used})", "now", every=SLOWLY), over_time(f"max({limit})", "limit", every=SLOWLY))
        return dashed(panels.time_series(title, description, BYTES, *queries), "limit").links(
            [links.to_runbook("BrokerAlarm")]
        )

    return [
        against(
            "Memory",
            "What RabbitMQ uses; above the dashed limit its alarm goes on and nobody can publish.",
            "rabbitmq_process_resident_memory_bytes",
            "rabbitmq_resident_memory_limit_bytes",
        ),
        against(
            "Free disk",
            "Below the dashed limit its alarm goes on and nobody can publish.",
            "rabbitmq_disk_space_available_bytes",
            "rabbitmq_disk_space_available_limit_bytes",
        ),
        panels.states(
            "Alarms",
            "Which alarm was on, and when.",
            over_time(
                f'max by (alarm) (label_replace({_ALARM}, "alarm", "$1", "__name__", "rabbitmq_alarms_(.+)"))',
                "{{alarm}}",
                every=SLOWLY,
            ),
            words=_NO_OR_YES,
        )
        .span(8)
        .height(8),
        panels.time_series(
            "Messages: from publishers, to workers",
            "RabbitMQ's own count: what it took from publishers, confirmed to them, and gave to consumers.",
            MESSAGES_PER_SECOND,
            *(
                over_time(f"sum(rate(rabbitmq_global_messages_{name}_total{_I}))", name, every=SLOWLY)
                for name in ("received", "confirmed", "delivered")
            ),
        ).span(12),
        panels.time_series(
            "Unroutable, as RabbitMQ counts them",
            "Messages for which no queue was bound: returned to the publisher, who told so, or dropped unseen.",
            MESSAGES_PER_SECOND,
            *(
                over_time(f"sum(rate(rabbitmq_global_messages_unroutable_{name}_total{_I}))", name, every=SLOWLY)
                for name in ("returned", "dropped")
            ),
            colours={"returned": DELAYED, "dropped": BAD},
        ).span(12),
    ]
