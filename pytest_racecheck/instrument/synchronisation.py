"""Locks and the other C objects that a thread can wait for: each operation is announced, the real object does it."""

from __future__ import annotations

import _thread
import re
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import WHOLE, Kind, Operation, Passing, Site, new_operation
from pytest_racecheck.instrument.names import managers_of, source_of
from pytest_racecheck.instrument.state import STATE
from pytest_racecheck.instrument.targets import target_of

LOCK: Final = type(_thread.allocate_lock())
RLOCK: Final = _thread.RLock

_OF_THREADING: Final = threading._active_limbo_lock  # type: ignore[attr-defined]
"""Starting a thread takes this lock, and a task must not be stopped while it has it; nobody can tell the difference."""

BUILT_FROM_LOCKS: Final = frozenset(
    {
        "threading", "queue", "concurrent.futures._base", "concurrent.futures.thread", "multiprocessing.synchronize",
        "multiprocessing.connection", "multiprocessing.queues", "multiprocessing.sharedctypes", "",
    }
)  # fmt: skip
"""Modules whose objects are built from locks, see `primitives`; the properties of shared values belong to none."""

Handler = Callable[[Controller, Site, Any, Any, tuple[Any, ...]], Any]
"""``(controller, site, function, owner, arguments)``; returns what is to be called instead of the function."""


class Holder(NamedTuple):
    """Who holds a lock, and since where. The lock itself is kept, or another one would get its identity."""

    lock: object
    """``None`` if that was seen in another process."""
    task: Task
    site: Site
    depth: int

    @property
    def name(self) -> str:
        """What the source calls the lock where it was taken."""
        return lock_name(self.site)


class Holders:
    """Which task holds which lock in this run. The lock itself decides whether it is free; this says who and where."""

    def __init__(self) -> None:
        self._holders: dict[int, Holder] = {}

    def of(self, lock: object) -> Holder | None:
        """Who holds it, as far as it was seen."""
        return self.of_target(target_of(lock))

    def held_by(self, task: Task) -> list[Holder]:
        """What a task holds, in the order in which it took it."""
        return [holder for holder in self._holders.values() if holder.task is task]

    def knows(self, target: int) -> bool:
        """Whether a task holds the lock of this target."""
        return target in self._holders

    def of_target(self, target: int) -> Holder | None:
        """The same for the target of an operation."""
        return self._holders[target] if target in self._holders else None

    def taken(self, lock: object, task: Task, site: Site, depth: int = 1) -> None:
        """A task has taken a lock, or an RLock once more."""
        target = target_of(lock)
        before = self.of_target(target)
        if before is not None and before.task is task:
            self._holders[target] = before._replace(depth=before.depth + depth)
        else:
            self._holders[target] = Holder(lock, task, site, depth)
            if target < 0:
                STATE.controller.tell_holder(target, task, site)

    def released(self, lock: object, *, fully: bool = False) -> None:
        """A lock was released, an RLock once or fully."""
        target = target_of(lock)
        before = self.of_target(target)
        if before is None or before.depth == 1 or fully:
            self._holders.pop(target, None)
            if target < 0:
                STATE.controller.tell_holder(target, None, None)
        else:
            self._holders[target] = before._replace(depth=before.depth - 1)

    def elsewhere(self, target: int, task: Task | None, site: Site | None) -> None:
        """A lock that processes share was taken, or released, by a task of another process."""
        if task is None or site is None:
            self._holders.pop(target, None)
        else:
            self._holders[target] = Holder(None, task, site, 1)

    def after_fork(self) -> None:
        """What was held before the fork counts as held: only the name of a lock is another one in another process."""
        self._holders = {target_of(each.lock): each for each in self._holders.values() if each.lock is not None}

    def forget(self) -> None:
        """A new run begins."""
        self._holders.clear()


HOLDERS: Final = Holders()


def lock_name(site: Site) -> str:
    """What the source calls the lock at a site that takes or releases it."""
    named = re.sub(r"\.(acquire|release|__enter__|acquire_lock)\(.*\)$", "", source_of(site))
    if site.action in ("enter", "leave"):
        managers = managers_of(site)
        if named not in managers and managers:
            named = managers[0] if len(managers) == 1 else f"one of {', '.join(managers)}"
    return named or "a lock"


# -- taking ----------------------------------------------------------------------------------------------------


def take(controller: Controller, site: Site, lock: Any, timeout: float = -1) -> bool:
    """Wait until a lock can be taken and this task may do so; ``False`` if the time was over before."""
    task = controller.running
    if task is None or lock is _OF_THREADING:
        return True
    controller.held_outside = _held_outside
    deadline = controller.clock.now + timeout if timeout >= 0 else None
    blocked = _blocked(lock, task)
    inside = is_inside(task, site)
    if type(lock) is not LOCK and _is_recursive(lock) and _is_own(lock, task):
        granted = True  # once more: nobody can tell when
    elif ((inside and not task.within.takes_again(lock)) or not controller.concurrent) and not blocked():
        controller.touch("acquire", target_of(lock), inner=inside and not task.within.open)
        granted = True
    elif inside and _is_own(lock, task):
        operation = Operation("wait", task.within.site, target_of(lock), also=task.within.changed, passes="take")
        task.wakes = deadline is None and task.within.is_notified()
        granted = controller.reach(operation, blocked, deadline, task.within.explain, task.within.whom)
        if task.wakes and not granted:
            task.within.owner._waiters.remove(lock)  # a notification that comes later is for somebody else
        task.wakes = False
    else:
        place = task.within.site if inside else site
        operation = new_operation(("acquire", place, target_of(lock), WHOLE, (), False, False, ""))
        wanted = Wanted(operation.target, site, task.within if inside else None)
        granted = controller.reach(operation, blocked, deadline, wanted.explain, wanted.whom)
    if granted:
        HOLDERS.taken(lock, task, site)
    else:
        controller.touch("give-up", target_of(lock))
    if controller.recorder is not None and not inside:
        controller.recorder.synchronisation(site, "acquire", lock, lock_name(site))  # type: ignore[attr-defined]
    return granted


def is_inside(task: Task, site: Site) -> bool:
    """Whether this is a small step inside of an operation that was announced as a whole."""
    return task.within is not None and site.hidden and site.module in BUILT_FROM_LOCKS


def _is_own(lock: object, task: Task) -> bool:
    """Whether a task waits for a lock that it has taken itself: so it sleeps until somebody wakes it."""
    holder = HOLDERS.of(lock)
    return holder is not None and holder.task is task


def _is_recursive(lock: Any) -> bool:
    """Whether a task can take it once more; there are semaphores of ``multiprocessing`` that are made so."""
    return type(lock) is RLOCK or lock.kind == 0


def _held_outside(operation: Operation) -> bool:
    return operation.kind == "acquire" and HOLDERS.of_target(operation.target) is None


def try_to_take(controller: Controller, site: Site, lock: Any) -> None:
    """Announce an attempt that does not wait."""
    task = controller.running
    if task is None:
        return
    inside = is_inside(task, site)
    if controller.concurrent and not inside:
        controller.reach(Operation("try-acquire", site, target_of(lock)))
    if not _blocked(lock, task)():
        controller.touch("acquire", target_of(lock), inner=inside and not task.within.open)
        HOLDERS.taken(lock, task, site)
    elif inside and not _is_own(lock, task):
        controller.touch("try-acquire", target_of(lock), inner=not task.within.open)
    if controller.recorder is not None and not inside:
        controller.recorder.synchronisation(site, "try-acquire", lock, lock_name(site))  # type: ignore[attr-defined]


def give_back(controller: Controller, site: Site, lock: Any, *, fully: bool = False) -> None:
    """Announce a release."""
    task = controller.running
    if task is None or lock is _OF_THREADING:
        return
    inside = is_inside(task, site)
    holder = HOLDERS.of(lock)
    if holder is not None and holder.depth > 1 and not fully:
        pass  # it stays taken: nobody can tell when
    elif inside:
        controller.touch("release", target_of(lock), inner=not task.within.open)
    elif controller.concurrent:
        controller.reach(new_operation(("release", site, target_of(lock), WHOLE, (), False, False, "")))
    HOLDERS.released(lock, fully=fully)
    if controller.recorder is not None and not inside:
        controller.recorder.synchronisation(site, "release", lock, lock_name(site))  # type: ignore[attr-defined]


def _blocked(lock: Any, task: Task) -> Callable[[], bool]:
    kind = type(lock)
    if kind is LOCK:
        return lock.locked  # type: ignore[no-any-return]
    if kind is RLOCK:
        return partial(_rlock_blocked, lock, task)
    return partial(_semaphore_blocked, lock, task)


_OWNER: Final = re.compile(r"owner=(\d+) count=(\d+)")


def _rlock_blocked(lock: object, task: Task) -> bool:
    holder = HOLDERS.of(lock)
    if holder is not None and holder.task is task:
        return False
    found = _OWNER.search(RLOCK.__repr__(lock))
    return found is not None and found[2] != "0" and int(found[1]) != task.ident


def _semaphore_blocked(semaphore: Any, task: Task) -> bool:
    """``multiprocessing``'s SemLock: an RLock if it is recursive, else a counter."""
    if semaphore._is_zero():
        holder = HOLDERS.of(semaphore)
        return not (_is_recursive(semaphore) and holder is not None and holder.task is task)
    return False


MADE: Final[dict[int, str]] = {}
"""For this run: target of a semaphore -> where it was made."""


class Wanted:
    """A lock that a task waits for; one small object, as every taking of a lock makes one."""

    __slots__ = ("_site", "_target", "_within")

    def __init__(self, target: int, site: Site, within: Any) -> None:
        self._target = target
        self._site = site
        self._within = within

    def whom(self) -> list[Task]:
        """Who holds it."""
        holder = HOLDERS.of_target(self._target)
        return [] if holder is None else [holder.task]

    def explain(self) -> str:
        """What the task waits for."""
        holder = HOLDERS.of_target(self._target)
        name = self._within.lock_name() if self._within else lock_name(self._site)
        if holder is None:
            return f"waits for {name}{where_made(self._target)}, which no task holds"
        other = f" as {holder.name}" if holder.name != name else ""
        what = f"{name}{where_made(self._target)}, held by task {holder.task.id}{_gone(holder.task)}{other}"
        return f"waits for {what} since {holder.site.filename}:{holder.site.line}"


def where_made(target: int) -> str:
    """Where a semaphore was made, if that was seen."""
    return f" (made at {MADE[target]})" if target in MADE else ""


def _gone(task: Task) -> str:
    return ", which has ended," if task.ended else ""


# -- what a call of a lock's method does -------------------------------------------------------------------------


def argument_of(site: Site, arguments: tuple[Any, ...], position: int, name: str, default: Any) -> Any:
    """An argument of a call, wherever it was given."""
    positional = len(arguments) - len(site.keywords)
    if name in site.keywords:
        return arguments[positional + site.keywords.index(name)]
    return arguments[position] if position < positional else default


def _never(*_arguments: object, **_keywords: object) -> bool:
    """Stands for an acquire whose time was over."""
    return False


def _acquire(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    waits = argument_of(site, arguments, 0, "block" if "block" in site.keywords else "blocking", True)
    timeout = argument_of(site, arguments, 1, "timeout", -1)
    timeout = -1 if timeout is None else timeout
    if not isinstance(timeout, int | float):
        return function
    if not waits or timeout == 0:
        try_to_take(controller, site, owner)
        return function
    return function if take(controller, site, owner, timeout) else _never


def _enter(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    take(controller, site, owner)
    return function


def _release(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    give_back(controller, site, owner)
    return function


def _release_save(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    give_back(controller, site, owner, fully=True)
    return function


def _get(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``SimpleQueue.get``."""
    timeout = argument_of(site, arguments, 1, "timeout", None)
    if not isinstance(timeout, int | float | None) or (timeout is not None and timeout < 0):
        return function  # raises what it always raises
    if function.__name__ == "get_nowait" or timeout == 0 or not argument_of(site, arguments, 0, "block", True):
        return _tell(controller, site, function, owner, "update", "get")
    if controller.running is None:
        return function
    if controller.concurrent:
        controller.reach(new_operation(("update", site, target_of(owner), WHOLE, (), False, False, "get")))
    return function if not owner.empty() or _wait_for_item(controller, site, owner, timeout) else _get_nowait(owner)


def _wait_for_item(controller: Controller, site: Site, items: Any, timeout: float | None) -> bool:
    deadline = None if timeout is None else controller.clock.now + timeout
    name = re.sub(r"\.get\(.*\)$", "", source_of(site))
    operation = Operation("wait", site, target_of(items), passes="get")
    came = controller.reach(operation, items.empty, deadline, lambda: f"waits for an item in {name}")
    if not came:
        controller.touch("give-up", target_of(items))
    return came


def _get_nowait(owner: Any) -> Callable[..., Any]:
    """What raises Empty, as the real one would when the time is over."""
    return lambda *_arguments, **_keywords: owner.get_nowait()


def _put(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``SimpleQueue.put``, and a ``get`` that does not wait."""
    return _tell(controller, site, function, owner, "update", "get" if "get" in function.__name__ else "put")


def _ask(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``SimpleQueue.empty`` and its like, ``Lock.locked``."""
    return _tell(controller, site, function, owner, "read", "take")


def _tell(controller: Controller, site: Site, function: Any, owner: Any, kind: Kind, passes: Passing) -> Any:
    task = controller.running
    if controller.concurrent and task is not None:
        if is_inside(task, site):
            controller.touch(kind, target_of(owner), inner=not task.within.open)
        else:
            controller.reach(new_operation((kind, site, target_of(owner), WHOLE, (), False, False, passes)))
    return function


_LOCK_METHODS: Final[dict[str, Handler]] = {
    "acquire": _acquire,
    "acquire_lock": _acquire,
    "release": _release,
    "release_lock": _release,
    "__enter__": _enter,
    "__exit__": _release,
    "_acquire_restore": _enter,
    "_release_save": _release_save,
    "locked": _ask,
}
QUEUE_METHODS: Final[dict[str, Handler]] = {
    "get": _get,
    "get_nowait": _get,
    "put": _put,
    "put_nowait": _put,
    "empty": _ask,
    "qsize": _ask,
}


def lock_methods() -> dict[str, Handler]:
    """What the methods of a lock do, by their names."""
    return dict(_LOCK_METHODS)


def methods() -> dict[type, dict[str, Handler]]:
    """For each C type that a thread can wait for, what its methods do."""
    table = {LOCK: _LOCK_METHODS, RLOCK: _LOCK_METHODS}
    try:
        from _queue import SimpleQueue

        table[SimpleQueue] = QUEUE_METHODS
    except ImportError:
        pass
    return table
