"""Runs callables at once inside a run: what ``racecheck.run`` does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from types import FrameType
from typing import TypeVar, cast

from pytest_racecheck.core.controller import active_controller
from pytest_racecheck.core.errors import RacecheckError
from pytest_racecheck.core.ours import is_ours
from pytest_racecheck.core.task import Task, special_site
from pytest_racecheck.core.values import Operation, Site

T = TypeVar("T")


def run_together(callables: Sequence[Callable[[], T]]) -> list[T]:
    """Run callables as tasks at once, children of the calling task; return their results in order.

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
            if controller.recorder is not None and controller.running is not None:
                controller.results[controller.running.id] = results[position]
        except Exception as error:
            errors[position] = error
        if controller.running is not None:
            controller.touch("end", id(controller.running))

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
