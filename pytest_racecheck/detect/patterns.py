"""Finds in the steps of one run what may be a race: one task comes between what another one does to the same thing.

Of the four ways in which an access can come between two others so that no order of the whole explains it (Lu, Tucek,
Qin and Zhou, "AVIO: detecting atomicity violations via access interleaving invariants", ASPLOS 2006) it looks for the
ones in which a task acts on what it has read. Whether it matters is not decided here.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Literal, NamedTuple

from pytest_racecheck.core.record import RunRecord
from pytest_racecheck.core.values import WHOLE, Operation, Site
from pytest_racecheck.detect.roles import Role, role_of

MOST_READS: Final = 32
"""So many reads of one task are remembered for each object."""

Shape = Literal["stale-write", "stale-decision", "iteration", "torn"]
Parts = tuple[Hashable, ...]
Key = tuple[str, ...]


class Suspect(NamedTuple):
    """Three steps of a run, by their index: one of a task, one of another, and one of the first again."""

    shape: Shape
    first: int
    """What the task goes by: the read that it acts on, the fetching of an item."""
    foreign: int
    """What another task changed in between."""
    last: int
    """What the task does all the same."""

    key: Key
    """The places in the code."""
    begins: int | None = None
    """Where what the other task does begins, if that is more than one step."""


def suspects(record: RunRecord) -> list[Suspect]:
    """What may be a race in a run; of several for the same places only the first, in the order of their last steps."""
    found: dict[Key, Suspect] = {}
    for target, indices in _by_target(record).items():
        for suspect in _Target(record, target).scan(indices):
            found.setdefault(suspect.key, suspect)
    return sorted(found.values(), key=lambda suspect: suspect.last)


def is_access(operation: Operation) -> bool:
    """Whether an operation reads or changes data, and is not there to order tasks."""
    return not operation.passes and operation.kind in ("read", "write", "update")


def conflict(one: Parts, other: Parts) -> bool:
    """Whether two accesses to one object touch the same part of it."""
    if len(one) == len(other) == 1:
        return one[0] == other[0] or one[0] == WHOLE or other[0] == WHOLE
    return WHOLE in one or WHOLE in other or any(part in other for part in one)


def parts_of(operation: Operation, target: int) -> Parts:
    """The parts of an object that an operation touches."""
    if not operation.also:
        return (operation.part,)
    parts = tuple([part for other, part in operation.also if other == target])
    return (operation.part, *parts) if operation.target == target else parts


def _by_target(record: RunRecord) -> dict[int, list[int]]:
    """The accesses to each object that several tasks touch and one changes."""
    accesses: dict[int, list[int]] = {}
    first: dict[int, int] = {}
    shared: set[int] = set()
    changed: set[int] = set()
    path = record.path
    for index, (kind, _, target, _, also, _, _, passes) in enumerate(record.operations):
        if passes or (kind != "read" and kind != "write" and kind != "update"):  # noqa: PLR1714  (twice as fast)
            continue
        for each in (target,) if not also else dict.fromkeys((target, *[other for other, _ in also])):
            if each not in first:
                first[each] = path[index][0]
                accesses[each] = [index]
            else:
                accesses[each].append(index)
                if first[each] != path[index][0]:
                    shared.add(each)
            if kind != "read":
                changed.add(each)
    return {target: accesses[target] for target in accesses if target in shared and target in changed}


class _Target:
    """The accesses to one object, one after another."""

    def __init__(self, record: RunRecord, target: int) -> None:
        self._record = record
        self._target = target
        self._reads: dict[int, list[int]] = {}
        """By task: the steps at which it has read what it has not changed since."""
        self._writes: list[int] = []
        self._fetches: dict[int, int] = {}
        """By task: where it last fetched an item of the object."""

    def scan(self, indices: list[int]) -> list[Suspect]:
        """Look at the accesses in their order. Most are no more than noted: this is done for every run."""
        path, operations, reads, writes = self._record.path, self._record.operations, self._reads, self._writes
        found: list[Suspect] = []
        latest, latest_task, latest_other = -1, -1, -1
        for index in indices:
            task, site = path[index]
            own = reads.get(task)
            if own is None:
                own = reads[task] = []
            kind = operations[index].kind
            if kind == "read":
                if site.action == "advance" or site.action == "iterate":  # noqa: PLR1714  (twice as fast)
                    found += self._fetched(index, task, site)
                if own and own[-1] > latest and operations[own[-1]] == operations[index]:
                    own[-1] = index  # it waits in a loop
                else:
                    own.append(index)
                continue
            foreign = latest if latest_task != task else latest_other
            if own:
                if foreign > own[0]:
                    found += self._stale(index, task, own)
                self._forget(own, index)
            if latest_task != task:
                latest_other = latest
            latest, latest_task = index, task
            writes.append(index)
            if kind == "update" and role_of(site) is not Role.NOTHING:
                own.append(index)
        return found

    def _forget(self, own: list[int], index: int) -> None:
        """What a task has read before it changed the same says nothing any more."""
        parts = self._parts(index)
        own[:] = [read for read in own[-MOST_READS:] if not conflict(self._parts(read), parts)]

    def _parts(self, index: int) -> Parts:
        return parts_of(self._record.operations[index], self._target)

    def _fetched(self, index: int, task: int, site: Site) -> list[Suspect]:
        """The next item is fetched of what somebody else has changed since the one before."""
        fetch = self._fetches.pop(task, None)
        if site.action == "iterate":
            return []
        self._fetches[task] = index
        if fetch is None or self._record.path[fetch][1] is not site:
            return []
        foreign = self._last_foreign(task, fetch, self._parts(fetch))
        return [] if foreign is None else [self._suspect("iteration", fetch, foreign, index)]

    def _stale(self, index: int, task: int, own: list[int]) -> list[Suspect]:
        """Something is written of what somebody else has changed since it was last looked at."""
        parts = self._parts(index)
        relevant = [read for read in own if self._is_gone_by(read, index) and conflict(self._parts(read), parts)]
        if not relevant:
            return []
        foreign = self._last_foreign(task, relevant[0], tuple(part for read in relevant for part in self._parts(read)))
        if foreign is None:
            return []
        before = [read for read in relevant if read < foreign]
        after = [read for read in relevant if read > foreign]
        if not after:
            return [self._suspect("stale-write", before[-1], foreign, index)]
        if all(self._role(read) is Role.VALUE for read in after):
            # It has worked with the new value since, but what it does was decided by the old one.
            decision = next((read for read in reversed(before) if self._role(read) is not Role.VALUE), None)
            if decision is not None:
                return [self._suspect("stale-decision", decision, foreign, index)]
        return []

    def _is_gone_by(self, read: int, index: int) -> bool:
        """Whether a step may go by what another has read: of two that both read and change none needs the other."""
        return self._record.operations[read].kind == "read" or self._record.operations[index].kind != "update"

    def _suspect(self, shape: Shape, first: int, foreign: int, last: int) -> Suspect:
        path = self._record.path
        return Suspect(shape, first, foreign, last, (path[first][1].key, path[foreign][1].key, path[last][1].key))

    def _role(self, index: int) -> Role:
        return role_of(self._record.path[index][1])

    def _last_foreign(self, task: int, since: int, parts: Parts) -> int | None:
        for index in reversed(self._writes):
            if index < since:
                return None
            if self._record.path[index][0] != task and conflict(self._parts(index), parts):
                return index
        return None
