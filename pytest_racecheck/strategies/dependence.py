"""Which operations of two tasks may not change places without changing what the run does."""

from __future__ import annotations

from typing import Final

from pytest_racecheck.core.values import WHOLE, Operation

TOUCHING_NOTHING: Final = frozenset({"start", "end", "spawn", "join", "sleep", "yield"})
"""Kinds of operations that do nothing to a location."""


def conflict(one: Operation, other: Operation) -> bool:
    """Whether two operations of different tasks touch the same location, and not both only read it.

    What is done to a lock is a write. The part `WHOLE` meets every part of its target.
    """
    if one.kind in TOUCHING_NOTHING or other.kind in TOUCHING_NOTHING or one.kind == other.kind == "read":
        return False
    if not one.also and not other.also:
        return one.target == other.target and (one.part == other.part or WHOLE in {one.part, other.part})
    return any(
        target == other_target and (part == other_part or WHOLE in {part, other_part})
        for target, part in ((one.target, one.part), *one.also)
        for other_target, other_part in ((other.target, other.part), *other.also)
    )
