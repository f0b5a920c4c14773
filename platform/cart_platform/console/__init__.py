"""What the shop adds to the console: a storefront, the faults, and what the event log knows of an event."""
