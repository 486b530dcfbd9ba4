"""Sleeping and looking at the clock inside a run: virtual time."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from pytest_racecheck.core.controller import QUIET_STREAK, Controller
from pytest_racecheck.core.passed import SURE
from pytest_racecheck.core.values import Operation, Site
from pytest_racecheck.instrument.classify import mro_of
from pytest_racecheck.instrument.marking import PASSED

NANOSECONDS = 1_000_000_000

LOOKS_IN_A_ROW: Final = 20
"""So many looks at the clock without any decision; then there is one, as the task may be waiting in a loop."""


def _always() -> bool:
    return True


def _nothing(*_arguments: object) -> None:
    """Stands for a sleep that is over."""


def _sleep(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    if len(arguments) != 1 or not isinstance(arguments[0], int | float) or not arguments[0] >= 0:
        return function  # raises what it always raises
    seconds = arguments[0]
    PASSED[SURE] = True  # it lets go of the GIL
    if seconds == 0:
        controller.reach(Operation("yield", site))
    else:
        deadline = controller.clock.now + seconds
        controller.reach(Operation("sleep", site), _always, deadline, lambda: f"sleeps for {seconds:g} s")
    return _nothing


def looked(controller: Controller) -> None:
    """The running task looks at the clock: others move before a loop around that makes time go on."""
    if controller.concurrent and controller.running is not None:
        controller.quiet += QUIET_STREAK // LOOKS_IN_A_ROW
        if controller.quiet > QUIET_STREAK:
            controller.lapse(0)


def _seconds(clock: str) -> Callable[..., Any]:
    def handler(controller: Controller, site: Site, function: Any, owner: Any, arguments: Any) -> Any:
        looked(controller)
        return getattr(controller.clock, clock)

    return handler


def _nanoseconds(clock: str) -> Callable[..., Any]:
    def handler(controller: Controller, site: Site, function: Any, owner: Any, arguments: Any) -> Any:
        looked(controller)
        seconds = getattr(controller.clock, clock)
        return lambda: round(seconds() * NANOSECONDS)

    return handler


def _of_instant(controller: Controller, site: Site, function: Any, owner: Any, arguments: Any) -> Any:
    """``localtime()`` and its like, that take seconds or else the time that it is."""
    looked(controller)
    return lambda seconds=None: function(controller.clock.time() if seconds is None else seconds)


def _strftime(controller: Controller, site: Site, function: Any, owner: Any, arguments: Any) -> Any:
    looked(controller)
    return lambda form, *instant: function(form, *(instant or (time.localtime(controller.clock.time()),)))


def _asctime(controller: Controller, site: Site, function: Any, owner: Any, arguments: Any) -> Any:
    looked(controller)
    return lambda *instant: function(*(instant or (time.localtime(controller.clock.time()),)))


def functions() -> dict[Any, Callable[..., Any]]:
    """For each function of the module ``time`` that is virtual, what a call of it does."""
    return {
        time.sleep: _sleep,
        time.time: _seconds("time"),
        time.monotonic: _seconds("monotonic"),
        time.perf_counter: _seconds("perf_counter"),
        time.time_ns: _nanoseconds("time"),
        time.monotonic_ns: _nanoseconds("monotonic"),
        time.perf_counter_ns: _nanoseconds("perf_counter"),
        time.localtime: _of_instant,
        time.gmtime: _of_instant,
        time.ctime: _of_instant,
        time.strftime: _strftime,
        time.asctime: _asctime,
    }


# -- dates -----------------------------------------------------------------------------------------------------


def is_date_class(owner: Any) -> bool:
    """Whether an object is ``date``, ``datetime`` or a class made from them."""
    return issubclass(type(owner), type) and any(each is dt.date for each in mro_of(owner))


def of_class(controller: Controller, function: Any, owner: Any) -> Any:
    """``datetime.now`` and its like: what is to be called in place of a method of ``date`` or ``datetime``."""
    if function.__name__ not in {"now", "utcnow", "today"}:
        return function
    looked(controller)
    instant = controller.clock.time()
    if function.__name__ == "today":
        return partial(owner.fromtimestamp, instant)
    from_timestamp = partial(dt.datetime.__dict__["fromtimestamp"].__get__(None, owner), instant)
    return from_timestamp if function.__name__ == "now" else partial(_utcnow, function, from_timestamp)


def _utcnow(function: Callable[[], object], from_timestamp: Callable[..., dt.datetime]) -> dt.datetime:
    """The virtual instant; the real function is called for the warning that it may give."""
    function()
    return from_timestamp(dt.UTC).replace(tzinfo=None)
