"""What the tests of processes are made of: programs whose bodies run in processes, explored in this one."""

from __future__ import annotations

import inspect
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pytest_racecheck.core.abroad import InProcess
from pytest_racecheck.core.explore import Limits, explore, replay
from pytest_racecheck.core.values import Exploration
from pytest_racecheck.instrument.install import Rewriting
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.instrument.versions import FREE_THREADED_BUILD
from pytest_racecheck.strategies.table import make

FORK: Any = multiprocessing.get_context("fork")
HERE = Path(__file__).parent
ON_NEWEST = sys.version_info[:2] == (3, 13) and not FREE_THREADED_BUILD
"""Searches that take many seconds of the processor are made on one interpreter only."""
SECONDS = 600.0
"""The number of runs decides, not how busy the machine is."""

Body = Callable[[], object]
Made = tuple[Body | Sequence[Body], Callable[[], object]]
"""One body for two processes, or a body for each; and what must hold at the end."""
Case = Callable[[], Made]


class Cased:
    """A program that makes a case anew for every run; each of its bodies runs in a process of its own."""

    def __init__(self, case: Case, *, alone: bool = False) -> None:
        self._case = case
        self._alone = alone
        self._check: Callable[[], object] = bool

    def set_up(self) -> Sequence[Body]:
        made, self._check = self._case()
        bodies = [made, made] if callable(made) else list(made)
        return bodies if self._alone else [InProcess(body) for body in bodies]

    def check(self) -> None:
        self._check()

    def tear_down(self) -> None:
        """Nothing is left behind."""


class Main(Cased):
    """A program of one body, which runs in this process and starts others."""

    def __init__(self, body: Body) -> None:
        super().__init__(lambda: ([body], bool), alone=True)


def explored(program: Cased, *, runs: int = 300, strategy: str = "portfolio", **limits: Any) -> Exploration:
    """Explore a program; its code is what the test's file says."""
    return explore(
        program,
        strategy=make(strategy, 1),
        instrument=Rewriting(_scope(program)),
        limits=Limits(runs=runs, seconds=SECONDS, **limits),
        seed=1,
    )


def replayed(program: Cased, token: str) -> Exploration:
    """Run the schedule of a token."""
    limits = Limits(seconds=SECONDS)
    return replay(program, token=token, instrument=Rewriting(_scope(program)), limits=limits)


def _scope(program: Cased) -> Scope:
    return Scope(HERE, (), Path(inspect.getfile(program._case)))


def assert_found(result: Exploration, *lines: str) -> None:
    """The bug was found, by preempting, and what is shown holds these texts."""
    assert result.findings, (result.outcome, result.runs, result.shared, result.error)
    finding = result.findings[0]
    assert finding.token, finding.remarks
    assert not result.uncontrolled, result.uncontrolled
    shown = [f"{event.kind} {event.name} {event.value}".strip() for event in finding.trace.events]
    assert [line for line in lines if line not in shown] == [], shown


def assert_silent(result: Exploration, *, verified: bool = True) -> None:
    """Nothing was found; everything was run, if that is expected."""
    assert not result.findings, (result.findings[0].message, result.findings[0].trace.events)
    assert not result.error
    assert not result.uncontrolled, result.uncontrolled
    assert (result.outcome == "verified") is verified, result.unproven
