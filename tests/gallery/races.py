"""What the gallery is made of: a case is explored twice, as it stands and with each of its bodies under one lock."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pytest_racecheck.core.explore import Limits, explore
from pytest_racecheck.core.values import Exploration
from pytest_racecheck.detect.detector import RaceDetector
from pytest_racecheck.instrument.install import Rewriting
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.strategies.table import make

HERE = Path(__file__).parent
SILENT_RUNS = 60
SECONDS = 600.0
"""The number of runs decides, not how busy the machine is."""

Body = Callable[[], object]
Made = tuple[Body | Sequence[Body], Callable[[], object]]
"""One body for two tasks, or a body for each; and what must hold at the end."""
Case = Callable[[], Made]
Test = TypeVar("Test", bound=Callable[..., None])


class Cased:
    """A program that makes a case anew for every run."""

    def __init__(self, case: Case, *, locked: bool = False) -> None:
        self._case = case
        self._locked = locked
        self._check: Callable[[], object] = bool

    def set_up(self) -> Sequence[Body]:
        made, self._check = self._case()
        bodies = [made, made] if callable(made) else list(made)
        if not self._locked:
            return bodies
        lock = threading.Lock()
        return [functools.partial(under_lock, lock, body) for body in bodies]

    def check(self) -> None:
        self._check()

    def tear_down(self) -> None:
        """Nothing is left behind."""


def under_lock(lock: threading.Lock, body: Body) -> None:
    with lock:
        body()


def explored(
    case: Case,
    *,
    locked: bool = False,
    runs: int = 1000,
    sources: tuple[str, ...] = (),
    early_timeouts: bool = False,
    strategy: str = "random",
    wakeups: int = 0,
    detection: bool = True,
) -> Exploration:
    """Explore a case with the budget that a test has by default."""
    scope = Scope(HERE, sources, Path(inspect.getfile(case)))
    return explore(
        Cased(case, locked=locked),
        strategy=make(strategy, 1),
        instrument=Rewriting(scope),
        limits=Limits(runs=runs, seconds=SECONDS, early_timeouts=early_timeouts, wakeups=wakeups),
        seed=1,
        detector=RaceDetector() if detection else None,
    )


def race(case: Case) -> Callable[[bool], None]:
    """Make a test of a case: its bug is found and shown at the lines marked ``# race``; under a lock it is silent."""

    @pytest.mark.parametrize("locked", [False, True], ids=["bare", "locked"])
    def test(locked: bool) -> None:
        if locked:
            assert_silent(explored(case, locked=True, runs=SILENT_RUNS))
        else:
            assert_found(explored(case), case)

    return _named_as(case, test)


def silent(case: Case) -> Callable[[], None]:
    """Make a test of a case that is right as it stands."""

    def test() -> None:
        assert_silent(explored(case, runs=SILENT_RUNS))

    return _named_as(case, test)


def _named_as(case: Any, test: Test) -> Test:
    test.__name__ = case.__name__
    case.__globals__[f"case_of_{case.__name__}"] = case  # where functions are looked for on a free-threaded build
    test.__doc__ = case.__doc__
    return test


def assert_found(result: Exploration, *marked_code: Callable[..., object]) -> None:
    assert result.findings, f"not found in {result.runs} runs, {result.interleavings} interleavings: {result.shared}"
    finding = result.findings[0]
    assert finding.token, finding.remarks
    assert not finding.sequential, finding.message
    shown = {event.line for event in finding.trace.events if event.shared}
    lines = {line for code in marked_code for line in marked(code)}
    assert lines <= shown, [event for event in finding.trace.events if event.shared]


def assert_silent(result: Exploration) -> None:
    assert not result.findings, (result.findings[0].message, result.findings[0].trace.events)
    assert not result.error
    assert not result.uncontrolled, result.uncontrolled
    assert not result.uninstrumented
    everything = result.outcome == "verified" or result.stopped_by == "one interleaving"
    assert result.runs >= SILENT_RUNS or everything


def marked(case: Callable[..., object]) -> set[int]:
    """The lines of a case that its race must be shown at."""
    lines, first = inspect.getsourcelines(case)
    found = {first + offset for offset, line in enumerate(lines) if line.rstrip().endswith("# race")}
    assert found, "no line is marked"
    return found
