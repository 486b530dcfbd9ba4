"""Makes a failing schedule small: fewest tasks, then fewest preemptions, fewest switches, shortest; same failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from typing import Final

from pytest_racecheck.core.enumeration import Enumeration, by_preemptions
from pytest_racecheck.core.one_preemption import OnePreemption
from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.replay import Replay
from pytest_racecheck.core.steps import Steps
from pytest_racecheck.core.values import Schedule, Switch, TaskId, Trace

MOST_ORDERS_KEPT: Final = 8
"""Of so many switches that stop nobody, all pairs are tried."""

Fails = Callable[[Strategy], "Trace | None"]
"""Runs once under a strategy; the trace if it fails as the first one did, else ``None``."""

MOST_RUNS: Final = 500
"""So many runs may each of the ways to shrink take."""

MOST_ORDERS: Final = 150
"""So many, if all that is left to find is an order of the tasks that fails without a preemption."""


def shrink(trace: Trace, fails: Fails, most_runs: int = MOST_RUNS, goes_on: Callable[[], bool] = lambda: True) -> Trace:
    """Find the smallest schedule that fails alike, as far as ``most_runs``, for each way, and ``goes_on`` allow.

    First what is there is made smaller, until nothing more can be done (`_Shrinking`). What can't be made smaller need
    not be the least: after that all schedules with one preemption are tried, in two orders of the tasks, and then all
    by rising number of preemptions; what is found is made smaller again. Deterministic but for ``goes_on``.

    Returns: the smallest failing trace that was found; ``trace`` itself if nothing smaller fails.
    """
    shrinking = _Shrinking(trace, fails, most_runs, goes_on)
    shrinking.reduce()
    for strategy, runs in _searches(shrinking, most_runs):
        if shrinking.search(strategy, runs):
            shrinking.reduce()
    return shrinking.best


def reduced(trace: Trace, fails: Fails, most_runs: int, goes_on: Callable[[], bool] = lambda: True) -> Trace:
    """Make a failing schedule smaller, in so many runs, without looking for others."""
    shrinking = _Shrinking(trace, fails, most_runs, goes_on)
    shrinking.reduce()
    return shrinking.best


def _searches(shrinking: _Shrinking, most_runs: int) -> Iterator[tuple[Strategy, int]]:
    """What may find a smaller schedule than the best one, which changes meanwhile."""
    if shrinking.best.preemptions and len(shrinking.best.schedule) > 1:
        yield OnePreemption(), most_runs
    if shrinking.best.preemptions > 1:
        yield OnePreemption(newest_first=True), most_runs
    if shrinking.best.preemptions:
        fewer = shrinking.best.preemptions - 1
        yield (
            Enumeration("fewer preemptions", by_preemptions, fewer),
            most_runs if fewer else min(most_runs, MOST_ORDERS),
        )


class _Shrinking:
    """The best trace so far, and the ways to make it smaller.

    *Leaving out* is delta debugging: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input" (TSE
    2002), over the choices that deviate from "keep running". A switch that is no longer met is ignored by the replay,
    so every subset of switches is a schedule. *Joining* puts the two parts of a task's turn together that a preemption
    has parted, by letting the first part wait for the second: Jalbert and Sen, "A trace simplification technique for
    effective debugging of concurrent programs" (FSE 2010); the other way round is leaving out. *Doing without* lets a
    task move only where no other one can.
    """

    def __init__(self, trace: Trace, fails: Fails, most_runs: int, goes_on: Callable[[], bool]) -> None:
        self.best = trace
        self._fails = fails
        self._left = most_runs
        self._goes_on = goes_on
        self._tried: set[tuple[Schedule, TaskId]] = set()

    def reduce(self) -> None:
        """Make the best trace smaller until nothing more can be done, or the runs are spent."""
        self._attempt(Replay((), traces=True))
        self._see_steps()
        before = None
        while before != size_of(self.best) and self._may_run():
            before = size_of(self.best)
            self._leave_out()
            self._do_without()
            self._join()
            self._keep_few_orders()

    def search(self, strategy: Strategy, most_runs: int) -> bool:
        """Run a strategy until it fails; tell whether that is smaller."""
        for _ in range(most_runs):
            if not self._goes_on() or not strategy.start_run():
                break
            trace = self._fails(strategy)
            if trace is not None:
                return self._take(trace)
        return False

    # -- leaving out -------------------------------------------------------------------------------------------

    def _leave_out(self) -> None:
        """Leave out ever smaller parts until no single switch can be left out."""
        parts = 2
        while self.best.schedule and self._may_run():
            schedule = self.best.schedule
            parts = min(parts, len(schedule))
            if self._leave_one_part_out(schedule, parts):
                parts = max(parts - 1, 2)
            elif parts == len(schedule):
                break
            else:
                parts = min(parts * 2, len(schedule))

    def _leave_one_part_out(self, schedule: Schedule, parts: int) -> bool:
        bounds = [len(schedule) * part // parts for part in range(parts + 1)]
        return any(
            self._attempt(Replay(schedule[:start] + schedule[end:], traces=True)) for start, end in pairwise(bounds)
        )

    # -- doing without -----------------------------------------------------------------------------------------

    def _do_without(self) -> None:
        """Let one task after another not move, the newest first; two are the least that there is something between."""
        for task in reversed(self.best.tasks):
            if self.best.moved > 2:
                self._attempt(Replay(self.best.schedule, traces=True, avoiding=task))

    # -- joining -----------------------------------------------------------------------------------------------

    def _join(self) -> None:
        """Try it at each preemption, from the first on."""
        number = 0
        while number < len(self.best.schedule) and self._may_run():
            joined = _joined(self.best, number) if self.best.schedule[number].preempts else None
            if joined is None or not self._attempt(Replay(joined, traces=True)):
                number += 1

    # -- keeping few orders ------------------------------------------------------------------------------------

    def _keep_few_orders(self) -> None:
        """Of the switches that stop nobody keep one, or two: leaving out finds no way that goes through worse ones."""
        schedule = self.best.schedule
        orders = [switch for switch in schedule if not switch.preempts]
        few = [*combinations(orders, 1), *combinations(orders, 2)] if 2 < len(orders) <= MOST_ORDERS_KEPT else []
        others = [
            (*orders[:number], order._replace(to=task))
            for number, order in enumerate(orders)
            for task in self.best.tasks
        ]
        for kept in [*few, *others]:
            fewer = tuple([each for each in schedule if each.preempts]) + kept
            if len(fewer) < len(schedule) and self._attempt(Replay(fewer, traces=True)):
                break

    # -- inside ------------------------------------------------------------------------------------------------

    def _see_steps(self) -> None:
        """Run the best schedule again if its steps were not noted."""
        if self.best.schedule and not self.best.path and self._may_run():
            self._left -= 1
            replay = Replay(self.best.schedule, traces=True)
            replay.start_run()
            self.best = self._fails(replay) or self.best

    def _may_run(self) -> bool:
        return self._left > 0 and self._goes_on()

    def _attempt(self, replay: Replay) -> bool:
        tried = (replay.schedule, replay.avoided)
        if tried in self._tried or not self._may_run():
            return False
        self._tried.add(tried)
        self._left -= 1
        replay.start_run()
        found = self._fails(replay)
        return found is not None and self._take(found)

    def _take(self, trace: Trace) -> bool:
        """Whether a failing trace is smaller; then it is the best."""
        if size_of(trace) >= size_of(self.best):
            return False
        self.best = trace
        return True


def _joined(trace: Trace, number: int) -> Schedule | None:
    """The schedule in which the turn that a preemption ends does not begin: whom it gives way to moves in its place."""
    switch = trace.schedule[number]
    before = Steps(trace.path).start_of_turn(switch)
    if before is None:
        return None
    key = (before.task, before.place, before.occurrence)
    others = [each for each in trace.schedule if each is not switch]
    if any(each[:3] == key for each in others):
        return tuple([each._replace(to=switch.to) if each[:3] == key else each for each in others])
    others.insert(min(number, len(others)), Switch(*key, switch.to, preempts=False))
    return tuple(others)


def size_of(trace: Trace) -> tuple[int, int, int, int]:
    """What is made small, the weightiest first."""
    return (trace.moved, trace.preemptions, len(trace.schedule), trace.steps)
