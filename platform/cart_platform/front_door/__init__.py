"""The front door of the stack: one page that says what to look at first, what answers, and leads to everything."""
