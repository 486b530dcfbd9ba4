"""Many runs: searches for a schedule that fails, and says what was covered."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from pytest_racecheck.core.confirm import (
    ATTEMPTS,
    changed_values,
    confirm,
    doubtful,
    finding_of,
    has_gil,
    python_version,
)
from pytest_racecheck.core.errors import TokenError
from pytest_racecheck.core.figures import Drawn
from pytest_racecheck.core.protocols import Detector, Instrument, Program, Strategy
from pytest_racecheck.core.replay import Replay, first_difference
from pytest_racecheck.core.runner import Control, Limits, Runner
from pytest_racecheck.core.token import Token, decode
from pytest_racecheck.core.values import Exploration, Figures, Finding, Outcome, Schedule, Trace
from pytest_racecheck.core.verdict import with_verdict

__all__ = ["Control", "Limits", "Progress", "explore", "replay"]

MOST_DOUBTFUL: Final = 10
"""So many failures may a search meet that do not come again; then it ends."""

REPETITIONS: Final = 3
"""So often is one schedule of a passing test run, to see whether it repeats."""

NO_SECOND_TASK: Final = (
    "nothing was explored: the test ran as a single task and started no thread and no process. Use threads=2 or "
    "processes=2 or more, or start threads or processes in the test."
)
NO_CODE: Final = (
    "nothing was explored: none of the code that ran in the tasks is in scope. Name the packages or modules to check "
    "in racecheck_source (ini) or source= (marker)."
)
GONE: Final = "The schedule ran to its end and nothing failed: the bug that it showed is gone."

Progress = Callable[[int, float, Callable[[], Figures]], None]
"""Called after each run with the number of runs and the seconds so far, and what tells more, should that be wanted."""


def explore(
    program: Program,
    *,
    strategy: Strategy,
    instrument: Instrument,
    limits: Limits,
    seed: int,
    first: Sequence[str] = (),
    control: Control = (),
    progress: Progress | None = None,
    detector: Detector | None = None,
) -> Exploration:
    """Run a program under the schedules of a strategy until one fails or the limits are reached.

    ``first`` are tokens of schedules to try before; those that no longer fit are passed over. An exception of one of
    the types in ``control`` ends exploring and is raised again, as is whatever `Program.set_up` raises.
    """
    with Runner(program, instrument, limits, seed, control, detector) as runner:
        findings = _try_stored(runner, first)
        if findings:
            return _result(runner, strategy.name, findings, "finding")
        drawn = Drawn()
        findings, stopped_by = _search(runner, strategy, progress or _no_progress, drawn)
        result = _result(runner, strategy.name, findings, stopped_by)
        if result.outcome != "passed":
            return result
        return with_verdict(replace(result, figures=drawn.figures(strategy)), runner, strategy)


def replay(
    program: Program,
    *,
    token: str,
    instrument: Instrument,
    limits: Limits,
    control: Control = (),
    detector: Detector | None = None,
) -> Exploration:
    """Run the schedule of a token.

    Raises: TokenError, if it is broken, or does not fit the code any more (saying where it parted).
    """
    decoded = decode(token)
    limits = replace(limits, gil=False)  # the schedule says all
    with Runner(program, instrument, limits, decoded.seed, control, detector) as runner:
        replaying = _learn(runner, decoded.schedule)
        parted = replaying.parted
        replaying.start_run()
        trace = runner.examined(runner.run(replaying, recorded=True))
        if trace.failures:
            finding = finding_of(trace, token, runner.runs, races=runner.named(trace))
            return _result(runner, "replay", (finding,), "replay")
        if parted or replaying.parted:
            raise TokenError(_does_not_fit(runner, decoded, replaying.parted or parted))
        return _result(runner, "replay", (), "replay", GONE)


def _search(runner: Runner, strategy: Strategy, progress: Progress, drawn: Drawn) -> tuple[tuple[Finding, ...], str]:
    """Run until something fails twice or a limit is reached; the findings, and why the search ended."""
    first: Trace | None = None
    unconfirmed: list[tuple[Trace, int]] = []
    figures = partial(drawn.figures, strategy)
    while not (stopped_by := _limit_reached(runner, strategy)):
        trace = runner.run(strategy)
        number = runner.runs
        trace = runner.examined(trace)
        strategy.end_run(trace)
        drawn.add(trace, strategy)
        first = first or trace
        if trace.failures:
            findings = confirm(runner, trace, first, number)
            if findings:
                return findings, "finding"
            unconfirmed.append((trace, number))
            if len(unconfirmed) == MOST_DOUBTFUL:
                break
        progress(runner.runs, runner.seconds, figures)
    if unconfirmed:
        return (doubtful(runner, *unconfirmed[0]),), "finding"
    if first is not None:
        _check_that_runs_repeat(runner, first)
    return (), stopped_by


def _limit_reached(runner: Runner, strategy: Strategy) -> str:
    searched = runner.runs - runner.judging
    if searched >= runner.limits.runs:
        return "runs"
    if runner.runs and runner.seconds >= runner.limits.seconds:
        return "time"
    if hasattr(strategy, "runs_left"):
        strategy.runs_left = runner.limits.runs - searched
    covers = getattr(strategy, "covers", False)  # then it sees for itself whether there is only one
    if runner.runs > 1 and runner.steps == 0 and not covers and not runner.instrument.shared_sites():
        return "one interleaving"
    return "" if strategy.start_run() else "strategy"


def _try_stored(runner: Runner, tokens: Sequence[str]) -> tuple[Finding, ...]:
    seed = runner.seed
    for text in tokens:
        try:
            token = decode(text)
        except TokenError:
            continue
        runner.seed = token.seed
        replaying = _learn(runner, token.schedule)
        replaying.start_run()
        trace = runner.examined(runner.run(replaying))
        if trace.failures and (findings := confirm(runner, trace, None, runner.runs)):
            return findings
        runner.seed = seed
    return ()


def _learn(runner: Runner, schedule: Schedule) -> Replay:
    """Run a schedule until all code that it meets has hooks and it is followed to its end, or does not fit."""
    runner.instrument.watch({switch.place for switch in schedule})
    replaying = Replay(schedule)
    for _ in range(ATTEMPTS):
        replaying.start_run()
        trace = runner.run(replaying)
        if trace.failures and not replaying.parted:
            break
    return replaying


def _does_not_fit(runner: Runner, token: Token, parted: str) -> str:
    reasons = [f"the schedule of this token no longer fits the code: {parted}"]
    if token.python != python_version():
        reasons.append(f"it was found by Python {token.python}, this is {python_version()}")
    if token.code != runner.instrument.fingerprint({switch.place for switch in token.schedule}):
        reasons.append("the code at the places that it names has changed")
    return f"{'; '.join(reasons)}. Run the test without --racecheck-replay to search anew."


def _check_that_runs_repeat(runner: Runner, first: Trace) -> None:
    one, *others = _repetitions(runner, first)
    for other in others:
        if one is None or other is None:
            continue
        if difference := first_difference(one, other):
            runner.uncontrolled[f"The same schedule does not repeat: {difference}."] = None
            return
        if changed := changed_values(one, other):
            runner.unproven[f"state leaks from run to run: {', '.join(changed)}"] = None


def _repetitions(runner: Runner, first: Trace) -> list[Trace | None]:
    """Some runs of one schedule, with the same choices if that can be: what one learns, the next is asked about."""
    traces: list[Trace | None] = []
    alike = 0
    while len(traces) < ATTEMPTS + REPETITIONS and alike < REPETITIONS:
        trace = runner.follow(first.schedule, recorded=True)
        traces.append(trace)
        alike = 0 if trace is not None and trace.learned else alike + 1
    return traces[-max(alike, REPETITIONS) :]


def _result(
    runner: Runner, strategy: str, findings: tuple[Finding, ...], stopped_by: str, *remarks: str
) -> Exploration:
    error = "" if findings else _nothing_explored(runner)
    used, idle = runner.suppressions()
    outcome: Outcome = "failed" if findings else "error" if error else "passed"
    return Exploration(
        outcome=outcome,
        runs=runner.runs,
        seconds=runner.seconds,
        strategy=strategy,
        seed=runner.seed,
        findings=findings,
        tasks=runner.tasks,
        choices=runner.choices,
        interleavings=len(runner.interleavings),
        stopped_by=stopped_by,
        uncontrolled=tuple(runner.uncontrolled),
        uninstrumented=runner.instrument.uninstrumented(),
        error=error,
        remarks=(*runner.leaked, *remarks),
        shared=runner.shared_sites(),
        interpreter=f"CPython {sys.version_info[0]}.{sys.version_info[1]}",
        gil=has_gil(),
        granularity="gil" if runner.limits.gil else "access",
        learning=runner.learning,
        races=runner.races(),
        benign=used,
        idle=idle,
    )


def _nothing_explored(runner: Runner) -> str:
    if runner.tasks < 2:
        return NO_SECOND_TASK
    return "" if runner.instrument.instrumented() else NO_CODE


def _no_progress(_runs: int, _seconds: float, _figures: Callable[[], Figures]) -> None:
    """Stands for a progress line that nobody wants."""
