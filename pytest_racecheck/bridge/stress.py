"""Stress mode: run the test with free threads, again and again, and hope.

Nothing is controlled here. On an interpreter with a GIL this finds little: it looks at switch requests at few places.
On a free-threaded build it is real parallelism.
"""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Final, NamedTuple

from pytest_racecheck.bridge.free_threads import EndlessError, eager_switching, run_at_once, uncaught_errors
from pytest_racecheck.core.ours import is_ours
from pytest_racecheck.core.protocols import Program
from pytest_racecheck.core.values import Exploration, Failure, Finding, Trace
from pytest_racecheck.report.fit import counted, plain, portable, sentence
from pytest_racecheck.report.summary import STRESS

STRATEGY: Final = STRESS
"""The name that reports have for it."""

HONEST: Final = (
    "Nothing was controlled: the threads ran freely (mode='stress'), so this failure may not come again, and there is "
    "nothing to replay. Without mode='stress' the interleaving is searched for, shown and replayed."
)

_NO_TRACE: Final = Trace(schedule=(), failures=(), steps=0, choices=0, tasks=(), fingerprint=0)


class Problem(NamedTuple):
    """What went wrong, and in which thread."""

    kind: str
    who: str
    error: BaseException


def stress(
    program: Program,
    *,
    runs: int,
    seconds: float,
    stuck: float,
    control: tuple[type[BaseException], ...] = (),
    progress: Callable[[int, float], None] | None = None,
) -> Exploration:
    """Run the program until something fails or the budget is spent.

    Exceptions of the types in ``control`` end it and are raised again, as does Ctrl-C. A run that is going on when the
    time is over gets ``stuck`` seconds in all before its threads count as endless.
    """
    began = time.monotonic()
    tasks = done = 0
    problems: list[Problem] = []
    with eager_switching():
        while not problems and done < runs and (not done or time.monotonic() - began < seconds):
            done += 1
            until = max(began + seconds, time.monotonic() + stuck)
            count, problems = _run(program, until, control)
            tasks = max(tasks, count)
            if progress is not None:
                progress(done, time.monotonic() - began)
    return _exploration(problems, runs=done, seconds=time.monotonic() - began, tasks=tasks, limit=runs)


def _run(program: Program, until: float, control: tuple[type[BaseException], ...]) -> tuple[int, list[Problem]]:
    try:
        bodies = program.set_up()
        problems = _run_bodies(bodies, until, control)
        return len(bodies), problems or _check(program, control)
    finally:
        program.tear_down()


def _run_bodies(
    bodies: Sequence[Callable[[], object]], until: float, control: tuple[type[BaseException], ...]
) -> list[Problem]:
    with uncaught_errors() as uncaught:
        calls = run_at_once(bodies, until)
    raised = [(call.name, call.error) for call in calls if call.error is not None]
    for _, error in raised:
        if isinstance(error, (KeyboardInterrupt, *control)):
            raise error
    problems = [Problem(_kind(error), name, error) for name, error in raised]
    return problems + [Problem("thread-exception", name, error) for name, error in uncaught]


def _check(program: Program, control: tuple[type[BaseException], ...]) -> list[Problem]:
    try:
        program.check()
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, *control)):
            raise
        return [Problem("invariant", "the invariant", error)]
    return []


def _kind(error: BaseException) -> str:
    if isinstance(error, EndlessError):
        return "hang"
    return "assertion" if isinstance(error, AssertionError) else "exception"


def _exploration(problems: list[Problem], *, runs: int, seconds: float, tasks: int, limit: int) -> Exploration:
    by_budget = "runs" if runs >= limit else "time"
    return Exploration(
        outcome="failed" if problems else "passed",
        runs=runs,
        seconds=seconds,
        strategy=STRATEGY,
        seed=0,
        findings=tuple(_finding(problem, runs) for problem in problems),
        tasks=tasks,
        stopped_by="finding" if problems else by_budget,
        uncontrolled=("the threads ran freely (mode='stress')",),
    )


def _finding(problem: Problem, run: int) -> Finding:
    message = _first_line(problem)
    failure = Failure(kind=problem.kind, message=message, exception=problem.error)
    places = traceback.extract_tb(problem.error.__traceback__)
    return Finding(
        kind=problem.kind,
        message=message,
        locations=tuple(f"{place.filename}:{place.lineno}" for place in places[-1:]),
        token="",
        trace=_NO_TRACE,
        failure=failure,
        run=run,
        sequential=False,
    )


def _first_line(problem: Problem) -> str:
    if problem.kind == "hang":
        return str(problem.error).partition(";")[0]
    text = "".join(traceback.format_exception_only(problem.error)).strip().partition("\n")[0]
    return f"{problem.who}: {text}"


def render_stress_failure(exploration: Exploration, *, root: str = "", width: int = 80) -> str:
    """The report of a failed stress test: every failure with its traceback, and what it is worth.

    Sentences are wrapped, tracebacks are not.
    """
    run, threads = f"{exploration.runs:,}", counted(exploration.tasks, "free thread")
    sections = [
        sentence(portable(exploration.findings[0].message, root), width, "", "  "),
        sentence(f"Failed in run {run}, with {threads} (mode='stress').", width),
        *(list(_told(finding, root)) for finding in exploration.findings),
        sentence(HONEST, width),
    ]
    return "\n\n".join("\n".join(section) for section in sections)


def _told(finding: Finding, root: str) -> Iterator[str]:
    error = finding.failure.exception
    if isinstance(error, EndlessError) or error is None:
        text = _without_our_frames(str(error))
    else:
        trace = traceback.format_exception(type(error), error, _without_ours(error.__traceback__))
        text = f"{finding.message.partition(':')[0]}:\n{''.join(trace)}"
    for line in portable(text.rstrip(), root).split("\n"):
        yield plain(line.expandtabs(4)).rstrip()


def _without_our_frames(text: str) -> str:
    """A stack as text without what started the thread, which ends in our own code."""
    frames = re.split(r'(?m)^(?=  File ")', text)
    ours = [index for index, frame in enumerate(frames) if is_ours(frame.removeprefix('  File "'))]
    begins = ours[-1] + 1 if ours and ours[-1] + 1 < len(frames) else 1
    return frames[0] + "".join(frames[begins:])


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace
