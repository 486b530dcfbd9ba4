"""Makes a failing schedule small: fewest preemptions, then fewest switches, same failure."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final

from pytest_racecheck.core.enumeration import Enumeration, by_preemptions
from pytest_racecheck.core.one_preemption import OnePreemption
from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.replay import Replay
from pytest_racecheck.core.values import Schedule, Trace

Fails = Callable[[Strategy], "Trace | None"]
"""Runs once under a strategy; the trace if it fails as the first one did, else ``None``."""

MOST_RUNS: Final = 500
"""So many runs may each of the ways to shrink take."""


def shrink(trace: Trace, fails: Fails, most_runs: int = MOST_RUNS, goes_on: Callable[[], bool] = lambda: True) -> Trace:
    """Leave out switches as long as the run fails alike; then look for a schedule with fewer preemptions.

    Leaving out is delta debugging: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input"
    (TSE 2002), over the choices that deviate from "keep running". A switch that is no longer met is ignored by the
    replay, so every subset of switches is a schedule. What can't be left out need not be the least: after that all
    schedules with one preemption are tried, and then all by rising number of preemptions, each as long as
    ``most_runs`` and ``goes_on`` allow. Deterministic but for ``goes_on``.

    Returns: the smallest failing trace that was found; ``trace`` itself if nothing smaller fails.
    """
    best = _Shrinking(trace, fails, most_runs, goes_on).run()
    if best.preemptions and len(best.schedule) > 1:
        best = _smaller(best, OnePreemption(), fails, most_runs, goes_on)
    if best.preemptions > 1:
        best = _smaller(best, OnePreemption(newest_first=True), fails, most_runs, goes_on)
    if best.preemptions:
        fewer = Enumeration("fewer preemptions", by_preemptions, best.preemptions - 1)
        best = _smaller(best, fewer, fails, most_runs, goes_on)
    return best


def _smaller(best: Trace, strategy: Strategy, fails: Fails, most_runs: int, goes_on: Callable[[], bool]) -> Trace:
    """The first failing run of a strategy, if it is smaller."""
    for _ in range(most_runs):
        if not goes_on() or not strategy.start_run():
            break
        trace = fails(strategy)
        if trace is not None:
            return min(best, trace, key=_size)
    return best


class _Shrinking:
    """One delta debugging: the best trace so far, and the runs that are left."""

    def __init__(self, trace: Trace, fails: Fails, most_runs: int, goes_on: Callable[[], bool]) -> None:
        self._best = trace
        self._fails = fails
        self._left = most_runs
        self._goes_on = goes_on

    def run(self) -> Trace:
        """Leave out ever smaller parts until no single switch can be left out, or the runs are spent."""
        self._attempt(())
        parts = 2
        while self._best.schedule and self._left and self._goes_on():
            schedule = self._best.schedule
            parts = min(parts, len(schedule))
            if self._leave_one_part_out(schedule, parts):
                parts = max(parts - 1, 2)
            elif parts == len(schedule):
                break
            else:
                parts = min(parts * 2, len(schedule))
        return self._best

    def _leave_one_part_out(self, schedule: Schedule, parts: int) -> bool:
        bounds = [len(schedule) * part // parts for part in range(parts + 1)]
        return any(self._attempt(schedule[:start] + schedule[end:]) for start, end in pairwise(bounds))

    def _attempt(self, schedule: Schedule) -> bool:
        if self._left == 0:
            return False
        self._left -= 1
        strategy = Replay(schedule)
        strategy.start_run()
        found = self._fails(strategy)
        if found is None or _size(found) >= _size(self._best):
            return False
        self._best = found
        return True


def _size(trace: Trace) -> tuple[int, int, int]:
    return (trace.preemptions, len(trace.schedule), trace.steps)
