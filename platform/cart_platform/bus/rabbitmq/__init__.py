"""The bus on RabbitMQ, over pika's `AsyncioConnection`: for several processes and machines."""

from cart_platform.bus.rabbitmq.bus import RabbitBus

__all__ = ["RabbitBus"]
