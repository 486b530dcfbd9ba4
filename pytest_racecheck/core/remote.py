"""Acts, in the process that explores, for a task whose code runs in another process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_racecheck.core.carried import failure_from
from pytest_racecheck.core.channel import Channel, GoneError
from pytest_racecheck.core.errors import Unwind
from pytest_racecheck.core.failures import crash, failure_of
from pytest_racecheck.core.interrupt import ACTING
from pytest_racecheck.core.other_process import OtherProcess
from pytest_racecheck.core.values import Operation

if TYPE_CHECKING:
    from pytest_racecheck.core.controller import Controller
    from pytest_racecheck.core.task import Task

ENDS: Final = "end"
"""The last message of a task."""

CHANGE: Final = "change"
"""Says that a task waits until something has happened to the target of its operation."""

GENTLE: Final = 4
"""So many pushes may a process take before it is killed."""


class Remote:
    """A thread of this process runs `act`, and is the task for the controller; the code runs in the other process.

    The other one sends what its task is about to do, and waits; this announces it, and when the task may go on it says
    so. While the task is parked here, whoever chooses asks the other process itself whether the task is blocked.
    """

    def __init__(self, controller: Controller, task: Task, channel: Channel, process: OtherProcess) -> None:
        self.task = task
        self.process = process
        self.native_id = 0
        """Of the thread in the other process."""
        self.ident = 0
        """The same as Python says it; 0 for the thread that the process began with."""
        self.gone = False
        """Whether the process has come to its end without this task saying so."""
        self.said_end = False
        self.signals: list[int] = []
        """Signals that were sent to it and that it handles itself, as soon as it goes on."""
        self._controller = controller
        self._channel = channel
        self._pushes = 0
        self._listening = False
        """Whether this side has nothing to do but to wait for the next message."""
        self._starting = 0
        """So many things is the task starting."""
        self._blocked_now: bool | None = None
        """What is known of the task being blocked, for the next to ask."""
        process.tasks.append(self)

    # -- in its thread -----------------------------------------------------------------------------------------

    def act(self) -> None:
        """What the thread does that acts for the task: from its first turn to its end."""
        ACTING[self.task.ident] = self
        try:
            if self.task.unwinding:
                raise Unwind
            self._serve()
        except Unwind:
            self._unwind()
        except GoneError:
            self._has_gone()
        finally:
            self.task.leaving = True
            ACTING.pop(self.task.ident, None)
            self._channel.close()

    def _serve(self) -> None:
        self._go_on(granted=True)
        while True:
            self._listening = True
            word, news, *arguments = self._channel.receive()
            self._listening = False
            if self._controller.running is not self.task:
                self._controller.come_back()
            self._take_in(news)
            if word == ENDS:
                self._is_ending(*arguments)
                return
            if self._controller.ending:
                raise Unwind
            try:
                self._requests[word](self, *arguments)
            except (Unwind, GoneError):
                raise
            except Exception as error:  # a strategy that has chosen wrongly
                self._controller.finish_with(failure_of(error, self.task))

    def _go_on(self, granted: bool) -> None:
        signals, self.signals = self.signals, []
        self._channel.send("go", granted, self._controller.clock.now, signals)

    def _reach(
        self,
        operation: tuple[Any, ...],
        waits: bool | str | tuple[str, ...],
        blocked_now: bool,
        deadline: float | None,
        wakes: bool,
    ) -> None:
        """The task is about to do something; ``waits`` names the tasks whose ends it waits for, if it is for that."""
        self.task.wakes = wakes
        blocked: Callable[[], bool] | None = None
        whom: Callable[[], Sequence[Task]] = self._whom
        if type(waits) is tuple:
            awaited = [self._controller.tasks[each] for each in waits]
            blocked, whom = (lambda: not any(each.ended for each in awaited)), lambda: awaited
        elif waits:
            self._blocked_now = blocked_now
            blocked = self._is_blocked
        what: Operation = self.process.operation(*operation)
        if waits == CHANGE:
            self._go_on(self._controller.reach_change(what, deadline, self._explain))
            return
        if blocked is None:
            granted = self._controller.reach(what)
        else:
            granted = self._controller.reach(what, blocked, deadline, self._explain, whom)
        self._go_on(granted)

    def _lapse(self, steps: int) -> None:
        self._controller.lapse(steps)
        self._go_on(granted=True)

    def _new_task(self, name: str, daemon: bool, pooled: bool, spawned_at: str, known: int | None) -> None:
        """The task is going to start a thread in its process, or another process, which knows so many sites.

        -1 says that another process is going to fork it.
        """
        self._starting += 1
        channel = Channel(*self._channel.take())
        process = self.process if known is None else self._controller.new_process(max(known, 0))
        if known == -1:
            process.reaper = self._controller.prepare_warm().reap
        task = self._controller.new_remote(channel, process, name, daemon=daemon, pooled=pooled, spawned_at=spawned_at)
        self._channel.send("task", task.id, task.index)

    def _admit(self, task_id: str, number: int, ident: int, is_process: bool) -> None:
        """What the task has started is there, with this id of its thread or process."""
        self._starting -= 1
        remote: Remote = self._controller.tasks_to_come[task_id].remote
        if is_process:
            remote.started(number)
        else:
            remote.native_id, remote.ident = number, ident
        self._controller.admit(remote.task)
        self._go_on(granted=True)

    def _dismiss(self, task_id: str) -> None:
        """What the task was going to start could not be started."""
        self._starting -= 1
        self._controller.dismiss(self._controller.tasks_to_come[task_id])
        self._go_on(granted=True)

    def _signalled(self, task_id: str, number: int) -> None:
        """The task has sent a signal to the process of another one, if it said so before, or is going to."""
        self._go_on(self._controller.signal_task(self._controller.tasks[task_id], self.task, number))

    def _tell_result(self, task_id: str) -> None:
        """The task wants to know what came of a process that it has started."""
        told = self._controller.results[task_id] if task_id in self._controller.results else None
        self._channel.send("go", told, self._controller.clock.now, [])

    def _warm(self) -> None:
        """The task wants to talk to the process that forks others."""
        self._channel.send("warm")
        self._channel.give(self._controller.prepare_warm().channel.descriptor)

    def _come_back(self) -> None:
        self._go_on(granted=True)

    def _told(self) -> None:
        """There was nothing but news."""
        self._go_on(granted=True)

    _requests: Final[dict[str, Callable[..., None]]] = {
        "reach": _reach,
        "lapse": _lapse,
        "new": _new_task,
        "admit": _admit,
        "dismiss": _dismiss,
        "signal": _signalled,
        "result?": _tell_result,
        "warm": _warm,
        "back": _come_back,
        "told": _told,
    }

    def _take_in(self, news: Sequence[tuple[Any, ...]]) -> None:
        """What has happened in the other process since its last message, in order."""
        for word, *what in news:
            handler = _NEWS[word] if word in _NEWS else None
            if handler is not None:
                handler(self, *what)
            else:
                self._controller.listeners[word](self, *what)

    def has_written(self) -> None:
        """The other process has changed something that is no operation; see `RunState.wrote`."""
        self._controller.wrote = True

    # -- its end -----------------------------------------------------------------------------------------------

    def _is_ending(self, code: int | None) -> None:
        """The task has said that it ends; with its process, if there is an exit code."""
        self.said_end = True
        if code is not None:
            self.process.wait_until_gone()  # what it has open is closed only then
            self._controller.ends += 1
            self._release_the_others()

    def _unwind(self) -> None:
        """The run is over for the task: the other process ends it, with its ``finally`` blocks."""
        if self.gone:
            return
        try:
            self._channel.send("unwind")
            while True:
                word, news, *_ = self._channel.receive()
                self._take_in([each for each in news if each[0] != "fail"])
                if word == ENDS:
                    self.said_end = True
                    break
                self._channel.send("unwind")
        except GoneError:
            pass

    def _has_gone(self) -> None:
        """The process has ended, or will in a moment, and the task did not say so."""
        process, controller = self.process, self._controller
        if process.replaced_by:
            controller.not_controlled(f"task {self.task.id} became another program by {process.replaced_by}")
            controller.ends += 1
            self._release_the_others()
            return
        if not process.wait_until_gone():
            controller.not_controlled(f"the process of task {self.task.id} went out of control: it runs something else")
        if controller.running is not self.task and not controller.ending:
            controller.come_back()
        code = process.exit_code()
        controller.ends += 1
        self._release_the_others()
        sender = None if code is None else process.sent.get(-code)
        if not controller.ending and sender in {None, self.task.id}:
            failure = crash(self.task, code, own_doing=sender is not None)
            if process.is_body:
                controller.fail(failure)
            else:
                controller.ended_badly(process.tasks[0].task.id, failure)

    def _release_the_others(self) -> None:
        """Threads that the process had beside this one have ended with it."""
        for other in self.process.tasks:
            if other is not self:
                other.leave()

    def leave(self) -> None:
        """The task has ended with its process, without a word."""
        if not self.task.ended and not self.gone:
            self.gone = True
            self._controller.gone(self.task)

    # -- while the task is parked, in any thread that has the turn --------------------------------------------------

    def _is_blocked(self) -> bool:
        if self._blocked_now is not None:
            known, self._blocked_now = self._blocked_now, None
            return known
        return bool(self._ask("blocked?", False))

    def _explain(self) -> str:
        known = self._controller.explain_shared(self.task)
        return (str(self._ask("explain?", "waits")) if known.text is None else known.text) + known.further

    def _whom(self) -> Sequence[Task]:
        known = self._controller.explain_shared(self.task)
        if known.whom is not None:
            return known.whom
        return [self._controller.tasks[each] for each in self._ask("whom?", ()) if each in self._controller.tasks]

    def user_place(self) -> tuple[str, int, str] | None:
        """File, line and function of the innermost code in scope that the task is in; while it is parked only."""
        place = self._ask("place?", None)
        return None if place is None else (place[0], place[1], place[2])

    def _ask(self, question: str, if_gone: Any) -> Any:
        """Ask the other process; a task whose process has gone is let go on, and finds that out by itself."""
        if self.gone or self.task.ended:
            return if_gone
        try:
            self._channel.send(question)
            word, news, answer = self._channel.receive()
        except GoneError:
            return if_gone
        self._take_in(news)
        return answer if word == "answer" else if_gone

    def handles(self, number: int) -> str:
        """What the process does with a signal: ``python``, ``ignore`` or ``default``; only its first task knows."""
        return str(self._ask(f"signal {number}?", "default"))

    def interrupt(self, number: int) -> None:
        """Let the process handle a signal: when the task moves next, which it now can, whatever it waits for."""
        self.signals.append(number)
        self.task.blocked = self.task.deadline = None

    # -- seen from outside ---------------------------------------------------------------------------------------

    def started(self, pid: int) -> None:
        """The process is there, with this id."""
        self.process.pid = self.native_id = pid

    def where(self) -> str:
        """Where in the code it is now: ``file:line in function``."""
        place = self._controller.dump.place(self.process.pid, self.ident)
        if place:
            return place
        site = self.task.operation.site
        return f"{site.filename}:{site.line} in {site.qualname}" if site.filename else "no Python code"

    def folder(self) -> Path:
        """Where the kernel tells of the thread."""
        return Path(f"/proc/{self.process.pid}/task/{self.native_id}")

    def is_served(self) -> bool:
        """Whether the thread may sleep only as it waits for us, who are slow."""
        return not self._listening or self._starting > 0 or self._channel.has_message()

    def push(self) -> None:
        """End its process, and all its tasks with it; not at the first push, as ending properly takes a moment."""
        self._pushes += 1
        if self._pushes > GENTLE:
            self.process.kill()

    def descriptor(self) -> int:
        """What a forked process has to close: it would keep the channel open."""
        return self._channel.descriptor

    def close(self) -> None:
        """There will be no such task."""
        self._channel.close()


_NEWS: Final[dict[str, Callable[..., None]]] = {
    "site": lambda remote, data, identity: remote.process.learn_site(data, identity),
    "shared": lambda remote, key: remote.process.learn_shared(key),
    "touch": lambda remote, kind, target, inner: remote._controller.touch(
        kind, remote.process.target(target), inner=inner
    ),
    "unproven": lambda remote, sentence: remote._controller.not_proven(sentence),
    "uncontrolled": lambda remote, sentence: remote._controller.not_controlled(sentence),
    "fail": lambda remote, data: remote._controller.fail(failure_from(data)),
    "badly": lambda remote, data: remote._controller.ended_badly(remote.process.tasks[0].task.id, failure_from(data)),
    "result": lambda remote, is_result, data: remote._controller.results.update({remote.task.id: (is_result, data)}),
    "replaced": lambda remote, by: setattr(remote.process, "replaced_by", by),
    "seen": lambda remote, task_id: remote._controller.end_is_seen(task_id),
    "changed": lambda remote, target: remote._controller.changed(remote.process.target(target)),
    "wrote": lambda remote: remote.has_written(),
    "time": lambda remote, now: remote._controller.clock.advance_to(now),
}
"""What the controller itself wants to know; the rest is for who listens, see `RunState.listeners`."""
