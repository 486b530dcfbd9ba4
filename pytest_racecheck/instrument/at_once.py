"""Which operations of the standard library's objects surely go through at once: they need no hooks inside.

Such an operation waits for nothing and calls nothing but the standard library: the locks inside the object are free, the
queue has room, nobody has asked to be called. Its own steps are no choices anyway, see `primitives`. Objects of
subclasses, and those with foreign parts, are left to the hooks.
"""

from __future__ import annotations

import operator
import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import thread as pools
from functools import partial
from typing import Any, Final, NamedTuple

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.instrument.state import PLAINLY
from pytest_racecheck.instrument.synchronisation import HOLDERS, LOCK, RLOCK

_SEMAPHORES: Final = (threading.Semaphore, threading.BoundedSemaphore)
_QUEUES: Final = (queue.Queue, queue.LifoQueue)
"""Those that do not compare their items."""
_UNDECIDED: Final = frozenset({"PENDING", "RUNNING"})

_functions_of_threading: Final = operator.attrgetter(
    "Condition.__enter__", "Condition.__exit__", "Condition.notify", "Condition.notify_all", "Condition._is_owned",
    "Condition.__init__", "Condition", "Event.is_set", "RLock", "Semaphore.acquire",
)  # fmt: skip
_functions_of_queue: Final = operator.attrgetter(
    "Queue._put", "Queue._get", "Queue._qsize", "LifoQueue._put", "LifoQueue._get", "LifoQueue._qsize"
)
_functions_of_pools: Final = operator.attrgetter("_WorkItem.__init__", "ThreadPoolExecutor._adjust_thread_count")


def _functions() -> tuple[object, ...]:
    return (*_functions_of_threading(threading), *_functions_of_queue(queue), *_functions_of_pools(pools))


_ORIGINAL: Final = _functions()


class Untouched:
    """Whether the standard library is what it was, as far as operations rely on it: a test may replace parts of it."""

    def __init__(self) -> None:
        self._known: bool | None = None

    def __bool__(self) -> bool:
        if self._known is None:
            self._known = all(map(operator.is_, _functions(), _ORIGINAL))
        return self._known

    def forget(self) -> None:
        """Another run begins, with other fixtures."""
        self._known = None


UNTOUCHED: Final = Untouched()


class AtOnce(NamedTuple):
    """When a method goes through at once, and whom it notifies."""

    is_sure: Callable[[Any], bool]
    """Asked with the object, right before the method is called."""
    waiters: Callable[[Any], Any] | None = None
    """Finds the locks on which those sleep that it may notify."""

    def perform(self, controller: Controller, owner: Any, function: Callable[..., Any]) -> Callable[..., Any]:
        """Make what calls the function, which is bound to the object, without hooks."""
        waiters = None if self.waiters is None else self.waiters(owner)
        if waiters:
            return partial(_notifying, controller, function, waiters)
        return partial(_plainly, controller, function)


def _plainly(controller: Controller, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    ident, controller.ident = controller.ident, 0
    PLAINLY.append(None)
    try:
        return function(*arguments, **keywords)
    finally:
        PLAINLY.clear()
        controller.ident = ident
        del function  # else an exception that a future keeps would keep the future


def _notifying(
    controller: Controller, function: Callable[..., Any], waiters: Any, *arguments: Any, **keywords: Any
) -> Any:
    """The same; a lock on which somebody slept that was notified is no longer held by him."""
    slept = list(waiters)
    try:
        return _plainly(controller, function, *arguments, **keywords)
    finally:
        for lock in slept:
            if lock not in waiters:
                HOLDERS.released(lock)
        del function


# -- one question for each method ------------------------------------------------------------------------------


def _is_free(lock: Any) -> bool:
    kind = type(lock)
    if kind is LOCK:
        return not lock.locked()
    if kind is RLOCK and lock.acquire(False):
        lock.release()
        return True
    return False


def _has_free_lock(condition: Any) -> bool:
    return type(condition) is threading.Condition and _is_free(condition._lock)  # type: ignore[attr-defined]


def _event(event: Any) -> bool:
    return type(event) is threading.Event and _has_free_lock(event._cond)  # type: ignore[attr-defined]


def _event_that_is_set(event: Any) -> bool:
    return _event(event) and event._flag


def _notifies(condition: Any) -> bool:
    """Who notifies has the lock; if not, that is an error at once."""
    return type(condition) is threading.Condition and type(condition._lock) in (LOCK, RLOCK)  # type: ignore[attr-defined]


def _semaphore(semaphore: Any) -> bool:
    return type(semaphore) in _SEMAPHORES and _has_free_lock(semaphore._cond)


def _semaphore_with_permits(semaphore: Any) -> bool:
    return _semaphore(semaphore) and semaphore._value > 0


def _queue(items: Any) -> bool:
    return (
        type(items) in _QUEUES
        and type(items.queue) in (deque, list)
        and _is_free(items.mutex)
        and all(
            type(each) is threading.Condition and each._lock is items.mutex  # type: ignore[attr-defined]
            for each in (items.not_empty, items.not_full, items.all_tasks_done)
        )
    )


def _queue_with_room(items: Any) -> bool:
    return _queue(items) and (items.maxsize <= 0 or len(items.queue) < items.maxsize)


def _queue_with_items(items: Any) -> bool:
    return _queue(items) and bool(items.queue)


def _queue_all_done(items: Any) -> bool:
    return _queue(items) and not items.unfinished_tasks


def _future(future: Any) -> bool:
    return type(future) is Future and _has_free_lock(future._condition)  # type: ignore[attr-defined]


def _future_that_is_done(future: Any) -> bool:
    return _future(future) and future._state not in _UNDECIDED


def _future_nobody_called_back(future: Any) -> bool:
    return _future(future) and not future._done_callbacks


def _future_nobody_waits_for_with_others(future: Any) -> bool:
    return _future(future) and not future._waiters


def _future_nobody_is_told_of(future: Any) -> bool:
    return _future(future) and not future._done_callbacks and not future._waiters


def _future_that_will_call_back(future: Any) -> bool:
    return _future(future) and future._state in _UNDECIDED


def _pool_that_starts_no_thread(pool: Any) -> bool:
    return (
        type(pool) is ThreadPoolExecutor
        and type(pool._work_queue) is queue.SimpleQueue  # type: ignore[attr-defined]
        and _semaphore(pool._idle_semaphore)  # type: ignore[attr-defined]
        and (pool._idle_semaphore._value > 0 or len(pool._threads) >= pool._max_workers)  # type: ignore[attr-defined]
        and _is_free(pool._shutdown_lock)  # type: ignore[attr-defined]
        and _is_free(pools._global_shutdown_lock)  # type: ignore[attr-defined]
    )


_at_event: Final = operator.attrgetter("_cond._waiters")
_at_future: Final = operator.attrgetter("_condition._waiters")

AT_ONCE: Final[dict[Any, AtOnce]] = {
    threading.Event.set: AtOnce(_event, _at_event),
    threading.Event.clear: AtOnce(_event),
    threading.Event.is_set: AtOnce(_event),
    threading.Event.wait: AtOnce(_event_that_is_set),
    threading.Condition.notify: AtOnce(_notifies, operator.attrgetter("_waiters")),
    threading.Condition.notify_all: AtOnce(_notifies, operator.attrgetter("_waiters")),
    threading.Semaphore.acquire: AtOnce(_semaphore_with_permits),
    threading.Semaphore.release: AtOnce(_semaphore, _at_event),
    threading.BoundedSemaphore.release: AtOnce(_semaphore, _at_event),
    queue.Queue.put: AtOnce(_queue_with_room, operator.attrgetter("not_empty._waiters")),
    queue.Queue.get: AtOnce(_queue_with_items, operator.attrgetter("not_full._waiters")),
    queue.Queue.join: AtOnce(_queue_all_done),
    queue.Queue.task_done: AtOnce(_queue, operator.attrgetter("all_tasks_done._waiters")),
    queue.Queue.qsize: AtOnce(_queue),
    queue.Queue.empty: AtOnce(_queue),
    queue.Queue.full: AtOnce(_queue),
    Future.result: AtOnce(_future_that_is_done),
    Future.exception: AtOnce(_future_that_is_done),
    Future.done: AtOnce(_future),
    Future.running: AtOnce(_future),
    Future.cancelled: AtOnce(_future),
    Future.cancel: AtOnce(_future_nobody_called_back, _at_future),
    Future.add_done_callback: AtOnce(_future_that_will_call_back),
    Future.set_result: AtOnce(_future_nobody_is_told_of, _at_future),
    Future.set_exception: AtOnce(_future_nobody_is_told_of, _at_future),
    Future.set_running_or_notify_cancel: AtOnce(_future_nobody_waits_for_with_others),
    ThreadPoolExecutor.submit: AtOnce(_pool_that_starts_no_thread),
}
"""By the function of a method."""
