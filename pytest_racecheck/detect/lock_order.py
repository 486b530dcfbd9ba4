"""Finds locks that tasks take in different orders: a deadlock that one run has missed, and another will meet.

Havelund, "Using runtime analysis to guide model checking of Java programs" (SPIN 2000), with the guards of Bensalem and
Havelund, "Dynamic deadlock analysis of multi-threaded programs" (HVC 2005): tasks that hold a further lock in common
keep each other out, and those that come one after the other in every run never meet. What is found is steered into:
Joshi, Park, Sen and Naik, "A randomized dynamic program analysis technique for detecting real deadlocks" (PLDI 2009).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from pytest_racecheck.core.record import RunRecord
from pytest_racecheck.detect.locks import Locks
from pytest_racecheck.detect.order import Order
from pytest_racecheck.detect.steering import Hold, point_of

LONGEST: Final = 4
"""So many tasks may a circle have."""

MOST_EDGES: Final = 200
"""Of a run that takes more locks inside of others, the rest is left out."""


class Edge(NamedTuple):
    """A task takes a lock while it holds another one."""

    task: int
    held: int
    wanted: int
    since: int
    """The step at which it took the one that it holds."""
    step: int
    """The step at which it takes the other one."""
    guards: frozenset[int]
    """All that it holds."""


class Circle(NamedTuple):
    """Tasks each of which wants what the next one holds."""

    edges: tuple[Edge, ...]
    key: tuple[str, ...]
    """Where each takes its two locks, sorted by their names."""


def circles(record: RunRecord) -> list[Circle]:
    """The circles of one run in which nobody was caught, each set of places once."""
    edges = _edges(record)
    if len({edge.task for edge in edges}) < 2:
        return []
    order = Order(record)
    found: dict[tuple[str, ...], Circle] = {}
    for edge in edges:
        for path in _paths([edge], edges, order):
            circle = _circle(record, path)
            found.setdefault(circle.key, circle)
    return list(found.values())


def holds_of(record: RunRecord, circle: Circle) -> tuple[Hold, ...]:
    """What leads into a circle: each waits before its second lock until the next has its first."""
    following = (*circle.edges[1:], circle.edges[0])
    return tuple(
        Hold(point_of(record, edge.step), point_of(record, other.since))
        for edge, other in zip(circle.edges, following, strict=True)
    )


def takes_several(record: RunRecord) -> bool:
    """Whether any lock may be taken inside of another: tells quickly that most runs need no closer look."""
    depth: dict[int, int] = {}
    for (task, _), operation in zip(record.path, record.operations, strict=True):
        if operation.kind == "acquire":
            depth[task] = depth.get(task, 0) + 1
            if depth[task] > 1:
                return True
        elif operation.kind == "release":
            depth[task] = 0
    return False


def _edges(record: RunRecord) -> list[Edge]:
    locks = Locks(record)
    found: dict[tuple[int, int, int], Edge] = {}
    for step, ((task, site), operation) in enumerate(zip(record.path, record.operations, strict=True)):
        if operation.kind != "acquire" or site.hidden:
            continue
        held = [each for each in locks.at(step) if each.lock != operation.target and each.since >= 0]
        guards = frozenset(each.lock for each in held)
        for each in held:
            if not record.path[each.since][1].hidden:
                edge = Edge(task, each.lock, operation.target, each.since, step, guards)
                found.setdefault((task, each.lock, operation.target), edge)
        if len(found) > MOST_EDGES:
            break
    return list(found.values())


def _paths(path: list[Edge], edges: list[Edge], order: Order) -> Iterator[list[Edge]]:
    """Lengthen a path until it comes back to where it began; the task that came first begins, so each is found once."""
    last = path[-1]
    if len(path) > 1 and last.wanted == path[0].held:
        yield path
        return
    if len(path) == LONGEST:
        return
    for edge in edges:
        if edge.held == last.wanted and edge.task > path[0].task and all(_may_meet(edge, each, order) for each in path):
            yield from _paths([*path, edge], edges, order)


def _may_meet(one: Edge, other: Edge, order: Order) -> bool:
    if one.task == other.task or one.guards & other.guards or one.held == other.held:
        return False
    return not (order.before(one.step, other.since) or order.before(other.step, one.since))


def _circle(record: RunRecord, path: list[Edge]) -> Circle:
    return Circle(
        tuple(path), tuple(sorted(record.path[step][1].key for edge in path for step in (edge.since, edge.step)))
    )
