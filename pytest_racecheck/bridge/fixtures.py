"""The fixtures that tests can use; registered as a plugin of their own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import pytest

from pytest_racecheck.bridge.options import MARKER

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized, SynchronizedArray
    from multiprocessing.synchronize import Lock

    from pytest_racecheck.bridge.check import Check

T = TypeVar("T")

ARRAY_SIZE: Final = 10
"""How many elements `shared_array` has."""


class Racecheck:
    """Drives the tasks of a checked test from its body."""

    def __init__(self, check: Check | None) -> None:
        self._check = check

    def run(self, *callables: Callable[[], T], processes: bool = False) -> list[T]:
        """Run the callables at once, each as a task of its own; return their results in the order of the arguments.

        With ``processes=True`` each has a process of its own.

        Raises: what a callable raises; an ``ExceptionGroup`` if several do.
        """
        if not callables:
            raise TypeError("racecheck.run() needs at least one callable, for example racecheck.run(read, write)")
        for each in callables:
            if not callable(each):
                raise TypeError(f"racecheck.run() takes callables, and {each!r} is none; wrap it: lambda: ...")
        if self._check is None:
            raise RuntimeError(f"racecheck.run() works in tests that are marked @pytest.mark.{MARKER}; this one is not")
        settings = self._check.settings
        if settings.mode == "stress":
            if processes:
                raise RuntimeError("racecheck.run(processes=True) does not work yet with mode='stress'")
            from pytest_racecheck.bridge.free_threads import results_of

            return results_of(callables, time.monotonic() + max(settings.time, settings.stuck))
        from pytest_racecheck.bridge.settings import method_of
        from pytest_racecheck.core.together import run_together

        return run_together(callables, method=method_of(settings) if processes else None)


class SwitchInterval:
    """Sets ``sys.setswitchinterval``; undone at the end of the test, or of the block if used in ``with``."""

    def __init__(self) -> None:
        self._before: list[float] = []

    def __call__(self, seconds: float) -> Self:
        """Set the interval now."""
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not seconds > 0:
            raise ValueError(f"switch_interval({seconds!r}): {seconds!r} is not a number of seconds above 0")
        self._before.append(sys.getswitchinterval())
        sys.setswitchinterval(seconds)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._before:
            sys.setswitchinterval(self._before.pop())

    def restore(self) -> None:
        """Put back what was there at first."""
        while self._before:
            sys.setswitchinterval(self._before.pop())


@pytest.fixture
def racecheck(request: pytest.FixtureRequest) -> Racecheck:
    """Run callables at once, each as a task of its own: racecheck.run(f, g, ...)."""
    from pytest_racecheck.bridge.check import CHECK

    return Racecheck(request.node.stash.get(CHECK, None))


@pytest.fixture
def task_index(request: pytest.FixtureRequest) -> int:
    """Number of the task that runs this copy of the body: 0 to threads - 1."""
    asking = getattr(request, "_parent_request", request).fixturename
    if asking is not None:
        pytest.fail(
            f"the fixture {asking!r} asks for task_index, which only the test itself can have: "
            "fixtures are set up once a run, for all tasks.",
            pytrace=False,
        )
    return 0


@pytest.fixture
def switch_interval() -> Iterator[SwitchInterval]:
    """Set sys.setswitchinterval for the rest of this test by a call, or for a block in a with statement."""
    switch = SwitchInterval()
    yield switch
    switch.restore()


def _multiprocessing(request: pytest.FixtureRequest) -> Any:
    """The module, or the context of the start method that the test's processes have: others can't use what it makes."""
    import multiprocessing

    from pytest_racecheck.bridge.check import CHECK
    from pytest_racecheck.bridge.settings import method_of

    check = request.node.stash.get(CHECK, None)
    if check is None or (check.settings.start_method is None and not check.settings.processes):
        return multiprocessing
    return multiprocessing.get_context(method_of(check.settings))


@pytest.fixture
def make_shared_value(request: pytest.FixtureRequest) -> Callable[..., Synchronized[Any]]:
    """Make multiprocessing.Value objects: the typecode first, then the initial value."""
    module = _multiprocessing(request)

    def make(typecode: str, *initial: Any) -> Synchronized[Any]:
        called = f"make_shared_value({', '.join(map(repr, (typecode, *initial)))})"
        _check_typecode(typecode, called)
        try:
            value: Synchronized[Any] = module.Value(typecode, *initial)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{called}: {error}") from None
        return value

    return make


@pytest.fixture
def make_shared_array(request: pytest.FixtureRequest) -> Callable[..., SynchronizedArray[Any]]:
    """Make multiprocessing.Array objects: the typecode first, then the size or the initial values."""
    module = _multiprocessing(request)

    def make(typecode: str, size_or_initial: Any) -> SynchronizedArray[Any]:
        called = f"make_shared_array({typecode!r}, {size_or_initial!r})"
        _check_typecode(typecode, called)
        try:
            array: SynchronizedArray[Any] = module.Array(typecode, size_or_initial)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{called}: {error}") from None
        return array

    return make


@pytest.fixture
def make_shared_lock(request: pytest.FixtureRequest) -> Callable[[], Lock]:
    """Make a multiprocessing.Lock, as many as you like."""
    make: Callable[[], Lock] = _multiprocessing(request).Lock
    return make


@pytest.fixture
def shared_value(make_shared_value: Callable[..., Synchronized[Any]]) -> Synchronized[Any]:
    """Be a multiprocessing.Value('i', 0) that all tasks of a run share."""
    return make_shared_value("i", 0)


@pytest.fixture
def shared_array(make_shared_array: Callable[..., SynchronizedArray[Any]]) -> SynchronizedArray[Any]:
    """Be a multiprocessing.Array('i', 10), all zeros, that all tasks of a run share."""
    return make_shared_array("i", ARRAY_SIZE)


@pytest.fixture
def shared_lock(make_shared_lock: Callable[[], Lock]) -> Lock:
    """Be a multiprocessing.Lock() that all tasks of a run share."""
    return make_shared_lock()


def _check_typecode(typecode: object, called: str) -> None:
    from multiprocessing import sharedctypes

    known: dict[str, type] = vars(sharedctypes)["typecode_to_type"]
    if isinstance(typecode, type) or (isinstance(typecode, str) and typecode in known):
        return
    right = ", ".join(f"{code!r} ({kind.__name__.removeprefix('c_')})" for code, kind in known.items())
    raise ValueError(f"{called}: {typecode!r} is no typecode; there are {right}; a ctypes type is right as well.")
