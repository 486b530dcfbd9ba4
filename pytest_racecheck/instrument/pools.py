"""``multiprocessing.Pool``: the threads by which it manages its processes."""

from __future__ import annotations

from functools import partial
from multiprocessing import pool
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument.primitives import Within, perform
from pytest_racecheck.instrument.stand_ins import Handler
from pytest_racecheck.instrument.synchronisation import QUEUE_METHODS


class _Seen:
    """A queue whose items C code gets: by a method in which the getting is seen."""

    def __init__(self, controller: Controller, site: Site, queue: Any) -> None:
        self._controller = controller
        self._site = site
        self._queue = queue

    def get(self) -> Any:
        """Wait for the next item."""
        function = QUEUE_METHODS["get"](self._controller, self._site, self._queue.get, self._queue, ())
        return function()


def _handle_tasks(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``Pool._handle_tasks``, which goes over what ``iter(taskqueue.get, None)`` gets."""
    if controller.running is None:
        return function
    return partial(function.func, _Seen(controller, site, owner))


def _wait_for_updates(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``Pool._wait_for_updates``: also woken by every result, for which it has nothing to do.

    It would look again and again until another thread has taken that. What ends a worker, or the pool, wakes it anyway.
    """
    sentinels = arguments[0] if arguments else None
    if controller.running is None or type(sentinels) is not list or len(arguments) < 2:
        return function
    kept = [each for each in sentinels if type(each) is int or each is arguments[1]._reader]
    return lambda _sentinels, *others, **keywords: function(kept, *others, **keywords)


def _join_exited_workers(
    controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]
) -> Any:
    """``Pool._join_exited_workers``: asks all of them how they are; one operation."""
    task = controller.running
    if task is None:
        return function
    return partial(perform, task, Within(site, owner, "looks after {}", task, (), open=True), function)


_KIND: Final[Any] = pool.Pool
HANDLERS: Final[list[tuple[Any, Handler]]] = [
    (_KIND._handle_tasks, _handle_tasks),
    (_KIND._join_exited_workers, _join_exited_workers),
]
"""Functions that have a stand-in, and what it asks."""
FUNCTIONS: Final[list[tuple[Any, Handler]]] = [(_KIND._wait_for_updates, _wait_for_updates)]
"""The same, but those are given all arguments."""
