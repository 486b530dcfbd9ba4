"""Depth-first search: every schedule there is, each once."""

from __future__ import annotations

from pytest_racecheck.core.enumeration import Enumeration
from pytest_racecheck.core.values import Choice, TaskId


def _any_order(choice: Choice) -> list[tuple[TaskId, int]]:
    return [(choice.default, 0), *[(task, 0) for task in choice.enabled if task != choice.default]]


class DepthFirst(Enumeration):
    """Runs all schedules and ends; for small programs only, since their number grows exponentially."""

    def __init__(self) -> None:
        super().__init__("dfs", _any_order)
