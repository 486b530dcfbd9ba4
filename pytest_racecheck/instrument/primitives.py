"""What the standard library builds from locks: events, conditions, semaphores, queues, futures; one operation each.

The real object does the real thing. Its own locks are no choices while it does, unless one of them makes it wait.
"""

from __future__ import annotations

import queue
import sys
import threading
from _thread import get_ident
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import synchronize
from types import FunctionType
from typing import Any, Final, NamedTuple

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.passed import SURE
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import WHOLE, Kind, Operation, Passing, Site, new_operation
from pytest_racecheck.instrument.accesses import admitted
from pytest_racecheck.instrument.at_once import AT_ONCE, UNDECIDED, AtOnce
from pytest_racecheck.instrument.futures import LOOKS, UNSEEN
from pytest_racecheck.instrument.marking import PASSED
from pytest_racecheck.instrument.names import container_name
from pytest_racecheck.instrument.sharing import Place
from pytest_racecheck.instrument.stand_ins import Call
from pytest_racecheck.instrument.state import STATE
from pytest_racecheck.instrument.synchronisation import BUILT_FROM_LOCKS, argument_of
from pytest_racecheck.instrument.targets import target_of

GOES_PLAINLY = True
"""Whether hooks are left out where nobody can tell the difference; tests compare both."""


class Within(NamedTuple):
    """The operation that a task is in the middle of."""

    site: Site
    owner: Any
    waits: str
    """What it waits for, should it have to; the place of the object's name is ``{}``."""
    task: Task
    changed: tuple[Place, ...]
    """What it changes when it goes on after having waited."""
    open: bool
    """Whether it reaches further objects."""

    def explain(self) -> str:
        """What the task waits for."""
        text = self.waits.format(_name(self.site, self.owner))
        if isinstance(self.owner, threading.Barrier):
            text += f" ({self.owner.n_waiting} of {self.owner.parties} are there)"
        text += self._who_could()
        sought = id(self.owner)
        unheard = UNHEARD[sought] if sought in UNHEARD else None
        if unheard is not None and self.waits is NOTIFIED:
            where = f"{unheard.site.filename}:{unheard.site.line}"
            text += f" (a lost wake-up: task {unheard.task.id} did that before it waited, at {where})"
        return text

    def takes_again(self, lock: object) -> bool:
        """Whether this is the lock of a condition that has been waited for, which is taken again after that."""
        if isinstance(self.owner, threading.Condition):
            return lock is self.owner._lock  # type: ignore[attr-defined]
        return isinstance(self.owner, synchronize.Condition) and lock is self.owner._lock._semlock  # type: ignore[attr-defined]

    def _who_could(self) -> str:
        """Who has done, or has not, what would let the task go on; known in a run that is recorded."""
        name = _FREED_BY[self.waits] if self.waits in _FREED_BY else None
        if name is None or id(self.owner) not in DONE:
            return ""
        if self.waits is _DONE and self.owner._state == "PENDING":
            worker = f": task {self.task.id} is a worker itself, and the others wait as well"
            return f" (its call has not begun{worker if self.task.pooled else ''})"
        others = self._others(name)
        if not others:
            return f" (no other task has called {name}() on it)"
        last = others[-1]
        if self.waits is _DONE:
            return f" (task {last.task.id} is at it)"
        what = "last " if self.waits in _TAKES_MORE else ""
        return f" ({what}{name}() by task {last.task.id}, at {last.site.filename}:{last.site.line})"

    def _others(self, name: str) -> list[Done]:
        return [each for each in DONE.get(id(self.owner), ()) if each.name == name and each.task is not self.task]

    def whom(self) -> list[Task]:
        """The tasks that hold what it waits for: who has acquired the semaphore, who works for the future."""
        name = _HELD_BY[self.waits] if self.waits in _HELD_BY else None
        return [each.task for each in self._others(name)] if name else []

    def is_notified(self) -> bool:
        """Whether what it waits for is a notification, and nothing looks whether that came but the code under test."""
        return self.waits is NOTIFIED

    def lock_name(self) -> str:
        """What to call a lock inside of the object."""
        return f"the lock of {_name(self.site, self.owner)}"


class Done(NamedTuple):
    """An operation on an object, in a run that is recorded; the object is kept, or another would get its identity."""

    owner: Any
    name: str
    task: Task
    site: Site


DONE: Final[dict[int, list[Done]]] = {}
"""For this run, where it is recorded: identity of an object -> the operations on it."""


class Unheard(NamedTuple):
    """A notification that no task was waiting for; the condition is kept, or another one would get its identity."""

    condition: Any
    task: Task
    site: Site


UNHEARD: Final[dict[int, Unheard]] = {}
"""For this run: identity of a condition -> the last notification, where that was in vain."""


@dataclass(frozen=True, slots=True, eq=False)
class Primitive:
    """One method of a class that is built from locks."""

    function: Any
    kind: Kind
    waits: str = ""
    looks: bool = False
    """Whether it only looks at the state that it waits for."""
    open: bool = False
    """Whether it reaches further objects: those who wait for a future, those who were told to be called."""
    passes: Passing = "take"
    """What it passes on between tasks; a queue that does not keep the order of its items passes on everything."""
    at_last: bool = False
    """Whether what it does is the last thing that the function does: nobody else can move between that and the end."""
    target: Callable[[Any], int] = target_of
    """What the object is called as the target of operations."""
    tell: Callable[[Controller, Task, Site, Any], None] | None = None
    """What is to be told of the operation just before it is done."""
    settles: bool = False
    """Whether it waits until a future is decided: that stays so, and waiting is the one operation."""
    at_once: AtOnce | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "at_once", AT_ONCE.get(self.function))

    def stand_in(self, original: FunctionType) -> Call:
        """Make what a call of the method does, see `stand_ins`."""
        at_once = self.at_once
        look = UNSEEN.look if self.function in LOOKS else None
        submits = self.function is ThreadPoolExecutor.submit

        def call(owner: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
            try:
                if look is not None:
                    look(owner)
                controller = STATE.controller
                task = controller.running
                if task is None or (get_ident() != controller.ident and not admitted(controller)):
                    return original(owner, *arguments, **keywords)
                PASSED[SURE] = True  # what stands here is a Python function, which is entered now
                site = STATE.discoverer.site_of_call(sys._getframe(2), original)
                site.keywords = tuple(keywords)
                given = (*arguments, *keywords.values()) if keywords else arguments
                if task.within is not None and site.module in BUILT_FROM_LOCKS:
                    within = task.within
                    controller.touch("read" if self.looks else self.kind, self.target(owner), inner=not within.open)
                else:
                    if not self._announce(controller, task, site, owner, given):
                        arguments, keywords = (0,), {}  # nothing comes any more, so it need not wait
                    within = None
                # A strategy that follows is told of every object inside that is touched, and the hooks do that.
                if at_once and controller.touched is None and GOES_PLAINLY and at_once.is_sure(site, owner, given):
                    PASSED[SURE] = True  # as when it enters the function itself, with its marks
                    result = at_once.perform(controller, original, owner, arguments, keywords)
                else:
                    result = perform(
                        task, within or self._within(task, site, owner), original, owner, *arguments, **keywords
                    )
                if self.at_last and within is None:
                    PASSED.clear()
                if submits:
                    controller.hold(arguments, keywords, result)
                return result
            finally:
                del owner  # else an exception that a future keeps would keep the future

        return call

    def _announce(self, controller: Controller, task: Task, site: Site, owner: Any, arguments: tuple[Any, ...]) -> bool:
        """Announce the operation; ``False`` if it was waited for, and the time was over."""
        in_time = True
        if self.settles and type(owner) is Future:
            in_time = self._reach_decision(controller, task, site, owner, arguments)
        elif controller.concurrent:
            controller.reach(self._operation(site, owner))
        if controller.recorder is not None:
            text = f"{_name(site, owner)}.{self.function.__name__}()"
            controller.recorder.synchronisation(site, self.kind, owner, text)  # type: ignore[attr-defined]
            DONE.setdefault(id(owner), []).append(Done(owner, self.function.__name__, task, site))
        if self.tell is not None:
            self.tell(controller, task, site, owner)
        return in_time

    def _operation(self, site: Site, owner: Any) -> Operation:
        passes = self.passes if type(owner) is queue.Queue or self.passes not in _UNORDERED else _UNORDERED[self.passes]
        return new_operation((self.kind, site, self.target(owner), WHOLE, (), self.looks, self.open, passes))

    def _reach_decision(
        self, controller: Controller, task: Task, site: Site, future: Any, arguments: tuple[Any, ...]
    ) -> bool:
        """Announce that a task waits for a future to be decided; ``False`` if the time was over before it was."""
        timeout = argument_of(site, arguments, 0, "timeout", None)
        decided = future._state not in UNDECIDED and not controller.concurrent
        if decided or (timeout is not None and (type(timeout) not in (int, float) or timeout <= 0)):
            if controller.concurrent:
                controller.reach(self._operation(site, future))
            return True
        if controller.recorder is not None:
            DONE.setdefault(id(future), [])  # what others do to it is of interest from now on
        deadline = None if timeout is None else controller.clock.now + timeout
        within = self._within(task, site, future)
        operation = self._operation(site, future)
        in_time = controller.reach(operation, lambda: future._state in UNDECIDED, deadline, within.explain, within.whom)
        if not in_time:
            controller.touch("give-up", id(future))
        return in_time

    def _within(self, task: Task, site: Site, owner: Any) -> Within:
        changed = () if self.looks or self.function in _WAITS else ((self.target(owner), WHOLE),)
        return Within(site, owner, self.waits, task, changed, self.open)


_WAITS: Final = (threading.Condition.wait, synchronize.Condition.wait)
"""What waits to be notified: who goes on after that has changed nothing."""


def _note_whether_heard(_controller: Controller, task: Task, site: Site, condition: Any) -> None:
    if condition._waiters:
        UNHEARD.pop(id(condition), None)
    else:
        UNHEARD[id(condition)] = Unheard(condition, task, site)


def perform(task: Task, within: Within, function: Any, *arguments: Any, **keywords: Any) -> Any:
    """Call a function; all that it does is part of one operation of the task."""
    before, task.within = task.within, within
    try:
        return function(*arguments, **keywords)
    finally:
        task.within = before
        del within, function, arguments  # see above


def _name(site: Site, owner: object) -> str:
    """What the source calls the object; its type where the call does not stand in the code under test."""
    return f"<{type(owner).__name__}>" if site.hidden else container_name(site)


TO_BE_SET: Final = "waits for {} to be set"
NOTIFIED: Final = "waits for {} to be notified"
_RELEASED: Final = "waits for {} to be released"
_OTHERS: Final = "waits at {} for the others"
ROOM: Final = "waits for room in {}"
ITEM: Final = "waits for an item in {}"
ALL_DONE: Final = "waits for the items of {} to be done"
_DONE: Final = "waits for {} to be done"

_FREED_BY: Final = {
    TO_BE_SET: "set", _RELEASED: "acquire", ROOM: "get", ITEM: "put", ALL_DONE: "task_done",
    _DONE: "set_running_or_notify_cancel",
}  # fmt: skip
"""What tells most of who could let a task go on: by what it waits for, the operation of another task."""

_TAKES_MORE: Final = frozenset({_RELEASED, ROOM, ITEM, ALL_DONE})
_HELD_BY: Final = {_RELEASED: "acquire", _DONE: "set_running_or_notify_cancel"}
"""Operations whose task holds what others wait for."""


_UNORDERED: Final[dict[Passing, Passing]] = {"put": "give", "get": "take"}


def _target_of_barrier(owner: Any) -> int:
    """One of processes goes by what its condition waits with."""
    if isinstance(owner, synchronize.Barrier):
        return target_of(vars(owner)["_cond"]._wait_semaphore._semlock)
    return target_of(owner)


def _primitives() -> list[Primitive]:
    found = [
        Primitive(threading.Event.set, "update", passes="give"),
        Primitive(threading.Event.clear, "update", passes="both"),
        Primitive(threading.Event.is_set, "read", at_last=True),
        Primitive(threading.Event.wait, "wait", TO_BE_SET, looks=True),
        Primitive(threading.Condition.wait, "wait", NOTIFIED, passes="both"),
        Primitive(threading.Condition.notify, "update", passes="give", tell=_note_whether_heard),
        Primitive(threading.Condition.notify_all, "update", passes="give", tell=_note_whether_heard),
        Primitive(threading.Semaphore.acquire, "update", _RELEASED, passes="permit"),
        Primitive(threading.Semaphore.release, "update", passes="permit"),
        Primitive(threading.BoundedSemaphore.release, "update", passes="permit"),
        Primitive(threading.Barrier.wait, "wait", _OTHERS, passes="both", target=_target_of_barrier),
        Primitive(threading.Barrier.reset, "update", passes="give", target=_target_of_barrier),
        Primitive(threading.Barrier.abort, "update", passes="give", target=_target_of_barrier),
        Primitive(queue.Queue.put, "update", ROOM, passes="put"),
        Primitive(queue.Queue.get, "update", ITEM, passes="get"),
        Primitive(queue.Queue.join, "wait", ALL_DONE, looks=True),
        Primitive(queue.Queue.task_done, "update", passes="give"),
        Primitive(queue.Queue.qsize, "read"),
        Primitive(queue.Queue.empty, "read"),
        Primitive(queue.Queue.full, "read"),
        Primitive(Future.result, "wait", _DONE, looks=True, settles=True),
        Primitive(Future.exception, "wait", _DONE, looks=True, settles=True),
        Primitive(Future.done, "read"),
        Primitive(Future.running, "read"),
        Primitive(Future.cancelled, "read"),
        Primitive(Future.cancel, "update", open=True, passes="both"),
        Primitive(Future.add_done_callback, "update", open=True, passes="both"),
        Primitive(Future.set_result, "update", open=True, passes="give"),
        Primitive(Future.set_exception, "update", open=True, passes="give"),
        Primitive(Future.set_running_or_notify_cancel, "update", open=True, passes="give"),
        Primitive(ThreadPoolExecutor.submit, "update", open=True, passes="give"),
    ]
    if hasattr(queue.Queue, "shutdown"):  # from 3.13 on
        found.append(Primitive(queue.Queue.shutdown, "update", passes="give"))
    return found


PRIMITIVES: Final = _primitives()
"""Each has a stand-in."""
