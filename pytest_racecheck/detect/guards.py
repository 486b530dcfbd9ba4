"""Says which lock is missing: the one that protects the other accesses to the same thing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pytest_racecheck.core.record import RunRecord
from pytest_racecheck.detect.locks import Held, Locks
from pytest_racecheck.detect.order import Order
from pytest_racecheck.detect.patterns import conflict, is_access, parts_of
from pytest_racecheck.detect.roles import lock_at


class Place(NamedTuple):
    """A line of the code."""

    filename: str
    line: int

    def __str__(self) -> str:
        return f"{self.filename}:{self.line}"


def hint(record: RunRecord, first: int, foreign: int, last: int, name: str) -> str:
    """A sentence on the lock that should be held by these three steps of a run, "" if no lock has to do with them.

    Savage, Burrows, Nelson, Sobalvarro and Anderson, "Eraser: a dynamic data race detector for multithreaded programs"
    (TOCS 1997): what is always touched under the same lock is protected by it. Here it is the exceptions that count.
    """
    locks = Locks(record)
    guarded = _guarded(record, locks, foreign)
    if not guarded:
        return ""
    every = set.intersection(*guarded.values())
    if every:
        return _given_back(record, locks, first, last, every)
    best = max(sorted(set.union(*guarded.values())), key=lambda lock: _count(guarded, lock), default=None)
    if best is None:
        return ""
    without = sorted(place for place, held in guarded.items() if best not in held)
    lock, held, bare = _name(record, locks, best), _count(guarded, best), ", ".join(map(str, without))
    return f"{name} is guarded by {lock} in {held} of {len(guarded)} places; not at {bare}."


def _count(guarded: dict[Place, set[int]], lock: int) -> int:
    return sum(lock in held for held in guarded.values())


def _guarded(record: RunRecord, locks: Locks, step: int) -> dict[Place, set[int]]:
    """For each line that touches what a step touches, the locks that are held there every time.

    What can't come at the same time as anything else, before the tasks were started or after their end, needs no lock.
    """
    operation = record.operations[step]
    target, parts = operation.target, parts_of(operation, operation.target)
    order = Order(record)
    steps = [
        other
        for other, access in enumerate(record.operations)
        if access.target == target and is_access(access) and conflict(parts_of(access, target), parts)
    ]
    found: dict[Place, set[int]] = {}
    for other in steps:
        task, site = record.path[other]
        rivals = (each for each in steps if record.path[each][0] != task)
        if any(not order.before(each, other) and not order.before(other, each) for each in rivals):
            place, held = Place(site.filename, site.line), _visible(record, locks.at(other))
            found[place] = found[place] & held if place in found else held
    return found


def _visible(record: RunRecord, held: Iterable[Held]) -> set[int]:
    """Locks that the code under test takes itself."""
    return {each.lock for each in held if each.since < 0 or not record.path[each.since][1].hidden}


def _given_back(record: RunRecord, locks: Locks, first: int, last: int, every: set[int]) -> str:
    """The lock is there, but is given back in between."""
    before = {each.lock: each.since for each in locks.at(first)}
    after = {each.lock: each.since for each in locks.at(last)}
    split = sorted(lock for lock in every if lock in before and before[lock] != after.get(lock))
    if not split:
        return ""
    site, end = record.path[first][1], record.path[last][1]
    return (
        f"{_name(record, locks, split[0])} is held at each access, but given back between "
        f"{Place(site.filename, site.line)} and {Place(end.filename, end.line)}."
    )


def _name(record: RunRecord, locks: Locks, lock: int) -> str:
    """What the source calls a lock where it is first taken."""
    for step in range(len(record.path)):
        for each in locks.at(step):
            if each.lock == lock and each.since >= 0:
                return lock_at(record.path[each.since][1])
    return "a lock"
