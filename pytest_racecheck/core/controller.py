"""One run: exactly one task moves at a time, and the strategy says which."""

from __future__ import annotations

import _thread
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from pytest_racecheck.core.abroad import InProcess
from pytest_racecheck.core.baton import make_baton
from pytest_racecheck.core.choosing import FAIR_STREAK, Choosing
from pytest_racecheck.core.errors import RacecheckInternalError, Unwind
from pytest_racecheck.core.failures import deadlock, failure_of, left_behind, waiting_for
from pytest_racecheck.core.interrupt import calm, settle
from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.run_state import Recorder
from pytest_racecheck.core.task import END, LAPSE, Task
from pytest_racecheck.core.unwinding import UNWIND_SECONDS, unwind
from pytest_racecheck.core.values import Failure, Operation, Step, TaskId, Trace
from pytest_racecheck.core.workers import Worker

QUIET_STREAK: Final = 5000
"""So many accesses of one task without any decision; then there is one."""

LAPSE_STEPS: Final = 500
"""So many steps does a lapse count for, so that a loop which never comes to a choice ends by the limit of steps."""

MOST_LAPSES: Final = 200
"""But so many there may be at least, however small that limit is."""

LAPSE_STREAK: Final = FAIR_STREAK // 4
"""So many decisions in a row does it count for, so that what the loop waits for can happen."""

IMPATIENT_SECONDS: Final = 0.5
"""So long may tasks take to end when Ctrl-C is pressed a second time."""


_active: list[Controller] = []


def active_controller() -> Controller | None:
    """The controller whose running task the calling thread is."""
    if _active and _active[-1].current() is not None:
        return _active[-1]
    return None


def activate(controller: Controller) -> None:
    """From now on this is the controller that an active task belongs to; in a process that is not forked by its own."""
    _active.append(controller)


class Controller(Choosing):
    """Runs bodies as tasks, one operation at a time.

    The hooks of an instrument read ``ident`` (the OS thread that may move, 0 if none is controlled now),
    ``concurrent`` (whether there has been more than one task in this run), and call `reach` before every operation
    that is a choice.

    A run ends in one way: `_finish` is called once, from then on nobody gets the baton but to be unwound, and that is
    done by the thread that called `run`, one task after another. Who sets ``running`` is the running task itself;
    ``_mutex`` is held where somebody else may do it as well: the watchdog, and a task that comes back.
    """

    def itself(self) -> Controller:
        """Say who this is, for those parts of it that don't know."""
        return self

    # -- a run, seen from outside ------------------------------------------------------------------------------

    def run(
        self, bodies: Sequence[Callable[[], object]], strategy: Strategy, recorder: Recorder | None = None
    ) -> Trace:
        """Execute the bodies under the strategy until every task has ended or something failed.

        A single body runs in the calling thread as task ``"0"``; several run as tasks ``"0"``, ``"1"``, ... in threads
        of their own, those that are `InProcess` in processes.

        Raises: KeyboardInterrupt, after every task was unwound.
        """
        self._reset(strategy)
        self.clock.reset()
        self.recorder = recorder
        try:
            _active.append(self)
            if len(bodies) == 1 and not isinstance(bodies[0], InProcess):
                self._run_here(bodies[0])
            else:
                self._run_side_by_side(bodies)
        finally:
            self.deaf = True  # no signal is handled between the end of the block and this
            self._end()
        if self.interrupts:  # and the test has swallowed it
            raise KeyboardInterrupt
        return self._trace(recorder)

    def close(self) -> None:
        """End the kept threads and give back what the platform lent."""
        self.close_abroad()
        self.lost_threads.extend(worker.thread.name for worker in self._pool.stop())
        if not self.lost_threads:
            for baton in (self._main, self.ended, *self._spare_batons, *self._retired_batons):
                baton.close()

    # -- operations, seen from a task --------------------------------------------------------------------------

    def reach(
        self,
        operation: Operation,
        blocked: Callable[[], bool] | None = None,
        deadline: float | None = None,
        explain: Callable[[], str] | None = None,
        whom: Callable[[], Sequence[Task]] | None = None,
    ) -> bool:
        """Announce what the running task is about to do; return when it may do it.

        ``blocked`` tells whether it cannot be done now; ``deadline`` is the virtual time at which waiting for it ends;
        ``explain`` says, should it come to that, what the task waits for, and ``whom`` for which tasks.

        Returns: ``False`` if the deadline came first.
        Raises: Unwind, when the run is over.
        """
        task = self.running
        if task is None or self.ending:
            return self._reach_while_ending(task, blocked)
        site = operation.site
        counts = task.counts
        task.occurrence = counts[site] = counts[site] + 1 if site in counts else 1
        task.operation = operation
        self.quiet = 0
        self.steps += 1
        if blocked is not None:
            task.blocked = blocked
            task.deadline = deadline
            task.explain = explain
            task.whom = whom
            task.timed_out = False
        if self.steps > self.max_steps:
            self._go_beyond_limit(task)
        chosen = self._choose(task, site.key)
        waited = False
        if chosen is not task:
            waited = blocked is not None and blocked()
            self._park(task, chosen)
        if self.passed is not None:
            self.passed.clear(waited)
        self.path.append((task.index, site))
        self.operations.append(operation)
        if self.journal is not None:
            self._write_journal(task)
        if blocked is not None:
            if operation.kind == "join" and whom is not None and not task.timed_out:
                self.joins.append((len(self.path) - 1, tuple([each.id for each in whom()])))
            task.blocked = task.deadline = task.explain = task.whom = None
            return not task.timed_out
        return True

    def changed(self, target: int) -> None:
        """Something happens to what other tasks may wait for with `reach_change`."""
        self.versions[target] = self.versions.get(target, 0) + 1

    def reach_change(self, operation: Operation, deadline: float | None, explain: Callable[[], str]) -> bool:
        """Announce that the running task waits until something has happened to a target; see `reach` and `changed`.

        For what can only be tried: who has failed tries again when something may be different.
        """
        target = operation.target
        seen = (self.versions.get(target, 0), self.ends)
        return self.reach(operation, lambda: (self.versions.get(target, 0), self.ends) == seen, deadline, explain, list)

    def _write_journal(self, task: Task) -> None:
        if self.journal is not None:
            enabled = tuple([each.id for each in self.alive if each is task or not each.blocked or not each.blocked()])
            self.journal.append(Step(task.id, task.operation, enabled))

    def lapse(self, steps: int = LAPSE_STEPS) -> None:
        """Let others move although the running task has reached no choice for long: it may be waiting in a loop."""
        self.steps += min(steps, self.max_steps // MOST_LAPSES)
        self._streak += LAPSE_STREAK
        wrote, self.wrote = self.wrote, False
        self.reach(Operation("call" if wrote else "yield", LAPSE))

    def _go_beyond_limit(self, task: Task) -> None:
        wrote, self.wrote = self.wrote, False
        if self.last_operations.add(task, wrote=wrote):
            self.finish_with(self.last_operations.failure(task, self.alive, self.max_steps))

    # -- tasks that tasks start --------------------------------------------------------------------------------

    def new_task(self, name: str, *, daemon: bool = False, pooled: bool = False, spawned_at: str = "") -> Task:
        """Make a child of the running task, to run in a thread of its own; it takes part once `admit` was called."""
        parent = self._parent()
        baton = self._spare_batons.pop() if self._spare_batons else make_baton()
        self._spent_batons.append(baton)
        task = Task(parent.new_child_id(), len(self.tasks), baton)
        task.name = name
        task.daemon = daemon
        task.pooled = pooled
        task.spawned_at = spawned_at
        return task

    def lend_thread(self, task: Task, job: Callable[[], object]) -> Worker | None:
        """Find a kept thread for a new task; its signal begins the job. ``None`` if there is none that looks new."""
        worker = self._pool.lend()
        if not worker.kept:
            self._pool.give_back(worker)
            return None
        task.worker, task.baton = worker, worker.baton
        task.ident, task.native_id = worker.ident, worker.native_id
        worker.job = job
        worker.finish = lambda: self._worker_done(worker, task)
        return worker

    def admit(self, task: Task) -> None:
        """Make a task one that can be chosen; its thread waits in `take_part`."""
        task.born = len(self.path)
        self.tasks_to_come.pop(task.id, None)
        self.tasks[task.id] = task
        self.alive.append(task)
        self.concurrent = True

    def take_part(self, task: Task) -> None:
        """Wait, in the thread of a new task, until it is chosen for the first time.

        Raises: Unwind, when the run ended before.
        """
        task.baton.wait()
        if task.unwinding:
            raise Unwind

    def start_together(self, bodies: Sequence[Callable[[], object]]) -> list[Task]:
        """Start the bodies as children of the running task, in kept threads."""
        parent = self._parent()
        with self.unhooked():
            children = [self._assign(parent.new_child_id(), body) for body in bodies]
        self.concurrent = True
        return children

    def task_ended(self, task: Task) -> None:
        """Let the next one move; to be called in the thread of the task, as the last thing it does."""
        if task.lost:
            return
        if self.ending:
            # Once `ended` is set the next run may begin: nothing of ours may follow.
            self.ended.signal()
            task.ended = True
            return
        task.operation = Operation("end", END)
        task.occurrence = 1
        with self._mutex:
            task.ended = True
            if task in self.alive:
                self.alive.remove(task)
            self.away.pop(task.ident, None)
            if self.running is None:
                self.running = task  # nobody moves: whoever comes back meanwhile has to wait
            elif self.running is not task:
                return
            if self._nobody_is_missed():
                self._finish()
                return
        run = self.path
        self._give_way_to(self._choose(task, "end"), run)

    # -- inside: a run begins ----------------------------------------------------------------------------------

    def _run_here(self, body: Callable[[], object]) -> None:
        host = Task("0", 0, self._main, _thread.get_ident())
        host.native_id = _thread.get_native_id()
        host.name = "the test"
        self.host = host
        self._roots = [host]
        self.admit(host)
        self.concurrent = False
        self.running, self.ident = host, host.ident
        try:
            self._perform(host, body)
            self._settle(host)
        except Unwind:  # the run ended while the host was away
            calm(host.ident)
        finally:
            host.ended = True

    def _settle(self, host: Task) -> None:
        """The body has returned; let the tasks that it left behind go on."""
        if host.ident in self.away:
            self.come_back()
        if not self.ending:
            self.task_ended(host)
            self._main.wait()

    def _run_side_by_side(self, bodies: Sequence[Callable[[], object]]) -> None:
        self._roots = [self._assign(str(index), body) for index, body in enumerate(bodies)]
        self.concurrent = len(bodies) > 1
        self._give_way_to(self._choose(None, "start"))
        self._main.wait()

    def _assign(self, task_id: TaskId, body: Callable[[], object]) -> Task:
        if isinstance(body, InProcess):
            return self.launched(task_id, body)
        worker = self._pool.lend()
        task = Task(task_id, len(self.tasks), worker.baton, worker.ident)
        task.worker = worker
        task.native_id = worker.native_id
        task.name = task_id
        worker.job = worker.as_itself(lambda: self._perform(task, body))
        worker.finish = lambda: self._worker_done(worker, task)
        task.born = len(self.path)
        self.tasks[task_id] = task
        self.alive.append(task)
        return task

    def _worker_done(self, worker: Worker, task: Task) -> None:
        self._pool.give_back(worker)
        self.task_ended(task)

    def _perform(self, task: Task, body: Callable[[], object]) -> None:
        """Run a body; an exception of it is a failure of the run."""
        if task.unwinding:
            return
        try:
            self._perform_watched(task, body)
            settle()
        except Unwind:  # pushed once more on its way out
            calm(task.ident)
        finally:
            self.pushable = False
            task.leaving = True
            self.on_task_end()

    def _perform_watched(self, task: Task, body: Callable[[], object]) -> None:
        here = task is self.host
        try:
            self.on_task_start(body)
            self.pushable = here
            result = body()
            self.pushable = False
            if self.recorder is not None:
                self.returned[task.id] = result
        except Unwind:
            calm(task.ident)
        except BaseException as exception:
            self.pushable = False
            task.leaving = True
            if here and isinstance(exception, KeyboardInterrupt):
                raise
            if task.lost:
                return
            with self.unhooked():
                failure = failure_of(exception, task)
            self.fail(failure)

    def _parent(self) -> Task:
        if self.running is None:
            raise RacecheckInternalError("a task can only be started by a task")
        return self.running

    # -- inside: the baton ---------------------------------------------------------------------------------------

    def _park(self, task: Task, chosen: Task | None) -> None:
        """Give the baton away and sleep until it comes back."""
        if not self.ending:
            self._give_way_to(chosen)
            task.baton.wait()
        if self.ending:
            self._leave(task)
        if task.unwinding:
            raise Unwind

    def _give_way_to(self, chosen: Task | None, run: object = None) -> None:
        """Let the chosen one move; ``run`` is the ``path`` of the run, if that may be over for the calling thread."""
        if chosen is not None:
            self.running = chosen
            self.ident = chosen.ident
            chosen.baton.signal()
            return
        # Nobody can move but tasks that are out of control; one that comes back goes on by itself.
        with self._mutex:
            if not self.ending and (run is None or run is self.path):
                self._resume_any()
                if self.running is None and self._nobody_is_missed():  # the last of those ended meanwhile
                    self._finish()

    # -- inside: a run ends ------------------------------------------------------------------------------------

    def _nobody_is_missed(self) -> bool:
        """Whether the end of the run need not wait for any of the tasks that are left."""
        return all(task.daemon for task in self.alive) and all(task.daemon for task in self.away.values())

    def _nobody_can_move(self) -> None:
        """Every task waits: the deadlock, unless the test is over and what waits was only left behind."""
        with self._mutex:
            if self.away or self._enabled():  # somebody came back meanwhile
                return
            if self._nobody_is_missed():  # or came to an end
                self._finish()
                return
        if self._may_be_freed_from_outside():
            return
        if all(root.ended for root in self._roots):
            for task in self.alive:
                if not task.daemon and not task.pooled:
                    self.leaked.append(left_behind(task))
            with self._mutex:
                self._finish()
        else:
            with self.unhooked():
                failure = deadlock(self.alive)
                if self.recorder is not None:
                    for task in self.alive:
                        self.recorder.note(task, task.operation, waiting_for(task))
            self.fail(failure)

    def finish_with(self, failure: Failure) -> NoReturn:
        """End the run from within an operation of the running task."""
        self.fail(failure)
        self._leave(self.running)

    def _leave(self, task: Task | None) -> NoReturn:
        """The run is over, and the task that notices unwinds; the thread that explores lets all others go first."""
        if task is not None:
            if task is self.host:
                self.pushable = False
                self._unwind_the_rest()
                self.pushable = True
            task.unwinding = True
        raise Unwind

    def _reach_while_ending(self, task: Task | None, blocked: Callable[[], bool] | None) -> bool:
        if task is None or not task.unwinding:
            self._leave(task)
        if blocked is not None and blocked():
            raise Unwind
        return True

    def _end(self) -> None:
        """Leave nothing of the run; whoever is impatient enough to interrupt this is heard afterwards."""
        self.pushable = False
        heard = self.interrupts
        while True:
            try:
                calm(_thread.get_ident())
                self._unwind_the_rest(lambda: UNWIND_SECONDS if self.interrupts == heard else IMPATIENT_SECONDS)
                break
            except KeyboardInterrupt:  # of a handler that the test has set
                self.interrupts += 1
            except Unwind:
                pass
        self.bury()
        self._forget_signals()
        if self in _active:
            _active.remove(self)
        self.away.clear()
        self.ident, self.running, self.host, self.recorder = 0, None, None, None
        self.deaf = False
        if self.interrupts > heard:
            raise KeyboardInterrupt

    def _forget_signals(self) -> None:
        """A run that ended from outside may leave a signal that woke nobody."""
        if self.failures or self.uncontrolled:
            with self._mutex:
                while self._main.wait_for(0):
                    pass

    def _unwind_the_rest(self, patience: Callable[[], float] = lambda: UNWIND_SECONDS) -> None:
        self.ending = True
        self.concurrent = False
        unwind(self, self.host, patience)
        self.running, self.ident = self.host, self.host.ident if self.host else 0
        # In one step: Ctrl-C between two would leave some in both lists.
        self._spare_batons, self._spent_batons = [*self._spare_batons, *self._spent_batons], []

    def retire(self, task: Task) -> None:
        """The thread of a task that did not end by itself keeps traces of that: it serves nobody more."""
        if task.worker is not None:
            self._pool.discard(task.worker, ends=task.ended)
        elif task.ended:
            while task.baton.wait_for(0):  # it may have been told more than once
                pass
        elif task.baton in self._spent_batons:
            self._spent_batons.remove(task.baton)
            self._retired_batons.append(task.baton)
