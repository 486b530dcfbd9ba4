"""Which locks each task held at each step of a run."""

from __future__ import annotations

from typing import NamedTuple

from pytest_racecheck.core.record import RunRecord


class Held(NamedTuple):
    """A lock that a task holds."""

    lock: int
    since: int
    """The step at which it took it; -1 if it had it before there was a second task."""


class Locks:
    """The locks of one run, followed from step to step."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self.holders: dict[int, tuple[int, int]] = {}
        """Lock -> the task that has it at the end, and since when."""
        self._held: list[tuple[Held, ...]] = []
        beside = iter(record.beside)
        following = next(beside, None)
        for index, ((task, _), operation) in enumerate(zip(record.path, record.operations, strict=True)):
            while following is not None and following[0] <= index:
                self._note(following[1], following[2], following[3], following[0] - 1)
                following = next(beside, None)
            self._note(task, operation.kind, operation.target, index)
            self._held.append(self._of(task))
        for _, task, kind, lock in ([following] if following is not None else []) + list(beside):
            self._note(task, kind, lock, len(record.path))

    def at(self, index: int) -> tuple[Held, ...]:
        """What the task of a step held when it was done, the oldest first."""
        return self._held[index]

    def outermost(self, index: int) -> int:
        """Where the outermost critical section begins that a step lies in; the step itself if it lies in none."""
        held = [each.since for each in self._held[index] if each.since >= 0]
        return min(held, default=index)

    def _note(self, task: int, kind: str, lock: int, index: int) -> None:
        if kind == "acquire":
            self.holders.setdefault(lock, (task, index))
            if self.holders[lock][0] != task:
                self.holders[lock] = (task, index)
        elif kind == "release" or (kind == "give-up" and self.holders.get(lock) == (task, index)):
            self.holders.pop(lock, None)

    def _of(self, task: int) -> tuple[Held, ...]:
        return tuple([Held(lock, since) for lock, (holder, since) in self.holders.items() if holder == task])
