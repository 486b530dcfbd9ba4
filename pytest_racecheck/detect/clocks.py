"""Vector clocks: how many steps of each task are known to come before."""

from __future__ import annotations

from pytest_racecheck.core.values import TaskId

Clock = dict[TaskId, int]
"""For each task, how many of its steps are known to come before."""


def join(clock: Clock, other: Clock) -> None:
    """Let everything that comes before the other come before this as well."""
    for task, number in other.items():
        if number > clock.get(task, 0):
            clock[task] = number
