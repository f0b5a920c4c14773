"""Events: what lines and spans tell of each, and its whole story."""
