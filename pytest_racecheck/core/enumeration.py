"""All schedules, each once, the cheapest first: what depth-first search and the bounded searches have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pytest_racecheck.core.values import Choice, TaskId, Trace

Ranking = Callable[[Choice], Sequence[tuple[TaskId, int]]]
"""All enabled tasks of a choice, each with what it costs to choose it: first the default, which costs nothing."""


class Deviation(NamedTuple):
    """A choice that differs from the default."""

    position: int
    """Which choice of the run."""
    rank: int
    """Which one of the ranking."""
    seen: int
    """Stands for what the choice looked like; something else there means that the program has changed."""


class Point(NamedTuple):
    """A choice behind the last deviation of a run: here its descendants deviate."""

    position: int
    costs: tuple[int, ...]
    seen: int


Deviations = tuple[Deviation, ...]


class Enumeration:
    """Runs every schedule once, by rising cost.

    A schedule is its deviations from the default. From a run those descend that deviate once more, later on; so each
    has one parent, and none comes twice. Of equal cost, the deepest comes first, and only one way down is kept.
    Where a run does not meet the choices that it was made for, code has begun to take part that did not before: the
    enumeration begins anew.
    """

    independent = False

    def __init__(self, name: str, ranking: Ranking, bound: int | None = None) -> None:
        self.name = name
        self.cost = 0
        """What the current run costs."""
        self._ranking = ranking
        self._bound = bound
        self._running = False
        self._waiting: dict[int, list[Iterator[Deviations]]] = {0: [iter([()])]}
        self._deviations: dict[int, Deviation] = {}
        self._last = -1
        self._path: Deviations = ()
        self._met = 0
        self._points: list[Point] = []
        self._parted = False

    def start_run(self) -> bool:
        """See `Strategy`; ``False`` when all schedules within the bound have been run."""
        path = self._pop()
        if path is None:
            return False
        self._path = path
        self._deviations = {deviation.position: deviation for deviation in path}
        self._last = path[-1].position if path else -1
        self._met = 0
        self._points = []
        self._parted = False
        self._running = True
        return True

    def _pop(self) -> Deviations | None:
        """The next schedule of the least cost, or ``None``."""
        while self._waiting:
            self.cost = min(self._waiting)
            stack = self._waiting[self.cost]
            while stack:
                path = next(stack[-1], None)
                if path is not None:
                    return path
                stack.pop()
            del self._waiting[self.cost]
        return None

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        position = self._met
        self._met = position + 1
        if position > self._last:
            ranked = self._ranking(choice)
            self._points.append(Point(position, tuple([cost for _, cost in ranked]), _look(choice)))
            return ranked[0][0]
        deviation = self._deviations.get(position)
        if deviation is None:
            return self._ranking(choice)[0][0]
        if deviation.seen != _look(choice):
            self._parted = True
            return choice.default
        return self._ranking(choice)[deviation.rank][0]

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`."""
        if not self._running:
            return
        self._running = False
        if self._parted or self._met <= self._last:
            self._waiting = {0: [iter([()])]}
            return
        for added in sorted({cost for point in self._points for cost in point.costs[1:]}):
            cost = self.cost + added
            if self._bound is None or cost <= self._bound:
                self._waiting.setdefault(cost, []).append(_descendants(self._path, self._points, added))


def by_preemptions(choice: Choice) -> list[tuple[TaskId, int]]:
    """A ranking by which a schedule costs what it has preemptions."""
    cost = int(choice.default == choice.running)
    return [(choice.default, 0), *[(task, cost) for task in choice.enabled if task != choice.default]]


def _descendants(path: Deviations, points: list[Point], cost: int) -> Iterator[Deviations]:
    """The schedules with one more deviation of this cost, the deepest first."""
    for point in reversed(points):
        for rank, each in enumerate(point.costs):
            if rank and each == cost:
                yield (*path, Deviation(point.position, rank, point.seen))


def _look(choice: Choice) -> int:
    return hash((choice.place, choice.occurrence, choice.enabled))
