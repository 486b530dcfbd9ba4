"""What the standard library builds from locks: events, conditions, semaphores, queues, futures; one operation each.

The real object does the real thing. Its own locks are no choices while it does, unless one of them makes it wait.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import WHOLE, Kind, Operation, Site
from pytest_racecheck.instrument.at_once import AT_ONCE, UNTOUCHED
from pytest_racecheck.instrument.names import container_name
from pytest_racecheck.instrument.sharing import Place
from pytest_racecheck.instrument.synchronisation import BUILT_FROM_LOCKS


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
        unheard = UNHEARD.get(id(self.owner))
        if unheard is not None and self.waits is _NOTIFIED:
            where = f"{unheard.site.filename}:{unheard.site.line}"
            text += f" (a lost wake-up: task {unheard.task.id} did that before it waited, at {where})"
        return text

    def takes_again(self, lock: object) -> bool:
        """Whether this is the lock of a condition that has been waited for, which is taken again after that."""
        return isinstance(self.owner, threading.Condition) and lock is self.owner._lock  # type: ignore[attr-defined]

    def _who_could(self) -> str:
        """Who has done, or has not, what would let the task go on; known in a run that is recorded."""
        name = _FREED_BY.get(self.waits)
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

    def _others(self, name: str) -> list[Call]:
        return [each for each in DONE.get(id(self.owner), ()) if each.name == name and each.task is not self.task]

    def whom(self) -> list[Task]:
        """The tasks that hold what it waits for: who has acquired the semaphore, who works for the future."""
        name = _HELD_BY.get(self.waits)
        return [each.task for each in self._others(name)] if name else []

    def is_notified(self) -> bool:
        """Whether what it waits for is a notification, and nothing looks whether that came but the code under test."""
        return self.waits is _NOTIFIED

    def lock_name(self) -> str:
        """What to call a lock inside of the object."""
        return f"the lock of {_name(self.site, self.owner)}"


class Call(NamedTuple):
    """An operation on an object, in a run that is recorded; the object is kept, or another would get its identity."""

    owner: Any
    name: str
    task: Task
    site: Site


DONE: Final[dict[int, list[Call]]] = {}
"""For this run, where it is recorded: identity of an object -> the operations on it."""


class Unheard(NamedTuple):
    """A notification that no task was waiting for; the condition is kept, or another one would get its identity."""

    condition: Any
    task: Task
    site: Site


UNHEARD: Final[dict[int, Unheard]] = {}
"""For this run: identity of a condition -> the last notification, where that was in vain."""

_NOTIFIES: Final = (threading.Condition.notify, threading.Condition.notify_all)


class Primitive(NamedTuple):
    """One method of a class that is built from locks."""

    function: Any
    kind: Kind
    waits: str = ""
    looks: bool = False
    """Whether it only looks at the state that it waits for."""
    open: bool = False
    """Whether it reaches further objects: those who wait for a future, those who were told to be called."""

    def announce(
        self, controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]
    ) -> Any:
        """Announce the operation; a handler of a stand-in."""
        task = controller.running
        if task is None:
            return function
        if task.within is not None and site.module in BUILT_FROM_LOCKS:
            controller.touch("read" if self.looks else self.kind, id(owner), inner=not task.within.open)
            return function
        if controller.concurrent:
            controller.reach(Operation(self.kind, site, id(owner), looks=self.looks, open=self.open))
        if controller.recorder is not None:
            text = f"{_name(site, owner)}.{self.function.__name__}()"
            controller.recorder.synchronisation(site, self.kind, owner, text)  # type: ignore[attr-defined]
            DONE.setdefault(id(owner), []).append(Call(owner, self.function.__name__, task, site))
        if self.function in _NOTIFIES:
            _note_whether_heard(task, site, owner)
        changed = () if self.looks or self.function is threading.Condition.wait else ((id(owner), WHOLE),)
        at_once = AT_ONCE.get(self.function)
        # A strategy that follows is told of every object inside that is touched, and the hooks do that.
        if at_once is not None and controller.touched is None and UNTOUCHED and at_once.is_sure(owner):
            return at_once.perform(controller, owner, function)
        within = Within(site, owner, self.waits, task, changed, self.open)
        return partial(_perform, task, within, function)


def _note_whether_heard(task: Task, site: Site, condition: Any) -> None:
    if condition._waiters:
        UNHEARD.pop(id(condition), None)
    else:
        UNHEARD[id(condition)] = Unheard(condition, task, site)


def _perform(task: Task, within: Within, function: Any, *arguments: Any, **keywords: Any) -> Any:
    before, task.within = task.within, within
    try:
        return function(*arguments, **keywords)
    finally:
        task.within = before
        del within, function  # else an exception that a future keeps would keep the future


def _name(site: Site, owner: object) -> str:
    """What the source calls the object; its type where the call does not stand in the code under test."""
    return f"<{type(owner).__name__}>" if site.hidden else container_name(site)


_TO_BE_SET: Final = "waits for {} to be set"
_NOTIFIED: Final = "waits for {} to be notified"
_RELEASED: Final = "waits for {} to be released"
_OTHERS: Final = "waits at {} for the others"
_ROOM: Final = "waits for room in {}"
_ITEM: Final = "waits for an item in {}"
_ALL_DONE: Final = "waits for the items of {} to be done"
_DONE: Final = "waits for {} to be done"

_FREED_BY: Final = {
    _TO_BE_SET: "set", _RELEASED: "acquire", _ROOM: "get", _ITEM: "put", _ALL_DONE: "task_done",
    _DONE: "set_running_or_notify_cancel",
}  # fmt: skip
"""What tells most of who could let a task go on: by what it waits for, the operation of another task."""

_TAKES_MORE: Final = frozenset({_RELEASED, _ROOM, _ITEM, _ALL_DONE})
_HELD_BY: Final = {_RELEASED: "acquire", _DONE: "set_running_or_notify_cancel"}
"""Operations whose task holds what others wait for."""


def _primitives() -> list[Primitive]:
    found = [
        Primitive(threading.Event.set, "update"),
        Primitive(threading.Event.clear, "update"),
        Primitive(threading.Event.is_set, "read"),
        Primitive(threading.Event.wait, "wait", _TO_BE_SET, looks=True),
        Primitive(threading.Condition.wait, "wait", _NOTIFIED),
        Primitive(threading.Condition.notify, "update"),
        Primitive(threading.Condition.notify_all, "update"),
        Primitive(threading.Semaphore.acquire, "update", _RELEASED),
        Primitive(threading.Semaphore.release, "update"),
        Primitive(threading.BoundedSemaphore.release, "update"),
        Primitive(threading.Barrier.wait, "wait", _OTHERS),
        Primitive(threading.Barrier.reset, "update"),
        Primitive(threading.Barrier.abort, "update"),
        Primitive(queue.Queue.put, "update", _ROOM),
        Primitive(queue.Queue.get, "update", _ITEM),
        Primitive(queue.Queue.join, "wait", _ALL_DONE, looks=True),
        Primitive(queue.Queue.task_done, "update"),
        Primitive(queue.Queue.qsize, "read"),
        Primitive(queue.Queue.empty, "read"),
        Primitive(queue.Queue.full, "read"),
        Primitive(Future.result, "wait", _DONE, looks=True),
        Primitive(Future.exception, "wait", _DONE, looks=True),
        Primitive(Future.done, "read"),
        Primitive(Future.running, "read"),
        Primitive(Future.cancelled, "read"),
        Primitive(Future.cancel, "update", open=True),
        Primitive(Future.add_done_callback, "update", open=True),
        Primitive(Future.set_result, "update", open=True),
        Primitive(Future.set_exception, "update", open=True),
        Primitive(Future.set_running_or_notify_cancel, "update", open=True),
        Primitive(ThreadPoolExecutor.submit, "update", open=True),
    ]
    if hasattr(queue.Queue, "shutdown"):  # from 3.13 on
        found.append(Primitive(queue.Queue.shutdown, "update"))
    return found


PRIMITIVES: Final = _primitives()
"""Each has a stand-in, whose handler is its `Primitive.announce`."""
