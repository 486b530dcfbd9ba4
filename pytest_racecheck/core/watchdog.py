"""Looks at a run from outside: a task that no longer announces anything computes, is blocked, or never ends."""

from __future__ import annotations

import _thread
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.failures import blocked_outside, deadlock, hang
from pytest_racecheck.core.interrupt import Stillness, is_main_thread, push, push_for, where_is
from pytest_racecheck.core.task import Task

INTERVAL: Final = 0.1
"""Seconds between two looks."""

LOOKS: Final = 3
"""So many looks in a row must show a task asleep before it counts as blocked."""

PATIENCE_LEFT: Final = 5
"""After the first run that hung, the next ones are given up so many times sooner: most repeat what it did."""

SHORTEST_PATIENCE: Final = 1.0


@contextmanager
def watched(controller: Controller, stuck_seconds: float) -> Iterator[None]:
    """Watch the runs of a controller for the length of the block; to be called in the thread that explores."""
    watchdog = Watchdog(controller, stuck_seconds)
    with _signals_told(controller):
        watchdog.start()
        try:
            yield
        finally:
            watchdog.stop()


@contextmanager
def _signals_told(controller: Controller) -> Iterator[None]:
    """Make Ctrl-C end the run even where the test catches everything, and let the watchdog push the main thread."""
    before: Any = signal.getsignal(signal.SIGINT)
    ignored = before is signal.SIG_IGN  # as in a job in the background of a shell
    if not is_main_thread(_thread.get_ident()) or not (ignored or callable(before)):
        yield
        return

    def on_sigint(number: int, frame: FrameType | None) -> None:
        if controller.wanted_push:
            controller.wanted_push = False
            if controller.pushable and controller.ending and controller.starting != _thread.get_ident():
                raise push_for(_thread.get_ident())
        elif not ignored:
            controller.interrupt()
            # Else it is heard as soon as the new thread is a task, or as the run has been cleared away.
            if controller.starting != _thread.get_ident() and not controller.deaf:
                before(number, frame)

    signal.signal(signal.SIGINT, on_sigint)
    controller.hears_signals = True
    try:
        yield
    finally:
        controller.hears_signals = False
        signal.signal(signal.SIGINT, before)


class Watchdog:
    """A thread that looks ten times a second; it acts only when nothing was announced for a while."""

    def __init__(self, controller: Controller, stuck_seconds: float) -> None:
        self._controller = controller
        self._patience = stuck_seconds
        self._stop = _thread.allocate_lock()
        self._ended = _thread.allocate_lock()
        self._seen: tuple[object, ...] = ()
        self._since = 0.0
        self._stillness: Stillness | None = None

    def start(self) -> None:
        """Begin to look."""
        self._stop.acquire()
        self._ended.acquire()
        _thread.start_new_thread(self._watch, ())

    def stop(self) -> None:
        """Stop looking, and wait until it has."""
        self._stop.release()
        self._ended.acquire()

    def _watch(self) -> None:
        self._controller.own_idents.add(_thread.get_ident())
        try:
            while not self._stop.acquire(timeout=INTERVAL):
                self._look()
        finally:
            self._ended.release()

    def _look(self) -> None:
        controller = self._controller
        task = controller.running
        seen = (controller.path, controller.steps, controller.quiet, task, len(controller.away), controller.ending)
        now = time.monotonic()
        if not controller.tasks or not _same(seen, self._seen):
            self._seen, self._since, self._stillness = seen, now, None
        elif controller.ending:
            self._push(controller.host)
        elif task is None:
            if controller.stalled:  # else the run is just beginning, and the thread that does it is slow
                self._nobody_moves(seen[0], now - self._since)
        else:
            self._one_is_silent(seen[0], task, now - self._since)

    def _one_is_silent(self, run: object, task: Task, silent: float) -> None:
        if self._stillness is None:
            self._stillness = Stillness(task.ident, task.native_id)
        ours = self._controller.starting == task.ident  # what it waits for, if it sleeps
        if self._stillness.look() >= LOOKS and self._controller.ident == task.ident and not ours:
            sentence = f"task {task.id} was blocked outside our control, at {where_is(task.ident)}"
            self._controller.set_aside(task, sentence, self._stillness.has_moved)
        elif silent > self._patience and (ours or not self._stillness.looks):
            self._give_up(run, task, hang(task, silent, where_is(task.ident)))

    def _nobody_moves(self, run: object, silent: float) -> None:
        controller = self._controller
        deadline = controller.next_deadline()
        if silent > self._patience and not controller.away and deadline == math.inf:
            self._give_up(run, None, deadlock(controller.alive))
        elif silent > self._patience and controller.away:
            away = list(controller.away.values())
            failure = blocked_outside(away, silent, [where_is(task.ident) for task in away], controller.alive)
            self._give_up(run, None, failure)
        elif silent >= min(deadline, self._patience):
            controller.wake_sleeper()
        else:
            controller.resume()

    def _give_up(self, run: object, task: Task | None, failure: Any) -> None:
        if self._controller.give_up(task, run, failure):
            self._patience = max(min(SHORTEST_PATIENCE, self._patience), self._patience / PATIENCE_LEFT)
            self._push(self._controller.host)

    def _push(self, host: Task | None) -> None:
        """Wake the thread that explores, should it be the one that hangs; the others are pushed by that one."""
        controller = self._controller
        if host is None or not controller.pushable:
            return
        if controller.hears_signals and hasattr(signal, "pthread_kill"):
            controller.wanted_push = True
            signal.pthread_kill(host.ident, signal.SIGINT)
        else:
            push(host.ident)


def _same(seen: tuple[object, ...], before: tuple[object, ...]) -> bool:
    return bool(before) and seen[0] is before[0] and seen[1:] == before[1:]
