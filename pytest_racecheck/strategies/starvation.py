"""One victim that does not get to move for a long while."""

from __future__ import annotations

from random import Random
from typing import Final

from pytest_racecheck.core.values import Choice, TaskId, Trace

SWITCHING: Final = 1 / 20
"""How probable a preemption is at a choice, beside the starving."""

LONGEST: Final = 10
"""A victim starves for up to two to this power of choices."""


class Starvation:
    """In each run one task does not move in a random window of choices while another one can.

    What needs a task to be late by much, and not only at one exact point: the chaos mode of rr, O'Callahan, Jones,
    Froyd, Huey, Noll and Partush, "Engineering record and replay for deployability" (USENIX ATC 2017).
    """

    name = "starvation"
    independent = True

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._tasks: dict[TaskId, None] = {}
        self._longest = 1
        self._met = 0
        self._victim: TaskId | None = None
        self._window = range(0)

    def start_run(self) -> bool:
        """See `Strategy`."""
        self._met = 0
        self._victim = self._random.choice(list(self._tasks)) if self._tasks else None
        begin = self._random.randrange(self._longest)
        self._window = range(begin, begin + (1 << self._random.randint(1, LONGEST)))
        return True

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        met = self._met
        self._met = met + 1
        enabled = choice.enabled
        starving = self._victim if met in self._window else None
        if choice.default not in (starving, choice.running) or self._random.random() < SWITCHING:
            able = [task for task in enabled if task != starving]
            return able[int(self._random.random() * len(able))]
        if choice.default != starving:
            return choice.default
        able = [task for task in enabled if task != starving]
        return able[int(self._random.random() * len(able))]

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`."""
        self._longest = max(self._longest, trace.choices)
        self._tasks = dict.fromkeys(trace.tasks)
