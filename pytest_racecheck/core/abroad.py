"""The part of a controller that has to do with tasks whose code runs in other processes."""

from __future__ import annotations

import signal
from _thread import get_ident
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from pytest_racecheck.core.channel import Channel, make_channel
from pytest_racecheck.core.dump import Dump
from pytest_racecheck.core.errors import RacecheckInternalError
from pytest_racecheck.core.orphans import adopt
from pytest_racecheck.core.other_process import OtherProcess
from pytest_racecheck.core.outside import Outside
from pytest_racecheck.core.remote import Remote
from pytest_racecheck.core.run_state import Unhooked
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import Failure, Operation, TaskId
from pytest_racecheck.core.workers import Worker

if TYPE_CHECKING:
    from pytest_racecheck.core.controller import Controller


class InProcess:
    """A body that is to run in a process of its own, which is started by a method of ``multiprocessing``."""

    __slots__ = ("function", "method")

    def __init__(self, function: Callable[[], object], method: str = "fork") -> None:
        self.function = function
        self.method = method

    def __call__(self) -> object:
        """Call it, in whatever process this is."""
        return self.function()


def _nobody(_task: Task, _body: InProcess, _channel: Channel) -> NoReturn:
    raise RacecheckInternalError("nobody has said how processes are started")


def _nothing() -> None:
    """Stands for a hook that nobody has set."""


def process_key(task_id: TaskId) -> tuple[str, str]:
    """What names the process that begins with a task, among the things that processes share."""
    return ("process", task_id)


def waits_for_ends(task_ids: Sequence[TaskId]) -> str:
    """What a task waits for that waits for other processes."""
    return f"waits for {' or '.join(f'task {each}' for each in task_ids)} to end"


class Warm(Protocol):
    """A process that forks others for this one."""

    channel: Channel

    def reap(self, pid: int) -> int:
        """A process that it has forked is gone: ask how it ended."""


def _no_warm() -> NoReturn:
    raise RacecheckInternalError("nobody has said how processes are started that are not forked")


class Abroad(Outside):
    """Makes tasks of other processes, and lets go of them."""

    launch: Callable[[Task, InProcess, Channel], int] = staticmethod(_nobody)
    """Starts the process of a body, which takes part through the channel; returns its process id."""

    prepare_warm: Callable[[], Warm] = staticmethod(_no_warm)
    """Prepares, and returns, the process that forks others for this one."""

    _parent: Callable[[], Task]
    _worker_done: Callable[[Worker, Task], None]
    reach: Callable[..., bool]
    itself: Callable[[], Controller]

    on_burial: Callable[[], None] = staticmethod(_nothing)
    """Called when all processes of a run have ended, before this one asks the system how they did."""

    @property
    def dump(self) -> Dump:
        """Where other processes write down where they are."""
        if self._dump is None:
            self._dump = Dump()
        return self._dump

    def new_process(self, known: int | None = None) -> OtherProcess:
        """Make what stands for a process that is going to be started; ``known`` is how many sites it inherits."""
        if self._adopted_before is None:
            self._adopted_before = adopt(yes=True)
        inherited = len(self.known_sites) if known is None else known
        process = OtherProcess(self, len(self.processes) + 1, inherited)
        self.processes.append(process)
        return process

    def bury(self) -> None:
        """The run is over: leave none of its processes, not even as a zombie."""
        for task in self.tasks_to_come.values():
            task.remote.close()
        if not self.processes:
            return
        for process in self.processes:
            process.end()
        self.on_burial()
        for process in self.processes:
            process.reap()
        self.processes = []

    def new_remote(
        self,
        channel: Channel,
        process: OtherProcess,
        name: str,
        *,
        daemon: bool = False,
        pooled: bool = False,
        spawned_at: str = "",
        task_id: TaskId = "",
    ) -> Task:
        """Make a task whose code runs in another process; a child of the running task if it is given no name.

        It takes part once `Controller.admit` was called.
        """
        task_id = task_id or self._parent().new_child_id()
        with Unhooked(self):
            worker = self._pool.lend()
        task = Task(task_id, len(self.tasks), worker.baton, worker.ident)
        task.worker, task.native_id = worker, worker.native_id
        task.name, task.daemon, task.pooled, task.spawned_at = name, daemon, pooled, spawned_at
        task.remote = Remote(self.itself(), task, channel, process)
        worker.job = task.remote.act
        worker.finish = lambda: self._worker_done(worker, task)
        self.tasks_to_come[task.id] = task
        return task

    def close_abroad(self) -> None:
        """Let go of what was needed for other processes."""
        if self._dump is not None:
            self._dump.close()
        if self._adopted_before is not None:
            adopt(self._adopted_before)

    def launched(self, task_id: TaskId, body: InProcess) -> Task:
        """Start the process of a body."""
        own, other = make_channel()
        task = self.new_remote(own, self.new_process(), task_id, task_id=task_id)
        self.starting = get_ident()  # Ctrl-C is heard afterwards
        try:
            pid = self.launch(task, body, other)
        except BaseException:
            self.dismiss(task)
            raise
        finally:
            self.starting = 0
            other.close()
        task.remote.started(pid)
        task.remote.process.is_body = True
        del self.tasks_to_come[task_id]
        self.tasks[task_id] = task
        self.alive.append(task)
        return task

    def descriptors(self) -> list[int]:
        """What a process that is forked now must close: the ends of other channels that are here."""
        there = (*self.tasks.values(), *self.tasks_to_come.values())
        return [task.remote.descriptor() for task in there if task.remote is not None]

    def reach_ends(self, operation: Operation, task_ids: Sequence[TaskId], deadline: float | None) -> bool:
        """Announce that the running task waits until one of these tasks of other processes has ended; see `reach`."""
        awaited = [self.tasks[each] for each in task_ids]
        return self.reach(
            operation,
            lambda: not any(each.ended for each in awaited),
            deadline,
            lambda: waits_for_ends(task_ids),
            lambda: awaited,
        )

    def end_is_seen(self, task_id: TaskId) -> None:
        """Somebody wants to know how the process ended that began with this task."""
        self.ends_seen.add(task_id)

    def ended_badly(self, task_id: TaskId, failure: Failure) -> None:
        """The process that began with this task has come to a bad end; a failure, unless somebody asks for that."""
        self.bad_ends[task_id] = failure

    def unseen_ends(self) -> tuple[Failure, ...]:
        """The bad ends that nobody has asked for."""
        return tuple([failure for task_id, failure in self.bad_ends.items() if task_id not in self.ends_seen])

    def signal_process(self, task_id: TaskId, number: int) -> bool:
        """The running task sends a signal; see `signal_task`."""
        return self.signal_task(self.tasks[task_id], self._parent(), number)

    def signal_task(self, task: Task, sender: Task, number: int) -> bool:
        """A task sends a signal to the process that began with another task; tell whether it has to be sent really.

        What handles a signal in Python does so when that task moves next. What ends the process has ended it when this
        is asked for the second time: after the signal was sent.
        """
        process = task.remote.process
        if number in process.sent and process.pid:
            if process.wait_until_gone():
                self.ends += 1
                for each in process.tasks:
                    each.leave()
            return False
        how = task.remote.handles(number) if number != signal.SIGKILL else "default"
        if how == "python":
            task.remote.interrupt(number)
        elif how == "default":
            process.sent[number] = sender.id
        return how == "default"

    def start_processes(self, bodies: Sequence[InProcess]) -> list[TaskId]:
        """Start the bodies as children of the running task; return their names."""
        parent = self._parent()
        with Unhooked(self):
            children = [self.launched(parent.new_child_id(), body) for body in bodies]
        self.concurrent = True
        for child in children:
            self.touch("spawn", self.shared_things.number(process_key(child.id)))
        return [child.id for child in children]

    def tell_result(self, is_result: bool, data: object) -> None:
        """What a body in a process of its own has come to: bytes, or the data of an exception."""

    def result_of(self, task_id: TaskId) -> tuple[bool, Any] | None:
        """What the process that began with this task has told; ``None`` if it did not come so far."""
        return self.results[task_id] if task_id in self.results else None

    def dismiss(self, task: Task) -> None:
        """A task was made that could not be started."""
        self.tasks_to_come.pop(task.id, None)
        task.remote.close()
        if task.worker is not None:
            task.worker.job = None
            self._pool.give_back(task.worker)

    def gone(self, task: Task) -> None:
        """A task has ended with its process, from one moment to the next; the thread that acts for it is let go."""
        with self._mutex:
            task.ended = task.lost = task.unwinding = True
            if task in self.alive:
                self.alive.remove(task)
            self.away.pop(task.ident, None)
        task.baton.signal()


__all__: Final = ["Abroad", "InProcess"]
