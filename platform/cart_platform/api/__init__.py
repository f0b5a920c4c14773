"""The HTTP API: carts, events and what has become of them, over FastAPI and granian."""
