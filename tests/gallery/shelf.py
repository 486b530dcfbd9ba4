"""Another module, whose variables the gallery shares."""

from __future__ import annotations

count = 0
limit = 10


def add() -> None:
    """Count in this module's own code."""
    global count
    count += 1
