"""The way of events as a map, drawn from what was seen."""
