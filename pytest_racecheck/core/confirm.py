"""Makes findings of a run that failed: fails it again, shrinks it, looks what it depends on, and runs it to show it."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable
from functools import partial
from typing import Final

from pytest_racecheck.core.enumeration import Enumeration, by_preemptions
from pytest_racecheck.core.one_preemption import OnePreemption
from pytest_racecheck.core.placing import Difference, Placed, place
from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.replay import first_difference
from pytest_racecheck.core.runner import Runner
from pytest_racecheck.core.shrink import reduced, shrink, size_of
from pytest_racecheck.core.steps import Step
from pytest_racecheck.core.token import Token, encode
from pytest_racecheck.core.values import Cause, Chance, Event, Failure, Finding, Schedule, Trace

SHRINKING: Final = 0.5
"""Shrinking may take so much of the time that searching may."""

EXPLAINING: Final = 0.1
"""And so much more may it take to see what the failure depends on."""

ATTEMPTS: Final = 3
"""So often is a schedule run before it counts as one that does not repeat: code has hooks only once it was met."""

PREEMPTED: Final = "preempted"
"""The note of the event that says where a task was stopped: all that is told of an operation that it never did."""

MOST_WITH_GIL: Final = 12
"""So many runs may each of two searches take to find a failure at places where the interpreter itself can switch."""

CUT_OFF: Final = ("step-limit", "livelock", "hang")
"""Kinds of failures of runs that were ended because they went on and on."""

LONGER: Final = 10
"""So many times as long as the failing run may those be that are made to understand it."""

SHORTEST: Final = 2000
"""But so many steps long they may be in any case."""

LAST_STEPS: Final = 40
"""So many of the last operations of a task that failed by itself may be where another one should have moved."""

MOST_FURTHER: Final = 5
"""So many other failures that were met on the way are reported."""

MOST_FOR_FURTHER: Final = 20
"""So many runs may it take to make the schedule of each of them smaller."""


def confirm(runner: Runner, failing: Trace, first: Trace | None) -> tuple[Finding, ...]:
    """Turn a failing run into a finding, and others for other failures met on the way; none if it does not fail again.

    ``first`` is the very first run of all: if its schedule passed then and fails now, state leaks from run to run.
    """
    number = runner.runs
    failure = failing.failures[0]
    began = runner.seconds
    follow = (runner.follow(failing.schedule, failure, traces=True) for _ in range(ATTEMPTS))
    repeated = next(filter(None, follow), None)
    if repeated is None:
        return ()
    confirming = _Confirming(runner, failure, runner.seconds - began)
    placed = confirming.placed(repeated)
    shown = runner.follow(placed.trace.schedule, failure, recorded=True)
    if shown is None:
        return ()
    remarks = _leak(runner, first, failure) if first is not None and not shown.preemptions and number > 1 else ()
    causes = tuple(filter(None, (_cause(difference, shown) for difference in placed.differences)))
    finding = finding_of(shown, token_of(runner, shown.schedule), number, remarks, failure=failure, causes=causes)
    return (finding, *confirming.further(shown))


class _Confirming:
    """The runs that are made to understand one failure, and the other failures that they met."""

    def __init__(self, runner: Runner, failure: Failure, took: float) -> None:
        self._runner = runner
        self._failure = failure
        self._took = took
        """So long it took to see it a second time."""
        self._others: dict[tuple[str, str, str], tuple[Failure, Trace, int]] = {}

    def placed(self, trace: Trace) -> Placed:
        """Shrink a failing run, and move its preemptions to where they are shown best.

        Runs that are much longer than the failing one are cut off: the tasks spin, and wait for who is held back.
        """
        if self._failure.kind in CUT_OFF:
            return self._placed(trace)
        with self._runner.at_most(max(LONGER * trace.steps, SHORTEST)):
            return self._placed(trace)

    def _placed(self, trace: Trace) -> Placed:
        limits, began = self._runner.limits, self._runner.seconds
        explaining = limits.seconds * EXPLAINING
        small = shrink(trace, self._fails, goes_on=self._until(began + limits.seconds * SHRINKING))
        if self._took > explaining:  # such as one that hangs
            return Placed(small, ())
        goes_on = self._until(self._runner.seconds + explaining)
        placed = self._place(small, goes_on)
        if "no" in placed.trace.chances and has_gil() and not limits.gil:
            return self._as_the_interpreter_can(placed, goes_on) or placed
        return placed

    def _until(self, seconds: float) -> Callable[[], bool]:
        return lambda: self._runner.seconds < seconds

    def _place(self, trace: Trace, goes_on: Callable[[], bool]) -> Placed:
        if not trace.schedule and len(trace.tasks) > 1 and self._failure.exception is not None:
            self._make_last_steps_choices()
        if not trace.path or not trace.schedule:
            trace = self._runner.follow(trace.schedule, self._failure, traces=True) or trace
        return place(trace, self._run, self._is_alike, goes_on)

    def _make_last_steps_choices(self) -> None:
        """One task after another fails, and may have ended the run before anybody else has touched what it touches."""
        recorded = self._runner.follow((), self._failure, recorded=True)
        last = [event for event in recorded.events if event.task == self._failure.task] if recorded else []
        self._runner.watch_late({event.place for event in last[-LAST_STEPS:] if event.place})

    def _as_the_interpreter_can(self, placed: Placed, goes_on: Callable[[], bool]) -> Placed | None:
        """The same failure with as few preemptions, but where this interpreter, with its GIL, can switch."""
        most = placed.trace.preemptions
        with self._runner.only_with_gil():
            for strategy in (Enumeration("with the GIL", by_preemptions, most), OnePreemption(newest_first=True)):
                for _ in range(MOST_WITH_GIL):
                    if not goes_on() or not strategy.start_run():
                        break
                    found = self._fails(strategy)
                    if found is not None and size_of(found)[:2] <= size_of(placed.trace)[:2]:
                        return self._place(shrink(found, self._fails, goes_on=goes_on), goes_on)
        return None

    def _run(self, strategy: Strategy) -> Trace:
        trace = self._runner.run(strategy)
        strategy.end_run(trace)
        for failure in trace.failures:
            if failure.signature != self._failure.signature and failure.kind not in CUT_OFF and not trace.uncontrolled:
                self._others.setdefault(failure.signature, (failure, trace, self._runner.runs))
        return trace

    def _fails(self, strategy: Strategy) -> Trace | None:
        trace = self._run(strategy)
        return trace if self._is_alike(trace) else None

    def _is_alike(self, trace: Trace) -> bool:
        return any(each.signature == self._failure.signature for each in trace.failures)

    def further(self, told: Trace) -> tuple[Finding, ...]:
        """A finding for each failure that a run which is shown does not have, and that comes again in another one."""
        found: list[Finding] = []
        signatures = {failure.signature for failure in told.failures}
        others = [other for signature, other in self._others.items() if signature not in signatures]
        goes_on = self._until(self._runner.seconds + self._runner.limits.seconds * EXPLAINING)
        for failure, trace, number in others[:MOST_FURTHER]:
            small = reduced(trace, partial(self._runner.fails, failure=failure), MOST_FOR_FURTHER, goes_on)
            shown = self._runner.follow(small.schedule, failure, recorded=True)
            if shown is not None:
                token = token_of(self._runner, shown.schedule)
                found.append(finding_of(shown, token, number, failure=failure))
        return tuple(found)


def doubtful(runner: Runner, failing: Trace, number: int) -> Finding:
    """Make a finding of a failure that did not come again; say where two runs of its schedule differ."""
    one = runner.follow(failing.schedule, recorded=True)
    other = runner.follow(failing.schedule, recorded=True)
    remark = "The failing schedule did not fail again: the test depends on something that is not under control"
    if one is not None and other is not None and (difference := first_difference(one, other)):
        remark += f"; two runs of it differ at {difference}"
    return finding_of(failing, "", number, (f"{remark}.",))


def finding_of(
    trace: Trace,
    token: str,
    number: int,
    remarks: tuple[str, ...] = (),
    *,
    failure: Failure | None = None,
    causes: tuple[Cause, ...] = (),
) -> Finding:
    """Make the finding of a failing run; ``failure`` is like the one that it is of, by default the run's first."""
    signature = trace.failures[0].signature if failure is None else failure.signature
    failure = next((each for each in trace.failures if each.signature == signature), trace.failures[0])
    return Finding(
        kind=failure.kind,
        message=failure.message,
        locations=failure.locations,
        token=token,
        trace=trace,
        failure=failure,
        run=number,
        sequential=trace.preemptions == 0 and trace.forced == 0,
        remarks=remarks,
        causes=causes,
        with_gil=with_gil(trace),
    )


def with_gil(trace: Trace) -> Chance | None:
    """Whether CPython with its GIL can make all preemptions of a run; ``None`` if there is none, or nobody noted."""
    if trace.preemptions == 0 or not trace.chances:
        return None
    return "no" if "no" in trace.chances else "unknown" if "unknown" in trace.chances else "yes"


def token_of(runner: Runner, schedule: Schedule) -> str:
    """The word to paste for a schedule."""
    places = {switch.place for switch in schedule}
    return encode(Token(schedule, python_version(), runner.instrument.fingerprint(places), runner.seed))


def python_version() -> str:
    """The version of this interpreter, as a token says it: ``3.13``, ``3.13t``."""
    suffix = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    return f"{sys.version_info[0]}.{sys.version_info[1]}{suffix}"


def has_gil() -> bool:
    """Whether this interpreter runs with a GIL now; a free-threaded build may."""
    ask = getattr(sys, "_is_gil_enabled", None)
    return ask is None or bool(ask())


def _cause(difference: Difference, shown: Trace) -> Cause | None:
    """What a difference means in the run that is shown; ``None`` if its steps are not told of there."""
    switch = difference.switch
    after = _event_at(shown, difference.after)
    before = _event_at(shown, difference.before)
    if (difference.after or difference.before) and not (after or before):
        return None
    return Cause(switch, after, before, _event_at(shown, Step(*switch[:3])), difference.passes)


def _event_at(trace: Trace, step: Step | None) -> Event | None:
    """What a task did at a step: several steps may be parts of one operation, which is told of at the first."""
    if step is None:
        return None
    events = [each for each in trace.events if (each.task, each.place) == (step.task, step.place)]
    told = [each for each in events if each.occurrence <= step.occurrence]
    done = [each for each in told if each.note != PREEMPTED] or told
    return done[-1] if done else None


def _leak(runner: Runner, first: Trace, failure: Failure) -> tuple[str, ...]:
    if first.failures or runner.follow(first.schedule, failure) is None:
        return ()
    one = runner.follow(first.schedule, recorded=True)
    other = runner.follow(first.schedule, recorded=True)
    names = changed_values(one, other) if one is not None and other is not None else []
    what = f": {', '.join(names)}" if names else ""
    remark = (
        f"The same order of tasks passed in the first run, so state leaks from run to run{what}. Reset it in a "
        "function-scoped fixture, or make it in the test."
    )
    return (remark,)


def changed_values(one: Trace, other: Trace) -> list[str]:
    """Names and values of what two runs of one schedule began with that differ."""
    before, after = dict(one.initial_values), dict(other.initial_values)
    return [
        f"{name} (was {before[name]}, then {after[name]})"
        for name in sorted(before.keys() & after.keys())
        if before[name] != after[name]
    ]
