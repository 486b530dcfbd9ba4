"""The steps of a run by task: when a task came to a place, and whose turn it was before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from pytest_racecheck.core.values import Switch, TaskId


class Step(NamedTuple):
    """What a task did, as a switch names it."""

    task: TaskId
    place: str
    occurrence: int


class Steps:
    """All steps of a run, in order."""

    def __init__(self, path: Sequence[tuple[TaskId, str]]) -> None:
        reached: Counter[tuple[TaskId, str]] = Counter()
        self.all: list[Step] = []
        for task, place in path:
            reached[task, place] += 1
            self.all.append(Step(task, place, reached[task, place]))

    def of(self, task: TaskId) -> list[Step]:
        """The steps of one task."""
        return [step for step in self.all if step.task == task]

    def start_of_turn(self, switch: Switch) -> Step | None:
        """Where the turn began that a switch ended: who moved before it, and what that task had come to.

        ``None`` if that is not known. A run begins at the place ``start`` of nobody; a task that does nothing more has
        come to its ``end``, as far as can be told.
        """
        last = self._last_before(switch)
        if last is None:
            return None
        first = last
        while first and self.all[first - 1].task == switch.task:
            first -= 1
        if first == 0:
            return Step("", "start", 1)
        before = self.all[first - 1].task
        return next((step for step in self.all[first:] if step.task == before), Step(before, "end", 1))

    def _last_before(self, switch: Switch) -> int | None:
        """The index of the last step that the task did before it was stopped."""
        last = None
        for index, step in enumerate(self.all):
            if step.task == switch.task:
                if step[1:] == (switch.place, switch.occurrence):
                    return last
                last = index
        return last
