"""Shrinking keeps the failure, never makes a schedule longer, and ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.replay import Replay
from pytest_racecheck.core.shrink import shrink
from pytest_racecheck.core.task import START
from pytest_racecheck.core.values import Choice, Operation, Schedule, Switch, Trace


def trace_of(schedule: Schedule) -> Trace:
    """A failing run that took exactly these switches."""
    return Trace(schedule, (), steps=len(schedule), choices=len(schedule), tasks=("0", "1"), fingerprint=0)


def switch(number: int) -> Switch:
    """A preemption at a place of its own."""
    return Switch("0", f"place {number}", 1, "1", preempts=True)


class Needing:
    """Fails if the strategy takes all the switches that are needed; asks it about every place there is."""

    def __init__(self, places: int, needed: set[int]) -> None:
        self.places = places
        self.needed = needed
        self.runs = 0

    def __call__(self, strategy: Strategy) -> Trace | None:
        self.runs += 1
        taken = [number for number in range(self.places) if self._asked(strategy, number) == "1"]
        return trace_of(tuple(map(switch, taken))) if self.needed <= set(taken) else None

    def _asked(self, strategy: Strategy, number: int) -> str:
        operation = Operation("write", START)
        return strategy.choose(Choice("0", ("0", "1"), (operation, operation), number, f"place {number}", 1, "0"))


@given(st.integers(1, 24).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), max_size=4))))
def test_only_what_is_needed_is_left(case: tuple[int, set[int]]) -> None:
    """A failure that needs some switches and is indifferent to the rest keeps just those."""
    places, needed = case

    small = shrink(trace_of(tuple(map(switch, range(places)))), Needing(places, needed))

    assert {each.place for each in small.schedule} == {f"place {number}" for number in needed}


def test_a_budget_is_kept_and_the_best_so_far_is_returned() -> None:
    """Shrinking costs no more runs than it may, in any of its ways: leaving out, one preemption in two orders, few."""
    fails = Needing(40, {3, 17, 31})

    small = shrink(trace_of(tuple(map(switch, range(40)))), fails, most_runs=10)

    assert fails.runs <= 40
    assert 3 <= len(small.schedule) <= 40


def test_a_failure_that_needs_no_switch_is_shrunk_to_none_in_one_run() -> None:
    """The empty schedule is tried first."""
    fails = Needing(30, set())

    assert shrink(trace_of(tuple(map(switch, range(30)))), fails).schedule == ()
    assert fails.runs == 1


def test_a_single_preemption_is_found_where_leaving_out_ends_with_two() -> None:
    """Two switches of which none can be left out, and one elsewhere that fails by itself."""

    def fails(strategy: Strategy) -> Trace | None:
        both = isinstance(strategy, Replay) and len(strategy.schedule) == 2
        return Needing(6, {0, 1} if both else {4})(strategy)

    small = shrink(trace_of((switch(0), switch(1))), fails)

    assert small.schedule == (switch(4),)
