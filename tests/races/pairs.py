"""What the gallery of races is made of: one program in two forms, one with a race and one that is right.

A case is called with ``right`` and gives the bodies of its tasks. Nothing is asserted in most of them: what is wrong
must be found by itself, named with its kind, and shown at lines that are marked ``# race``. The other form must stay
silent.
"""

from __future__ import annotations

import ast
import functools
import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pytest_racecheck.core.explore import Limits, explore
from pytest_racecheck.core.values import Exploration, Race
from pytest_racecheck.detect.detector import RaceDetector
from pytest_racecheck.instrument.install import Rewriting
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.strategies.table import make

HERE = Path(__file__).parent
RUNS = 300
"""So many runs may it take to find a race; nearly all are found within the first ten."""
SILENT_RUNS = int(os.environ.get("RACECHECK_SILENT_RUNS", "60"))
"""So often is run what is right, unless all its interleavings are fewer."""

Body = Callable[[], object]
Bodies = Body | Sequence[Body]
"""One body for two tasks, or a body for each; a single one in a list runs alone, and starts what it wants."""
Case = Callable[[bool], Bodies]


class Program:
    """Makes a case anew for every run."""

    def __init__(self, case: Callable[[], Bodies]) -> None:
        self._case = case

    def set_up(self) -> Sequence[Body]:
        made = self._case()
        return [made, made] if callable(made) else list(made)

    def check(self) -> None:
        """Nothing is checked: that is the point."""

    def tear_down(self) -> None:
        """Nothing is left behind."""


class Pairs:
    """The cases of one module, to be parametrised."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.cases: list[object] = []

    def __call__(self, case: Case) -> Case:
        self.cases.append(pytest.param(case, self._kind, id=case.__name__))
        return case

    def of(self, kind: str) -> Callable[[Case], Case]:
        """The same for a case of another kind than most of the module."""

        def keep(case: Case) -> Case:
            self.cases.append(pytest.param(case, kind, id=case.__name__))
            return case

        return keep


def explored(case: Callable[[], Bodies], code: Callable[..., object], runs: int) -> Exploration:
    return explore(
        Program(case),
        strategy=make("portfolio", 1),
        instrument=Rewriting(Scope(HERE, (), Path(inspect.getfile(code)))),
        limits=Limits(runs=runs, seconds=600.0),
        seed=1,
        detector=RaceDetector(),
    )


def told(result: Exploration) -> list[Race]:
    """What is told to everybody: what fails the test, and what is warned of."""
    return [
        *[race for finding in result.findings for race in finding.races],
        *[race for race in result.races if race.level == "warn"],
    ]


def assert_named(case: Case, kind: str) -> Race:
    """The race is found, is of this kind, and stands at the lines that are marked."""
    result = explored(functools.partial(case, False), case, RUNS)
    races = told(result)
    assert races, (result.outcome, [finding.message for finding in result.findings], result.remarks)
    assert [race.kind for race in races][0] == kind, [race.message for race in races]
    lines = {side.line for side in races[0].sides}
    assert lines <= marked(case), (sorted(lines), races[0])
    return races[0]


def assert_silent(case: Callable[[], Bodies], code: Callable[..., object]) -> None:
    """Nobody is accused, and nothing has kept the search from looking."""
    result = explored(case, code, SILENT_RUNS)
    assert not result.findings, [(finding.message, finding.races) for finding in result.findings]
    assert told(result) == []
    assert not result.error
    assert not result.uncontrolled
    assert not result.uninstrumented


def marked(case: Callable[..., object]) -> set[int]:
    """The lines that the race of a case may be shown at: in its own code, or in what all cases of the file use."""
    path = Path(inspect.getfile(case))
    lines, first = inspect.getsourcelines(case)
    own = range(first, first + len(lines))
    text = path.read_text(encoding="utf-8")
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    others = {line for node in functions for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)} - {*own}
    found = {number for number, line in enumerate(text.splitlines(), 1) if "# race" in line} - others
    assert found, "no line is marked"
    return found
