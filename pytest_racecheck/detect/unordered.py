"""Finds accesses of two tasks to one thing, one of them changing it, that nothing orders: information, no verdict."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import NamedTuple

from pytest_racecheck.core.record import RunRecord
from pytest_racecheck.core.values import WHOLE, Race, Side, TaskId
from pytest_racecheck.detect.clocks import Clock
from pytest_racecheck.detect.locks import Locks
from pytest_racecheck.detect.order import HappensBefore
from pytest_racecheck.detect.patterns import is_access
from pytest_racecheck.detect.roles import lock_at, name_at


class Epoch(NamedTuple):
    """One access: the task, which of its steps it was, and which of the run."""

    task: TaskId
    number: int
    step: int

    def is_before(self, clock: Clock) -> bool:
        """Whether who has this clock comes after it."""
        return clock.get(self.task, 0) >= self.number


class _Variable:
    """The last accesses to one part of an object.

    Flanagan and Freund, "FastTrack: efficient and precise dynamic race detection" (PLDI 2009): the last write is one
    epoch; so are the reads, unless they are unordered themselves.
    """

    __slots__ = ("reads", "write")

    def __init__(self) -> None:
        self.write: Epoch | None = None
        self.reads: dict[TaskId, Epoch] = {}

    def races(self, clock: Clock, *, writes: bool) -> Iterator[Epoch]:
        if self.write is not None and not self.write.is_before(clock):
            yield self.write
        if writes:
            yield from [read for read in self.reads.values() if not read.is_before(clock)]

    def note(self, epoch: Epoch, clock: Clock, *, reads: bool, writes: bool) -> None:
        if writes:
            self.write = epoch
            self.reads.clear()
        if reads:
            if all(read.is_before(clock) for read in self.reads.values()):
                self.reads.clear()
            self.reads[epoch.task] = epoch


def unordered(record: RunRecord) -> list[tuple[int, int]]:
    """Pairs of steps that nothing orders, neither a lock nor anything that is handed over; each pair of places once."""
    variables: dict[int, dict[Hashable, _Variable]] = {}
    found: dict[frozenset[str], tuple[int, int]] = {}
    for step, clock in enumerate(HappensBefore(record, locks=True).steps()):
        operation = record.operations[step]
        if not is_access(operation):
            continue
        task = record.tasks[record.path[step][0]]
        epoch = Epoch(task, clock[task], step)
        writes = operation.kind != "read"
        for target, part in ((operation.target, operation.part), *operation.also):
            parts = variables.setdefault(target, {})
            for other in _met(parts, part):
                for race in other.races(clock, writes=writes):
                    places = frozenset({operation.site.key, record.operations[race.step].site.key})
                    if not _is_atomic(record, race.step, step):
                        found.setdefault(places, (race.step, step))
            parts.setdefault(part, _Variable()).note(epoch, clock, reads=operation.kind != "write", writes=writes)
    return sorted(found.values())


def _met(parts: dict[Hashable, _Variable], part: Hashable) -> list[_Variable]:
    """The whole meets every part, and a part the whole."""
    if part == WHOLE:
        return list(parts.values())
    return [parts[each] for each in (part, WHOLE) if each in parts]


def _is_atomic(record: RunRecord, one: int, other: int) -> bool:
    """Whether both read and change in one step, which nobody interrupts: then either order is as good."""
    return record.operations[one].kind == record.operations[other].kind == "update"


def race_of(record: RunRecord, one: int, other: int) -> Race:
    """Say so of a pair of steps."""
    locks = Locks(record)
    sides = tuple([_side(record, locks, step) for step in (one, other)])
    name = sides[1].name
    verbs = ["changes" if side.kind != "read" else "reads" for side in sides]
    return Race(
        kind="unordered",
        message=(
            f"unordered accesses to {name}: task {sides[0].task} {verbs[0]} it, task {sides[1].task} {verbs[1]} it, "
            "and nothing says who comes first"
        ),
        location=name,
        sides=sides,
        level="info",
        confirmed=False,
        key=" ".join(sorted(record.path[step][1].key for step in (one, other))),
    )


def _side(record: RunRecord, locks: Locks, step: int) -> Side:
    task, site = record.path[step]
    held = [lock_at(record.path[each.since][1]) for each in locks.at(step) if each.since >= 0]
    return Side(
        task=record.tasks[task],
        kind=record.operations[step].kind,
        filename=site.filename,
        line=site.line,
        function=site.qualname,
        name=name_at(site),
        value="",
        locks=tuple(held),
        started=record.started[task],
    )
