"""Where the GIL says who can be stopped where, every interleaving is run once, and then it is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import switches
from switches import Box

from pytest_racecheck.core.errors import RacecheckError
from pytest_racecheck.core.explore import Limits, explore
from pytest_racecheck.core.values import Exploration, Trace
from pytest_racecheck.instrument.install import Rewriting
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.instrument.versions import gil_enabled
from pytest_racecheck.strategies import exhaustive
from pytest_racecheck.strategies.exhaustive import Exhaustive
from pytest_racecheck.strategies.table import make

pytestmark = pytest.mark.skipif(not gil_enabled(), reason="without a GIL a thread can be stopped anywhere")


class Bodies:
    """Tasks that each do the same to one box."""

    def __init__(self, function: Callable[[Box], None], tasks: int) -> None:
        self.function = function
        self.tasks = tasks

    def set_up(self) -> Sequence[Callable[[], None]]:
        box = Box()
        return [lambda: self.function(box)] * self.tasks

    def check(self) -> None:
        """Nothing is wrong, whatever becomes of the box."""

    def tear_down(self) -> None:
        """Nothing is left."""


def explored(function: Callable[[Box], None], tasks: int, *, gil: bool = True) -> Exploration:
    here = Path(switches.__file__)
    return explore(
        Bodies(function, tasks),
        strategy=make("portfolio", 1, gil=gil),
        instrument=Rewriting(Scope(here.parent, (), here)),
        limits=Limits(seconds=600, gil=gil),
        seed=1,
    )


@pytest.mark.parametrize(
    ("function", "tasks", "number"),
    [
        (switches.at_once, 2, 2),
        (switches.at_once, 3, 6),
        (switches.a_call_between, 2, 6),
    ],
)
def test_their_number(function: Callable[[Box], None], tasks: int, number: int) -> None:
    """Nothing comes between a read and a write that no switch can part; else they go past each other in six ways."""
    exploration = explored(function, tasks)

    assert (exploration.outcome, exploration.classes) == ("verified", number)


def test_without_the_gil_there_are_more() -> None:
    assert explored(switches.at_once, 2, gil=False).classes > explored(switches.at_once, 2).classes


def test_dpor_is_refused() -> None:
    with pytest.raises(RacecheckError, match="dpor changes the order of single steps"):
        make("dpor", 1, gil=True)


def test_it_gives_up_where_every_run_teaches_something() -> None:
    strategy = Exhaustive()
    for _ in range(2 * exhaustive.MOST_RESTARTS + 2):
        strategy.start_run()
        strategy.end_run(Trace((), (), 0, 0, ("0",), 0, learned=False))
        strategy.end_run(Trace((), (), 0, 0, ("0",), 0, learned=True))

    assert strategy.gave_up == "run after run, more turned out to be shared"
    assert not strategy.start_run()
