"""The laws of the strategies that go through all schedules."""

from __future__ import annotations

from math import comb, factorial

import pytest
from written import orders, preemptions, same, traces

from pytest_racecheck.core.enumeration import Enumeration
from pytest_racecheck.core.one_preemption import OnePreemption
from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.values import TaskId
from pytest_racecheck.strategies.chain import Chain
from pytest_racecheck.strategies.delays import Delays
from pytest_racecheck.strategies.depth_first import DepthFirst
from pytest_racecheck.strategies.preemptions import Preemptions
from pytest_racecheck.strategies.sequential import Sequential
from pytest_racecheck.strategies.simulation import Script, Simulation, script
from pytest_racecheck.strategies.single_preemptions import SinglePreemptions

MANY = 10_000


def schedules(strategy: Strategy, written: Script) -> list[tuple[object, ...]]:
    return [trace.schedule for trace in traces(strategy, written, MANY)]


@pytest.mark.parametrize(
    ("written", "number"),
    [
        (same(2, "write n"), comb(4, 2)),
        (same(2, "write n", "write n"), comb(6, 3)),
        (same(3, "write n"), factorial(6) // 2**3),
        (script(_0="write n, write n, write n", _1="write n"), comb(6, 2)),
        (script(_0="spawn 0.0, write n", _0_0="write n"), 3),
        (script(_0="acquire m, release m", _1="acquire m, release m"), 8),
    ],
)
@pytest.mark.parametrize("strategy", [DepthFirst, Preemptions, Delays])
def test_every_schedule_is_run_once(strategy: type[DepthFirst], written: Script, number: int) -> None:
    """To begin is a move as well: a task of n operations has n + 1."""
    found = schedules(strategy(), written)

    assert len(set(found)) == len(found) == number


def test_rising_preemptions() -> None:
    """No run with more preemptions comes before one with less, and the bound is kept."""
    counts = [trace.preemptions for trace in traces(Preemptions(2), same(3, "write n", "write n"), MANY)]

    assert counts == sorted(counts)
    assert counts.count(0) == factorial(3)
    assert set(counts) == {0, 1, 2}


def test_the_first_run_that_shows_a_bug_has_the_fewest_preemptions() -> None:
    """Two preemptions: between the writes of one task both operations of the other, and the last in between."""
    written = script(_0="write a, write b", _1="write c, write d")
    needed = next(
        trace.preemptions
        for trace in traces(Preemptions(), written, MANY)
        if "".join(step.task for step in trace.operations) == "0101"
    )

    assert needed == 2


def test_delays_are_few_however_many_tasks_there_are() -> None:
    """One delay at one of k choices: k runs, and the one without."""
    runs = list(traces(Delays(1), same(10, "write n"), MANY))

    assert len(runs) == runs[0].choices + 1


def test_passing_over_two_tasks_costs_two_delays() -> None:
    """The third task goes first only when two were passed over."""
    firsts = [{order[0] for order in orders(Delays(bound), same(3, "write n"), MANY)} for bound in (0, 1, 2)]

    assert firsts == [{"0"}, {"0", "1"}, {"0", "1", "2"}]


def test_an_enumeration_begins_anew_when_the_program_changes() -> None:
    """A site that becomes a choice after the first runs moves all later ones."""
    strategy = Preemptions()
    orders(strategy, same(2, "write n"), 3)
    grown = same(2, "write n", "write n")

    assert {"0011", "0101", "0110", "1001", "1010", "1100"} <= set(orders(strategy, grown, MANY))


def test_every_single_preemption_is_tried_once() -> None:
    """Two tasks of twelve operations: the first may be stopped at each of them."""
    runs = orders(OnePreemption(), same(2, *["write n"] * 12), MANY)

    assert len(set(runs)) == len(runs) == 13
    assert all(preemptions(run) <= 1 for run in runs)


def test_single_preemptions_in_both_orders() -> None:
    """Each task is stopped at each operation in favour of the other; the second runs are the orders themselves."""
    runs = orders(SinglePreemptions(), same(2, "write n", "write n", "write n"), MANY)
    stopped = {run for run in runs if preemptions(run)}

    assert runs[:2] == ["111000", "000111"]
    assert stopped == {"011100", "001110", "100011", "110001"}


def test_what_does_the_same_is_preferred_once_before_it_comes_again() -> None:
    """Among a hundred tasks that do the same and one that does not, that one is preferred at every place first."""
    setters = {str(task): same(1, "write a", "write b")["0"] for task in range(100)}
    written: dict[TaskId, list[object]] = {**setters, "100": script(_0="read a, read b")["0"]}  # type: ignore[dict-item]
    found = [
        number
        for number, trace in enumerate(traces(SinglePreemptions(), written, 20), 1)  # type: ignore[arg-type]
        if [(step.task, step.operation.kind) for step in trace.operations[:3]]
        == [("0", "write"), ("100", "read"), ("100", "read")]
    ]

    assert found
    assert found[0] <= 10


def test_single_preemptions_are_looked_for_again_when_they_no_longer_fit() -> None:
    strategy = SinglePreemptions()
    orders(strategy, same(2, "write n"), 2)

    assert {"0110", "1001"} <= set(orders(strategy, same(2, "write n", "write n"), MANY))


def test_sequential_orders_end() -> None:
    """A strategy that has nothing left to try says so, and keeps saying it."""
    runs = orders(strategy := Sequential(), same(3, "write n", "write n"), 10)

    assert 3 <= len(runs) < 10
    assert all(preemptions(run) == 0 for run in runs)
    assert not strategy.start_run()


def test_a_chain_goes_on_with_the_next_and_tells_it_what_it_saw() -> None:
    told = Told()
    chain = Chain("both", [Sequential(), told])
    simulation = Simulation(same(2, "write n"))
    watched = [bool(chain.watches) for _ in range(7) if simulation.run(chain)]

    assert len(told.traces) == 7
    assert told.began == 2
    assert watched == [True] * 7


class Told(Enumeration):
    """Goes on for ever, and keeps what it is told."""

    watches = True

    def __init__(self) -> None:
        super().__init__("told", lambda choice: [(task, 0) for task in choice.enabled])
        self.began = 0
        self.traces: list[object] = []

    def start_run(self) -> bool:
        self.began += 1
        return True

    def end_run(self, trace: object) -> None:
        self.traces.append(trace)
