"""What ``multiprocessing`` builds from semaphores and pipes: conditions, events, queues; one operation each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from multiprocessing import queues, synchronize
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.shared_things import Key
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import Kind, Site
from pytest_racecheck.instrument import semaphores
from pytest_racecheck.instrument.pipes import key_of
from pytest_racecheck.instrument.primitives import ALL_DONE, ITEM, NOTIFIED, ROOM, TO_BE_SET, Primitive, Within, perform
from pytest_racecheck.instrument.stand_ins import Handler
from pytest_racecheck.instrument.state import STATE
from pytest_racecheck.instrument.targets import name_of_semaphore, target_of

TO_SEND: Final = "waits for something to send"
"""What the thread waits for that feeds a queue."""


def _named(name: Callable[[Any], Key]) -> Callable[[Any], int]:
    return lambda owner: STATE.controller.shared_things.number(name(owner))


def _of_semaphore(kind: str, *path: str) -> Callable[[Any], int]:
    """The target of what has a semaphore at the end of this path."""

    def name(owner: Any) -> Key:
        for each in path:
            owner = getattr(owner, each)
        return (kind, *name_of_semaphore(owner._semlock))

    return _named(name)


_condition: Final = _of_semaphore("condition", "_wait_semaphore")
_event: Final = _of_semaphore("event", "_flag")
_unfinished: Final = _of_semaphore("unfinished", "_unfinished_tasks")


def _pipe_of(queue: Any) -> Key:
    """By the end that is still open: a process closes the one that it does not need."""
    ends = (queue._reader._handle, queue._writer._handle)
    return key_of(next((each for each in ends if each is not None), -1))


_queue: Final = _named(_pipe_of)
_size: Final = _named(lambda owner: name_of_semaphore(owner._sem._semlock))


def _primitive(
    function: Any, kind: Kind, target: Callable[[Any], int], waits: str = "", *, looks: bool = False, tell: Any = None
) -> Primitive:
    return Primitive(function, kind, waits, looks=looks, target=target, tell=tell)


def _note_whether_heard(controller: Controller, task: Task, site: Site, owner: Any) -> None:
    """A condition is going to be notified; remember it if nobody waits."""
    if owner._sleeping_count._semlock._get_value() <= owner._woken_count._semlock._get_value():
        target = target_of(owner._wait_semaphore._semlock)
        semaphores.unheard(target, task, site)
        controller.tell_unheard(target, task, site)


PRIMITIVES: Final = [
    _primitive(synchronize.Condition.wait, "wait", _condition, NOTIFIED),
    _primitive(synchronize.Condition.notify, "update", _condition, tell=_note_whether_heard),
    _primitive(synchronize.Condition.notify_all, "update", _condition, tell=_note_whether_heard),
    _primitive(synchronize.Event.set, "update", _event),
    _primitive(synchronize.Event.clear, "update", _event),
    _primitive(synchronize.Event.is_set, "read", _event),
    _primitive(synchronize.Event.wait, "wait", _event, TO_BE_SET, looks=True),
    _primitive(queues.Queue.put, "update", id, ROOM),
    _primitive(queues.Queue.get, "update", _queue, ITEM),
    _primitive(queues.Queue.empty, "read", _queue),
    _primitive(queues.Queue.full, "read", _size),
    _primitive(queues.Queue.qsize, "read", _size),
    _primitive(queues.JoinableQueue.put, "update", _unfinished, ROOM),
    _primitive(queues.JoinableQueue.task_done, "update", _unfinished),
    _primitive(queues.JoinableQueue.join, "wait", _unfinished, ALL_DONE, looks=True),
    _primitive(queues.SimpleQueue.put, "update", _queue, ROOM),
    _primitive(queues.SimpleQueue.get, "update", _queue, ITEM),
    _primitive(queues.SimpleQueue.empty, "read", _queue),
]
"""Each has a stand-in, whose maker is its `Primitive.stand_in`."""


def _feed(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``Queue._feed``, the thread that sends what was put: it moves in steps, from one wait to the next."""
    task = controller.running
    if task is None:
        return function
    return partial(perform, task, Within(site, owner, TO_SEND, task, (), open=True), function)


HANDLERS: Final[list[tuple[Any, Handler]]] = [(queues.Queue._feed, _feed)]  # type: ignore[attr-defined]
"""Functions that have a stand-in, and what it asks."""
