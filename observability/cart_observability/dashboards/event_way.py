"""The way of an event: the home dashboard, in the order in which an event goes."""

from typing import Final

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from cart_observability.dashboards import links, panels
from cart_observability.dashboards.page import Section, page
from cart_observability.dashboards.queries import buckets, now, over_time
from cart_observability.dashboards.style import (
    BAD,
    BY_OUTCOME,
    BY_PUBLISH_OUTCOME,
    BY_QUANTILE,
    COUNT,
    DELAYED,
    EVENTS_PER_SECOND,
    GOOD,
    SECONDS,
    steps,
)

_WORDS: Final = """\
A shopper's command puts an **event** into the store → the **outbox** holds it → the **relay** publishes it → the
**bus** puts it into a **queue** for each handler → a **handler** works on it → its **effect** is committed.

*E* events in *T* seconds: **λ = E/T** come in. Each takes a handler **T_process = f(E)**, a time that depends on the
load. **Throughput = E/T** of those finished come out. While throughput follows λ, nothing waits.
"""

_ACCEPTED: Final = 'event_type:cartscope_events_accepted:rate1m{event_type=~"$event_type"}'
_WORKED: Final = 'messaging_process_duration_seconds_bucket{handler=~"$handler"}[$__rate_interval]'
_WAITING: Final = 'handler_queue_role:rabbitmq_queue_messages:sum{handler=~"$handler", queue_role="work"}'
_AGE: Final = 'cartscope_event_age_seconds_bucket{handler=~"$handler"}[$__rate_interval]'


def build() -> Dashboard:
    """The dashboard."""
    return page(
        "event-way",
        "The way of an event",
        "From a shopper's command to the committed effect, in the order in which an event goes: how many come, where "
        "they wait, how long the work on them takes, and what comes out.",
        [
            Section(
                "At this moment, from left to right", [panels.text("How to read this", _WORDS).height(4), *_tiles()]
            ),
            Section("In: λ = E/T, the outbox, the bus and its queues", [*_in()]),
            Section("Work: T_process = f(E)", [*_work()]),
            Section("Out: Throughput = E/T, the age of events, and what went wrong", [*_out()]),
        ],
    )


def _tiles() -> list[Builder[Panel]]:
    seconds = steps(GOOD, (1, DELAYED), (2, BAD))
    tiles = [
        panels.stat(
            "λ = E/T",
            "Event rate: events that the store accepted, per second.",
            EVENTS_PER_SECOND,
            over_time(f"sum({_ACCEPTED})"),
        ).links([links.to_dashboard("api", "API")]),
        panels.stat(
            "Outbox",
            "Events that are committed and not yet on the bus. More than a moment's worth: the relay does not keep up.",
            COUNT,
            over_time("cartscope:cartscope_outbox_pending_events:max"),
        ).links([links.to_dashboard("bus-and-relay", "Bus and relay"), links.to_runbook("RelayStopped")]),
        panels.stat(
            "Oldest in the outbox",
            "How long the oldest event there has waited for the relay.",
            SECONDS,
            over_time("cartscope:cartscope_outbox_oldest_event_age_seconds:max"),
            thresholds=seconds,
        ).links([links.to_runbook("OutboxEventTooOld")]),
        panels.stat(
            "In queues",
            "Events on the bus that no handler has finished yet; RabbitMQ tells every 15 s.",
            COUNT,
            over_time(f"sum({_WAITING})"),
        ).links([links.to_dashboard("capacity", "Capacity"), links.to_runbook("BacklogGrowing")]),
        panels.stat(
            "T_process, p99",
            "Processing time: 99 of 100 events take a handler no longer than this.",
            SECONDS,
            over_time(f"histogram_quantile(0.99, sum by (le) (rate({_WORKED})))"),
            thresholds=steps(GOOD, (0.1, DELAYED), (1, BAD)),
        ).links([links.to_dashboard("handlers", "Handlers")]),
        panels.stat(
            "Throughput = E/T",
            "Events that handlers finished, per second; an event counts once for each handler that reacts to it, so "
            "with two handlers this is twice λ.",
            EVENTS_PER_SECOND,
            over_time('sum(handler_outcome:cartscope_events_handled:rate1m{handler=~"$handler", outcome="done"})'),
        ).links([links.to_dashboard("handlers", "Handlers")]),
        panels.stat(
            "Event age, p99",
            "From the event's own time to the commit of its effect: 99 of 100 events have theirs within this. The "
            "objective is 2 s.",
            SECONDS,
            over_time('max(handler:cartscope_event_age_seconds:p99_1m{handler=~"$handler"})'),
            thresholds=seconds,
        ).links([links.to_dashboard("objectives", "Objectives")]),
        panels.stat(
            "Dead letters",
            "Messages that were given up, and wait to be looked at and replayed.",
            COUNT,
            now(
                'sum(handler_queue_role:rabbitmq_queue_messages:sum{handler=~"$handler", queue_role="dead"})',
            ),
            thresholds=steps(GOOD, (1, BAD)),
        ).links([links.to_runbook("DeadLetters")]),
    ]
    return [tile.span(3) for tile in tiles]


def _in() -> list[Builder[Panel]]:
    graphs = [
        panels.time_series(
            "λ = E/T, by type",
            "Events that the store accepted, per second, averaged over a minute. What handlers emit themselves does "
            "not come in here, but goes through the outbox too.",
            EVENTS_PER_SECOND,
            over_time(_ACCEPTED, "{{event_type}}"),
            stacked=True,
        ),
        panels.time_series(
            "Outbox: waiting for the relay",
            "Events committed and not yet sent.",
            COUNT,
            over_time("cartscope:cartscope_outbox_pending_events:max", "events"),
        ),
        panels.time_series(
            "Bus: published, by outcome",
            "What the bus said of each event: confirmed is safe; unroutable and unknown are published again.",
            EVENTS_PER_SECOND,
            over_time(
                'sum by (outcome) (rate(cartscope_events_published_total{event_type=~"$event_type"}'
                "[$__rate_interval]))",
                "{{outcome}}",
            ),
            colours=BY_PUBLISH_OUTCOME,
            stacked=True,
        ),
        panels.time_series(
            "Queues: waiting for a handler",
            "Events in each handler's queue, those in work included.",
            COUNT,
            over_time(_WAITING, "{{handler}}"),
        ),
    ]
    return [graph.span(6) for graph in graphs]


def _work() -> list[Builder[Panel]]:
    quantiles = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return [
        panels.time_series(
            "T_process",
            "How long the work on one event takes: half of them take no longer than p50, 99 of 100 no longer than p99. "
            "All chosen handlers together.",
            SECONDS,
            *(
                over_time(f"histogram_quantile({share}, sum by (le) (rate({_WORKED})))", name)
                for name, share in quantiles.items()
            ),
            colours=BY_QUANTILE,
        ).span(12),
        panels.heatmap(
            "T_process, all of it",
            "How many events took how long. Each dot is one event: a click leads to its trace.",
            SECONDS,
            buckets(f"sum by (le) (rate({_WORKED}))"),
        ),
    ]


def _out() -> list[Builder[Panel]]:
    return [
        panels.time_series(
            "Throughput = E/T, by handler",
            "Events that each handler finished, per second.",
            EVENTS_PER_SECOND,
            over_time(
                'sum by (handler) (rate(cartscope_events_handled_total{handler=~"$handler", event_type=~"$event_type", '
                'outcome="done"}[$__rate_interval]))',
                "{{handler}}",
            ),
        ),
        panels.time_series(
            "Event age, p99",
            "From the event's own time to the commit of its effect, with all waiting in outbox and queues.",
            SECONDS,
            over_time(f"histogram_quantile(0.99, sum by (handler, le) (rate({_AGE})))", "{{handler}}", exemplars=True),
        ),
        panels.time_series(
            "Duplicates, retries, dead letters",
            "Deliveries that did not simply end in an effect: dropped because it stood already, tried again after a "
            "delay, or given up.",
            EVENTS_PER_SECOND,
            over_time(
                'sum by (outcome) (rate(cartscope_events_handled_total{handler=~"$handler", '
                'event_type=~"$event_type", outcome!="done"}[$__rate_interval]))',
                "{{outcome}}",
            ),
            colours=BY_OUTCOME,
        ).links([links.to_dashboard("handlers", "Handlers"), links.to_runbook("RetriesRising")]),
    ]
