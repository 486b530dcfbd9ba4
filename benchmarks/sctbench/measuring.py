"""Runs programs through the plugin's engine and says how often and how soon a strategy finds what is wrong."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pytest_racecheck.core.explore import explore
from pytest_racecheck.core.runner import Limits, Runner
from pytest_racecheck.core.values import Exploration
from pytest_racecheck.instrument.install import Rewriting
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.strategies.table import make
from sctbench import programs
from sctbench.program import Body, Program
from sctbench.table import Make

EXPLORED: Final = Path(programs.__file__).parent
ENDLESS: Final = 1e9
"""Seconds: the runs are what is limited."""

WARM_UP: Final = 20
"""So many runs go by before their speed is measured."""


class Fresh:
    """A program as the engine wants it: made anew for every run."""

    def __init__(self, make_program: Make) -> None:
        self._make = make_program
        self._program = Program()

    def set_up(self) -> Sequence[Body]:
        """Make the state and the bodies."""
        self._program = self._make()
        return self._program.bodies()

    def check(self) -> None:
        """Ask the program."""
        self._program.check()

    def tear_down(self) -> None:
        """Nothing is left."""


@dataclass(frozen=True, slots=True)
class Search:
    """What a strategy made of a program under several seeds."""

    first: tuple[int, ...]
    """The number of the run that failed first, for each seed that found it."""
    seeds: int
    preemptions: tuple[int, ...]
    """How many preemptions were left after shrinking, for each of them."""
    kinds: tuple[str, ...]
    """What went wrong, each kind once, sorted."""
    runs_per_second: float

    @property
    def mean(self) -> float | None:
        """The mean number of runs to the first failure, over the seeds that found it."""
        return statistics.fmean(self.first) if self.first else None


@dataclass(frozen=True, slots=True)
class Silence:
    """What a strategy made of a correct program: how it ended, and after how many runs."""

    outcome: str
    runs: int
    interleavings: int
    said: str
    """What was reported although nothing is wrong; "" as it should be."""


def explored(make_program: Make, strategy: str, seed: int, runs: int) -> Exploration:
    """Explore a program with so many runs at the most."""
    return explore(
        Fresh(make_program),
        strategy=make(strategy, seed),
        instrument=instrument(),
        limits=Limits(runs=runs, seconds=ENDLESS),
        seed=seed,
    )


def search(
    make_program: Make, strategy: str, *, seeds: int, cap: int, seconds: float, budget: float = ENDLESS
) -> Search:
    """Explore a program once for each seed; measure its speed for so many seconds after.

    No further seed is begun once ``budget`` seconds have gone by.
    """
    began = time.perf_counter()
    explorations = []
    for seed in range(1, seeds + 1):
        explorations.append(explored(make_program, strategy, seed, cap))
        if time.perf_counter() - began > budget:
            break
    findings = [exploration.findings[0] for exploration in explorations if exploration.findings]
    return Search(
        first=tuple(finding.run for finding in findings),
        seeds=len(explorations),
        preemptions=tuple(finding.trace.preemptions for finding in findings),
        kinds=tuple(sorted({finding.kind for finding in findings})),
        runs_per_second=speed(make_program, strategy, seconds),
    )


def silence(make_program: Make, strategy: str, runs: int) -> Silence:
    """Explore a correct program."""
    exploration = explored(make_program, strategy, 1, runs)
    said = exploration.findings[0].message if exploration.findings else exploration.error
    return Silence(exploration.outcome, exploration.runs, exploration.interleavings, said)


def speed(make_program: Make, strategy: str, seconds: float) -> float:
    """Runs per second of a strategy that does not stop at a failure, once all code is prepared.

    By the processor's time, so that other work on the machine matters little: one thread runs at a time anyway.
    """
    with Runner(Fresh(make_program), instrument(), Limits(), 1, ()) as runner:
        one_run = _runs_of(runner, strategy)
        for _ in range(WARM_UP):
            one_run()
        count = 0
        began = time.process_time()
        while (spent := time.process_time() - began) < seconds:
            one_run()
            count += 1
    return count / spent


def _runs_of(runner: Runner, name: str) -> Callable[[], None]:
    """What makes one run more; a strategy that has nothing left to try begins again."""
    strategy = make(name, 1)

    def one_run() -> None:
        nonlocal strategy
        if not strategy.start_run():
            strategy = make(name, 1)
            strategy.start_run()
        strategy.end_run(runner.run(strategy))

    return one_run


def instrument() -> Rewriting:
    """Make what rewrites the programs, and nothing beside them."""
    return Rewriting(Scope(EXPLORED, (), EXPLORED / "__init__.py"))
