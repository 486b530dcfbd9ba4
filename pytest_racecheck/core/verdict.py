"""What a pass is worth: verified, where every class of interleavings was run and nothing was out of sight."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.runner import Runner
from pytest_racecheck.core.values import Exploration

ONE_INTERLEAVING: Final = "The tasks share nothing that was seen: there is only one interleaving."


def with_verdict(passed: Exploration, runner: Runner, strategy: Strategy) -> Exploration:
    """The exploration of a test that passed, as ``verified`` if it is."""
    if passed.stopped_by == "one interleaving":
        return replace(passed, remarks=(*passed.remarks, ONE_INTERLEAVING))
    if not getattr(strategy, "covers", False):
        return passed
    if not getattr(strategy, "complete", False):
        reason = getattr(strategy, "gave_up", "")
        return replace(passed, unproven=(reason,)) if reason else passed
    obstacles = _obstacles(passed, runner)
    if obstacles:
        return replace(passed, unproven=obstacles)
    return replace(passed, outcome="verified", classes=getattr(strategy, "classes", 0))


def _obstacles(passed: Exploration, runner: Runner) -> tuple[str, ...]:
    """Why nothing is proven, although there is nothing left to run."""
    races = [race.message for race in passed.races if race.level == "warn" and race.confirmed]
    found = [*races, *passed.uncontrolled, *passed.uninstrumented, *runner.leaked, *runner.unproven]
    if runner.limits.early_timeouts:
        found.append("with timeouts='explore' not every moment at which a timed wait may end was tried")
    if runner.limits.wakeups:
        found.append("not every moment at which a wait may end without a notification was tried")
    if runner.limits.real_clock:
        found.append("with clock='real' the time that steps take decides")
    if runner.waits_ended:
        found.append("sleeps and timed waits were taken to end only when nothing else could move")
    if runner.forced:
        found.append("a task had to be stopped that went on and on")
    return tuple(found)
