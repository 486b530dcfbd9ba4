"""Prefers runs in which a read sees a write that it has not seen yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from random import Random
from typing import Final, NamedTuple

from pytest_racecheck.core.values import Choice, Operation, Site, Step, TaskId, Trace
from pytest_racecheck.strategies.locations import contested

Pair = tuple[Site | None, Site]
"""A read and the write that it sees; ``None`` for what was there before the first."""

READING: Final = frozenset({"read", "update", "call", "acquire", "try-acquire"})
WRITING: Final = frozenset({"write", "update", "call", "release"})


def reads_from(steps: tuple[Step, ...]) -> Iterator[Pair]:
    """Which write each read of a run has seen; a lock that is acquired reads its last release."""
    last: dict[tuple[int, Hashable], Site] = {}
    for _, operation, _ in steps:
        place = (operation.target, operation.part)
        if operation.kind in READING:
            yield last.get(place), operation.site
        if operation.kind in WRITING:
            last[place] = operation.site


PATIENCE: Final = 100
"""So many choices is anybody held for a goal that does not come nearer: what is waited for may spin."""


class Goal(NamedTuple):
    """A read shall see a write; so the read waits for that write, and other writes wait for the read."""

    write: Site | None
    read: Site
    writes: frozenset[Site]


class ReadsFrom:
    """Sets itself a few goals for each run, pairs of a write and a read that were seen least, and delays what is in
    their way.

    Two runs in which every read sees the same write do the same. Wolff, Shi, Duck, Mathur and Roychoudhury, "Greybox
    fuzzing for concurrency testing" (ASPLOS 2024); here goals are drawn, and not evolved. What has no goal is a
    random walk by priorities.
    """

    name = "reads-from"
    independent = False
    watches = True

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._seen: Counter[Pair] = Counter()
        self._possible: dict[Pair, frozenset[Site]] = {}
        self._goals: list[Goal] = []
        self._wrote: dict[Site, bool] = {}
        self._priorities: dict[TaskId, float] = {}
        self._waited = 0

    def start_run(self) -> bool:
        """See `Strategy`."""
        self._goals = list(self._draw())
        self._wrote = {goal.read: goal.write is None for goal in self._goals}
        self._priorities = {}
        self._waited = 0
        return True

    def _draw(self) -> Iterator[Goal]:
        """One goal for one read in half of the runs, for two reads in a quarter, and so on."""
        pairs = list(self._possible)
        weights = [1 / (1 + self._seen[pair]) for pair in pairs]
        met: set[Site] = set()
        while pairs and len(met) < len(self._possible):
            write, read = self._random.choices(pairs, weights)[0]
            if read not in met:
                yield Goal(write, read, self._possible[write, read])
            met.add(read)
            if self._random.random() < 1 / 2:
                return

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        self._waited += 1
        if self._waited > PATIENCE:
            self._goals, self._wrote = [], {}
        free = [
            position for position, operation in enumerate(choice.operations) if not self._in_the_way(operation)
        ] or list(range(len(choice.enabled)))
        wanted = [position for position in free if self._wrote.get(choice.operations[position].site)]
        chosen = max(wanted or free, key=lambda position: self._priority(choice.enabled[position]))
        self._note(choice.operations[chosen])
        task = choice.enabled[chosen]
        del self._priorities[task]
        return task

    def _in_the_way(self, operation: Operation) -> bool:
        site = operation.site
        for goal in self._goals:
            ready = self._wrote[goal.read]
            if not ready and site is goal.read:
                return True
            if ready and site in goal.writes and site is not goal.read:
                return True
        return False

    def _note(self, operation: Operation) -> None:
        """A goal is ready when its write has happened, and reached when its read has."""
        reached = [goal for goal in self._goals if goal.read is operation.site and self._wrote[goal.read]]
        if reached:
            self._waited = 0
        for goal in reached:
            self._goals.remove(goal)
            del self._wrote[goal.read]
        for goal in self._goals:
            if goal.write is operation.site:
                self._wrote[goal.read] = True
                self._waited = 0

    def _priority(self, task: TaskId) -> float:
        if task not in self._priorities:
            self._priorities[task] = self._random.random()
        return self._priorities[task]

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`."""
        if not trace.operations:
            return
        self._seen.update(set(reads_from(trace.operations)))
        kinds = {step.operation.site: step.operation.kind for step in trace.operations}
        for sites in contested(trace.operations):
            ordered = [site for site in kinds if site in sites]
            writes = [site for site in ordered if kinds[site] in WRITING]
            for read in ordered:
                if kinds[read] in READING:
                    for write in (None, *writes):
                        self._possible[write, read] = frozenset(writes)
