"""The same for any client of any broker: a message is what that hands over, its `settle` tells the broker."""

from time import perf_counter, time_ns

from cart_observability.messaging import Messaging

ATTEMPTS = 3
TOLD = {
    "done": ("ack", "event.handled"),
    "retried": ("retry", "event.retried"),
    "dead_lettered": ("dead_letter", "event.dead_lettered"),
}


class Packer:
    """Packs what messages name."""

    def __init__(self, telemetry, pack):
        self.telemetry, self.pack = telemetry, pack
        self.messaging = Messaging(telemetry)
        telemetry.metrics.slots("packer", 1)

    def deliver(self, message):
        """Called with each message."""
        with self.messaging.receiving("parcels", [message.headers]):
            processing = self.messaging.processing(
                "packer", "parcels", "parcel.sent", message.headers, message.id, message.attempt, exchange="parcels"
            )
        processing.event(message.id, "parcel.sent", source="/parcels", subject=message.id)
        started = perf_counter()
        with processing.active():
            outcome = self._outcome(message, processing)
            self._settle(message, processing, outcome)
        seconds = perf_counter() - started
        processing.end(outcome, "parcel.sent", seconds)
        fields = {"event.action": TOLD[outcome][1], "cartscope.outcome": outcome, "event.duration": int(seconds * 1e9)}
        self.telemetry.log.info("parcel settled", **fields, **processing.log_fields)

    def _outcome(self, message, processing):
        try:
            self.pack(message.body)
        except ValueError as error:
            processing.failed(error)
            return "retried" if message.attempt < ATTEMPTS else "dead_lettered"
        return "done"

    def _settle(self, message, processing, outcome):
        started = time_ns()
        message.settle(outcome)
        processing.settled(TOLD[outcome][0], started, time_ns())
        if outcome == "dead_lettered":
            self.telemetry.metrics.dead_lettered("packer", "attempts_exhausted", span_context=processing.span_context)
