"""Optimal dynamic partial order reduction: one run for each class of equivalent interleavings, and then it is over."""

from __future__ import annotations

from typing import Final

from pytest_racecheck.core.values import Choice, Operation, TaskId, Touch, Trace
from pytest_racecheck.strategies.happens_before import Event, Order, goes_on, touches_of
from pytest_racecheck.strategies.identities import Identities
from pytest_racecheck.strategies.wakeup import Branch, Intention, Sequence, insert

MOST_STEPS: Final = 1000
"""Of longer runs there are more classes than anybody can run, and to order their steps takes long."""

MOST_RESTARTS: Final = 20
"""So often may runs teach something that makes all of them begin anew."""

UNLIKE: Final = "the same steps did not lead to the same state"


class State:
    """A point of the run that is being varied: who moves there now, who has done so before, and who is to do so."""

    __slots__ = ("asleep", "branch", "enabled", "operations", "to_try", "tried")

    def __init__(self, choice: Choice, asleep: frozenset[TaskId], to_try: list[Branch], branch: Branch) -> None:
        self.asleep = asleep
        """Tasks whose next step here leads to interleavings that were all run, from another state."""
        self.to_try = to_try
        """The wakeup tree, without the branch that is being explored."""
        self.branch = branch
        self.tried: set[TaskId] = set()
        self.enabled = choice.enabled
        self.operations = choice.operations

    def is_like(self, choice: Choice) -> bool:
        """Whether the same tasks are enabled, and about to do the same at the same places."""
        return self.enabled == choice.enabled and all(
            one.site is other.site and one.kind == other.kind
            for one, other in zip(self.operations, choice.operations, strict=True)
        )


class Dpor:
    """Runs one interleaving of each class; two are of one class if they differ in the order of independent steps only.

    Abdulla, Aronis, Jonsson and Sagonas, "Source sets: a foundation for optimal dynamic partial order reduction"
    (JACM 2017): races of a run that is over are reversed where they began, and wakeup trees make sure that the run
    which does so is not of a class that was run. Where the paper compares steps of different runs, this compares what
    the tasks were about to do in the present one; what that can't tell counts as dependent, which costs a run at most.

    A run begins like the one before it. What is known of the steps up to the point where they part is kept.
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
        self._is_running = False
        self._forget_all()

    def _forget_all(self) -> None:
        self._states: list[State] = []
        self._order = Order()
        """Of the last run; while one is going on, of its beginning that is the same."""
        self._events: list[Event] = self._order.events
        self._identities = Identities()
        self._parents: dict[TaskId, Event | None] = {}
        self._begin()

    def _begin(self) -> None:
        self._new: list[Event] = []
        """The steps of the run that goes on which are not those of the last one."""
        self._last: dict[TaskId, Event] = {}
        self._at = 0
        """How many steps it has made."""
        self._operations: tuple[Operation, ...] = ()
        """What the tasks that are enabled were about to do before the last of them."""
        self._is_redundant = False
        self._pending: dict[TaskId, Operation] = {}

    def start_run(self) -> bool:
        """See `Strategy`; ``False`` when every class was run, or this was given up."""
        if self.complete or self.gave_up:
            return False
        kept = min(max(len(self._states) - 1, 0), len(self._events))
        self._order.cut(kept)
        self._identities.cut(kept)
        for task in [task for task, parent in self._parents.items() if parent and parent.index >= kept]:
            del self._parents[task]
        self._begin()
        self._is_running = True
        return True

    @property
    def script(self) -> list[tuple[TaskId, bool]]:
        """The steps that the run begins with: those of the last one, up to where they part."""
        return [(event.task, len(event.enabled) > 1) for event in self._events]

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        if self._at == MOST_STEPS:
            self.gave_up = f"a run has more than {MOST_STEPS:,} steps"
        if self.gave_up:
            return choice.default
        if self._at < len(self._events):
            self._meet_again(choice)
        self._at += 1
        if self._at <= len(self._events):  # it was asked although there is a script
            return self._go_as_before(choice, self._events[self._at - 1])
        return self._go_on(choice)

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`; of runs that another one has chosen it matters only whether they taught anything."""
        was_running, self._is_running = self._is_running, False
        if self.gave_up:
            return
        if was_running and (trace.forced or trace.unproven or trace.uncontrolled):
            self.gave_up = (*trace.unproven, *trace.uncontrolled, "a task had to be stopped that went on and on")[0]
        elif trace.learned:
            self._start_anew()
        elif was_running and self._at < len(self._events):
            self.gave_up = f"{UNLIKE}: the run was over before"
        elif was_running:
            self._add_touched(trace.touched)
            self._pending = dict(trace.pending)
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

    def _meet_again(self, choice: Choice) -> None:
        """The run has begun as it was meant to; find out what the objects of these steps are called in this one."""
        identities, events = self._identities, self._events
        for event, (operation, touched) in zip(events, choice.followed, strict=False):
            if event.operation.site is not operation.site or event.operation.kind != operation.kind:
                break
            if touched:
                identities.meet_again(touched)
            identities.begin_step_again(operation)
            self._last[event.task] = event
            self._at += 1

    def _go_as_before(self, choice: Choice, event: Event) -> TaskId:
        """Make a step that the last run has made as well."""
        state = self._states[event.index]
        if not state.is_like(choice):
            self.gave_up = f"{UNLIKE}, at {choice.place}"
            return choice.default
        operation = choice.operations[choice.enabled.index(event.task)]
        self._identities.meet_again(choice.touched)
        self._identities.begin_step_again(operation)
        self._last[event.task] = event
        return event.task

    def _go_on(self, choice: Choice) -> TaskId:
        """Make a step that no run has made here."""
        if choice.touched:
            self._add_touched(choice.touched)
        events, new = self._events, self._new
        last = new[-1] if new else events[-1] if events else None
        if last is None or last.enabled != choice.enabled:
            for task in choice.enabled:
                if task not in self._parents:
                    self._parents[task] = last
        state = self._state(choice, last)
        task = state.branch.task
        if task not in choice.enabled:
            self._is_redundant = True
            task = choice.default
        operation = choice.operations[choice.enabled.index(task)]
        before = self._last[task] if task in self._last else None
        self._identities.begin_step()
        touches = self._identities.meet(touches_of(operation))
        if before is not None and goes_on(operation, before.operation):
            touches = (*before.touches, *touches)
        event = Event(
            len(events) + len(new),
            task,
            operation,
            touches,
            self._parents[task] if before is None else before,
            choice.enabled,
            choice.waits_ended,
        )
        new.append(event)
        self._last[task] = event
        self._operations = choice.operations
        return task

    def _add_touched(self, touched: tuple[Touch, ...]) -> None:
        """The last step is over: take in what it did beside its operation."""
        if self._new:
            self._new[-1].touches = (*self._new[-1].touches, *self._identities.meet(touched))
        else:
            self._identities.meet_again(touched)

    def _state(self, choice: Choice, last: Event | None) -> State:
        """The state that the last step has led to, and who moves there."""
        depth = self._at - 1
        if depth < len(self._states):
            state = self._states[depth]
            if not state.is_like(choice):
                self.gave_up = f"{UNLIKE}, at {choice.place}"
            return state
        parent = self._states[-1] if self._states else None
        asleep = frozenset[TaskId]() if parent is None or last is None else self._asleep(parent, last)
        to_try = parent.branch.after if parent is not None else []
        branch = to_try[0] if to_try else Branch(self._next(choice, asleep))
        state = State(choice, asleep, to_try[1:], branch)
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

    def _asleep(self, parent: State, last: Event) -> frozenset[TaskId]:
        """Who sleeps on after the last step: those of before whose next step it does not concern."""
        sleepers = parent.asleep | parent.tried if parent.tried else parent.asleep
        if not sleepers:
            return sleepers
        operations = dict(zip(last.enabled, self._operations, strict=True))
        return frozenset(
            task
            for task in sleepers
            if task != last.task and task in operations and not self._intention(task, operations[task]).concerns(last)
        )

    def _intention(self, task: TaskId, operation: Operation) -> Intention:
        """What a task is about to do."""
        touches = self._identities.named(touches_of(operation))
        before = self._last[task] if task in self._last else None
        if before is not None and goes_on(operation, before.operation):
            touches = (*before.touches, *touches)
        return Intention(touches, operation.open)

    # -- between runs ------------------------------------------------------------------------------------------

    def _start_anew(self) -> None:
        self._restarts += 1
        self._forget_all()
        self.classes = self.redundant = 0
        if self._restarts > MOST_RESTARTS:
            self.gave_up = "code that had not been seen before came up in every run"

    def _learn_from_run(self) -> None:
        if self._is_redundant:
            self.redundant += 1
        else:
            self.classes += 1
            self._reverse_races()
        self._backtrack()

    def _reverse_races(self) -> None:
        order = self._order
        pending = {task: self._intention(task, operation) for task, operation in self._pending.items()}
        found = [(other, event) for event in self._new for other in order.add(event)]
        for task, intention in pending.items():
            before = self._last.get(task) or self._parents.get(task)
            event = Event(len(order.events), task, self._pending[task], intention.touches, before)
            found += [(other, event) for other in order.races(event)]
        for other, event in found:
            self._reverse(other, event, pending)

    def _reverse(self, one: Event, other: Event, pending: dict[TaskId, Intention]) -> None:
        """Make sure that an interleaving is run in which ``other`` comes before ``one``."""
        state = self._states[one.index]
        sequence = Sequence(self._order, one, other, pending)
        if not any(sequence.may_begin_with(task) for task in sorted(state.asleep | state.tried)):
            insert(state.to_try, sequence)

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
