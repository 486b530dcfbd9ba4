"""Which operations of the standard library's objects surely go through at once: they need no hooks inside.

Such an operation waits for nothing and calls nothing but the standard library: the locks inside the object are free,
the queue has room, nobody has asked to be called. Its own steps are no choices anyway, see `primitives`. Objects of
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
from typing import Any, Final, NamedTuple

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument.state import PLAINLY
from pytest_racecheck.instrument.synchronisation import HOLDERS, LOCK, RLOCK, argument_of

_SEMAPHORES: Final = (threading.Semaphore, threading.BoundedSemaphore)
_QUEUES: Final = (queue.Queue, queue.LifoQueue)
"""Those that do not compare their items."""
UNDECIDED: Final = frozenset({"PENDING", "RUNNING"})
"""States of a future that has neither result nor exception, and is not cancelled either: the others never change."""

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


class _Untouched:
    """Whether the standard library is what it was, as far as operations rely on it: a test may replace parts of it."""

    def __init__(self) -> None:
        self.known: bool | None = None

    def look(self) -> bool:
        """Find out, once in a run."""
        self.known = all(map(operator.is_, _functions(), _ORIGINAL))
        return self.known

    def forget(self) -> None:
        """Another run begins, with other fixtures."""
        self.known = None


UNTOUCHED: Final = _Untouched()


class AtOnce(NamedTuple):
    """When a method goes through at once, and whom it notifies."""

    is_free: Callable[[Any], bool]
    """Whether an object has none but standard parts, no lock in it makes anybody wait, and nobody is called back."""
    is_ready: Callable[[Any], bool] | None = None
    """Whether what the method may have to wait for is there; ``None`` if it never waits."""
    waiters: Callable[[Any], Any] | None = None
    """Finds the locks on which those sleep that it may notify."""
    patience: int | None = None
    """The position of the argument that says whether to wait; how long follows."""

    def is_sure(self, site: Site, owner: Any, arguments: tuple[Any, ...]) -> bool:
        """Whether it does, called like this, right now."""
        if UNTOUCHED.known is False or not self.is_free(owner):
            return False
        if (
            self.is_ready is not None
            and not self.is_ready(owner)
            and (self.patience is None or _waits(site, arguments, self.patience))
        ):
            return False
        return UNTOUCHED.known or UNTOUCHED.look()

    def perform(
        self,
        controller: Controller,
        function: Callable[..., Any],
        owner: Any,
        arguments: tuple[Any, ...],
        keywords: dict[str, Any],
    ) -> Any:
        """Call the function without hooks; a lock on which somebody slept that was notified is no longer his."""
        waiters: Any = None if self.waiters is None else self.waiters(owner)
        slept = list(waiters) if waiters else ()
        ident, controller.ident = controller.ident, 0
        PLAINLY.append(None)
        try:
            return function(owner, *arguments, **keywords)
        finally:
            PLAINLY.clear()
            controller.ident = ident
            for lock in slept:
                if lock not in waiters:
                    HOLDERS.released(lock)
            del owner  # else an exception that a future keeps would keep the future


def _waits(site: Site, arguments: tuple[Any, ...], position: int) -> bool:
    block = argument_of(site, arguments, position, "blocking" if "blocking" in site.keywords else "block", True)
    timeout = argument_of(site, arguments, position + 1, "timeout", None)
    return not (block is False or (type(timeout) in (int, float) and timeout <= 0))


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
    if type(condition) is not threading.Condition:
        return False
    lock: Any = condition._lock  # type: ignore[attr-defined]
    return not lock.locked() if type(lock) is LOCK else _is_free(lock)


def _event(event: Any) -> bool:
    return type(event) is threading.Event and _has_free_lock(event._cond)  # type: ignore[attr-defined]


def _notifies(condition: Any) -> bool:
    """Who notifies has the lock; if not, that is an error at once."""
    return type(condition) is threading.Condition and type(condition._lock) in (LOCK, RLOCK)  # type: ignore[attr-defined]


def _semaphore(semaphore: Any) -> bool:
    return type(semaphore) in _SEMAPHORES and _has_free_lock(semaphore._cond)


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


def _has_room(items: Any) -> bool:
    return bool(items.maxsize <= 0 or len(items.queue) < items.maxsize)


def _future(future: Any) -> bool:
    if type(future) is not Future or type(future._condition) is not threading.Condition:
        return False
    lock: Any = future._condition._lock  # type: ignore[attr-defined]
    if type(lock) is RLOCK and lock.acquire(False):
        lock.release()
        return True
    return False


def _is_decided(future: Any) -> bool:
    return future._state not in UNDECIDED


def _future_that_calls_nobody_back(future: Any) -> bool:
    return type(future) is Future and not future._done_callbacks and _future(future)  # type: ignore[attr-defined]


def _future_that_nobody_waits_for_with_others(future: Any) -> bool:
    return type(future) is Future and not future._waiters and _future(future)


def _future_that_nobody_is_told_of(future: Any) -> bool:
    return _future_that_calls_nobody_back(future) and not future._waiters


def _future_that_will_call_back(future: Any) -> bool:
    return _future(future) and future._state in UNDECIDED


def _pool_that_starts_no_thread(pool: Any) -> bool:
    return (
        type(pool) is ThreadPoolExecutor
        and type(pool._work_queue) is queue.SimpleQueue
        and _semaphore(pool._idle_semaphore)
        and (pool._idle_semaphore._value > 0 or len(pool._threads) >= pool._max_workers)
        and _is_free(pool._shutdown_lock)
        and _is_free(pools._global_shutdown_lock)
    )


_at_event: Final = operator.attrgetter("_cond._waiters")
_at_future: Final = operator.attrgetter("_condition._waiters")

AT_ONCE: Final[dict[Any, AtOnce]] = {
    threading.Event.set: AtOnce(_event, waiters=_at_event),
    threading.Event.clear: AtOnce(_event),
    threading.Event.is_set: AtOnce(_event),
    threading.Event.wait: AtOnce(_event, operator.attrgetter("_flag")),
    threading.Condition.notify: AtOnce(_notifies, waiters=operator.attrgetter("_waiters")),
    threading.Condition.notify_all: AtOnce(_notifies, waiters=operator.attrgetter("_waiters")),
    threading.Semaphore.acquire: AtOnce(_semaphore, operator.attrgetter("_value"), patience=0),
    threading.Semaphore.release: AtOnce(_semaphore, waiters=_at_event),
    threading.BoundedSemaphore.release: AtOnce(_semaphore, waiters=_at_event),
    queue.Queue.put: AtOnce(_queue, _has_room, operator.attrgetter("not_empty._waiters"), patience=1),
    queue.Queue.get: AtOnce(_queue, operator.attrgetter("queue"), operator.attrgetter("not_full._waiters"), patience=0),
    queue.Queue.join: AtOnce(_queue, lambda items: not items.unfinished_tasks),
    queue.Queue.task_done: AtOnce(_queue, waiters=operator.attrgetter("all_tasks_done._waiters")),
    queue.Queue.qsize: AtOnce(_queue),
    queue.Queue.empty: AtOnce(_queue),
    queue.Queue.full: AtOnce(_queue),
    Future.result: AtOnce(_future, _is_decided),
    Future.exception: AtOnce(_future, _is_decided),
    Future.done: AtOnce(_future),
    Future.running: AtOnce(_future),
    Future.cancelled: AtOnce(_future),
    Future.cancel: AtOnce(_future_that_calls_nobody_back, waiters=_at_future),
    Future.add_done_callback: AtOnce(_future_that_will_call_back),
    Future.set_result: AtOnce(_future_that_nobody_is_told_of, waiters=_at_future),
    Future.set_exception: AtOnce(_future_that_nobody_is_told_of, waiters=_at_future),
    Future.set_running_or_notify_cancel: AtOnce(_future_that_nobody_waits_for_with_others),
    ThreadPoolExecutor.submit: AtOnce(_pool_that_starts_no_thread),
}
"""By the function of a method."""
