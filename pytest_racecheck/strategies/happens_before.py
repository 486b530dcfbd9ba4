"""The happens-before order of one run: what each step touched, which steps it must follow, and where races are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pytest_racecheck.core.clocks import Clock, join
from pytest_racecheck.core.values import WHOLE, Kind, Operation, TaskId, Touch

READS: Final = frozenset({"read", "join", "try-acquire", "give-up"})
"""What only looks. An attempt to take a lock that succeeds takes it as well, which is told as a further touch."""

NO_TARGET: Final = frozenset({"start", "end", "sleep", "yield", "spawn"})
"""Operations that touch nothing that another task could touch."""

ACCESSES: Final = frozenset({"read", "write", "update", "call"})


class Event:
    """One step of a run: an operation of a task, and what it did beside that."""

    __slots__ = ("clock", "enabled", "index", "kind", "number", "operation", "parent", "task", "touches", "waits_ended")

    def __init__(
        self,
        index: int,
        number: int,
        task: TaskId,
        operation: Operation,
        enabled: Mapping[TaskId, Operation],
        waits_ended: int,
        before: Event | None,
        parent: Event | None,
    ) -> None:
        self.index = index
        self.number = number
        """Which step of its task it is, from 1."""
        self.task = task
        self.operation = operation
        self.kind: Kind = operation.kind
        self.enabled = enabled
        """Who could have moved in its place, and what each was about to do."""
        self.waits_ended = waits_ended
        self.touches = touches_of(operation, before)
        self.parent = parent
        """The step that started the task, where this is its first one."""
        self.clock: Clock = {}

    def also(self, touched: Iterable[Touch]) -> None:
        """Add what the step did without announcing it."""
        self.touches = (*self.touches, *touched)

    def takes(self, target: int) -> bool:
        """Whether it took a lock: it was announced as taking it, or did it inside of something else."""
        kinds = {touch.kind for touch in self.touches if touch.target == target}
        return "acquire" in kinds and "give-up" not in kinds

    def was_woken(self) -> bool:
        """Whether it could be carried out only because time had passed."""
        return self.kind == "sleep" or any(touch.kind == "give-up" for touch in self.touches)

    def follows(self, other: Event) -> bool:
        """Whether it comes after the other one in every run that is equivalent to this one."""
        return self.clock.get(other.task, 0) >= other.number


def touches_of(operation: Operation, before: Event | None) -> tuple[Touch, ...]:
    """What an operation touches, by what it announces.

    One instruction may announce several accesses, and acts only after the last one: each has what came before it.
    """
    if operation.kind in NO_TARGET or not operation.target:
        return ()
    kind: Kind = "read" if operation.looks else operation.kind
    own = Touch(kind, operation.target, operation.part)
    touches = (own, *(Touch(kind, target, part) for target, part in operation.also))
    if before is None or before.operation.site is not operation.site:
        return touches
    if operation.kind not in ACCESSES or before.kind not in ACCESSES:
        return touches
    return (*before.touches, *touches)


def conflict(one: Touch, other: Touch) -> bool:
    """Whether the order of two touches by different tasks may matter."""
    return (
        one.target == other.target
        and not (one.inner and other.inner)
        and (one.kind not in READS or other.kind not in READS)
        and (one.part == other.part or WHOLE in (one.part, other.part))
    )


def dependent(one: Iterable[Touch], other: tuple[Touch, ...]) -> bool:
    """Whether any of the touches conflict."""
    return any(conflict(left, right) for left in one for right in other)


class Order:
    """Orders the events of one run as they are added, and finds the races.

    Vector clocks over the order of conflicting steps: Mazurkiewicz traces. A step that could go on only because time
    had passed follows everything before it, as time passes only when nobody else can move.
    """

    def __init__(self) -> None:
        self._last: dict[TaskId, Event] = {}
        self._touched: dict[int, list[tuple[Event, Touch]]] = {}
        self._everything: Clock = {}
        self._before_time: Clock = {}
        self._waits_ended = 0

    def add(self, event: Event) -> list[Event]:
        """Order one more event; return those with which it is in a reversible race, the latest first."""
        races, clock = self._races(event)
        if event.was_woken():
            join(clock, self._before_time)
        clock[event.task] = event.number
        self._note(event, clock)
        return races

    def add_known(self, event: Event, clock: Clock) -> None:
        """Add an event whose place in the order is known, from an earlier run that began alike."""
        self._see_time(event)
        self._note(event, clock)

    def pending(self, event: Event) -> list[Event]:
        """Return the same for a step that was never carried out, as the run was over before."""
        return self._races(event)[0]

    def _races(self, event: Event) -> tuple[list[Event], Clock]:
        """The races, and what is known to come before, but for time."""
        self._see_time(event)
        before = self._last.get(event.task) or event.parent
        clock = dict(before.clock) if before is not None else {}
        races: list[Event] = []
        later: list[Event] = []
        for other, fixed in self._conflicting(event, dict(clock)):
            if fixed:
                later.append(other)
            elif clock.get(other.task, 0) < other.number:
                if self._reversible(other, event):
                    races.append(other)
                join(clock, other.clock)
        for other in later:
            join(clock, other.clock)
        return races, clock

    def _see_time(self, event: Event) -> None:
        if event.waits_ended > self._waits_ended:
            self._waits_ended = event.waits_ended
            self._before_time = dict(self._everything)

    def _conflicting(self, event: Event, known: Clock) -> Iterator[tuple[Event, bool]]:
        """Earlier events of other tasks that conflict, the latest first; whether each can't change places with it.

        Those that come before anyway, as is known from its task, are left out.

        Who waits for a lock can't come before the one who gives it back, nor before one who looks at it meanwhile, but
        before the one who took it.
        """
        wanted = event.operation.target if event.kind == "acquire" else 0
        found: dict[int, tuple[Event, bool]] = {}
        for touch in event.touches:
            for other, its in self._touched.get(touch.target, ()):
                if known.get(other.task, 0) < other.number and other.task != event.task and conflict(touch, its):
                    fixed = its.target == wanted and not other.takes(wanted) and not self._is_free(wanted, other)
                    before = found.get(other.index)
                    found[other.index] = (other, fixed if before is None else fixed and before[1])
        for index in sorted(found, reverse=True):
            yield found[index]

    def _is_free(self, lock: int, event: Event) -> bool:
        """Whether a lock was free when an event came that does not take it."""
        free = True
        for other, touch in self._touched[lock]:
            if other.index >= event.index:
                break
            if touch.kind == "release":
                free = True
            elif touch.kind == "acquire" and other.takes(lock):
                free = False
        return free

    def _reversible(self, other: Event, event: Event) -> bool:
        if event.kind == "join":
            return False
        last = self._last.get(event.task)
        if last is None or last.index < other.index:  # it was waiting for this very step already
            return event.task in other.enabled
        return True

    def _note(self, event: Event, clock: Clock) -> None:
        event.clock = clock
        self._last[event.task] = event
        join(self._everything, clock)
        for touch in event.touches:
            self._touched.setdefault(touch.target, []).append((event, touch))
