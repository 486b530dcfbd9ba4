"""Runs callables in real threads that nobody controls, started at a barrier; whatever they raise is a result."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

T = TypeVar("T")

SWITCH_INTERVAL: Final = 1e-6
"""Seconds after which the interpreter asks a running thread to let go of the GIL."""


class EndlessError(Exception):
    """A thread had not ended when the time was over; the message says where it was."""


@dataclass(slots=True)
class Call:
    """One callable, its thread, and what became of it. ``error`` and ``result`` are written by the thread alone."""

    name: str
    function: Callable[[], object]
    error: BaseException | None = None
    result: object = None
    thread: threading.Thread = field(init=False)

    def start(self, barrier: threading.Barrier) -> None:
        """Start the thread, which waits for the others first."""
        # A daemon: one that never ends must not keep the interpreter from ending.
        self.thread = threading.Thread(target=self._call, args=(barrier,), name=self.name, daemon=True)
        self.thread.start()

    def _call(self, barrier: threading.Barrier) -> None:
        try:
            barrier.wait()
            self.result = self.function()
        except BaseException as error:
            self.error = error

    def where(self) -> str:
        """The stack of the thread, as text."""
        frame = sys._current_frames().get(self.thread.ident or 0)
        return "".join(traceback.format_stack(frame)).rstrip() if frame else "  (it has just ended)"


def run_at_once(functions: Sequence[Callable[[], object]], until: float) -> list[Call]:
    """Run all at once and wait for their ends, at most until the clock (`time.monotonic`) says ``until``.

    A call whose thread goes on has an `EndlessError`.
    """
    barrier = threading.Barrier(len(functions))
    calls = [Call(f"racecheck-{index}", function) for index, function in enumerate(functions)]
    try:
        for call in calls:
            call.start(barrier)
        for call in calls:
            call.thread.join(max(0.0, until - time.monotonic()))
    except BaseException:
        barrier.abort()
        raise
    for call in calls:
        if call.thread.is_alive():
            call.error = EndlessError(f"thread {call.name} has not ended; it is at\n{call.where()}")
    return calls


def results_of(functions: Sequence[Callable[[], T]], until: float) -> list[T]:
    """Like `run_at_once`, but return the results and raise what was raised."""
    calls = run_at_once(functions, until)
    errors = [call.error for call in calls if call.error is not None]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup("several threads failed", errors)
    return [call.result for call in calls]  # type: ignore[misc]


@contextmanager
def eager_switching(seconds: float = SWITCH_INTERVAL) -> Iterator[None]:
    """Make the interpreter switch threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def uncaught_errors() -> Iterator[list[tuple[str, BaseException]]]:
    """Collect what threads raise that the code under test starts and nobody asks: thread's name and exception."""
    found: list[tuple[str, BaseException]] = []
    before = threading.excepthook

    def keep(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None and arguments.exc_type is not SystemExit:
            found.append((arguments.thread.name if arguments.thread else "?", arguments.exc_value))

    threading.excepthook = keep
    try:
        yield found
    finally:
        threading.excepthook = before
