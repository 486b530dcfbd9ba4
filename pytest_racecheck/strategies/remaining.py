"""How much each task has still to do in a run, by what it did in an earlier one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import dropwhile

from pytest_racecheck.core.values import Step, TaskId


def parent_of(task: TaskId) -> TaskId:
    """The task that started this one; "" if none did."""
    return task.rpartition(".")[0]


def accompanied(steps: Iterable[Step]) -> Iterator[Step]:
    """The operations from the first one on that another task could have been preferred to."""
    return dropwhile(lambda step: len(step.enabled) == 1, steps)


def totals(done: Iterable[TaskId]) -> dict[TaskId, int]:
    """Count what each task has done together with all tasks that descend from it.

    Takes the task of every operation of a run.
    """
    counted: Counter[TaskId] = Counter()
    for task, count in Counter(done).items():
        ancestor = task
        while ancestor:
            counted[ancestor] += count
            ancestor = parent_of(ancestor)
    return dict(counted)


class Remaining:
    """Counts down: what a task that is not born yet will do counts for the one that is going to start it."""

    def __init__(self, expected: Mapping[TaskId, int]) -> None:
        self._expected = expected
        self._left: dict[TaskId, int] = {}

    def draw(self, tasks: Sequence[TaskId], number: float) -> TaskId:
        """The task that a number from 0 up to 1 falls on, each having room in proportion to what it has left."""
        weights = self._weights(tasks)
        number *= sum(weights)
        for task, weight in zip(tasks, weights, strict=True):
            number -= weight
            if number < 0:
                return task
        return tasks[-1]

    def _weights(self, tasks: Sequence[TaskId]) -> list[int]:
        left = self._left
        try:
            return [left[task] for task in tasks]
        except KeyError:
            for task in tasks:
                if task not in left:
                    self._born(task)
            return [left[task] for task in tasks]

    def _born(self, task: TaskId) -> None:
        mine = self._expected[task] if task in self._expected else 1
        parent = parent_of(task)
        if parent in self._left:
            self._left[parent] = max(1, self._left[parent] - mine)
        self._left[task] = max(1, mine)

    def took(self, task: TaskId) -> None:
        """One operation of this task is done."""
        if self._left.get(task, 1) > 1:
            self._left[task] -= 1
