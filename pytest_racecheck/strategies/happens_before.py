"""What conflicts, and the order that comes of it: which steps of a run must follow which others, and races."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Final

from pytest_racecheck.core.values import WHOLE, Kind, Operation, TaskId, Touch

READS: Final = frozenset({"read", "join", "try-acquire", "give-up"})
"""What only looks. An attempt to take a lock that succeeds takes it as well, which is told as a further touch."""

NO_TARGET: Final = frozenset({"start", "end", "sleep", "yield", "spawn"})
"""Operations that touch nothing that another task could touch."""

ACCESSES: Final = frozenset({"read", "write", "update", "call"})

MOST_PARTS: Final = 100
"""With more parts than that, those are looked for that nobody touches any more."""

Steps = int
"""Some steps of a run, as a number: bit ``i`` is set if the step of index ``i`` is among them."""


class Event:
    """One step of a run: an operation of a task, and what it did beside that."""

    __slots__ = (
        "announced", "before", "enabled", "index", "operation", "past", "task", "time", "touches", "waits_ended",
    )  # fmt: skip

    def __init__(
        self,
        index: int,
        task: TaskId,
        operation: Operation,
        touches: tuple[Touch, ...],
        before: Event | None,
        enabled: Sequence[TaskId] = (),
        waits_ended: int = 0,
    ) -> None:
        self.index = index
        self.task = task
        self.operation = operation
        self.announced = self.touches = touches
        """What it said that it would touch, and what it has touched, which may be more."""
        self.before = before
        """The step of its task before it; of a first one, the step that started the task."""
        self.enabled = enabled
        """Who could have moved in its place."""
        self.waits_ended = waits_ended
        """How many timed waits had ended when it came."""
        self.past: Steps = 0
        """Itself and the steps that it comes after in every run that is equivalent to this one."""
        self.time: Steps = 0
        """The steps before the last moment at which time passed."""

    def follows(self, other: Event) -> bool:
        """Whether it comes after the other one, or is the other one, in every run that is equivalent to this one."""
        return bool(self.past >> other.index & 1)

    def takes(self, target: int) -> bool:
        """Whether it took a lock: it was announced as taking it, or did it inside of something else."""
        kinds = {touch.kind for touch in self.touches if touch.target == target}
        return "acquire" in kinds and "give-up" not in kinds

    def was_woken(self) -> bool:
        """Whether it could be carried out only because time had passed."""
        return self.operation.kind == "sleep" or any(touch.kind == "give-up" for touch in self.touches)


# -- conflicts ---------------------------------------------------------------------------------------------------


def touches_of(operation: Operation) -> tuple[Touch, ...]:
    """What an operation touches, by what it announces."""
    kind: Kind = operation.kind
    if kind in NO_TARGET or not operation.target:
        return ()
    if operation.looks:
        kind = "read"
    own = Touch(kind, operation.target, operation.part)
    if not operation.also:
        return (own,)
    return (own, *[Touch(kind, target, part) for target, part in operation.also])


def goes_on(operation: Operation, before: Operation | None) -> bool:
    """Whether two operations belong to one instruction, which acts only after the last one: it does what both do."""
    return (
        before is not None and before.site is operation.site and operation.kind in ACCESSES and before.kind in ACCESSES
    )


def conflict(one: Touch, other: Touch) -> bool:
    """Whether the order of two touches by different tasks may matter."""
    return (
        one.target == other.target
        and not (one.inner and other.inner)
        and (one.kind not in READS or other.kind not in READS)
        and (one.part == other.part or WHOLE in (one.part, other.part))
    )


def dependent(one: Iterable[Touch], other: Sequence[Touch]) -> bool:
    """Whether any of the touches conflict."""
    return any(conflict(left, right) for left in one for right in other)


def collide(one: Operation, other: Operation) -> bool:
    """Whether two operations of different tasks conflict, by what they announce."""
    if one.also or other.also:
        return dependent(touches_of(one), touches_of(other))
    if one.target != other.target or not one.target or one.kind in NO_TARGET or other.kind in NO_TARGET:
        return False
    if (one.looks or one.kind in READS) and (other.looks or other.kind in READS):
        return False
    return one.part == other.part or WHOLE in (one.part, other.part)


# -- the order ---------------------------------------------------------------------------------------------------


class _Part:
    """Which steps touched one part of one target, and how."""

    __slots__ = ("inner_reads", "inner_writes", "reads", "writes")

    def __init__(self) -> None:
        self.reads: Steps = 0
        self.writes: Steps = 0
        self.inner_reads: Steps = 0
        self.inner_writes: Steps = 0

    def add(self, touch: Touch, step: Steps) -> None:
        if touch.kind in READS:
            if touch.inner:
                self.inner_reads |= step
            else:
                self.reads |= step
        elif touch.inner:
            self.inner_writes |= step
        else:
            self.writes |= step

    def against(self, touch: Touch) -> Steps:
        """The steps that conflict with a touch of this part."""
        if touch.kind in READS:
            return self.writes if touch.inner else self.writes | self.inner_writes
        if touch.inner:
            return self.writes | self.reads
        return self.writes | self.reads | self.inner_writes | self.inner_reads

    def is_touched(self) -> bool:
        return bool(self.reads | self.writes | self.inner_reads | self.inner_writes)

    def cut(self, left: Steps) -> None:
        self.reads &= left
        self.writes &= left
        self.inner_reads &= left
        self.inner_writes &= left


class _Target:
    """Which steps touched one target; of a lock, which took it, and which came while it was taken."""

    __slots__ = ("any", "busy", "changed", "held", "parts", "takes")

    def __init__(self) -> None:
        self.any = _Part()
        self.parts: dict[Hashable, _Part] = {}
        self.takes: Steps = 0
        self.changed: Steps = 0
        """Steps that took it or gave it back; ``held`` are those of them that left it taken."""
        self.held: Steps = 0
        self.busy: Steps = 0
        """Steps that came while it was taken."""

    def against(self, touch: Touch) -> Steps:
        part = touch.part
        if part == WHOLE:
            return self.any.against(touch)
        parts = self.parts
        own = parts[part] if part in parts else None
        whole = parts[WHOLE] if WHOLE in parts else None
        return (own.against(touch) if own else 0) | (whole.against(touch) if whole else 0)

    def add(self, touch: Touch, step: Steps, event: Event) -> None:
        self.any.add(touch, step)
        part = self.parts[touch.part] if touch.part in self.parts else None
        if part is None:
            part = self.parts[touch.part] = _Part()
        part.add(touch, step)
        before = self.changed & (step - 1)
        if before and self.held >> (before.bit_length() - 1) & 1:
            self.busy |= step
        if touch.kind == "release":
            self.changed |= step
            self.held &= ~step
        elif touch.kind == "acquire" and event.takes(touch.target):
            self.takes |= step
            self.changed |= step
            self.held |= step

    def cut(self, left: Steps) -> None:
        self.any.cut(left)
        for part in self.parts.values():
            part.cut(left)
        if len(self.parts) > MOST_PARTS:
            self.parts = {key: part for key, part in self.parts.items() if part.is_touched()}
        self.takes &= left
        self.changed &= left
        self.held &= left
        self.busy &= left


class Order:
    """Orders the events of one run as they are added, and finds the races.

    The order of conflicting steps: Mazurkiewicz traces. A step that could go on only because time had passed follows
    everything before it, as time passes only when nobody else can move.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.of_task: dict[TaskId, Steps] = {}
        """The steps of each task."""
        self.unclear: Steps = 0
        """Steps that did more than to read and write."""
        self._targets: dict[int, _Target] = {}

    def add(self, event: Event) -> list[Event]:
        """Order one more event; return those with which it is in a reversible race, the latest first."""
        last = self.events[-1] if self.events else None
        if last is not None:
            passed = event.waits_ended > last.waits_ended
            event.time = (1 << event.index) - 1 if passed else last.time
        races = self.races(event)
        if event.time and event.was_woken():
            event.past |= event.time
        step = 1 << event.index
        for touch in event.touches:
            target = self._targets[touch.target] if touch.target in self._targets else None
            if target is None:
                target = self._targets[touch.target] = _Target()
            target.add(touch, step, event)
            if touch.kind not in {"read", "write"}:
                self.unclear |= step
        of_task = self.of_task
        of_task[event.task] = of_task[event.task] | step if event.task in of_task else step
        self.events.append(event)
        return races

    def races(self, event: Event) -> list[Event]:
        """Set the past of an event that comes next, but for time; return the same as `add`.

        Also for a step that was never carried out, as the run was over before.
        """
        step = 1 << event.index
        past = step if event.before is None else event.before.past | step
        earlier = self.conflicting(event.touches) & ~past
        fixed = earlier & self._fixed(event, earlier)
        earlier &= ~fixed
        found: list[Event] = []
        events = self.events
        while earlier:
            other = events[earlier.bit_length() - 1]
            if self._reversible(other, event):
                found.append(other)
            past |= other.past
            earlier &= ~past
        for other in self.listed(fixed):
            past |= other.past
        event.past = past
        return found

    def _fixed(self, event: Event, earlier: Steps) -> Steps:
        """Conflicting events that can't change places with this one.

        Who waits for a lock can't come before the one who gives it back, nor before one who looks at it meanwhile, but
        before the one who took it.
        """
        if event.operation.kind != "acquire" or not event.touches:
            return 0
        wanted = event.touches[0].target
        lock = self._targets[wanted] if wanted in self._targets else None
        if lock is None:
            return 0
        meanwhile = earlier & lock.busy & ~lock.takes
        if meanwhile and len(event.touches) > 1:  # what conflicts elsewhere as well is not fixed
            meanwhile &= ~self.conflicting([touch for touch in event.touches if touch.target != wanted])
        return meanwhile

    def _reversible(self, other: Event, event: Event) -> bool:
        if event.operation.kind == "join":
            return False
        last = self.of_task[event.task] if event.task in self.of_task else 0
        if last.bit_length() <= other.index:  # it was waiting for this very step already
            return event.task in other.enabled
        return True

    def conflicting(self, touches: Iterable[Touch]) -> Steps:
        """The steps with which any of some touches conflicts, those of the same task included."""
        found = 0
        for touch in touches:
            target = self._targets[touch.target] if touch.target in self._targets else None
            if target is not None:
                found |= target.against(touch)
        return found

    def listed(self, steps: Steps) -> Iterator[Event]:
        """Steps as events, the first one first."""
        while steps:
            lowest = steps & -steps
            yield self.events[lowest.bit_length() - 1]
            steps ^= lowest

    def cut(self, length: int) -> None:
        """Forget all events but the first ones."""
        if length < len(self.events):
            left = (1 << length) - 1
            del self.events[length:]
            self.unclear &= left
            for task in self.of_task:
                self.of_task[task] &= left
            for target in self._targets.values():
                target.cut(left)
            self._targets = {key: target for key, target in self._targets.items() if target.any.is_touched()}
