"""The default: what it begins with, that all its members have a share, and that bringing something new pays."""

from __future__ import annotations

import pytest
from written import orders, same, traces

from pytest_racecheck.strategies.novelty import Novelty
from pytest_racecheck.strategies.portfolio import LEAST, Member, Portfolio
from pytest_racecheck.strategies.random_walk import RandomWalk
from pytest_racecheck.strategies.sequential import Sequential
from pytest_racecheck.strategies.simulation import Simulation, script

COUNTERS = same(3, "read n", "write n", "read m", "write m")


def test_the_first_runs_are_sequential() -> None:
    assert orders(Portfolio(1), COUNTERS, 3) == ["000011112222", "222211110000", "000011112222"]


def test_then_every_third_run_has_one_preemption() -> None:
    """Where tasks do the same, as long as there are sites that no task was stopped at."""
    runs = list(traces(Portfolio(1), COUNTERS, 12))

    assert [trace.preemptions for trace in runs[4:11:3]] == [1, 1, 1]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_task_among_a_hundred_is_soon_at_the_right_place(seed: int) -> None:
    """A check must run between the two writes of the first of many tasks that all do the same."""
    written = {**same(100, "write a", "write b"), **script(_100="read a, read b")}
    found = [
        number
        for number, trace in enumerate(traces(Portfolio(seed), written, 20), 1)
        if [step.operation.site.action for step in trace.operations[:4]] == ["write", "read", "read", "write"]
    ]

    assert found
    assert found[0] <= 10


def test_every_member_has_a_share() -> None:
    """The larger ones more, and nobody is left out, however little it brings."""
    portfolio = Portfolio(3)
    orders(portfolio, COUNTERS, 500)

    assert min(portfolio.runs.values()) >= 5
    assert portfolio.runs["urw"] > portfolio.runs["starvation"]
    assert sum(portfolio.runs.values()) == 500 - 1


def test_who_brings_nothing_new_has_fewer_turns() -> None:
    """Of two with the same share."""
    portfolio = Portfolio(1)
    stale, fresh = Member(Forever()), Member(RandomWalk(1))
    portfolio._members = [stale, fresh]
    orders(portfolio, same(3, "write n", "write n", "write n", "write n", "write n"), 300)

    assert stale.worth < 0.1
    assert fresh.worth > 0.3
    assert stale.runs * 1.5 < fresh.runs
    assert stale.runs > 300 * LEAST / 5


class Forever(Sequential):
    """Runs one order for ever."""

    def start_run(self) -> bool:
        super().start_run()
        return True


def test_a_new_pair_of_write_and_read_is_worth_most() -> None:
    simulation = Simulation(script(_0="write n, write n", _1="read n, write m"))
    novelty = Novelty()
    sequential = Sequential()
    first, second, again = (simulation.run(sequential) for _ in range(3))
    assert first is not None
    assert second is not None
    assert again is not None

    assert [novelty.of(trace) for trace in (first, second, again)] == [1.0, 1.0, 0.0]


def test_a_new_interleaving_alone_is_worth_half() -> None:
    simulation = Simulation(script(_0="write n", _1="write m"))
    novelty = Novelty()
    sequential = Sequential()
    worth = [novelty.of(trace) for _ in range(3) if (trace := simulation.run(sequential))]

    assert worth == [0.5, 0.5, 0.0]


def test_the_same_seed_gives_the_same_runs_and_another_gives_others() -> None:
    one, same_again, other = (orders(Portfolio(seed), COUNTERS, 60) for seed in (1, 1, 2))

    assert one == same_again
    assert one != other
