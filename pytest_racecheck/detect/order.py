"""What comes before what: tasks that start others, wait for their end, hand something over, and, if asked, take locks.

Locks are no order that is the same in every run: whoever comes first takes them. A semaphore may be there for one or
for the other, and counts as a lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from pytest_racecheck.core.record import RunRecord
from pytest_racecheck.core.values import Operation
from pytest_racecheck.detect.clocks import Clock, join

_GIVES: Final = frozenset({"give", "both", "put"})
_TAKES: Final = frozenset({"take", "both"})


class HappensBefore:
    """Goes through the steps of a run, and knows at each what comes before it.

    Vector clocks: Lamport, "Time, clocks, and the ordering of events in a distributed system" (CACM 1978), and Mattern,
    "Virtual time and global states of distributed systems" (1989). What is put into a queue carries the clock of who
    puts it to whoever gets it, and to nobody else.
    """

    def __init__(self, record: RunRecord, *, locks: bool) -> None:
        self._record = record
        self._locks = locks
        self._clocks: list[Clock] = [{} for _ in record.tasks]
        self._given: dict[int, Clock] = {}
        self._items: dict[int, deque[Clock]] = {}
        self._number = {task: number for number, task in enumerate(record.tasks)}

    def steps(self) -> Iterator[Clock]:
        """For each step the clock of its task, which goes on changing: what comes before it, itself included."""
        record = self._record
        beside = iter(record.beside)
        following = next(beside, None)
        births: dict[int, list[int]] = {}
        for number, born in enumerate(record.born):
            births.setdefault(born, []).append(number)
        joins = dict(record.joins)
        for index, ((task, _), operation) in enumerate(zip(record.path, record.operations, strict=True)):
            while following is not None and following[0] <= index:
                self._touch(following[1], following[2], following[3])
                following = next(beside, None)
            for child in births.pop(index, ()):
                self._begin(child)
            clock = self._clocks[task]
            for ended in joins.get(index, ()):
                join(clock, self._clocks[self._number[ended]])
            name = record.tasks[task]
            clock[name] = clock.get(name, 0) + 1
            self._pass_on(clock, operation)
            yield clock

    def _begin(self, child: int) -> None:
        parent = self._record.tasks[child].rpartition(".")[0]
        if parent in self._number:
            join(self._clocks[child], self._clocks[self._number[parent]])

    def _pass_on(self, clock: Clock, operation: Operation) -> None:
        target, passes = operation.target, operation.passes
        if operation.kind in ("acquire", "try-acquire", "release") or passes == "permit":
            if self._locks:
                self._meet(clock, target)
        elif passes == "put":
            self._items.setdefault(target, deque()).append(dict(clock))
            self._give(clock, target)
        elif passes == "get" or (passes == "take" and operation.kind == "wait"):
            for each in (target, *[other for other, _ in operation.also]):
                self._take(clock, each)
        elif passes:
            if passes in _TAKES:
                join(clock, self._given.get(target, {}))
            if passes in _GIVES:
                self._give(clock, target)

    def _take(self, clock: Clock, target: int) -> None:
        """Get an item with the clock of who has put it, or, of what is no queue, what everybody gave."""
        items = self._items.get(target)
        if items:
            join(clock, items.popleft())
        elif target not in self._items:
            join(clock, self._given.get(target, {}))

    def _touch(self, task: int, kind: str, target: int) -> None:
        """Something was done inside of a larger operation: which way it passes anything on is not told."""
        clock = self._clocks[task]
        if kind in ("update", "call", "spawn", "end"):
            self._meet(clock, target)
            if kind == "update":
                self._items.setdefault(target, deque()).append(dict(clock))
        elif kind == "read":
            join(clock, self._given.get(target, {}))
        elif self._locks and kind in ("acquire", "release"):
            self._meet(clock, target)

    def _meet(self, clock: Clock, target: int) -> None:
        join(clock, self._given.get(target, {}))
        self._give(clock, target)

    def _give(self, clock: Clock, target: int) -> None:
        join(self._given.setdefault(target, {}), clock)


class Order:
    """Which steps of a run come before which in every run that goes alike: locks count for nothing."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self._steps = [dict(clock) for clock in HappensBefore(record, locks=False).steps()]

    def before(self, one: int, other: int) -> bool:
        """Whether one step comes before the other."""
        task = self._record.tasks[self._record.path[one][0]]
        return self._steps[other].get(task, 0) >= self._steps[one][task]
