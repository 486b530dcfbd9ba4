"""Selectively uniform random walk: uniform over the orders of a few operations, whatever the others do."""

from __future__ import annotations

from random import Random
from typing import Final

from pytest_racecheck.core.values import Choice, Site, Step, TaskId, Trace
from pytest_racecheck.strategies.locations import contested
from pytest_racecheck.strategies.remaining import Remaining, accompanied, totals

PATIENCE: Final = 100
"""So many choices are the others held for a task that does not come to its interesting operation: it may spin."""


class Surw:
    """Draws contested locations for each run and samples the orders of what is done to them uniformly.

    The operations at the sites of these locations are the interesting ones: which task has the next is drawn in
    proportion to how many it has left, and the others are held at theirs until then. What is not interesting is
    ordered by priorities, drawn anew for each operation. Zhao, Wolff, Mathur and Roychoudhury, "Selectively uniform
    concurrency testing" (ASPLOS 2025).
    """

    name = "surw"
    independent = True
    watches = True

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._last: tuple[Step, ...] = ()
        self._locations: list[frozenset[Site]] = []
        self._interesting: frozenset[Site] = frozenset()
        self._remaining = Remaining({})
        self._priorities: dict[TaskId, float] = {}
        self._held: set[TaskId] = set()
        self._next: TaskId | None = None
        self._waited = 0

    def start_run(self) -> bool:
        """See `Strategy`."""
        self._interesting = self._draw()
        steps = accompanied(self._last)
        self._remaining = Remaining(totals(task for task, each, _ in steps if each.site in self._interesting))
        self._priorities = {}
        self._held = set()
        self._next = None
        self._waited = 0
        return True

    def _draw(self) -> frozenset[Site]:
        """The sites of one contested location in half of the runs, of two in a quarter, and so on."""
        number = 1
        while number < len(self._locations) and self._random.random() < 1 / 2:
            number += 1
        drawn = self._random.sample(self._locations, min(number, len(self._locations)))
        return frozenset().union(*drawn)

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        self._waited += 1
        if self._waited > PATIENCE:
            self._prefer_the_held(choice)
        operations = dict(zip(choice.enabled, choice.operations, strict=True))
        free = [task for task in choice.enabled if task not in self._held]
        while True:
            if not free:
                free = self._release(choice)
            task = max(free, key=self._priority)
            if operations[task].site not in self._interesting:
                break
            if self._next is None:
                self._next = self._remaining.draw(free, self._random.random())
            if task == self._next:
                self._remaining.took(task)
                self._release(choice)
                break
            self._held.add(task)
            free.remove(task)
        del self._priorities[task]
        return task

    def _prefer_the_held(self, choice: Choice) -> None:
        held = [task for task in choice.enabled if task in self._held]
        self._release(choice)
        self._next = self._random.choice(held) if held else None

    def _release(self, choice: Choice) -> list[TaskId]:
        self._held.clear()
        self._next = None
        self._waited = 0
        return list(choice.enabled)

    def _priority(self, task: TaskId) -> float:
        if task not in self._priorities:
            self._priorities[task] = self._random.random()
        return self._priorities[task]

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`."""
        if trace.operations:
            self._last = trace.operations
            self._locations = contested(trace.operations)
