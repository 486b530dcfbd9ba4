"""Optimal dynamic partial order reduction: one run for each class of equivalent interleavings, and then it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from pytest_racecheck.core.clocks import Clock
from pytest_racecheck.core.values import Choice, Operation, TaskId, Trace
from pytest_racecheck.strategies.happens_before import Event, Order, dependent, touches_of

UNKNOWN: Final = 1_000_000
"""More steps than a task can have."""

MOST_STEPS: Final = 1000
"""Of longer runs there are more classes than anybody can run, and to order their steps takes long."""

MOST_RESTARTS: Final = 20
"""So often may runs teach something that makes all of them begin anew."""


class Branch:
    """A node of a wakeup tree: the task that moves, and what to try after it."""

    __slots__ = ("after", "task")

    def __init__(self, task: TaskId) -> None:
        self.task = task
        self.after: list[Branch] = []


class State:
    """A point of the run that is being varied: who moves there now, who has done so before, and who is to do so."""

    __slots__ = ("asleep", "branch", "seen", "to_try", "tried")

    def __init__(self, asleep: frozenset[TaskId], to_try: list[Branch], branch: Branch, seen: object) -> None:
        self.asleep = asleep
        """Tasks whose next step here leads to interleavings that were all run, from another state."""
        self.to_try = to_try
        """The wakeup tree, without the branch that is being explored."""
        self.branch = branch
        self.tried: set[TaskId] = set()
        self.seen = seen
        """Who was enabled, and what each was about to do where: the same in every run that comes by here."""


class Dpor:
    """Runs one interleaving of each class; two are of one class if they differ in the order of independent steps only.

    Abdulla, Aronis, Jonsson and Sagonas, "Source sets: a foundation for optimal dynamic partial order reduction"
    (JACM 2017): races of a run that is over are reversed where they began, and wakeup trees make sure that the run
    which does so is not of a class that was run. Where the paper compares steps of different runs, this compares what
    the tasks were about to do in the present one; what that can't tell counts as dependent, which costs a run at most.
    """

    name = "dpor"
    follows = True
    covers = True
    independent = False

    def __init__(self) -> None:
        self.complete = False
        """Whether every class was run, as far as the runs can tell."""
        self.classes = 0
        self.redundant = 0
        """Runs that turned out to be of a class that was run; none, unless something could not be told."""
        self.gave_up = ""
        """Why this can't be completed, as a sentence."""
        self._restarts = 0
        self._states: list[State] = []
        self._clocks: list[Clock] = []
        """Those of the events of the last run in which races were looked for."""
        self._begin()

    def _begin(self) -> None:
        self._events: list[Event] = []
        self._last: dict[TaskId, Event] = {}
        self._parents: dict[TaskId, Event | None] = {}
        self._changed_from = 0
        self._is_redundant = self._is_running = False
        self._pending: tuple[tuple[TaskId, Operation], ...] = ()

    def start_run(self) -> bool:
        """See `Strategy`; ``False`` when every class was run, or this was given up."""
        if self.complete or self.gave_up:
            return False
        changed = len(self._states) - 1
        self._begin()
        self._is_running = True
        self._changed_from = max(changed, 0)
        return True

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        if len(self._events) == MOST_STEPS:
            self.gave_up = f"a run has more than {MOST_STEPS:,} steps"
        if self.gave_up:
            return choice.default
        self._take_in(choice)
        state = self._state(choice)
        task = state.branch.task
        if task not in choice.enabled:
            if len(self._events) < self._changed_from:
                self.gave_up = f"the same steps did not lead to the same state, at {choice.place}"
            self._is_redundant = True
            task = choice.default
        enabled = dict(zip(choice.enabled, choice.operations, strict=True))
        event = self._event(task, enabled[task], enabled, choice.waits_ended)
        self._events.append(event)
        self._last[task] = event
        return task

    def _event(self, task: TaskId, operation: Operation, enabled: dict[TaskId, Operation], waits_ended: int) -> Event:
        last = self._last.get(task)
        number = 1 if last is None else last.number + 1
        parent = self._parents.get(task)
        return Event(len(self._events), number, task, operation, enabled, waits_ended, last, parent)

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`; of runs that another one has chosen it matters only whether they taught anything."""
        was_running, self._is_running = self._is_running, False
        if self.gave_up:
            return
        if was_running and (trace.forced or trace.unproven or trace.uncontrolled):
            self.gave_up = (*trace.unproven, *trace.uncontrolled, "a task had to be stopped that went on and on")[0]
        elif trace.learned:
            self._start_anew()
        elif was_running:
            if self._events:
                self._events[-1].also(trace.touched)
            self._pending = trace.pending
            self._learn_from_run()

    def estimate(self) -> float:
        """How many classes there may be, by how far the search has come: Knuth (1975), on the tree as far as known."""
        if self.complete:
            return self.classes
        done, share = 0.0, 1.0
        for state in self._states:
            branches = len(state.tried) + 1 + len(state.to_try)
            done += share * len(state.tried) / branches
            share /= branches
        return self.classes / done if done else float("inf")

    # -- during a run ------------------------------------------------------------------------------------------

    def _take_in(self, choice: Choice) -> None:
        """The last step is over: take in what it did beside its operation, and which tasks it started."""
        last = self._events[-1] if self._events else None
        if last is not None and choice.touched:
            last.also(choice.touched)
        for task in choice.enabled:
            self._parents.setdefault(task, last)

    def _state(self, choice: Choice) -> State:
        depth = len(self._events)
        seen = (choice.enabled, tuple([(operation.kind, operation.site) for operation in choice.operations]))
        if depth < len(self._states):
            state = self._states[depth]
            if state.seen != seen:
                self.gave_up = f"the same steps did not lead to the same state, at {choice.place}"
            return state
        parent = self._states[-1] if self._states else None
        asleep = self._asleep(parent) if parent is not None else frozenset[TaskId]()
        to_try = parent.branch.after if parent is not None else []
        if to_try:
            state = State(asleep, to_try[1:], to_try[0], seen)
        else:
            state = State(asleep, [], Branch(self._next(choice, asleep)), seen)
        self._states.append(state)
        return state

    def _next(self, choice: Choice, asleep: frozenset[TaskId]) -> TaskId:
        if choice.default not in asleep:
            return choice.default
        awake = [task for task in choice.enabled if task not in asleep]
        if awake:
            return awake[0]
        self._is_redundant = True
        return choice.default

    def _asleep(self, parent: State) -> frozenset[TaskId]:
        """Who sleeps on after the last step: those of before whose next step it does not concern."""
        event = self._events[-1]
        return frozenset(
            task
            for task in parent.asleep | parent.tried
            if task != event.task
            and task in event.enabled
            and not self._concerns(event, event.enabled[task], self._last.get(task))
        )

    def _concerns(self, event: Event, operation: Operation, before: Event | None) -> bool:
        """Whether a step is dependent with what another task is about to do, as far as that can be told."""
        if operation.open and any(touch.kind not in ("read", "write") for touch in event.touches):
            return True
        return dependent(event.touches, touches_of(operation, before))

    # -- between runs ------------------------------------------------------------------------------------------

    def _start_anew(self) -> None:
        self._restarts += 1
        self._states.clear()
        self._clocks.clear()
        self.classes = self.redundant = 0
        if self._restarts > MOST_RESTARTS:
            self.gave_up = "code that had not been seen before came up in every run"

    def _learn_from_run(self) -> None:
        if self._is_redundant:
            self.redundant += 1
            del self._clocks[self._changed_from :]
        else:
            self.classes += 1
            self._reverse_races()
        self._backtrack()

    def _reverse_races(self) -> None:
        order = Order()
        changed = self._changed_from if len(self._clocks) >= self._changed_from else 0
        for event in self._events[:changed]:
            order.add_known(event, self._clocks[event.index])
        for event in self._events[changed:]:
            for other in order.add(event):
                self._reverse(other, event)
        self._clocks = [event.clock for event in self._events]
        for task, operation in self._pending:
            event = self._event(task, operation, {}, 0)
            for other in order.pending(event):
                self._reverse(other, event)

    def _reverse(self, one: Event, other: Event) -> None:
        """Make sure that an interleaving is run in which ``other`` comes before ``one``."""
        between = [event for event in self._events[one.index + 1 : other.index] if not event.follows(one)]
        sequence = [*between, other]
        state = self._states[one.index]
        if not any(self._may_begin(task, sequence, one, Counter()) for task in sorted(state.asleep | state.tried)):
            self._insert(state.to_try, sequence, one)

    def _may_begin(self, task: TaskId, sequence: Sequence[Event], at: Event, moved: Counter[TaskId]) -> bool:
        """Whether a sequence of steps is equivalent to one that this task begins, or could be continued to be one.

        The sequence begins where ``at`` was carried out, after so many further steps of each task as ``moved`` says.
        """
        for place, event in enumerate(sequence):
            if event.task == task:
                return not any(event.follows(earlier) for earlier in sequence[:place])
        operation, before = self._about_to_do(task, at, moved[task])
        if operation is None:
            return False
        return not any(self._concerns(event, operation, before) for event in sequence)

    def _about_to_do(self, task: TaskId, at: Event, moved: int) -> tuple[Operation | None, Event | None]:
        """What a task does next after so many steps from a point of this run, and what it did before that."""
        own = [event for event in self._events if event.task == task]
        later = [event for event in own if event.index >= at.index]
        place = len(own) - len(later) + moved
        before = own[place - 1] if 0 < place <= len(own) else None
        if place < len(own):
            return own[place].operation, before
        if place == len(own):
            return dict(self._pending).get(task) or (None if moved else at.enabled.get(task)), before
        return None, None

    def _insert(self, branches: list[Branch], sequence: Sequence[Event], at: Event) -> None:
        """Add a sequence to a wakeup tree, unless what is there leads to its class already."""
        left = list(sequence)
        moved: Counter[TaskId] = Counter()
        while True:
            branch = next((each for each in branches if self._may_begin(each.task, left, at, moved)), None)
            if branch is None:
                break
            own = next((event for event in left if event.task == branch.task), None)
            if own is not None:
                left.remove(own)
            # What a task does after a step that is not part of the sequence is not known from this run.
            moved[branch.task] += 1 if own is not None else UNKNOWN
            if not branch.after or not left:
                return
            branches = branch.after
        for event in left:
            branch = Branch(event.task)
            branches.append(branch)
            branches = branch.after

    def _backtrack(self) -> None:
        """Go to the last state where something is left to try."""
        while self._states:
            state = self._states[-1]
            state.tried.add(state.branch.task)
            if state.to_try:
                state.branch = state.to_try.pop(0)
                return
            self._states.pop()
        self.complete = True
