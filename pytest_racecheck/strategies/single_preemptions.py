"""The schedules with one preemption, those that are most unlike each other first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from pytest_racecheck.core.values import Choice, Operation, Site, Step, TaskId, Trace
from pytest_racecheck.strategies.prospects import could_change, moments

Order = Callable[[Choice], TaskId]
Doings = tuple[Site, ...]
"""What a task does in a run, site by site; tasks with equal doings are exchangeable."""


def oldest(choice: Choice) -> TaskId:
    """Go on, else the oldest."""
    return choice.default


def newest(choice: Choice) -> TaskId:
    """Go on, else the newest."""
    return choice.default if choice.default == choice.running else choice.enabled[-1]


BASES: Final[tuple[Order, ...]] = (newest, oldest)


class Chance(NamedTuple):
    """A choice at which the running task could go on."""

    number: int
    """How many there were before in this run."""
    operation: Operation
    """What the running task was about to do."""
    others: tuple[TaskId, ...]


class Preemption(NamedTuple):
    """Whom to prefer at which chance; by their first fields they are ordered."""

    late: int
    """How often its like comes before, and what else makes it wait."""
    common: int
    """How many tasks there are that do the same as the preferred one."""
    chance: int
    to: TaskId
    site: Site
    order: Order


class SinglePreemptions:
    """Stops the running task once, at every chance and in favour of every other task, in two orders.

    The first preemption bound of Musuvathi and Qadeer, "Iterative context bounding for systematic testing of
    multithreaded programs" (PLDI 2007), with an order of our own: a preemption comes the later, the more there were
    of a task with the same doings, at the same site, in favour of a task with the same doings. Later come, too, those
    that could change nothing, as far as can be told. Rare doings come before common ones. With a hundred tasks that do
    the same and one that does not, the first runs are a handful instead of thousands.
    """

    name = "single-preemptions"
    independent = False

    def __init__(self) -> None:
        self._unknown = list(BASES)
        self._left: list[Preemption] = []
        self._repeated: Counter[tuple[Doings, Site, Doings]] = Counter()
        self._known: set[tuple[Order, int, TaskId, Site]] = set()
        self._grew = False
        self._order: Order = oldest
        self._current: Preemption | None = None
        self._running = False
        self._fits = True
        self._met = 0
        self._chances: list[Chance] = []

    @property
    def watches(self) -> bool:
        """Whether the current run is one in which chances are looked for."""
        return self._current is None

    @property
    def novel(self) -> bool:
        """Whether the next run has no like among those before."""
        return bool(self._unknown) or (bool(self._left) and self._left[-1].late == 0)

    def start_run(self) -> bool:
        """See `Strategy`; ``False`` when every chance has been taken, and another look finds none."""
        if self._grew and not self._left and not self._unknown:
            self._unknown = list(BASES)
            self._grew = False
        if self._unknown:
            self._current, self._order = None, self._unknown.pop(0)
        elif self._left:
            self._current = self._left.pop()
            self._order = self._current.order
        else:
            return False
        self._met = 0
        self._chances = []
        self._running = True
        self._fits = self._current is None
        return True

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        if choice.default != choice.running:
            return self._order(choice)
        number = self._met
        self._met = number + 1
        preemption = self._current
        if preemption is None:
            operation = choice.operations[choice.enabled.index(choice.default)]
            others = tuple([task for task in choice.enabled if task != choice.default])
            self._chances.append(Chance(number, operation, others))
        elif number == preemption.chance:
            operation = choice.operations[choice.enabled.index(choice.default)]
            if operation.site is preemption.site and preemption.to in choice.enabled:
                self._fits = True
                return preemption.to
        return choice.default

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`."""
        if not self._running:
            return
        self._running = False
        if self._current is None:
            self._left = sorted([*self._left, *self._preemptions(trace.operations)], key=_rank, reverse=True)
        elif not self._fits:  # a site has become a choice since the chances were counted
            self._left = [each for each in self._left if each.order is not self._order]
            self._known = {each for each in self._known if each[0] is not self._order}
            self._unknown.append(self._order)

    def _preemptions(self, steps: tuple[Step, ...]) -> Iterator[Preemption]:
        doings = _doings(steps)
        sites = {task: tuple([operation.site for operation in its]) for task, its in doings.items()}
        common = Counter(sites.values())
        operations = [chance.operation for chance in self._chances]
        for chance, moment in zip(self._chances, moments(operations, steps), strict=False):
            site = chance.operation.site
            for other in chance.others:
                key = (self._order, chance.number, other, site)
                if key in self._known:
                    continue
                self._known.add(key)
                self._grew = True
                its = sites[other] if other in sites else ()
                alike = (sites[moment.task], site, its)
                late = self._repeated[alike] + (not could_change(moment, other, doings))
                self._repeated[alike] += 1
                yield Preemption(late, common[its], chance.number, other, site, self._order)


def _rank(preemption: Preemption) -> tuple[int, int, int]:
    return preemption[:3]


def _doings(steps: tuple[Step, ...]) -> dict[TaskId, list[Operation]]:
    doings: dict[TaskId, list[Operation]] = {}
    for task, operation, _ in steps:
        doings.setdefault(task, []).append(operation)
    return doings
