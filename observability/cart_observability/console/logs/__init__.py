"""Log lines: followed, kept, indexed, searched and counted."""
