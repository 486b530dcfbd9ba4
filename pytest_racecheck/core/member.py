"""Stands for the controller in a process that another one explores: what a task announces here is decided there."""

from __future__ import annotations

import _thread
import os
import signal
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Final, NoReturn, Self

from pytest_racecheck.core.abroad import InProcess, process_key, waits_for_ends
from pytest_racecheck.core.carried import failure_data, site_data
from pytest_racecheck.core.channel import Channel, GoneError, Message, make_channel
from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.errors import Unwind
from pytest_racecheck.core.failures import strayed
from pytest_racecheck.core.livelock import HARMLESS
from pytest_racecheck.core.remote import CHANGE
from pytest_racecheck.core.shared_things import SharedThings
from pytest_racecheck.core.task import LAPSE, Task
from pytest_racecheck.core.values import Failure, Kind, Operation, Site
from pytest_racecheck.core.workers import Worker, WorkerPool

ORPHANED: Final = 70
"""The exit code of a process whose explorer has gone."""

NEVER_ENDS: Final = frozenset(
    getattr(signal, name)
    for name in ("SIGCHLD", "SIGURG", "SIGWINCH", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU")
    if hasattr(signal, name)
)
"""Signals that don't end a process which does nothing about them; a process of a run can't be stopped."""

UNCHANGED: Final = frozenset({"start", "sleep", "yield"})
"""Operations that others must hear of, though they touch nothing."""


class Seat:
    """How one task of this process speaks with the process that explores."""

    def __init__(self, member: Member, channel: Channel) -> None:
        self.channel = channel
        self._member = member
        self._raised: BaseException | None = None
        """What a signal handler has raised while the task waited."""

    def request(self, task: Task, word: str, *arguments: Any) -> Message:
        """Say something, give the turn away, and wait until it comes back."""
        self._member.running, self._member.ident = None, 0
        self.send(word, *arguments)
        return self.wait_for_turn(task)

    def send(self, word: str, *arguments: Any) -> None:
        """Say something, and before it what has happened since the last time."""
        try:
            self.channel.send(word, self._member.news_to_tell(), *arguments)
        except GoneError:
            os._exit(ORPHANED)

    def wait_for_turn(self, task: Task) -> Message:
        """Wait until the task may go on; answer meanwhile what is asked about it.

        Raises: Unwind, when the run is over for it.
        """
        while True:
            message = self._receive()
            if message[0] == "go":
                break
            if message[0] == "unwind":
                self._member.begin_to_unwind(task)
                raise Unwind
            self._answer(task, message[0])
        self._member.take_turn(task, message[2])
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised
        if message[3]:
            self._member.handle(message[3])
        return message

    def request_again(self, task: Task, word: str, *arguments: Any) -> Message:
        """Say something, and once more after each signal that the task had to handle in place of going on."""
        message = self.request(task, word, *arguments)
        while message[3]:
            message = self.request(task, word, *arguments)
        return message

    def close(self) -> None:
        """The task is one of another process; this one was forked from that."""
        self.channel.close()

    def descriptor(self) -> int:
        """What a forked process has to close."""
        return self.channel.descriptor

    def _receive(self) -> Message:
        while True:
            try:
                return self.channel.receive()
            except GoneError:
                os._exit(ORPHANED)
            except BaseException as error:  # of a signal handler: for the task, when it goes on
                self._raised = error

    def _answer(self, task: Task, question: str) -> None:
        answer: Any = None
        if question == "blocked?":
            answer = task.blocked is not None and bool(task.blocked())
        elif question == "explain?":
            answer = task.explain() if task.explain else f"waits to {task.operation.kind}"
        elif question == "whom?":
            answer = tuple([each.id for each in (task.whom() if task.whom else ())])
        elif question == "place?":
            answer = self._member.place_of_thread()
        elif question.startswith("signal"):
            answer = _way_of(int(question.strip("signal ?")))
        self.send("answer", answer)


def _way_of(number: int) -> str:
    """How this process handles a signal."""
    handler = signal.getsignal(number)
    if callable(handler) and handler is not signal.default_int_handler:
        return "python"
    if number in NEVER_ENDS or handler is signal.SIG_IGN:
        return "ignore"
    return "python" if callable(handler) else "default"


class Member(Controller):
    """A controller whose decisions are taken in another process.

    In a forked process it takes the place of the controller that it finds there, so that everything which refers to
    that one, frames of functions too, has this one from then on.
    """

    place_of_thread: Callable[[], Any] = staticmethod(lambda: None)
    """Says where in the code under test the calling thread is."""
    before_message: Callable[[], None] = staticmethod(lambda: None)
    """Called before every message: to tell what has come up since the last one."""
    at_leave: list[Callable[[], None]]
    """Called before the process says that it ends."""

    delivered = 0
    """The signal that the process is just handling, as another task has sent it."""
    is_body = False
    """Whether the process was started for a body."""
    control: Channel | None = None
    """How to talk to the process that forks others, where that is known."""

    first: Task
    """The task that the process began with."""
    _news: list[tuple[Any, ...]]
    _known: dict[Site, int]
    """Numbers of sites that the explorer knew when the process was forked."""
    _sites: dict[Site, int]
    _told_things: int
    _told_time: float
    _to_close: list[int]
    _replaced: dict[str, Any]

    @classmethod
    def prepared(cls, controller: Controller, channel: Channel, task_id: str, index: int) -> Self:
        """Make, before the fork, all that the forked process will need: it pays for each page that it touches first."""
        member = cls.__new__(cls)
        member.__dict__.update(controller.__dict__)
        member._reset(None)
        member.shared_things = SharedThings()
        member.touched = None if controller.touched is None else []
        member._mutex = _thread.allocate_lock()
        member._pool = WorkerPool()
        member.hears_signals = False
        member._news = []
        member.at_leave = []
        member._known = controller._known if isinstance(controller, Member) else controller.known_sites.numbers
        member._sites = {}
        member._told_things = 0
        member._told_time = member.clock.now
        member._to_close = [channel for channel in controller.descriptors() if channel >= 0]
        member.first = member.seated(task_id, index, channel)
        member.first.ident = _thread.get_ident()
        member.concurrent = True
        return member

    def take_over(self, controller: Controller) -> None:
        """Become the controller of the forked process that calls this."""
        for descriptor in self._to_close:
            os.close(descriptor)
        self._replaced = controller.__dict__  # to let go of all that would touch it
        controller.__class__ = Member
        controller.__dict__ = self.__dict__

    def handle(self, signals: Sequence[int]) -> None:
        """Handle what other tasks have sent."""
        for number in signals:
            self.delivered = number
            try:
                signal.raise_signal(number)
            finally:
                self.delivered = 0

    def on_sigint(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: Ctrl-C, which all processes of the terminal hear, is for the one that explores."""
        if self.delivered == number:
            signal.default_int_handler(number, frame)

    # -- what is told ----------------------------------------------------------------------------------------------

    def tell(self, word: str, *what: Any) -> None:
        """Remember something for the explorer; it goes with the next message, in order."""
        self._news.append((word, *what))

    def news_to_tell(self) -> list[tuple[Any, ...]]:
        """What is to be told now."""
        if self.clock.now != self._told_time:
            self._told_time = self.clock.now
            self.tell("time", self.clock.now)
        if self.wrote:
            self.wrote = False
            self.tell("wrote")
        self.before_message()
        news, self._news = self._news, []
        return news

    def number_of_site(self, site: Site) -> int:
        """The number by which the explorer knows a site."""
        number = self._known[site] if site in self._known else None
        if number is None:
            number = self._sites[site] if site in self._sites else None
        if number is None:
            number = self._sites[site] = len(self._known) + len(self._sites)
            self.tell("site", site_data(site), id(site))
        return number

    def target(self, target: int) -> int:
        """A target as the explorer knows it: the names of shared things are told when they come up."""
        if target < -self._told_things:
            for number in range(self._told_things + 1, -target + 1):
                self.tell("shared", self.shared_things.key(-number))
            self._told_things = -target
        return target

    def touch(self, kind: Kind, target: int, *, inner: bool = False) -> None:
        """See `RunState.touch`."""
        if self.touched is not None and not self.ending:
            self.tell("touch", kind, self.target(target), inner)

    def tell_holder(self, target: int, task: Task | None, site: Site | None) -> None:
        """See `RunState.tell_holder`."""
        if task is None or site is None:
            self.tell("free", self.target(target))
        else:
            self.tell("held", self.target(target), task.id, self.number_of_site(site))

    def tell_made(self, target: int, place: str) -> None:
        """See `RunState.tell_made`."""
        self.tell("made", self.target(target), place)

    def tell_left(self, kind: str, name: str) -> None:
        """See `RunState.tell_left`."""
        self.tell("left", kind, name)

    def tell_unheard(self, target: int, task: Task, site: Site) -> None:
        """See `RunState.tell_unheard`."""
        self.tell("unheard", self.target(target), task.id, self.number_of_site(site))

    def not_proven(self, sentence: str) -> None:
        """See `RunState.not_proven`."""
        if sentence not in self.unproven:
            self.unproven[sentence] = None
            self.tell("unproven", sentence)

    def not_controlled(self, sentence: str) -> None:
        """See `RunState.not_controlled`."""
        self.tell("uncontrolled", sentence)

    def fail(self, failure: Failure) -> None:
        """See `RunState.fail`; the run ends when the explorer hears of it."""
        self.tell("fail", failure_data(failure))

    # -- operations ------------------------------------------------------------------------------------------------

    def reach(
        self,
        operation: Operation,
        blocked: Callable[[], bool] | None = None,
        deadline: float | None = None,
        explain: Callable[[], str] | None = None,
        whom: Callable[[], Sequence[Task]] | None = None,
    ) -> bool:
        """See `Controller.reach`."""
        task = self.running
        if task is None or self.ending:
            return self._reach_while_ending(task, blocked)
        blocked_now = blocked is not None and blocked()
        if not blocked_now and len(self.alive) == 1 and self._is_private(operation):
            self.wrote |= operation.kind not in HARMLESS
            return True
        self.quiet = 0
        task.operation = operation
        task.blocked, task.explain, task.whom = blocked, explain, whom
        waits: bool | tuple[str, ...] = blocked is not None
        message = self._seat(task).request_again(
            task, "reach", self._told(operation), waits, blocked_now, deadline, task.wakes
        )
        task.blocked = task.explain = task.whom = None
        return bool(message[1])

    def reach_ends(self, operation: Operation, task_ids: Sequence[str], deadline: float | None) -> bool:
        """See `Abroad.reach_ends`."""
        task = self.running
        if task is None or self.ending:
            return self._reach_while_ending(task, None)
        task.operation = operation
        task.explain = lambda: waits_for_ends(task_ids)
        message = self._seat(task).request_again(
            task, "reach", self._told(operation), tuple(task_ids), False, deadline, False
        )
        task.explain = None
        return bool(message[1])

    def tell_result(self, is_result: bool, data: object) -> None:
        """See `Abroad.tell_result`."""
        self.tell("result", is_result, data)

    def result_of(self, task_id: str) -> Any:
        """See `Abroad.result_of`."""
        task = self._parent()
        return self._seat(task).request(task, "result?", task_id)[1]

    def changed(self, target: int) -> None:
        """See `Controller.changed`."""
        self.tell("changed", self.target(target))

    def reach_change(self, operation: Operation, deadline: float | None, explain: Callable[[], str]) -> bool:
        """See `Controller.reach_change`."""
        task = self.running
        if task is None or self.ending:
            return self._reach_while_ending(task, lambda: True)
        task.operation = operation
        task.explain = explain
        message = self._seat(task).request_again(task, "reach", self._told(operation), CHANGE, False, deadline, False)
        task.explain = None
        return bool(message[1])

    def end_is_seen(self, task_id: str) -> None:
        """See `Abroad.end_is_seen`."""
        self.tell("seen", task_id)

    def ends_badly(self, failure: Failure) -> None:
        """The process comes to a bad end."""
        self.tell("badly", failure_data(failure))

    def _told(self, operation: Operation) -> tuple[Any, ...]:
        kind, site, target, part, also, looks, opens, _ = operation
        others = tuple([(self.target(each), its) for each, its in also])
        return (kind, self.number_of_site(site), self.target(target), part, others, looks, opens)

    def _is_private(self, operation: Operation) -> bool:
        """Whether nobody outside this process can tell when it is carried out."""
        if operation.target <= 0 or operation.kind in UNCHANGED:
            return False
        return all(target > 0 for target, _ in operation.also)

    def is_replaced(self, by: str) -> None:
        """The process is going to do what another program says; that one can't be seen into."""
        task = self._parent()
        self.tell("replaced", by)
        self._seat(task).request(task, "told")

    def lapse(self, steps: int = 500) -> None:
        """See `Controller.lapse`."""
        task = self.running
        if task is None or self.ending:
            self._reach_while_ending(task, None)
            return
        self.quiet = 0
        task.operation = Operation("yield", LAPSE)
        self._seat(task).request(task, "lapse", steps)

    def come_back(self) -> bool:
        """See `Outside.come_back`."""
        task = self.away.pop(_thread.get_ident(), None)
        if task is None:
            return self.current() is not None
        self._seat(task).request(task, "back")
        return True

    # -- tasks -------------------------------------------------------------------------------------------------------

    def seated(self, task_id: str, index: int, channel: Channel) -> Task:
        """Make a task of this process that speaks through a channel."""
        task = Task(task_id, index, self._main)
        task.name = task_id
        task.remote = Seat(self, channel)
        self.tasks[task.id] = task
        self.alive.append(task)
        return task

    def _seat(self, task: Task) -> Seat:
        seat: Seat = task.remote
        return seat

    def new_task(self, name: str, *, daemon: bool = False, pooled: bool = False, spawned_at: str = "") -> Task:
        """See `Controller.new_task`."""
        channel, task_id, index = self.ask_for_task(name, daemon, pooled, spawned_at, in_new_process=False)
        task = Task(task_id, index, self._main)
        task.name, task.daemon, task.pooled, task.spawned_at = name, daemon, pooled, spawned_at
        task.remote = Seat(self, channel)
        return task

    def ask_for_task(
        self, name: str, daemon: bool, pooled: bool, spawned_at: str, *, in_new_process: bool, forked: bool = True
    ) -> tuple[Channel, str, int]:
        """Tell the explorer that a thread or a process is going to be started: the new one's channel, name, index."""
        known = (len(self._known) if forked else -1) if in_new_process else None
        parent = self._parent()
        seat = self._seat(parent)
        own, other = make_channel()
        seat.send("new", name, daemon, pooled, spawned_at, known)
        try:
            seat.channel.give(other.descriptor)
            other.close()
            _, task_id, index = seat.channel.receive()
        except GoneError:
            os._exit(ORPHANED)
        return own, task_id, index

    def start_processes(self, bodies: Sequence[InProcess]) -> list[str]:
        """See `Abroad.start_processes`."""
        return [self._start_process(body) for body in bodies]

    def _start_process(self, body: InProcess) -> str:
        with self.unhooked():
            channel, task_id, index = self.ask_for_task("racecheck.run", False, False, "", in_new_process=True)
            task = Task(task_id, index, self._main)
            task.name = task_id
            pid = self.launch(task, body, channel)
            channel.close()
        self.admitted(task_id, pid, is_process=True)
        self.touch("spawn", self.shared_things.number(process_key(task_id)))
        return task_id

    def start_together(self, bodies: Sequence[Callable[[], object]]) -> list[Task]:
        """See `Controller.start_together`."""
        return [self._start_thread(body) for body in bodies]

    def _start_thread(self, body: Callable[[], object]) -> Task:
        with self.unhooked():
            task = self.new_task("")
            worker = self._pool.lend()
        task.name, task.worker, task.ident, task.native_id = task.id, worker, worker.ident, worker.native_id

        def job() -> None:
            try:
                self.take_part(task)
            except Unwind:
                return
            self._perform(task, body)

        worker.job = worker.as_itself(job)
        worker.finish = lambda: self._worker_done(worker, task)
        self.admit(task)
        worker.baton.signal()
        return task

    def lend_thread(self, task: Task, job: Callable[[], object]) -> Worker | None:
        """See `Controller.lend_thread`; a process does not live long enough to keep any."""
        return None

    def admit(self, task: Task) -> None:
        """See `Controller.admit`."""
        self.tasks[task.id] = task
        self.alive.append(task)
        self.admitted(task.id, task.native_id, is_process=False, ident=task.ident)

    def control_channel(self) -> Channel:
        """How to talk to the process that forks others."""
        if self.control is None:
            seat = self._seat(self._parent())
            seat.send("warm")
            try:
                seat.channel.receive()
                self.control = Channel(*seat.channel.take())
            except GoneError:
                os._exit(ORPHANED)
        return self.control

    def signal_process(self, task_id: str, number: int) -> bool:
        """See `Abroad.signal_process`."""
        sender = self._parent()
        return bool(self._seat(sender).request(sender, "signal", task_id, number)[1])

    def admitted(self, task_id: str, number: int, *, is_process: bool, ident: int = 0) -> None:
        """What the running task has started is there; ``number`` is that of its thread, or process."""
        parent = self._parent()
        self._seat(parent).request(parent, "admit", task_id, number, ident, is_process)

    def dismissed(self, task_id: str) -> None:
        """What the running task was going to start could not be started."""
        parent = self._parent()
        self._seat(parent).request(parent, "dismiss", task_id)

    def take_part(self, task: Task) -> None:
        """See `Controller.take_part`."""
        self._seat(task).wait_for_turn(task)

    def take_turn(self, task: Task, now: float) -> None:
        """A task of this process may go on."""
        before = self.running
        if before is not None and before is not task:  # it is blocked where nobody sees it
            self.away[before.ident] = before
        self.running, self.ident = task, task.ident
        self._told_time = self.clock.now = now

    def begin_to_unwind(self, task: Task) -> None:
        """The run is over, and it is this task's turn to end."""
        self.ending = True
        self.concurrent = False
        task.unwinding = True
        self.running, self.ident = task, task.ident

    def task_ended(self, task: Task) -> None:
        """See `Controller.task_ended`; a task of another process has come here by a fork, and ends with the process."""
        if task.id not in self.tasks:
            self._stray()
        if task is self.first:
            self.leave(0)
        task.ended = True
        if task in self.alive:
            self.alive.remove(task)
        self.away.pop(task.ident, None)
        self.running, self.ident = None, 0
        self._seat(task).send("end", None)

    def _settle(self, host: Task) -> None:
        """A forked process has come to where the test's own body ends."""
        self._stray()

    def _stray(self) -> NoReturn:
        if not self.ending:
            self.fail(strayed(self.first))
        self.leave(1)

    def leave(self, code: int) -> NoReturn:
        """End the process, and say so."""
        task = self.running or self.first
        self.ident = 0
        try:
            self.touch("end", self.shared_things.number(process_key(self.first.id)))
            for call in self.at_leave:
                call()
        finally:
            self._seat(task).send("end", code)
            os._exit(code)

    def finish_with(self, failure: Failure) -> NoReturn:
        """See `Controller.finish_with`."""
        task = self._parent()
        self.fail(failure)
        self._seat(task).request(task, "told")
        self._leave(task)
