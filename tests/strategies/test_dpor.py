"""One run for each class of interleavings: as many as there are, and with every outcome that there can be.

What is right is found out by running every single interleaving, and by counting those that differ in the order of
conflicting steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import small_programs
from random_programs import random_program
from small_programs import PROGRAMS, Make, increments, locked_appends

from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.runner import Limits, Runner
from pytest_racecheck.core.values import WHOLE, Choice, TaskId, Trace
from pytest_racecheck.instrument.install import Rewriting
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.strategies.dpor import Dpor
from pytest_racecheck.strategies.sequential import Sequential

HERE = Path(__file__).parent
MOST_RUNS = 10_000
TOO_MANY = {"pool"}
"""Those of the programs that have too many interleavings to run them all."""


class Everything:
    """A strategy that runs every interleaving, depth first."""

    name = "everything"
    watches = True

    def __init__(self) -> None:
        self._taken: list[int] = []
        self._of: list[int] = []
        self._at = -1

    def start_run(self) -> bool:
        if self._at >= 0:
            while self._taken and self._taken[-1] + 1 == self._of[-1]:
                del self._taken[-1], self._of[-1]
            if not self._taken:
                return False
            self._taken[-1] += 1
        self._at = 0
        return True

    def choose(self, choice: Choice) -> TaskId:
        if self._at == len(self._taken):
            self._taken.append(0)
            self._of.append(len(choice.enabled))
        assert self._of[self._at] == len(choice.enabled)
        self._at += 1
        return choice.enabled[self._taken[self._at - 1]]

    def end_run(self, trace: Trace) -> None: ...


IN_VAIN = {"future": 1, "cancelled too late": 2}
"""Runs that were tried for nothing: to go on before the future is decided that one waits for."""


class Observed:
    """A program that keeps what was to be seen at the end of its last run."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._look: Callable[[], object] = bool
        self.seen = ""

    def set_up(self) -> Sequence[Callable[[], object]]:
        bodies, self._look = self._make()
        return bodies

    def check(self) -> None:
        self.seen = repr(self._look())

    def tear_down(self) -> None:
        """Nothing is left behind."""


@contextmanager
def running(make: Make) -> Iterator[Callable[[Strategy], tuple[Trace, str]]]:
    """What makes one run and returns its trace and its outcome; all sites that matter are known before."""
    program = Observed(make)
    instrument = Rewriting(Scope(HERE, (), Path(small_programs.__file__)))

    def run(strategy: Strategy) -> tuple[Trace, str]:
        trace = runner.run(strategy)
        return trace, trace.failures[0].kind if trace.failures else program.seen

    with Runner(program, instrument, Limits(), 0, ()) as runner:
        for _ in range(3):
            first = Sequential()
            while first.start_run():
                run(first)
        yield run


def reduced(make: Make) -> tuple[Dpor, set[str]]:
    """The strategy when it has ended, and the outcomes of its runs."""
    strategy, outcomes = Dpor(), set[str]()
    with running(make) as run:
        while strategy.start_run():
            trace, outcome = run(strategy)
            strategy.end_run(trace)
            outcomes = outcomes | {outcome} if not trace.learned else set()
    return strategy, outcomes


def enumerated(make: Make, most_runs: int = MOST_RUNS) -> tuple[int, set[str]]:
    """How many classes there are, and the outcomes; 0 if there are too many interleavings."""
    with running(make) as run:
        while True:
            strategy, classes, outcomes, runs = Everything(), set[object](), set[str](), 0
            learned = False
            while not learned and strategy.start_run():
                trace, outcome = run(strategy)
                learned = trace.learned
                classes.add((order_of_conflicts(trace), outcome))
                outcomes.add(outcome)
                runs += 1
                if runs > most_runs:
                    return 0, outcomes
            if not learned:
                return len(classes), outcomes


def order_of_conflicts(trace: Trace) -> object:
    """Equal for interleavings of one class: the pairs of conflicting steps, in their order, and all steps made."""
    pairs, steps = set[object](), set[object]()
    earlier: list[tuple[TaskId, int, list[tuple[int, object]], bool]] = []
    numbers: dict[TaskId, int] = {}
    for task, operation, _ in trace.operations:
        number = numbers[task] = numbers.get(task, 0) + 1
        reads = operation.looks or operation.kind in {"read", "join", "try-acquire"}
        places: list[tuple[int, object]] = [(operation.target, operation.part), *operation.also]
        for other, its_number, its_places, its_reads in earlier:
            if other != task and not (reads and its_reads) and meet(places, its_places):
                pairs.add((other, its_number, task, number))
        earlier.append((task, number, places, reads))
        steps.add((task, number, operation.kind, operation.site.key))
    return frozenset(pairs), frozenset(steps)


def meet(some: list[tuple[int, object]], others: list[tuple[int, object]]) -> bool:
    return any(
        target and target == other and (part == its_part or WHOLE in (part, its_part))
        for target, part in some
        for other, its_part in others
    )


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name not in TOO_MANY])
def test_there_is_one_run_for_each_class(name: str) -> None:
    strategy, outcomes = reduced(PROGRAMS[name])
    classes, all_outcomes = enumerated(PROGRAMS[name])

    assert strategy.complete, strategy.gave_up
    assert (strategy.classes, outcomes) == (classes, all_outcomes)
    assert strategy.redundant == IN_VAIN.get(name, 0)


@pytest.mark.parametrize("seed", range(30))
def test_random_programs(seed: int) -> None:
    """The same, for programs that nobody has thought of."""
    make = partial(random_program, seed)
    strategy, outcomes = reduced(make)
    classes, all_outcomes = enumerated(make, 800)

    assert strategy.complete, strategy.gave_up
    if classes:
        assert (strategy.classes, strategy.redundant, outcomes) == (classes, 0, all_outcomes)


@pytest.mark.parametrize(("tasks", "times"), [(2, 1), (3, 1), (4, 1), (2, 3), (3, 2), (2, 4)])
def test_locked_sections_have_as_many_classes_as_orders(tasks: int, times: int) -> None:
    strategy, outcomes = reduced(locked_appends(tasks, times))
    orders = math.factorial(tasks * times) // math.factorial(times) ** tasks

    assert (strategy.classes, strategy.redundant, len(outcomes)) == (orders, 0, orders)


def test_a_pool_has_all_its_outcomes() -> None:
    strategy, outcomes = reduced(PROGRAMS["pool"])

    assert strategy.complete, strategy.gave_up
    assert outcomes == {"1", "10", "11"}


def test_the_estimate_comes_near() -> None:
    """Knuth's estimator: of the right size from early on, and right at the end."""
    strategy, make = Dpor(), locked_appends(3, 2)
    estimates = []
    with running(make) as run:
        while strategy.start_run():
            trace, _ = run(strategy)
            strategy.end_run(trace)
            estimates.append(strategy.estimate())
    assert estimates[-1] == strategy.classes == 90
    assert all(10 <= estimate <= 900 for estimate in estimates[10:])


def test_a_task_that_spins_is_given_up() -> None:
    """There is no end of interleavings, and that is said."""

    def make() -> small_programs.Made:
        box = small_programs.Box()

        def wait() -> None:
            while not box.ready:
                pass

        def release() -> None:
            box.ready = True

        return [wait, release], lambda: box.ready

    strategy, outcomes = reduced(make)

    assert not strategy.complete
    assert strategy.gave_up == "a run has more than 1,000 steps"
    assert outcomes == {"True"}


def test_a_long_run_is_given_up() -> None:
    strategy, outcomes = reduced(locked_appends(2, 200))

    assert strategy.gave_up == "a run has more than 1,000 steps"
    assert len(outcomes) == 1


def test_lost_updates_are_all_found() -> None:
    _, outcomes = reduced(increments(3))

    assert outcomes == {"1", "2", "3"}
