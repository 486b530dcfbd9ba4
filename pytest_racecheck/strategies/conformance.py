"""What every strategy must keep to, to be run against your own: each rule takes a function that makes it from a seed.

from pytest_racecheck.strategies.conformance import RULES

@pytest.mark.parametrize("rule", RULES)
def test_my_strategy_conforms(rule):
    RULES[rule](MyStrategy)
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final

from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.values import TaskId, Trace
from pytest_racecheck.strategies.simulation import Script, Simulation, script

Factory = Callable[[int], Strategy]
Order = list[TaskId]
"""Who did the operations of a run."""

RUNS: Final = 40

PROGRAMS: Final[Mapping[str, Script]] = {
    "two counters": script(_0="read n, write n", _1="read n, write n"),
    "locks": script(
        _0="acquire a, read n, write n, release a, acquire b, write m, release b",
        _1="acquire a, read n, write n, release a",
        _2="acquire b, read m, release b",
    ),
    "a deadlock": script(_0="acquire a, acquire b, release b, release a", _1="acquire b, acquire a, release a"),
    "tasks that start tasks": script(
        _0="write n, spawn 0.0, spawn 0.1, join 0.0, join 0.1, read n",
        _0_0="read n, write n",
        _0_1="read n, spawn 0.1.0, write n",
        _0_1_0="write n",
    ),
    "many tasks": script(**{f"_{task}": "write a, write b" for task in range(12)}),
    "a task that does nothing": script(_0="", _1="write n", _2=""),
}
"""Written programs that the rules are tried on."""


def _runs(strategy: Strategy, written: Script, runs: int = RUNS) -> list[Order | None]:
    simulation = Simulation(written)
    return [_order(simulation.run(strategy)) for _ in range(runs)]


def _order(trace: Trace | None) -> Order | None:
    return None if trace is None else [step.task for step in trace.operations]


def _expect(holds: object, sentence: str) -> None:
    if not holds:
        raise AssertionError(sentence)


def has_a_name(make: Factory) -> None:
    """Reports say which strategy found something."""
    name = make(0).name
    _expect(isinstance(name, str) and name.strip(), f"the name of a strategy is a word, not {name!r}")


def chooses_enabled_tasks(make: Factory) -> None:
    """Whatever the tasks do: wait, end at once, start others."""
    for written in PROGRAMS.values():
        _runs(make(1), written)


def repeats_with_the_same_seed(make: Factory) -> None:
    """Nothing is looked at but the seed, the choices and the traces; least of all what an object is called in a run."""
    for name, written in PROGRAMS.items():
        one, other = make(5), make(5)
        shifted = Simulation(written)
        shifted.run(make(0))  # from here on, each location has another identity than in the runs of the first
        first = _runs(one, written)
        second = [_order(shifted.run(other)) for _ in range(RUNS)]
        _expect(first == second, f"{name}: two strategies of one seed make different runs")


def leaves_the_global_generator_alone(make: Factory) -> None:
    """The code under test draws from it, and must draw the same in every run."""
    before = random.getstate()
    _runs(make(3), PROGRAMS["locks"])
    _expect(random.getstate() == before, "the strategy drew from the global generator")


def stays_ended(make: Factory) -> None:
    """A strategy that has nothing left to try says so each time it is asked."""
    for name, written in PROGRAMS.items():
        runs = _runs(make(2), written, 100)
        _expect(runs[0] is not None, f"{name}: the strategy has not even one run")
        ended = [run is None for run in runs]
        _expect(ended == sorted(ended), f"{name}: the strategy went on after it had ended")


def learns_from_the_runs_of_others(make: Factory) -> None:
    """Strategies are put one behind the other; those that wait are told of the runs that were chosen before."""
    for written in PROGRAMS.values():
        simulation = Simulation(written)
        strategy = make(4)
        other = simulation.run(make(9))
        if other is not None:
            strategy.end_run(other)
            strategy.end_run(other)
        first = simulation.run(strategy)
        _expect(first is not None, "the strategy ended by what it was told of another's run")


RULES: Final[Mapping[str, Callable[[Factory], None]]] = {
    rule.__name__: rule
    for rule in (
        has_a_name,
        chooses_enabled_tasks,
        repeats_with_the_same_seed,
        leaves_the_global_generator_alone,
        stays_ended,
        learns_from_the_runs_of_others,
    )
}
"""The rules by name; each raises an AssertionError that says what was not kept."""
