"""``with lock:`` for the locks of ``multiprocessing``: taken and released where the code under test says so."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from multiprocessing import sharedctypes, synchronize
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument.classify import dict_of
from pytest_racecheck.instrument.stand_ins import Handler
from pytest_racecheck.instrument.synchronisation import give_back, take


def enter(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """The ``__enter__`` of a lock, or of something that has one."""
    semaphore = _semaphore_of(owner)
    if semaphore is None or controller.running is None or controller.running.within is not None:
        return function
    take(controller, site, semaphore)
    return partial(_unhooked, controller, function)


def leave(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """The ``__exit__``."""
    semaphore = _semaphore_of(owner)
    if semaphore is None or controller.running is None or controller.running.within is not None:
        return function
    give_back(controller, site, semaphore)
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
