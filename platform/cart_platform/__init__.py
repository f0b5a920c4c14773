"""What carries events: the cart and its rules, the envelope, stores, buses, the relay, the API and the command line."""
