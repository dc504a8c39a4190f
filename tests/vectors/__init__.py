"""Scenarios of translation, read from a file and played: frames in, frames out, what was lost, what is
known after.

A line of the file is one vector (see `player`). `python -m tests.vectors FILE` plays all of a file.
"""
