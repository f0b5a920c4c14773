"""What reacts to events: the table of handlers, the handlers, the worker that runs them, dead letters."""
