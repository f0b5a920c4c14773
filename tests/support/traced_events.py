"""Traces of events as a chain's processes make them, without a chain."""

import time

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from cart_observability.tracing import NO_TRACE, ThriftyTracer, tracer_for
from support.observability import Spans

SERVICES = ("cartscope-api", "cartscope-relay", "cartscope-worker-threshold", "cartscope-worker-popularity")


class Tracers:
    """The tracers of a chain's processes, whose finished spans can be taken away."""

    def __init__(self) -> None:
        self._spans = Spans()
        self._tracers = {name: tracer_for(name, self._spans.processor) for name in SERVICES}
        self._taken = 0

    def __getitem__(self, service: str) -> ThriftyTracer:
        return self._tracers[service]

    def finished(self) -> list[ReadableSpan]:
        """The spans that finished since this was asked last."""
        spans = list(self._spans.all[self._taken :])
        self._taken += len(spans)
        return spans


def event(
    tracers: Tracers,
    request_name: str = "POST /carts/{cart}/items",
    *,
    lasts: float = 0.01,
    attempt: int = 1,
    outcome: str = "done",
    failed: bool = False,
) -> str:
    """Trace one event from its request to two handlers, the first of which may fail; gives the id of the trace.

    Seven spans: two of the API, one of the relay, two of each handler.
    """
    api = tracers["cartscope-api"]
    ended = time.time_ns()
    began = ended - int(lasts * 1e9)
    request = api.child(request_name, NO_TRACE, kind=SpanKind.SERVER, start_time=began)
    create = api.child("create cart.item_added", request.get_span_context(), kind=SpanKind.PRODUCER, start_time=began)
    create.end(began)
    request.end(began)
    broker = {"messaging.system": "rabbitmq"}
    made = create.get_span_context()
    tracers["cartscope-relay"].record(
        "publish cart.events", made, (began, ended), kind=SpanKind.CLIENT, attributes=broker
    )
    for handler in ("threshold", "popularity"):
        worker = tracers[f"cartscope-worker-{handler}"]
        process = worker.child(f"process cart.{handler}", made, kind=SpanKind.CONSUMER, start_time=ended)
        worker.record(f"commit {handler}", process.get_span_context(), (ended, ended))
        first = handler == "threshold"
        process.set_attribute("cartscope.attempt", attempt if first else 1)
        process.set_attribute("cartscope.outcome", outcome if first else "done")
        if failed and first:
            process.set_status(StatusCode.ERROR, "ValueError: no")
        process.end(ended)
    return f"{made.trace_id:x}"
