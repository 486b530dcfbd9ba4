"""The semaphores of ``multiprocessing``, which are its locks as well; and ``with lock:`` for what has one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from multiprocessing import sharedctypes, synchronize
from types import FrameType
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.ours import is_ours
from pytest_racecheck.core.run_state import Explained
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import Operation, Site
from pytest_racecheck.instrument.classify import dict_of
from pytest_racecheck.instrument.stand_ins import Handler
from pytest_racecheck.instrument.state import STATE
from pytest_racecheck.instrument.synchronisation import (
    HOLDERS,
    MADE,
    Wanted,
    argument_of,
    is_inside,
    lock_methods,
    lock_name,
    where_made,
)
from pytest_racecheck.instrument.targets import SEMLOCK, target_of

_LOCK: Final = lock_methods()

_UNHEARD: Final[dict[int, tuple[Task, Site]]] = {}
"""For this run: what a condition waits with -> who has notified it last, where nobody was waiting."""


# -- semaphores that count -----------------------------------------------------------------------------------------


def _acquire(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    if owner.maxvalue == 1:
        return _LOCK["acquire"](controller, site, function, owner, arguments)
    waits = argument_of(site, arguments, 0, "block" if "block" in site.keywords else "blocking", True)
    timeout = argument_of(site, arguments, 1, "timeout", None)
    if controller.running is None or not isinstance(timeout, int | float | None):
        return function
    if not waits:
        return _tell(controller, site, function, owner, arguments)
    return function if _take_permit(controller, controller.running, site, owner, timeout) else _never


def _never(*_arguments: object, **_keywords: object) -> bool:
    """Stands for an acquire whose time was over."""
    return False


def _enter(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    if owner.maxvalue == 1:
        return _LOCK["__enter__"](controller, site, function, owner, arguments)
    if controller.running is not None:
        _take_permit(controller, controller.running, site, owner, None)
    return function


def _release(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    if owner.maxvalue == 1:
        return _LOCK["release"](controller, site, function, owner, arguments)
    return _tell(controller, site, function, owner, arguments)


def _take_permit(controller: Controller, task: Task, site: Site, semaphore: Any, timeout: float | None) -> bool:
    """Wait until there is a permit, and this task may take it; ``False`` if the time was over before."""
    target = target_of(semaphore)
    inside = is_inside(task, site)
    where = task.within.site if inside else site
    if inside:
        controller.touch("update", target, inner=not task.within.open)
    elif controller.concurrent:
        controller.reach(Operation("update", site, target))
    granted = True
    if semaphore._is_zero():
        deadline = None if timeout is None else controller.clock.now + max(0.0, timeout)
        operation = Operation("wait", where, target, also=task.within.changed if inside else ())
        explain = task.within.explain if inside else partial(_waits_for, site)
        granted = controller.reach(operation, semaphore._is_zero, deadline, explain)
        if not granted:
            controller.touch("give-up", target)
    if not inside:
        if granted:
            HOLDERS.taken(semaphore, task, site)
        if controller.recorder is not None:
            controller.recorder.synchronisation(site, "acquire", semaphore, lock_name(site))  # type: ignore[attr-defined]
    return granted


def _waits_for(site: Site) -> str:
    return f"waits for {lock_name(site)} to be released"


def _tell(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """What does not wait: to release, to try."""
    task = controller.running
    if task is None:
        return function
    if is_inside(task, site):
        controller.touch("update", target_of(owner), inner=not task.within.open)
    elif controller.concurrent:
        controller.reach(Operation("update", site, target_of(owner)))
    if controller.recorder is not None and not is_inside(task, site):
        kind = "try-acquire" if site.name == "acquire" else "release"
        controller.recorder.synchronisation(site, kind, owner, lock_name(site))  # type: ignore[attr-defined]
    return function


def _ask(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """How many permits there are."""
    task = controller.running
    if task is not None and controller.concurrent and task.within is None:
        controller.reach(Operation("read", site, target_of(owner)))
    return function


METHODS: Final[dict[str, Handler]] = {
    **_LOCK,
    "acquire": _acquire,
    "release": _release,
    "__enter__": _enter,
    "__exit__": _release,
    "_get_value": _ask,
    "_is_zero": _ask,
}


def methods() -> dict[type, dict[str, Handler]]:
    """For the C type of semaphores, what its methods do."""
    return {} if SEMLOCK is None else {SEMLOCK: METHODS}


# -- what is said of them --------------------------------------------------------------------------------------------


def made(owner: Any) -> None:
    """A semaphore was made, in whatever thread: remember where in the code of the user."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_of_nobody(frame):
        frame = frame.f_back
    if frame is not None:
        target = target_of(owner._semlock)
        MADE[target] = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        STATE.controller.tell_made(target, MADE[target])


def _is_of_nobody(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return module.partition(".")[0] in {"multiprocessing", "concurrent"} or is_ours(frame.f_code.co_filename)


def forget_run() -> None:
    """A new run begins."""
    MADE.clear()
    _UNHEARD.clear()


def unheard(target: int, task: Task, site: Site) -> None:
    """A task has notified those who wait with this semaphore, and there was nobody."""
    _UNHEARD[target] = (task, site)


def explain_shared(task: Task) -> Explained:
    """What is known here of what a task of another process waits for, if that is a semaphore."""
    operation = task.operation
    if operation.target >= 0:
        return Explained()
    if operation.kind == "acquire":
        wanted = Wanted(operation.target, operation.site, None)
        return Explained(wanted.explain(), "", wanted.whom())
    if operation.target in _UNHEARD:
        other, site = _UNHEARD[operation.target]
        where = f"{site.filename}:{site.line}"
        return Explained(further=f" (a lost wake-up: task {other.id} did that before it waited, at {where})")
    holder = HOLDERS.of_target(operation.target)
    if operation.kind == "wait" and holder is not None:
        where = f"{holder.site.filename}:{holder.site.line}"
        return Explained(further=f"{where_made(operation.target)} (last taken by task {holder.task.id}, at {where})")
    return Explained()


# -- with lock ---------------------------------------------------------------------------------------------------------


def enter(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """The ``__enter__`` of a lock, or of something that has one."""
    semaphore = _semaphore_of(owner)
    if semaphore is None or controller.running is None or controller.running.within is not None:
        return function
    _enter(controller, site, function, semaphore, arguments)
    return partial(_unhooked, controller, function)


def leave(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """The ``__exit__``."""
    semaphore = _semaphore_of(owner)
    if semaphore is None or controller.running is None or controller.running.within is not None:
        return function
    _release(controller, site, function, semaphore, arguments)
    return partial(_unhooked, controller, function)


def _semaphore_of(owner: Any) -> Any:
    """The C object behind a lock, a condition or a shared value; ``None`` if the user has put another lock there."""
    fields = dict_of(owner) or {}
    if "_semlock" in fields:
        return fields["_semlock"]
    return (dict_of(fields.get("_lock")) or {}).get("_semlock")


def _unhooked(controller: Controller, function: Callable[..., Any], *arguments: Any) -> Any:
    with controller.unhooked():
        return function(*arguments)


_OWNERS: Final = (synchronize.SemLock, synchronize.Condition, sharedctypes.SynchronizedBase)


def handlers() -> list[tuple[Any, Handler]]:
    """Functions that have a stand-in, and what it asks."""
    return [pair for owner in _OWNERS for pair in ((owner.__enter__, enter), (owner.__exit__, leave))]
