"""Shrinking keeps the failure, never makes a schedule longer, and ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from announced import Announcing, Bodies, Body
from hypothesis import given
from hypothesis import strategies as st

from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.replay import Replay
from pytest_racecheck.core.runner import Limits, Runner
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


# -- with programs ---------------------------------------------------------------------------------------------


class Shrunk:
    """A program whose failing run, by a schedule, was shrunk."""

    def __init__(
        self, make: Callable[[Announcing], tuple[Sequence[Body], Body]], schedule: Schedule, most_runs: int = 500
    ) -> None:
        self.make = make
        self.instrument = Announcing()
        self.check: Body = lambda: None
        with Runner(Bodies(self._bodies, self._check), self.instrument, Limits(), 0, ()) as runner:
            failing = runner.follow(schedule, traces=True)
            assert failing is not None
            assert failing.failures
            before = runner.runs
            self.trace = shrink(failing, lambda strategy: runner.fails(strategy, failing.failures[0]), most_runs)
            self.runs = runner.runs - before

    def _check(self) -> None:
        self.check()

    def _bodies(self) -> Sequence[Body]:
        bodies, self.check = self.make(self.instrument)
        return bodies


def first_writes(instrument: Announcing) -> tuple[Sequence[Body], Body]:
    """Fails if the second task looks before the second write of the first one; a third task has no part in it."""
    done: list[int] = []

    def writes() -> None:
        for number in (1, 2):
            instrument.step(f"write {number}")
            done.append(number)

    def looks() -> None:
        instrument.step("look")
        assert done == [1, 2]

    def idles() -> None:
        for number in range(3):
            instrument.step(f"idle {number}")

    return [writes, looks, idles], lambda: None


def stop(task: str, place: str, to: str) -> Switch:
    return Switch(task, place, 1, to, preempts=True)


def test_the_parts_of_a_turn_are_joined_by_letting_the_first_wait() -> None:
    """Leaving out can't do it, and no search is needed."""
    shrunk = Shrunk(first_writes, (stop("0", "write 2", "1"),))

    assert shrunk.trace.schedule == (Switch("", "start", 1, "1", preempts=False),)
    assert shrunk.runs <= 8


def test_tasks_that_have_no_part_in_it_do_not_move() -> None:
    """The third one moves in between at first; when the failure comes, it need not have begun."""
    shrunk = Shrunk(first_writes, (stop("0", "write 2", "2"), stop("2", "idle 2", "1")))

    assert shrunk.trace.moved == 1
    assert shrunk.trace.schedule == (Switch("", "start", 1, "1", preempts=False),)


def test_fewer_switches_are_found_through_worse_ones() -> None:
    """Three orders of which leaving out none helps, and a single one that does it alone."""

    def make(instrument: Announcing) -> tuple[Sequence[Body], Body]:
        order: list[str] = []

        def body(name: str) -> Body:
            def moves() -> None:
                instrument.step(name)
                order.append(name)

            return moves

        def check() -> None:
            assert order not in (["d", "c", "b", "a"], ["b", "a", "c", "d"])

        return [body(name) for name in "abcd"], check

    reverse = (
        Switch("", "start", 1, "3", preempts=False),
        Switch("3", "end", 1, "2", preempts=False),
        Switch("2", "end", 1, "1", preempts=False),
    )
    assert Shrunk(make, reverse).trace.schedule == (Switch("", "start", 1, "1", preempts=False),)


def test_the_same_schedule_is_not_run_twice() -> None:
    """Passes over the schedule come again until nothing changes; what they have tried they know."""
    seen: list[Schedule] = []

    class Noting(Needing):
        def __call__(self, strategy: Strategy) -> Trace | None:
            if isinstance(strategy, Replay):
                seen.append(strategy.schedule)
            return super().__call__(strategy)

    shrink(trace_of(tuple(map(switch, range(12)))), Noting(12, {2, 7}))

    assert len(seen) == len(set(seen))
