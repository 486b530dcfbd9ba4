"""Makes failures out of exceptions and of tasks that cannot move."""

from __future__ import annotations

import re
import signal
import traceback
from collections.abc import Iterator, Sequence
from types import CodeType, TracebackType
from typing import Final

from pytest_racecheck.core.errors import Unwind
from pytest_racecheck.core.interrupt import where_is
from pytest_racecheck.core.ours import is_ours
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import Failure, Site, TaskId

MOST_FRAMES: Final = 20
"""So many places on the way to an exception are told, the innermost first."""

DEEPEST: Final = 5
"""So many exceptions behind one another are told of."""

MOST_MEMBERS: Final = 8
"""So many members of a group of exceptions."""


_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")


def failure_of(exception: BaseException, task: Task | None, kind: str = "") -> Failure:
    """Make the failure of an exception that a body, a thread's target or an invariant has raised."""
    frames = _frames(exception.__traceback__)
    code, line = frames[-1] if frames else (None, 0)
    if isinstance(exception, RecursionError):
        code = None  # how deep that is, and so where, differs from run to run
    summary = "\n".join([summary_of(exception), *behind(exception)])
    kind = kind or ("assertion" if isinstance(exception, AssertionError) else "exception")
    return Failure(
        kind=kind,
        message=summary,
        task=task.id if task else None,
        exception=exception,
        place=f"{code.co_qualname}+{line - code.co_firstlineno}" if code else "",
        locations=tuple(f"{code.co_filename}:{line}" for code, line in reversed(frames[-MOST_FRAMES:])),
    )


def summary_of(exception: BaseException) -> str:
    """Type and message of an exception, and its notes; without the colours that pytest gives to values."""
    return _COLOUR.sub("", "".join(traceback.format_exception_only(exception))).strip()


def behind(exception: BaseException, depth: int = 0) -> list[str]:
    """Indented lines on what an exception was raised from or while, and on the members of a group; innermost last."""
    lines: list[str] = []
    if depth == DEEPEST:
        return lines
    for word, other in _others(exception):
        first, *more = summary_of(other).split("\n")
        frames = _frames(other.__traceback__)
        where = f", at {frames[-1][0].co_filename}:{frames[-1][1]}" if frames else ""
        indent = "  " * (depth + 1)
        lines.append(f"{indent}{word} {first}{where}")
        lines += [f"{indent}  {line}" for line in more[:MOST_MEMBERS]]
        lines += behind(other, depth + 1)
    return lines


def _others(exception: BaseException) -> Iterator[tuple[str, BaseException]]:
    """What there is to tell of beside an exception, each with the word for it."""
    if isinstance(exception, BaseExceptionGroup):
        for member in exception.exceptions[:MOST_MEMBERS]:
            yield "member:", member
    cause, context = exception.__cause__, exception.__context__
    if cause is not None:
        yield "caused by", cause
    elif context is not None and not exception.__suppress_context__ and not isinstance(context, Unwind):
        yield "while handling", context


def deadlock(tasks: Sequence[Task]) -> Failure:
    """Make the failure of tasks that all wait for each other, or for what nobody will do."""
    waiting = sorted(tasks, key=lambda task: task.index)
    lines = ["deadlock: every task waits, none can go on", *map(_wait, waiting)]
    cycle = _cycle(waiting)
    if cycle:
        lines.append(f"  cycle: {' -> '.join(f'task {task.id}' for task in (*cycle, cycle[0]))}")
    return Failure(
        kind="deadlock",
        message="\n".join(lines),
        task=waiting[0].id if waiting else None,
        place=" ".join(sorted({task.operation.site.key for task in waiting})),
        locations=tuple(f"{task.operation.site.filename}:{task.operation.site.line}" for task in waiting),
    )


def _cycle(waiting: Sequence[Task]) -> list[Task]:
    """Tasks each of which waits for the next, and the last for the first; nothing if nobody is known to wait so."""
    ended: set[TaskId] = set()
    for start in waiting:
        path: list[Task] = []
        task: Task | None = start
        while task is not None and task.id not in ended:
            if task in path:
                return path[path.index(task) :]
            path.append(task)
            task = next((each for each in (task.whom() if task.whom else ()) if each in waiting), None)
        ended.update(each.id for each in path)
    return []


def waiting_for(task: Task) -> str:
    """What a task that cannot move waits for."""
    return task.explain() if task.explain else f"waits to {task.operation.kind}"


def left_behind(task: Task) -> str:
    """Say that a task was still there when the test was over."""
    started = f", started at {task.spawned_at}," if task.spawned_at else ""
    name = "" if re.match(r"Thread-\d+", task.name) else f" ({task.name})"  # counted on from run to run
    return f"task {task.id}{name}{started} still waited when the test was over, at {place_of(task.operation.site)}"


def too_many_steps(task: Task, steps: int) -> Failure:
    """Make the failure of a run that was cut off; wherever that was, it is the same failure."""
    site = task.operation.site
    where = place_of(site) if site.filename else where_is(task.ident)
    return Failure(
        kind="step-limit",
        message=f"no end after {steps} operations\n"
        f"  task {task.id} is at {where}; a test that is really so long needs a larger steps=",
        task=task.id,
        locations=(where.partition(" in ")[0],),
    )


def hang(task: Task, seconds: float, where: str) -> Failure:
    """Make the failure of a task that goes on without ever reaching an operation."""
    return Failure(
        kind="hang",
        message=f"no end: task {task.id} ran for {seconds:.1f} seconds without reaching an operation\n"
        f"  it was at {where}; a test that really computes so long needs a larger stuck=",
        task=task.id,
        locations=(where.partition(" in ")[0],),
    )


def blocked_outside(away: Sequence[Task], seconds: float, places: Sequence[str], waiting: Sequence[Task]) -> Failure:
    """Make the failure of tasks that wait, and wait, for something that is not under control."""
    lines = [f"no end: nothing has moved for {seconds:.1f} seconds"]
    blocked = zip(away, places, strict=True)
    lines += [f"  task {task.id} is blocked outside our control, at {place}" for task, place in blocked]
    lines += map(_wait, waiting)
    return Failure(
        kind="hang",
        message="\n".join(lines),
        task=away[0].id if away else None,
        locations=tuple(place.partition(" in ")[0] for place in places),
    )


def crash(task: Task, code: int | None, *, own_doing: bool) -> Failure:
    """Make the failure of a process that came to an end without a word; ``code`` as ``Process.exitcode`` says it.

    ``own_doing`` says that it sent the signal itself.
    """
    site = task.operation.site
    lines = [f"the process of task {task.id} {_ended_how(code)}"]
    if site.filename:
        lines.append(f"  it was last seen at {place_of(site)}")
    if own_doing:
        lines.append("  it has sent that to itself")
    elif code == -signal.SIGKILL:
        lines.append("  nobody in the test has sent that: it is what happens when memory runs out")
    return Failure(
        kind="crash",
        message="\n".join(lines),
        task=task.id,
        place=f"{code} {site.key}",
        locations=(f"{site.filename}:{site.line}",) if site.filename else (),
    )


def strayed(task: Task) -> Failure:
    """Make the failure of a process that would have gone on to run the rest of the test session once more."""
    return Failure(
        kind="exit",
        message=f"task {task.id}, a process that was forked, came out of the function that forked it\n"
        "  it would run the rest of the test, and of the session, a second time: end it with os._exit()",
        task=task.id,
    )


def _ended_how(code: int | None) -> str:
    if code is None:
        return "has ended, nobody knows how"
    if code >= 0:
        return f"has ended with exit code {code}, from within C code"
    return f"was killed by signal {-code} ({name_of_signal(-code)})"


def name_of_signal(number: int) -> str:
    """What a signal is called."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def place_of(site: Site) -> str:
    """Say where a site is: ``file:line in function``."""
    return f"{site.filename}:{site.line} in {site.qualname}" if site.filename else site.key


def _wait(task: Task) -> str:
    return f"  task {task.id} {waiting_for(task)}, at {place_of(task.operation.site)}"


def _frames(trace: TracebackType | None) -> list[tuple[CodeType, int]]:
    """The frames of the code under test, outermost first."""
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(trace)]
    return [(code, line) for code, line in frames if not is_ours(code.co_filename)]
