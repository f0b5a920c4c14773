"""Parcels: a service that is no shop, observed. A request publishes a message, a consumer packs what it names."""

from fastapi import FastAPI
from pika import BasicProperties

from cart_observability import http, pika_client
from cart_observability.messaging import Messaging


def api(telemetry, channel):
    app = FastAPI()
    messaging = Messaging(telemetry)

    @app.post("/parcels/{parcel}")
    async def send(parcel: str):
        properties = BasicProperties(message_id=parcel)
        pika_client.publish(channel, messaging, "parcels", "parcel.sent", parcel.encode(), properties)

    http.instrument(app, telemetry)
    return app


def consume(telemetry, channel):
    def pack(channel, method, _properties, _body):
        telemetry.log.info("parcel packed", **{"event.action": "parcel.packed"})
        channel.basic_ack(method.delivery_tag)

    observed = pika_client.instrument_consumer(pack, Messaging(telemetry), "parcels")
    channel.basic_consume("parcels", observed)
