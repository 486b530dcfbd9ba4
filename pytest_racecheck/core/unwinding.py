"""The end of a run: every task that is still there is told to end, each in its own thread, one after another."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pytest_racecheck.core.forget import forget_thread
from pytest_racecheck.core.interrupt import Stillness, disarm, push, where_is
from pytest_racecheck.core.task import Task

if TYPE_CHECKING:
    from pytest_racecheck.core.controller import Controller

UNWIND_SECONDS: Final = 5.0
"""So long may a task that computes take to end once it was told to."""

PAUSE: Final = 0.05
"""Seconds until a task that does not end by itself is pushed, and pushed again."""

LOOKS: Final = 8
"""So many pauses in a row must show a task asleep before it is given up: what sleeps in C can't be pushed."""


def unwind(controller: Controller, host: Task | None, patience: Callable[[], float]) -> None:
    """End all tasks but the host, with their ``finally`` blocks; what can't be ended is lost, and said to be."""
    while True:
        task = _left(controller, host)
        if task is None:
            break
        _end(controller, task, patience)


def _left(controller: Controller, host: Task | None) -> Task | None:
    """A task that is still there: first the one that runs, which may be doing anything, starting another one too."""
    there: list[Task | None] = [controller.running, *controller.alive, *controller.away.values()]
    for task in there:
        if task is not None and task is not host and not task.ended and not task.lost:
            return task
    return None


def _end(controller: Controller, task: Task, patience: Callable[[], float]) -> None:
    if controller.running is not task:
        controller.running, controller.ident = task, task.ident
        task.unwinding = True
        if task.ident not in controller.away:
            task.baton.signal()
    if not _ends_within_pause(controller, task):
        _disturb(controller, task, patience)


def _ends_within_pause(controller: Controller, task: Task) -> bool:
    deadline = time.monotonic() + PAUSE
    while not task.ended:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        if controller.ended.wait_for(left):
            time.sleep(0)
    return True


def _disturb(controller: Controller, task: Task, patience: Callable[[], float]) -> None:
    """Push a task until it ends; its thread and its baton, which may keep traces of that, serve nobody after it.

    One that only waits for a processor, on a busy machine, is not pushed: it is on its way, as far as it can be.
    """
    stillness = Stillness(task.ident, task.native_id)
    stillness.look()
    began = time.monotonic()
    pushed = False
    while not task.ended and time.monotonic() - began < patience() and stillness.looks < LOOKS:
        if not stillness.starved:
            task.unwinding = pushed = True
            task.baton.signal()
            if not task.leaving and stillness.can_be_pushed():
                push(task.ident)
        _ends_within_pause(controller, task)
        stillness.look()
    disarm(task.ident)
    if pushed or not task.ended:
        controller.retire(task)
    if not task.ended:
        _lose(controller, task)


def _lose(controller: Controller, task: Task) -> None:
    task.lost = True
    controller.lost_threads.append(task.name)
    controller.not_controlled(f"task {task.id} could not be ended: it is at {where_is(task.ident)}")
    forget_thread(task.ident)
