"""Uniform random walk: every interleaving is as probable as every other."""

from __future__ import annotations

from random import Random

from pytest_racecheck.core.values import Choice, TaskId, Trace
from pytest_racecheck.strategies.remaining import Remaining, accompanied, totals


class Urw:
    """Lets each task move with a probability in proportion to what it has still to do.

    Where no task ever waits and each does as much as in the run before, all interleavings have the same probability:
    Zhao, Wolff, Mathur and Roychoudhury, "Selectively uniform concurrency testing" (ASPLOS 2025). What is counted are
    the operations of the last run that was watched. To begin is none: tasks that have not begun go first.
    """

    name = "urw"
    independent = True
    watches = True

    def __init__(self, seed: int) -> None:
        self._random = Random(seed).random
        self._expected: dict[TaskId, int] = {}
        self._remaining = Remaining({})

    def start_run(self) -> bool:
        """See `Strategy`."""
        self._remaining = Remaining(self._expected)
        return True

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        for operation, task in zip(choice.operations, choice.enabled, strict=True):
            if operation.kind == "start":
                return task
        chosen = self._remaining.draw(choice.enabled, self._random())
        self._remaining.took(chosen)
        return chosen

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`."""
        if trace.operations:
            self._expected = totals(step.task for step in accompanied(trace.operations))
