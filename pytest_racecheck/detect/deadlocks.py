"""Tells a deadlock, met or only foreseen, as the race that it is: locks taken in different orders."""

from __future__ import annotations

from pytest_racecheck.core.record import RunRecord
from pytest_racecheck.core.values import Failure, Race, Side, TaskId, Trace
from pytest_racecheck.detect.lock_order import Circle
from pytest_racecheck.detect.locks import Locks
from pytest_racecheck.detect.roles import lock_at


def foreseen(record: RunRecord, circle: Circle) -> Race:
    """The race of a circle that a run has just missed."""
    sides: list[Side] = []
    for edge in circle.edges:
        held = _side(record, edge.since)
        sides += [held, _side(record, edge.step, held)]
    return _race(sides, confirmed=False, key=" ".join(circle.key))


def met(record: RunRecord, trace: Trace, failure: Failure) -> Race | None:
    """The race of a run that has ended in a circle of tasks that wait for each other's locks; ``None`` if it has not.

    The trace must be of a run that tells what is pending.
    """
    waiting = {task: operation for task, operation in trace.pending if operation.kind == "acquire"}
    numbers = {task: number for number, task in enumerate(record.tasks)}
    holders = {lock: (record.tasks[task], since) for lock, (task, since) in Locks(record).holders.items()}
    circle = _circle({task: holders[each.target][0] for task, each in waiting.items() if each.target in holders})
    if not circle or any(task not in numbers for task in circle):
        return None
    sides: list[Side] = []
    for place, task in enumerate(circle):
        before = circle[place - 1]  # who waits for this one
        since = holders[waiting[before].target][1]
        if since < 0:
            return None
        held = _side(record, since)
        site = waiting[task].site
        name = lock_at(site)
        sides += [held, Side(task, "acquire", site.filename, site.line, site.qualname, name, "", locks=(held.name,))]
    return _race(sides, confirmed=True, key=failure.place)


def _circle(waits_for: dict[TaskId, TaskId]) -> list[TaskId]:
    """Tasks each of which waits for the next, and the last for the first."""
    for start in sorted(waits_for):
        path: list[TaskId] = []
        task: TaskId | None = start
        while task is not None and task not in path:
            path.append(task)
            task = waits_for.get(task)
        if task == start and len(path) > 1:
            return path
    return []


def _side(record: RunRecord, step: int, held: Side | None = None) -> Side:
    task, site = record.path[step]
    return Side(
        task=record.tasks[task],
        kind="acquire",
        filename=site.filename,
        line=site.line,
        function=site.qualname,
        name=lock_at(site),
        value="",
        locks=(held.name,) if held is not None else (),
        started=record.started[task],
    )


def _race(sides: list[Side], *, confirmed: bool, key: str) -> Race:
    told = [
        f"task {wanted.task} takes {wanted.name} while it holds {held.name}"
        for held, wanted in zip(sides[::2], sides[1::2], strict=True)
    ]
    return Race(
        kind="lock-order",
        message=f"lock order: {', '.join(told[:-1])}, and {told[-1]}",
        location=" and ".join(dict.fromkeys(side.name for side in sides[::2])),
        sides=tuple(sides),
        level="error" if confirmed else "info",
        confirmed=confirmed,
        key=key,
    )
