"""Wakeup trees: sequences of steps that interleavings have to begin with, no two of one class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from pytest_racecheck.core.values import TaskId, Touch
from pytest_racecheck.strategies.happens_before import Event, Order, Steps, dependent

UNKNOWN: Final = 1_000_000
"""More steps than a task can have."""

_NO_STEP: Final = -1


class Branch:
    """A node of a wakeup tree: the task that moves, and what to try after it."""

    __slots__ = ("after", "task")

    def __init__(self, task: TaskId) -> None:
        self.task = task
        self.after: list[Branch] = []


class Intention:
    """What a task is about to do, by what it announces."""

    __slots__ = ("open", "touches")

    def __init__(self, touches: tuple[Touch, ...], is_open: bool) -> None:
        self.touches = touches
        self.open = is_open
        """Whether it may touch more than that; see `Operation.open`."""

    def concerns(self, event: Event) -> bool:
        """Whether it is dependent with a step of another task, as far as that can be told."""
        if self.open and any(touch.kind not in ("read", "write") for touch in event.touches):
            return True
        return dependent(event.touches, self.touches)


class Sequence:
    """Steps of a run, in their order, that another run is to make right away where one of it was made."""

    def __init__(self, order: Order, at: Event, last: Event, pending: Mapping[TaskId, Intention]) -> None:
        """All steps after ``at`` and before ``last`` that don't follow ``at``; then ``last``, which may be none of the
        run's: what a task was about to do when it was over, as ``pending`` says of each.
        """
        self._order = order
        self._at = at
        self._last = last
        self._pending = pending
        self.steps: Steps = 1 << last.index
        for index in range(at.index + 1, last.index):
            if not order.events[index].past >> at.index & 1:
                self.steps |= 1 << index

    def __iter__(self) -> Iterator[Event]:
        last = 1 << self._last.index
        yield from self._order.listed(self.steps & ~last)
        if self.steps & last:
            yield self._last

    def remove(self, event: Event) -> None:
        """Take one step out."""
        self.steps &= ~(1 << event.index)

    def first_of(self, task: TaskId) -> Event | None:
        """The first step of a task."""
        own = self.steps & self._order.of_task.get(task, 0)
        if own:
            return self._order.events[(own & -own).bit_length() - 1]
        is_last = task == self._last.task and self.steps >> self._last.index & 1
        return self._last if is_last else None

    def may_begin_with(self, task: TaskId, moved: int = 0) -> bool:
        """Whether it is equivalent to a sequence that this task begins, or could be continued to be one.

        ``moved`` is how many steps of the task were taken out of it.
        """
        event = self.first_of(task)
        if event is not None:
            return event.past & self.steps == 1 << event.index
        intention = self._intention(task, moved)
        if intention is None:
            return False
        order = self._order
        if intention.open and self.steps & order.unclear:
            return False
        if self._last.index == len(order.events) and intention.concerns(self._last):
            return False
        return not order.conflicting(intention.touches) & self.steps

    def _intention(self, task: TaskId, moved: int) -> Intention | None:
        """What a task does next after so many steps, if that is known from this run."""
        order = self._order
        later = (order.of_task[task] if task in order.of_task else 0) & (_NO_STEP << self._at.index)
        while later and moved:
            later &= later - 1
            moved -= 1
        if moved:
            return None
        if not later:
            return self._pending[task] if task in self._pending else None
        event = order.events[(later & -later).bit_length() - 1]
        return Intention(event.announced, event.operation.open)


def insert(branches: list[Branch], sequence: Sequence) -> None:
    """Add a sequence to a wakeup tree, unless what is there leads to its class already. The sequence is used up."""
    moved: Counter[TaskId] = Counter()
    while True:
        branch = next((each for each in branches if sequence.may_begin_with(each.task, moved[each.task])), None)
        if branch is None:
            break
        own = sequence.first_of(branch.task)
        if own is not None:
            sequence.remove(own)
        # What a task does after a step that is not part of the sequence is not known from this run.
        moved[branch.task] += 1 if own is not None else UNKNOWN
        if not branch.after or not sequence.steps:
            return
        branches = branch.after
    for event in sequence:
        branch = Branch(event.task)
        branches.append(branch)
        branches = branch.after
