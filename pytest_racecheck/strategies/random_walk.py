"""A coin at every choice: go on, or let any other one move."""

from __future__ import annotations

from random import Random
from typing import Final

from pytest_racecheck.core.values import Choice, TaskId, Trace

SWITCHING: Final = (1 / 2, 1 / 5, 1 / 12, 1 / 33)
"""How probable a preemption is at a choice; one for each run, by turns."""

ACCESSES: Final = frozenset({"read", "write", "update", "call"})
"""The operations that touch data. Every second round of runs preempts only there, not around locks."""


class RandomWalk:
    """Switches at each choice with a probability that changes from run to run; never ends by itself.

    Where a thread pool or a queue takes many locks around few accesses, a coin at every choice spends itself on the
    locks; a coin at the accesses alone does not.
    """

    name = "random"
    independent = True

    def __init__(self, seed: int) -> None:
        self._runs = 0
        self._random = Random(seed).random
        self._switching = SWITCHING[0]
        self._accesses_only = False

    def start_run(self) -> bool:
        """See `Strategy`."""
        turn, place = divmod(self._runs, len(SWITCHING))
        self._switching = SWITCHING[place]
        self._accesses_only = turn % 2 == 1
        self._runs += 1
        return True

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        enabled = choice.enabled
        if choice.default != choice.running:
            return enabled[int(self._random() * len(enabled))]
        draw = self._random()
        if draw >= self._switching:
            return choice.default
        position = enabled.index(choice.default)
        if self._accesses_only and choice.operations[position].kind not in ACCESSES:
            return choice.default
        other = int(draw / self._switching * (len(enabled) - 1))
        return enabled[other if other < position else other + 1]

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`."""
