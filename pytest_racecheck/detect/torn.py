"""Finds in the steps of one run who reads two things while another task is between its writes of them.

Artho, Havelund and Biere, "High-level data races" (STVR 2003): what one task writes together, another should read
together. Whether the two belong together nobody can know but the author; whether it matters is found out elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pytest_racecheck.core.record import RunRecord
from pytest_racecheck.core.values import Kind
from pytest_racecheck.detect.locks import Locks
from pytest_racecheck.detect.patterns import Key, Suspect, conflict, parts_of

RECENT: Final = 6
"""So many accesses of one task can belong together."""

LONGEST_GAP: Final = 200
"""Of more steps in between, the rest is left out."""

_ORDERING: Final = frozenset({"acquire", "release", "try-acquire", "wait", "join", "sleep", "yield", "call"})


def torn(record: RunRecord) -> list[Suspect]:
    """What may be torn in a run, each set of places once, in the order in which the tasks were interrupted."""
    found: dict[Key, Suspect] = {}
    path = record.path
    own: list[list[int]] = [[] for _ in record.tasks]
    before = -1
    for step, (task, _) in enumerate(path):
        if task != before:
            if own[task]:
                for suspect in _interrupted(record, own[task], step):
                    found.setdefault(suspect.key, suspect)
            before = task
        own[task].append(step)
    return list(found.values())


def _interrupted(record: RunRecord, done: list[int], resumed: int) -> Iterator[Suspect]:
    """A task goes on: what it did before and does now may belong together."""
    gap = range(done[-1] + 1, min(resumed, done[-1] + LONGEST_GAP))
    if not _touches_two(record, gap):
        return
    task = record.path[resumed][0]
    later = (step for step in range(resumed, len(record.path)) if record.path[step][0] == task)
    after = _together(record, later)
    if not after:
        return
    earlier = _together(record, reversed(done))
    for kind, counterpart in (("write", "read"), ("read", "write")):
        for first in _different(record, earlier, kind):
            for last in _different(record, after, kind):
                if not _is_same(record, first, last) and _may_belong(record, first, last, kind):
                    for suspect in _inside(record, first, last, gap, counterpart):
                        writes = (first, last) if kind == "write" else (suspect.begins, suspect.foreign)
                        if not _has_let_others_in(record, *writes):
                            yield suspect


def _touches_two(record: RunRecord, gap: range) -> bool:
    """Whether the others read two things in between, or write two: most do not, and need no closer look."""
    if len(gap) < 2:
        return False
    seen: dict[str, tuple[int, object]] = {}
    for step in gap:
        kind, _, target, part, _, _, _, passes = record.operations[step]
        if (kind == "read" or kind == "write") and not passes:  # noqa: PLR1714  (twice as fast)
            before = seen.setdefault(kind, (target, part))
            if before[0] != target or before[1] != part:
                return True
    return False


def _together(record: RunRecord, steps: Iterable[int]) -> list[int]:
    """The accesses that come first, up to a lock or anything else that orders tasks."""
    found: list[int] = []
    for step in steps:
        kind, _, _, _, _, _, _, passes = record.operations[step]
        if passes or kind in _ORDERING:
            break
        found.append(step)
        if len(found) == RECENT:
            break
    return found


def _different(record: RunRecord, steps: list[int], kind: str) -> list[int]:
    """The accesses of a kind, of several to the same only the nearest."""
    found: dict[tuple[int, object], int] = {}
    for step in steps:
        operation = record.operations[step]
        if operation.kind == kind:
            found.setdefault((operation.target, operation.part), step)
    return list(found.values())


def _is_same(record: RunRecord, one: int, other: int) -> bool:
    first, second = record.operations[one], record.operations[other]
    return (first.target, first.part) == (second.target, second.part)


def _may_belong(record: RunRecord, first: int, last: int, kind: str) -> bool:
    """What is written together is written by one function; what is read may be read through others."""
    return kind == "read" or record.path[first][1].qualname == record.path[last][1].qualname


def _inside(record: RunRecord, first: int, last: int, gap: range, wanted: Kind | str) -> Iterator[Suspect]:
    """Another task that does the counterpart to both, in between."""
    path, operations = record.path, record.operations
    targets = (operations[first].target, operations[last].target)
    by_task: dict[int, list[int]] = {}
    for step in gap:
        operation = operations[step]
        if operation.target in targets and operation.kind == wanted and not operation.passes:
            by_task.setdefault(path[step][0], []).append(step)
    for steps in by_task.values():
        one = [step for step in steps if _touches(record, step, first)]
        other = [step for step in steps if _touches(record, step, last)]
        if not one or not other or one[-1] == other[-1]:
            continue
        begins, ends = sorted((one[-1], other[-1]))
        if wanted == "read" or path[begins][1].qualname == path[ends][1].qualname:
            yield Suspect(
                "torn", first, ends, last, tuple(path[step][1].key for step in (first, begins, ends, last)), begins
            )


def _has_let_others_in(record: RunRecord, one: int | None, other: int) -> bool:
    """Whether a task holds locks at both of its writes, and has given back what it held at the first in between."""
    locks = Locks(record)
    before, after = locks.at(other if one is None else one), locks.at(other)
    return bool(before and after) and not set(before) & set(after)


def _touches(record: RunRecord, step: int, access: int) -> bool:
    one, other = record.operations[step], record.operations[access]
    if one.target != other.target:
        return False
    return conflict(parts_of(one, one.target), parts_of(other, one.target))
