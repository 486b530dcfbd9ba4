"""What happens to a run from outside: a task goes out of control and comes back, time is over, somebody gives it up."""

from __future__ import annotations

import _thread
import math
import operator
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final

from pytest_racecheck.core.errors import Unwind
from pytest_racecheck.core.failures import place_of
from pytest_racecheck.core.run_state import RunState, Unhooked
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import DATA, POLL, Failure

SIMULTANEOUS: Final = 10
"""So often in a run do several timed waits end at once: tasks that try again and again would do so in step for ever."""

REAL_WAITS: Final = 10
"""So many timed waits for data take real time in one run."""

TEST_RUN: Final = frozenset({"execnet", "xdist", "pytest_timeout"})
"""Modules whose threads belong to the test run."""

age = operator.attrgetter("index")
deadline_of = operator.attrgetter("deadline")


class Outside(RunState):
    """The part of a controller that other threads than the running task call: the watchdog, and who comes back.

    All of it holds ``_mutex``; see `Controller` for who else does.
    """

    def set_aside(self, task: Task, sentence: str, has_moved: Callable[[], bool]) -> None:
        """Called by the watchdog: the running task is blocked where we can't see it, let another one move."""
        with self._mutex:
            if self.running is not task or self.ending or task not in self.alive:
                return
            # From here on a hook in the task's thread goes to `come_back`, and waits there for the mutex.
            self.away[task.ident] = task
            self.ident = 0
            if has_moved():
                del self.away[task.ident]
                self.ident = task.ident
                return
            self.alive.remove(task)
            self.not_controlled(sentence)
            self._resume_any()

    def resume(self) -> None:
        """Called by the watchdog: nobody moves, but somebody may have been freed from outside."""
        with self._mutex:
            enabled = self._enabled()
            if self.stalled and self.running is None and not self.ending and enabled:
                waited = enabled[0]
                where = place_of(waited.operation.site)
                data = waited.operation.part is DATA or waited.operation.part is POLL
                whom = "data that no task had sent" if data else "a thread outside our control"
                self.not_controlled(f"task {waited.id} waited for {whom}, at {where}")
                self._hand_to(waited)

    def next_deadline(self) -> float:
        """Called by the watchdog: seconds until the first timed wait ends."""
        deadlines = [task.deadline for task in self.alive if task.deadline is not None]
        return min(deadlines) - self.clock.now if deadlines else math.inf

    def wake_sleeper(self) -> None:
        """Called by the watchdog: nobody moves, and the time has come for the timed wait that ends first."""
        with self._mutex:
            sleepers = [each for each in self.alive if each.deadline is not None]
            if self.stalled and self.running is None and not self.ending and sleepers:
                self.real_waits += 1
                self._hand_to(self._wake(sleepers))

    def come_back(self) -> bool:
        """Called by a hook in a thread that may not move: a task that was set aside waits here for its turn.

        Returns: whether the thread is a task of this run, which may move now.
        Raises: Unwind, when the run is over.
        """
        with self._mutex:
            task = self.away.pop(_thread.get_ident(), None)
            if task is None:
                return self.current() is not None
            self.alive.append(task)
            self.alive.sort(key=age)
            idle = self.running is None and not self.ending
            if idle:
                self.running, self.ident = task, task.ident
        if self.ending:
            task.unwinding = True
        elif not idle:
            task.baton.wait()
        if task.unwinding:
            raise Unwind
        return True

    def _resume_any(self) -> None:
        """Let anybody move, with the mutex held: it is not for a strategy to say, as it will not be the same again."""
        enabled = self._enabled()
        sleepers = [each for each in self.alive if each.deadline is not None and each.operation.kind == "sleep"]
        if enabled:
            self._hand_to(enabled[0])
        elif sleepers:
            self._hand_to(self._wake(sleepers))
        else:
            self.running, self.ident, self.stalled = None, 0, True

    def _hand_to(self, task: Task) -> None:
        self.running, self.ident = task, task.ident
        task.baton.signal()

    def give_up(self, task: Task | None, run: object, failure: Failure) -> bool:
        """Called by the watchdog: end the run, if it is still the one with this ``path`` and nobody else moves now."""
        with self._mutex:
            if self.running is not task or self.path is not run or self.ending:
                return False
            self._finish(failure)
            return True

    def _wake(self, sleepers: list[Task]) -> Task:
        """Move the clock to the next deadline: all sleeps end that are due then, or else all timed waits give up.

        Returns: the first of those that can go on.
        """
        first = min(sleepers, key=deadline_of)
        with Unhooked(self):  # a real clock makes us wait, and that is not the running task's doing
            self.clock.advance_to(first.deadline or 0.0)
        self.waits_ended += 1
        due = [task for task in sleepers if task.deadline == first.deadline]
        # Who sleeps until then may still bring what another one waits for until then.
        woken = [task for task in due if task.operation.kind == "sleep"] or self._giving_up(due)
        for task in woken:
            task.timed_out = True
            task.blocked = task.deadline = None
        return woken[0]

    def _giving_up(self, due: list[Task]) -> list[Task]:
        self.simultaneous += len(due) > 1
        if self.simultaneous <= SIMULTANEOUS:
            return due
        self.forced += 1
        return due[:1]

    def _may_be_freed_from_outside(self) -> bool:
        """Whether somebody outside of the run may free a task that waits; the watchdog waits for that."""
        if self._awaits_data():
            return True
        return any(self.held_outside(task.operation) for task in self.alive) and self._has_other_threads()

    def _awaits_data(self) -> bool:
        """Whether a task waits for data that may come from outside: then time is real, though not for ever."""
        if self.real_waits >= REAL_WAITS or all(root.ended for root in self._roots):
            return False
        waiting = [task for task in self.alive if task.blocked is not None]
        polling = [task for task in waiting if task.operation.part is POLL]
        if any(task.operation.part is DATA for task in waiting) or any(task.deadline is None for task in polling):
            return True
        return bool(polling) and self._has_other_threads()

    def _has_other_threads(self) -> bool:
        """Whether there are threads that are neither tasks, nor ours, nor those of the test run itself."""
        ours = {task.ident for task in self.tasks.values()} | self._pool.idents() | self.own_idents
        return any(
            ident not in ours and not _belongs_to_the_test_run(frame) for ident, frame in sys._current_frames().items()
        )


def _belongs_to_the_test_run(frame: FrameType | None) -> bool:
    """Whether a thread carries the messages of pytest-xdist, or is a timer of pytest-timeout."""
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in TEST_RUN:
            return True
        frame = frame.f_back
    return False
