"""Makes a finding of a run that failed: fails it again, shrinks it, and runs it once more to show it."""

from __future__ import annotations

import sys
import sysconfig
from typing import Final

from pytest_racecheck.core.replay import first_difference
from pytest_racecheck.core.runner import Runner
from pytest_racecheck.core.shrink import shrink
from pytest_racecheck.core.token import Token, encode
from pytest_racecheck.core.values import Failure, Finding, Race, Schedule, Trace

SHRINKING: Final = 0.5
"""Shrinking may take so much of the time that searching may."""

ATTEMPTS: Final = 3
"""So often is a schedule run before it counts as one that does not repeat: code has hooks only once it was met."""


def confirm(runner: Runner, failing: Trace, first: Trace | None, number: int) -> Finding | None:
    """Turn the failing run of this number into a finding; ``None`` if its schedule does not fail again.

    ``first`` is the very first run of all: if its schedule passed then and fails now, state leaks from run to run.
    """
    failure = failing.failures[0]
    repeated = next(filter(None, (runner.follow(failing.schedule, failure) for _ in range(ATTEMPTS))), None)
    if repeated is None:
        return None
    until = runner.seconds + runner.limits.seconds * SHRINKING
    small = shrink(repeated, lambda strategy: runner.fails(strategy, failure), goes_on=lambda: runner.seconds < until)
    shown = runner.follow(small.schedule, failure, recorded=True)
    if shown is None:
        return None
    token = token_of(runner, shown.schedule)
    races = runner.named(shown)
    remarks = _leak(runner, first, failure) if first is not None and not shown.preemptions and number > 1 else ()
    return finding_of(shown, token, number, remarks, races)


def doubtful(runner: Runner, failing: Trace, number: int) -> Finding:
    """Make a finding of a failure that did not come again; say where two runs of its schedule differ."""
    one = runner.follow(failing.schedule, recorded=True)
    other = runner.follow(failing.schedule, recorded=True)
    remark = "The failing schedule did not fail again: the test depends on something that is not under control"
    if one is not None and other is not None and (difference := first_difference(one, other)):
        remark += f"; two runs of it differ at {difference}"
    return finding_of(failing, "", number, (f"{remark}.",))


def finding_of(
    trace: Trace, token: str, number: int, remarks: tuple[str, ...] = (), races: tuple[Race, ...] = ()
) -> Finding:
    """Make the finding of a failing run that is not looked at any further."""
    failure = trace.failures[0]
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
        races=races,
    )


def token_of(runner: Runner, schedule: Schedule) -> str:
    """The word to paste for a schedule."""
    places = {switch.place for switch in schedule}
    return encode(Token(schedule, python_version(), runner.instrument.fingerprint(places), runner.seed))


def python_version() -> str:
    """The version of this interpreter, as a token says it: ``3.13``, ``3.13t``."""
    suffix = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    return f"{sys.version_info[0]}.{sys.version_info[1]}{suffix}"


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
