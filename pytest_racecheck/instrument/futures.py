"""Exceptions of an executor's callables: noticed when nobody looks at them."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.errors import Unwind
from pytest_racecheck.core.failures import failure_of
from pytest_racecheck.core.values import Failure, Site

_SETS_FOR_POOL: Final = "_WorkItem.run"
"""Where a thread pool hands over what the callable has raised; futures that users make are their own affair."""

LOOKS: Final = (Future.result, Future.exception, Future.add_done_callback)
"""What everybody calls who wants to know."""


class Unseen:
    """For one run: the exceptions of callables that nobody has looked at.

    A program that looks at one of them has a way to hear of failures, and may leave it at the first: it is not accused.
    """

    def __init__(self) -> None:
        self._failures: list[tuple[Future[Any], Failure]] = []
        self._looked_at: dict[int, weakref.ref[Future[Any]]] = {}

    def failures(self) -> tuple[Failure, ...]:
        """What nobody has looked at so far."""
        if any(self._was_looked_at(future) for future, _ in self._failures):
            return ()
        return tuple(failure for _, failure in self._failures)

    def add(self, future: Future[Any], failure: Failure) -> None:
        """A callable has failed."""
        self._failures.append((future, failure))

    def look(self, future: Future[Any]) -> None:
        """Somebody wants to know what becomes, or became, of a callable."""
        self._looked_at[id(future)] = weakref.ref(future)

    def _was_looked_at(self, future: Future[Any]) -> bool:
        sought = id(future)
        reference = self._looked_at[sought] if sought in self._looked_at else None
        return reference is not None and reference() is future

    def forget(self) -> None:
        """The run is over."""
        self._failures.clear()
        self._looked_at.clear()


UNSEEN: Final = Unseen()


def set_exception(controller: Controller, site: Site, function: Any, future: Any, arguments: tuple[Any, ...]) -> Any:
    """``Future.set_exception``, called by a worker of a pool."""
    if site.qualname == _SETS_FOR_POOL and arguments and not isinstance(arguments[0], Unwind):
        with controller.unhooked():
            UNSEEN.add(future, failure_of(arguments[0], controller.running, "executor-exception"))
    return function


@contextmanager
def quiet_about_unwinding() -> Iterator[None]:
    """A worker that we end at the end of a run is no news: the pool would log it as critical."""
    logger = logging.getLogger("concurrent.futures")
    logger.addFilter(_is_news)
    try:
        yield
    finally:
        logger.removeFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], Unwind))


HANDLERS: Final = ((Future.set_exception, set_exception),)
"""Functions that have a stand-in, and what it asks."""
