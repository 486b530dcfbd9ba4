"""Where the interpreter looks for other threads: the table agrees with what is seen, and runs are marked exactly."""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import switches
from switches import CASES, Box, Case

from pytest_racecheck.core.explore import Limits, explore
from pytest_racecheck.core.values import Chance
from pytest_racecheck.instrument.install import Rewriting
from pytest_racecheck.instrument.marking import looks_of
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.instrument.switching import LOOKING, LOOKS
from pytest_racecheck.instrument.versions import DIALECTS, gil_enabled
from pytest_racecheck.strategies.table import make

VERSION = sys.version_info[:2]


class Twice:
    """A case as a program: two tasks, and no update may be lost."""

    def __init__(self, function: Callable[[Box], None]) -> None:
        self.function = function
        self.box = Box()

    def set_up(self) -> Sequence[Callable[[], None]]:
        self.box = Box()
        return [lambda: self.function(self.box)] * 2

    def check(self) -> None:
        assert self.box.n == 2

    def tear_down(self) -> None:
        """Nothing is left."""


def chances(function: Callable[[Box], None]) -> tuple[Chance, ...]:
    """Whether the interpreter could have made the preemptions by which an update is lost."""
    here = Path(switches.__file__)
    exploration = explore(
        Twice(function),
        strategy=make("random", 1),
        instrument=Rewriting(Scope(here.parent, (), here)),
        limits=Limits(seconds=600),
        seed=1,
    )
    return exploration.findings[0].trace.chances


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.function.__name__)
def test_a_run_tells_where_this_interpreter_can_switch(case: Case) -> None:
    """Exactly where free threads are seen to lose updates, or never do: `benchmarks/switches.py`."""
    assert chances(case.function) == (("yes",) if case.can else ("no",))


@pytest.mark.skipif(not gil_enabled(), reason="without a GIL a thread can be stopped anywhere")
def test_threads_are_stopped_where_the_table_says() -> None:
    """What a thread stands at while another one has the GIL is an instruction that looks."""
    before = sys.getswitchinterval()
    try:
        sys.setswitchinterval(1e-6)
        seen = switches.observed(0.1)
    finally:
        sys.setswitchinterval(before)

    assert set(seen) <= switches.looking()


def test_the_instructions_exist() -> None:
    """What the table names is known to this interpreter, and it has no other jump backward that can be stopped."""
    looks = looks_of(VERSION)
    backward = {name for name in dis.opmap if "BACKWARD" in name and "INSTRUMENTED" not in name}

    assert looks.jumps.keys() <= dis.opmap.keys()
    assert LOOKING - {"CALL_KW"} <= dis.opmap.keys()
    assert {name for name in backward - looks.jumps.keys() if dis.opmap[name] < 256} <= {"JUMP_BACKWARD_NO_INTERRUPT"}


def test_every_version_with_a_dialect_has_a_row() -> None:
    """Each says whether its facts were held against a running interpreter, as its dialect does."""
    assert LOOKS.keys() == DIALECTS.keys()
    assert all(looks.run_here == DIALECTS[version].run_here for version, looks in LOOKS.items())
    assert all(looks.version == version for version, looks in LOOKS.items())


def test_a_newer_version_is_taken_for_the_newest_known() -> None:
    """Rewriting refuses it anyway."""
    assert looks_of((3, 99)) is LOOKS[max(LOOKS)]
