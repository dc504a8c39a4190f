"""Watching what chargers do over time, and saying when it changes."""
