"""The console: the three signals of some processes, kept in one SQLite file and shown on one page.

It knows nothing of what the processes are for: metrics come by scraping, log lines by following files, spans by OTLP.
"""
