"""CPython's own tests of locks and queues pass under control, whatever the order of the tasks.

They say what each method does, errors and time-outs included; here it is tested that control changes none of it.
"""

from __future__ import annotations

import importlib
import threading
import unittest
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from pytest_racecheck.core.runner import Limits, Runner
from pytest_racecheck.instrument.install import Rewriting
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.strategies.table import make

lock_tests: Any = pytest.importorskip("test.lock_tests", reason="this Python comes without its own tests")
test_queue: Any = pytest.importorskip("test.test_queue", reason="this Python comes without its own tests")
threading_helper: Any = importlib.import_module("test.support.threading_helper")

RUNS = 6

SUITES = {
    "Lock": (lock_tests.LockTests, {"locktype": threading.Lock}),
    "RLock of C": (lock_tests.RLockTests, {"locktype": threading._CRLock}),  # type: ignore[attr-defined]
    "RLock of Python": (lock_tests.RLockTests, {"locktype": threading._PyRLock}),  # type: ignore[attr-defined]
    "Event": (lock_tests.EventTests, {"eventtype": threading.Event}),
    "Condition": (lock_tests.ConditionTests, {"condtype": threading.Condition}),
    "Semaphore": (lock_tests.SemaphoreTests, {"semtype": threading.Semaphore}),
    "BoundedSemaphore": (lock_tests.BoundedSemaphoreTests, {"semtype": threading.BoundedSemaphore}),
    "Barrier": (lock_tests.BarrierTests, {"barriertype": threading.Barrier}),
    "Queue": (test_queue.CQueueTest, {}),
    "LifoQueue": (test_queue.CLifoQueueTest, {}),
    "PriorityQueue": (test_queue.CPriorityQueueTest, {}),
    "SimpleQueue of C": (test_queue.CSimpleQueueTest, {}),
    "SimpleQueue of Python": (test_queue.PySimpleQueueTest, {}),
}

LEFT_OUT = {
    "many_threads": "hundreds of thousands of operations a run",
    "test_order": "waits in the queue of a second copy of the C module, which is another type: only the watchdog helps",
}
"""Parts of names of tests, and why those are not run."""


class CaseProgram:
    """One test of a test case; a body that sets it up, runs it and tears it down."""

    def __init__(self, case: Callable[[], unittest.TestCase], name: str) -> None:
        self._case = case
        self._name = name

    def set_up(self) -> Sequence[Callable[[], object]]:
        case = self._case()

        def body() -> None:
            case.setUp()
            try:
                getattr(case, self._name)()
            finally:
                case.tearDown()
                case.doCleanups()

        return [body]

    def check(self) -> None:
        """The test has its own assertions."""

    def tear_down(self) -> None:
        """The body has done it."""


@pytest.fixture
def no_look_at_real_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for real threads to be gone from the interpreter would wait in virtual time."""
    monkeypatch.setattr(threading_helper, "wait_threads_exit", lambda timeout=None: nullcontext())
    monkeypatch.setattr(threading_helper, "threading_setup", lambda: ())
    monkeypatch.setattr(threading_helper, "threading_cleanup", lambda *_values: None)


def names_of(suite: type) -> Iterator[str]:
    for name in unittest.TestLoader().getTestCaseNames(suite):
        if not any(part in name for part in LEFT_OUT):
            yield name


@pytest.mark.parametrize(
    ("suite", "attributes", "name"),
    [
        pytest.param(suite, attributes, name, id=f"{what}-{name}")
        for what, (suite, attributes) in SUITES.items()
        for name in names_of(suite)
    ],
)
def test_suite(no_look_at_real_threads: None, suite: type, attributes: dict[str, Any], name: str) -> None:
    made: Any = type(suite.__name__, (suite,), {key: staticmethod(value) for key, value in attributes.items()})
    program = CaseProgram(lambda: made(name), name)
    scope = Scope(Path(__file__).parent, ("test.*",), Path(__file__))
    with Runner(program, Rewriting(scope), Limits(stuck=5), 1, (unittest.SkipTest,)) as runner:
        strategy = make("random", 1)
        for _ in range(RUNS):
            strategy.start_run()
            try:
                trace = runner.run(strategy)
            except unittest.SkipTest as skip:
                pytest.skip(str(skip))
            assert not trace.failures, trace.failures[0].message
            assert not trace.uncontrolled
