"""Probabilistic concurrency testing: priorities, lowered at a few random moments."""

from __future__ import annotations

from random import Random

from pytest_racecheck.core.values import Choice, TaskId, Trace


class Pct:
    """Always lets the task with the highest priority move; at ``depth - 1`` random choices that one becomes the last.

    A bug that needs ``depth`` ordering constraints is hit by a run with a probability of at least
    ``1 / (n * k ** (depth - 1))``, with n tasks and k choices: Burckhardt, Kothari, Musuvathi and Nagarakatte, "A
    randomized scheduler with probabilistic guarantees of finding bugs" (ASPLOS 2010). k is the length of the longest
    run seen; beyond twice that a run is a random walk, so that tasks which spin don't keep the others from moving.
    """

    independent = True

    def __init__(self, seed: int, depth: int = 3) -> None:
        self.name = f"pct:depth={depth}"
        self.depth = depth
        self._random = Random(seed)
        self._longest = 0
        self._tasks = 0
        self._drawn = 0
        """So many runs were drawn since the longest one."""
        self._is_running = False
        self._met = 0
        self._limit = 0
        self._priorities: dict[TaskId, float] = {}
        self._changes: dict[int, int] = {}

    def start_run(self) -> bool:
        """See `Strategy`."""
        self._is_running = True
        self._met = 0
        self._priorities = {}
        self._limit = 2 * self._longest or 1 << 62
        moments = self._random.sample(range(self._longest), min(self.depth - 1, self._longest))
        self._changes = {moment: -place for place, moment in enumerate(moments, 1)}
        return True

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        met = self._met
        self._met = met + 1
        enabled = choice.enabled
        if met >= self._limit:
            return enabled[int(self._random.random() * len(enabled))]
        priorities = self._priorities
        for task in enabled:
            if task not in priorities:
                priorities[task] = self._random.random()
        best = max(enabled, key=priorities.__getitem__)
        if met in self._changes:
            priorities[best] = self._changes[met]
            best = max(enabled, key=priorities.__getitem__)
        return best

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`."""
        self._drawn += self._is_running
        self._is_running = False
        self._tasks = max(self._tasks, len(trace.tasks))
        if trace.learned or trace.choices > self._longest:
            self._longest = max(self._longest, trace.choices)
            self._drawn = 0

    @property
    def guarantee(self) -> tuple[int, float]:
        """Its depth, and how probable it was at least that the runs so far hit a bug of that depth.

        In runs of no more choices and tasks than were seen; runs that were drawn for shorter ones are left out.
        """
        each = 1 / max(1, self._tasks * self._longest ** (self.depth - 1))
        return self.depth, 1 - (1 - each) ** self._drawn
