"""Parcels that cannot always be packed: three attempts, a second apart, and then the dead letters."""

from cart_observability import pika_client
from cart_observability.messaging import Messaging

ATTEMPTS = 3
QUEUES = {
    "parcels": {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "parcels.retry"},
    "parcels.retry": {"x-message-ttl": 1000, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "parcels"},
    "parcels.dead": {},
}


def declare(channel):
    for queue, arguments in QUEUES.items():
        channel.queue_declare(queue, durable=True, arguments=arguments)


def consume(telemetry, channel, pack):
    def deliver(channel, method, properties, body):
        try:
            pack(body)
            channel.basic_ack(method.delivery_tag)
        except ValueError as error:
            telemetry.log.warning("parcel not packed", **{"error.message": str(error)})
            if pika_client.attempt_of("parcels", method, properties) < ATTEMPTS:
                channel.basic_reject(method.delivery_tag, requeue=False)
            else:
                channel.basic_publish("", "parcels.dead", body, properties)
                pika_client.tell_outcome("dead_lettered", "attempts_exhausted")
                channel.basic_ack(method.delivery_tag)

    observed = pika_client.instrument_consumer(deliver, Messaging(telemetry), "parcels", rejected="retried")
    channel.basic_consume("parcels", observed)
