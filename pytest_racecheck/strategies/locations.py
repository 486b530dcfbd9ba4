"""The locations that tasks shared in a run, each by the sites that touched it: that is what means something later."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from pytest_racecheck.core.values import Site, Step, TaskId
from pytest_racecheck.strategies.happens_before import READS, touches_of


def contested(steps: Iterable[Step]) -> list[frozenset[Site]]:
    """The sites of each location that several tasks touched and one at least changed; locks included, none twice.

    Takes the operations of a run; their order decides the order of what comes out.
    """
    sites: dict[tuple[int, Hashable], set[Site]] = {}
    tasks: dict[tuple[int, Hashable], set[TaskId]] = {}
    changed: set[tuple[int, Hashable]] = set()
    for task, operation, _ in steps:
        for kind, target, part, _ in touches_of(operation):
            place = (target, part)
            sites.setdefault(place, set()).add(operation.site)
            tasks.setdefault(place, set()).add(task)
            if kind not in READS:
                changed.add(place)
    found = (frozenset(sites[place]) for place in sites if place in changed and len(tasks[place]) > 1)
    return list(dict.fromkeys(found))
