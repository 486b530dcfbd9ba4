"""Partial order sampling: a priority for each operation, drawn anew when it has lost a race."""

from __future__ import annotations

from random import Random

from pytest_racecheck.core.values import Choice, TaskId, Trace
from pytest_racecheck.strategies.happens_before import collide


class Pos:
    """Lets the operation with the highest priority happen; those that conflict with it draw a new one.

    So each conflict is decided by a coin of its own, and what does not conflict costs nothing: Yuan, Yang and Gu,
    "Partial order aware concurrency sampling" (CAV 2018). Tasks that have not begun go first: to begin conflicts with
    nothing.
    """

    name = "pos"
    independent = True

    def __init__(self, seed: int) -> None:
        self._random = Random(seed).random
        self._priorities: dict[TaskId, float] = {}

    def start_run(self) -> bool:
        """See `Strategy`."""
        self._priorities = {}
        return True

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        known = self._priorities
        best = -1.0
        chosen = 0
        self._priorities = priorities = {}
        for position, task in enumerate(choice.enabled):
            priority = known[task] if task in known else self._random()
            priorities[task] = priority  # who is not enabled now draws anew: what it waits for was in its way
            if priority > best:
                best, chosen = priority, position
        begins = [place for place, operation in enumerate(choice.operations) if operation.kind == "start"]
        if begins:
            chosen = max(begins, key=lambda place: priorities[choice.enabled[place]])
        self._redraw(choice, chosen)
        return choice.enabled[chosen]

    def _redraw(self, choice: Choice, chosen: int) -> None:
        """Forget the priorities of what is about to happen and of what conflicts with it."""
        happens = choice.operations[chosen]
        for position, operation in enumerate(choice.operations):
            if position == chosen or collide(happens, operation):
                del self._priorities[choice.enabled[position]]

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`."""
