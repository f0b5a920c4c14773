"""Metrics: scraped, kept the coarser the older they are, and read back as rates, values and quantiles."""
