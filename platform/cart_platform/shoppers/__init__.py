"""Shoppers: the load that drives an API by HTTP, made up from a seed or replayed from a file."""

from cart_platform.shoppers.replay_file import ReplayFileError, parse_columns
from cart_platform.shoppers.run import Load, Replay, run_load, run_replay
from cart_platform.shoppers.summary import Progress, Summary

__all__ = ["Load", "Progress", "Replay", "ReplayFileError", "Summary", "parse_columns", "run_load", "run_replay"]
