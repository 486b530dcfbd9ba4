"""Runs callables at once inside a run: what ``racecheck.run`` does."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from multiprocessing.reduction import ForkingPickler
from types import FrameType
from typing import Any, TypeVar, cast

from pytest_racecheck.core.abroad import InProcess, process_key
from pytest_racecheck.core.carried import exception_data, exception_of
from pytest_racecheck.core.controller import active_controller
from pytest_racecheck.core.errors import RacecheckError, RacecheckInternalError
from pytest_racecheck.core.ours import is_ours
from pytest_racecheck.core.task import Task, special_site
from pytest_racecheck.core.values import Operation, Site

T = TypeVar("T")


def run_together(callables: Sequence[Callable[[], T]], *, method: str | None = None) -> list[T]:
    """Run callables as tasks at once, children of the calling task; return their results in order.

    With a start method each has a process of its own, and what it returns or raises comes back as data.

    Raises: what a callable raised; an ExceptionGroup if several did; RacecheckError outside a run.
    """
    controller = active_controller()
    if controller is None:
        raise RacecheckError("racecheck.run() can only be called by a checked test while it runs")
    site = _site_of_caller()
    results: list[T | None] = [None] * len(callables)
    errors: dict[int, Exception] = {}

    def body(position: int) -> None:
        controller.on_task_start(callables[position])
        try:
            results[position] = callables[position]()
        except Exception as error:
            errors[position] = error
        if controller.running is not None:
            controller.touch("end", id(controller.running))

    if method is not None:
        ids = controller.start_processes([InProcess(partial(_call, each), method) for each in callables])
        for position, task_id in enumerate(ids):
            operation = Operation("join", site, controller.shared_things.number(process_key(task_id)))
            controller.reach_ends(operation, [task_id], None)
            results[position] = _result(controller.result_of(task_id), position, errors)
    else:
        for child in controller.start_together([partial(body, position) for position in range(len(callables))]):
            controller.reach(
                Operation("join", site, id(child)),
                partial(_goes_on, child),
                explain=partial(_waits_for, child),
                whom=lambda child=child: [child],  # type: ignore[misc]
            )
    if len(errors) == 1:
        raise next(iter(errors.values()))
    if errors:
        raise ExceptionGroup(
            f"{len(errors)} of {len(callables)} callables failed", [errors[position] for position in sorted(errors)]
        )
    return cast("list[T]", results)


def _call(function: Callable[[], object]) -> None:
    """In the process of a callable: call it, and say what came of it."""
    controller = active_controller()
    if controller is None:
        raise RacecheckInternalError("a process of racecheck.run() does not take part in the run")
    try:
        result = function()
    except Exception as error:
        with controller.unhooked():
            told: tuple[bool, object] = (False, exception_data(error))
    else:
        with controller.unhooked():
            told = _pickled(function, result)
    controller.tell_result(*told)


def _pickled(function: Callable[[], object], result: object) -> tuple[bool, object]:
    try:
        return True, bytes(ForkingPickler.dumps(result))
    except Exception as error:
        name = getattr(function, "__qualname__", repr(function))
        what = f"what {name} returned, a {type(result).__name__}, can't be sent back from its process: {error}"
        return False, exception_data(TypeError(what))


def _result(told: tuple[bool, Any] | None, position: int, errors: dict[int, Exception]) -> Any:
    if told is None:
        errors[position] = RuntimeError("the process ended before it had a result")
        return None
    is_result, data = told
    if is_result:
        return pickle.loads(data)  # noqa: S301  (the test's own process has made it, just now)
    error = exception_of(data)
    errors[position] = error if isinstance(error, Exception) else RuntimeError(str(error))
    return None


@lru_cache(maxsize=256)
def _site(filename: str, line: int, qualname: str) -> Site:
    """Where ``racecheck.run`` is called; its key names no line, so that an edit above does not matter."""
    site = special_site("together")
    site.filename, site.line, site.qualname = filename, line, qualname
    return site


def _site_of_caller() -> Site:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return (
        _site("", 0, "") if frame is None else _site(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)
    )


def _goes_on(task: Task) -> bool:
    return not task.ended


def _waits_for(task: Task) -> str:
    return f"waits for task {task.id}"
