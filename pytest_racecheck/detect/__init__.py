"""Judges what happened in runs: which accesses race, and what comes of it."""
