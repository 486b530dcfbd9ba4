"""What a preemption could change, judged by a run without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from pytest_racecheck.core.values import Operation, Step, TaskId
from pytest_racecheck.strategies.happens_before import collide

AHEAD: Final = 50
"""So many operations of a task are looked at: more would cost time, and only the order of runs depends on it."""


class Moment(NamedTuple):
    """A point in a run, right before an operation."""

    task: TaskId
    """Whose it is."""
    done: Mapping[TaskId, int]
    """How many operations each task has behind it."""
    held: Mapping[int, TaskId]
    """Who holds which lock."""


def moments(operations: Sequence[Operation], steps: Sequence[Step]) -> Iterator[Moment]:
    """For each of the operations, which are some of those of the run and in their order, the moment before it."""
    done: Counter[TaskId] = Counter()
    held: dict[int, TaskId] = {}
    left = iter(operations)
    awaited = next(left, None)
    for task, operation, _ in steps:
        if operation is awaited:
            yield Moment(task, dict(done), dict(held))
            awaited = next(left, None)
        done[task] += 1
        if operation.kind == "acquire":
            held[operation.target] = task
        elif operation.kind == "release":
            held.pop(operation.target, None)


def could_change(moment: Moment, other: TaskId, doings: Mapping[TaskId, Sequence[Operation]]) -> bool:
    """Whether the run becomes another one if ``other`` moves at this moment, until it ends or waits for a lock.

    It does if one of its operations comes before one that it came behind, and if it could not as well have moved one
    operation earlier.
    """
    behind = moment.done[moment.task] if moment.task in moment.done else 0
    if behind == 0:
        return False
    done, tried = _ahead(moment, other, doings.get(other, ()))
    previous = doings[moment.task][behind - 1]
    if not any(collide(previous, each) for each in (*done, *tried)):
        return False
    later = doings[moment.task][behind : behind + AHEAD]
    return any(collide(mine, each) for each in done for mine in later)


def _ahead(
    moment: Moment, task: TaskId, operations: Sequence[Operation]
) -> tuple[Sequence[Operation], Sequence[Operation]]:
    """What a task can do from a moment on, and the lock that it would then wait for."""
    begin = moment.done[task] if task in moment.done else 0
    coming = operations[begin : begin + AHEAD]
    for at, operation in enumerate(coming):
        if operation.kind == "acquire" and moment.held.get(operation.target, task) != task:
            return coming[:at], (operation,)
    return coming, ()
