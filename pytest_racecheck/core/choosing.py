"""Who moves next: the strategy is asked, within what fairness and time allow."""

from __future__ import annotations

from typing import Final

from pytest_racecheck.core.abroad import Abroad
from pytest_racecheck.core.errors import RacecheckError, RacecheckInternalError
from pytest_racecheck.core.outside import age, deadline_of
from pytest_racecheck.core.passed import MAYBE, SURE
from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import Operation, Switch, TaskId, Touch, new_choice

FAIR_STREAK: Final = 1000
"""So many decisions in a row for one task while another could move; then that other one moves."""

MANY_WAITS: Final = 100
"""After so many waits that ended by time it is less and less, down to none: tasks may be trying again in step."""

TIME_OVER: Final = "its time is over"
"""What a report says of a timed wait that ends although something else can move."""

NO_REASON: Final = "wakes up although nobody has notified it"
"""What a report says of a spurious wake-up."""

CANT_TELL: Final = "where the GIL lets a thread go in code out of scope, after what it does there, can't be told"
"""Why nothing is proven of such code where tasks are stopped by the GIL only."""

_NOTHING: Final = ((), 0, ())
"""What the other strategies are told beside."""


class Choosing(Abroad):
    """The part of a controller that decides which task moves next; called by the task that moves now."""

    def _choose(self, task: Task | None, place: str) -> Task | None:
        """Decide who moves next after ``task`` announced something or ended; ``None`` if nobody can."""
        if self.script:
            scripted = self._choose_by_script(task, place)
            if scripted is not None:
                return scripted
        enabled = [each for each in self.alive if each.blocked is None or not each.blocked()]
        if not enabled:
            return self._choose_sleeper(task, place)
        if self.early_timeouts or self.woken < self.wakeups:
            early = self._may_wake_early()
            if early is not None:
                return self._decide_with_early(task, place, enabled, early)
        if len(enabled) == 1 and self.touched is None:
            if enabled[0] is not task:
                self._streak = 0
            return enabled[0]
        return self._decide(task, place, enabled)

    def _choose_by_script(self, task: Task | None, place: str) -> Task | None:
        """Who is to move by what the strategy has laid down; ``None`` if that is not to be had, or there is no more."""
        number = len(self.followed)
        name, is_choice = self.script[number]
        chosen = self.tasks[name] if name in self.tasks else None
        if chosen is None or chosen not in self.alive or (chosen.blocked is not None and chosen.blocked()):
            return None
        self.followed.append((chosen.operation, tuple(self.touched or ())))
        self.touched = []
        if number + 1 == len(self.script):
            self.script = ()
        self.choices += is_choice
        if chosen is task:
            self._streak += 1
            return chosen
        self._streak = 0
        enabled = self._enabled()
        default = task if task in enabled else enabled[0]
        if chosen is not default:
            self._note_switch(task, place, chosen, preempts=default is task)
        return chosen

    def _choose_sleeper(self, task: Task | None, place: str) -> Task | None:
        """Nobody can move now: let the time of those come that wait for it, if any."""
        sleepers = [each for each in self.alive if each.deadline is not None]
        # A timed wait must not end before what it waits for could have come, see `wake_sleeper`.
        if self.away or self._awaits_data():
            sleepers = [each for each in sleepers if each.operation.kind == "sleep"]
        if sleepers:
            self._wake(sleepers)
            return self._choose(task, place)
        if not self.away:
            self._nobody_can_move()
        return None

    def _nobody_can_move(self) -> None:
        raise NotImplementedError

    # -- a choice --------------------------------------------------------------------------------------------------

    def _decide(  # one function: it is gone through at every step of every run
        self, task: Task | None, place: str, enabled: list[Task], default: Task | None = None
    ) -> Task:
        if default is None:
            default = task if task is not None and task in enabled else enabled[0]
        if self.gil and default is task and self._is_held():
            if self.touched is None:
                return default
            enabled = [default]
        if len(enabled) > 1:
            if default is task and (self._streak >= FAIR_STREAK or self.waits_ended > MANY_WAITS) and self._is_over():
                return enabled[(enabled.index(default) + 1) % len(enabled)]
            self.choices += 1
        tasks = tuple([each.id for each in enabled])
        operations = tuple([each.operation for each in enabled])
        running, occurrence = (None, 1) if task is None else (task.id, task.occurrence)
        told = _NOTHING if self.touched is None else self._beside()
        choice = new_choice((running, tasks, operations, self.steps, place, occurrence, default.id, *told))
        if self.strategy is None:
            raise RacecheckInternalError("a choice outside a run")
        ident, self.ident = self.ident, 0  # a strategy of the user's may be code in scope
        try:
            name = self.strategy.choose(choice)
        finally:
            self.ident = ident
        if name not in tasks:
            raise _no_such_choice(self.strategy, name, tasks)
        chosen = self.tasks[name]
        if chosen is not default:
            self._note_switch(task, place, chosen, preempts=default is task)
        self._streak = self._streak + 1 if chosen is task else 0
        return chosen

    def _is_held(self) -> bool:
        """Whether its interpreter, with its GIL, would not have let go of the running task since its last operation."""
        if self.passed is None or self.passed[SURE] or self.processes:
            return False
        if self.passed[MAYBE]:
            self.not_proven(CANT_TELL)
        return True

    def _is_over(self) -> bool:
        """Whether the running task has gone on for long enough."""
        limit = FAIR_STREAK if self.waits_ended <= MANY_WAITS else FAIR_STREAK // (self.waits_ended - MANY_WAITS)
        if self._streak < limit:
            return False
        self._streak = 0
        self.forced += 1
        return True

    def _beside(self) -> tuple[tuple[Touch, ...], int, tuple[tuple[Operation, tuple[Touch, ...]], ...]]:
        """What a strategy that follows is told beside."""
        told = tuple(self.touched or ()), self.waits_ended, tuple(self.followed)
        self.touched, self.followed, self.script = [], [], ()
        return told

    def _note_switch(self, task: Task | None, place: str, chosen: Task, *, preempts: bool) -> None:
        """Write down that somebody moves who would not if nobody said anything."""
        if preempts and task is not None and self.recorder is not None:
            with self.unhooked():
                self.recorder.preempted(task)
        occurrence = 1 if task is None else task.occurrence
        self.schedule.append(Switch("" if task is None else task.id, place, occurrence, chosen.id, preempts))
        if preempts and self.passed is not None:
            # Processes have a GIL each.
            self.chances.append("yes" if self.processes else self.passed.chance())

    # -- one that waits, and could go on without what it waits for ---------------------------------------------------

    def _decide_with_early(self, task: Task | None, place: str, enabled: list[Task], early: Task) -> Task:
        """Decide where one more can be chosen: a task that waits, whatever else can move."""
        default = task if task is not None and task in enabled else enabled[0]
        chosen = self._decide(task, place, sorted([*enabled, early], key=age), default)
        if chosen is early:
            text = NO_REASON if early.deadline is None else TIME_OVER
            self.woken += early.deadline is None
            self._wake([early])
            if self.recorder is not None:
                with self.unhooked():
                    self.recorder.note(early, early.operation, text)
        return chosen

    def _may_wake_early(self) -> Task | None:
        """A task that waits, and could go on without what it waits for: its time is over, or it wakes for no reason."""
        early = self._first_to_time_out() if self.early_timeouts else None
        if early is None and self.woken < self.wakeups:
            waits = [each for each in self.alive if each.wakes and each.blocked and each.blocked()]
            early = waits[0] if waits else None
        return early

    def _first_to_time_out(self) -> Task | None:
        """The blocked task with the earliest deadline; while somebody is out of control, time is not ours to move."""
        if self.away:
            return None
        waiting = [each for each in self.alive if each.deadline is not None and each.blocked and each.blocked()]
        return min(waiting, key=deadline_of, default=None)


def _no_such_choice(strategy: Strategy, name: TaskId, tasks: tuple[TaskId, ...]) -> RacecheckError:
    return RacecheckError(
        f"strategy {strategy.name!r} chose task {name!r}, which is not enabled; it must be one of {', '.join(tasks)}"
    )
