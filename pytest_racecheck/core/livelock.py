"""Tells a run that only goes round in circles from one that is long."""

from __future__ import annotations

from typing import Final

from pytest_racecheck.core.failures import place_of, too_many_steps, waiting_for
from pytest_racecheck.core.interrupt import where_is
from pytest_racecheck.core.task import LAPSE, Task
from pytest_racecheck.core.values import Failure, Operation, Site

LAST: Final = 64
"""So many operations beyond the limit are looked at."""

LONGEST: Final = 16
"""So many operations may one round of a task have."""

HARMLESS: Final = frozenset({"read", "try-acquire", "acquire", "release", "yield", "sleep", "wait", "join"})
"""What changes nothing that another task could wait for in the end; a lock that is taken and given back neither."""

ASKING: Final = frozenset({"get", "acquire"})
"""Calls that count as changes because they may succeed; in a circle they did not."""


class LastOperations:
    """The operations of a run beyond its limit of steps."""

    def __init__(self) -> None:
        self._rounds: dict[Task, list[Operation]] = {}
        self._changed = False
        self._count = 0

    def add(self, task: Task, *, wrote: bool) -> bool:
        """A task is at one more; tell whether it is known now what they are.

        ``wrote`` tells whether anything was changed since the one before, though not as an operation.
        """
        operation = task.operation
        self._changed |= wrote and self._count > 0
        self._rounds.setdefault(task, []).append(operation)
        # A lapse stands for thousands of accesses, which have taken their time already.
        self._count += LAST // 4 if operation.site is LAPSE else 1
        return self._count >= LAST

    def failure(self, task: Task, alive: list[Task], limit: int) -> Failure:
        """Make the failure: a livelock if every task that moves repeats what it does and changes nothing."""
        circles = {task: _circle(operations) for task, operations in self._rounds.items()}
        if self._changed or not all(circles.values()):
            return too_many_steps(task, limit)
        lines = [f"livelock: no end after {limit} operations, and the last ones repeat and change nothing"]
        lines += [_told(each, circle) for each, circle in sorted(circles.items(), key=lambda pair: pair[0].index)]
        lines += [
            f"  task {each.id} {waiting_for(each)}, at {place_of(each.operation.site)}"
            for each in alive
            if each not in circles and each.blocked
        ]
        places = [_place(each, circle[0].site) for each, circle in circles.items()]
        return Failure(
            kind="livelock",
            message="\n".join([*lines, "  a test that is really so long needs a larger steps="]),
            task=task.id,
            locations=tuple(place.partition(" in ")[0] for place in places),
        )


def _circle(operations: list[Operation]) -> list[Operation]:
    """The shortest round that a task goes again and again; nothing if there is none, or it changes something."""
    if not all(each.kind in HARMLESS or each.site.name in ASKING for each in operations):
        return []
    sites = [each.site for each in operations]
    for length in range(1, min(LONGEST, len(sites)) + 1):
        if sites[length:] == sites[:-length]:
            return operations[:length]
    return []


def _told(task: Task, circle: list[Operation]) -> str:
    steps = [f"{_verb(each)} at {_place(task, each.site)}" for each in circle]
    return f"  task {task.id} goes round: {', '.join(dict.fromkeys(steps))}"


def _verb(operation: Operation) -> str:
    return "asks" if operation.site is LAPSE or operation.kind == "update" else operation.kind


def _place(task: Task, site: Site) -> str:
    return place_of(site) if site.filename else where_is(task.ident)
