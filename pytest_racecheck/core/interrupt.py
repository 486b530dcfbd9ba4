"""Looks at threads from outside, and raises exceptions in them."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from pytest_racecheck.core.errors import Unwind
from pytest_racecheck.core.ours import is_ours

LINUX: Final = sys.platform == "linux"

ASLEEP: Final = 0.002
"""Seconds of processor time that a sleeping thread may use between two looks."""

STARVED: Final = 0.05
"""Seconds of processor time until one that is always ready to run counts as computing."""


class Actor(Protocol):
    """Acts in this process for a thread of another one."""

    def where(self) -> str:
        """See `where_is`."""

    def folder(self) -> Path:
        """Where the kernel tells of the thread."""

    def is_served(self) -> bool:
        """Whether the thread may sleep only as it waits for an answer of this process."""

    def push(self) -> None:
        """Make the thread end."""

    def user_place(self) -> tuple[str, int, str] | None:
        """File, line and function of the innermost code in scope that it is in."""


ACTING: Final[dict[int, Actor]] = {}
"""Threads of this process that act for one of another process, which is the one that this module is to look at."""

_set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc


class _LastPush(Unwind):
    """Follows on the first push, see `push_for`."""


_pushes: Final[dict[int, type[Unwind]]] = {}
"""The exceptions that have been made for threads, and come twice as yet."""


def push_for(ident: int) -> type[Unwind]:
    """Make the exception that pushes a thread: one that comes twice.

    Code that catches everything in a loop, ``while True: try: ... except: pass``, catches the first one. When it lets
    go of it, it is outside of its ``try``, and there the second one is raised. The finaliser that does it has no Python
    code: an exception that is set from outside is raised in the next Python code of its thread.
    """
    known = _pushes.get(ident)
    if known is None:
        second = partial(_set_exception, ctypes.c_ulong(ident), ctypes.py_object(_LastPush))
        known = _pushes[ident] = type("Push", (Unwind,), {"__del__": staticmethod(second)})
    return known


def disarm(ident: int) -> None:
    """No push that a thread has got comes a second time: it has reached us, and no longer can whoever let go of it."""
    pushed = _pushes.pop(ident, None)
    if pushed is not None:
        del pushed.__del__  # type: ignore[attr-defined]


def calm(ident: int) -> None:
    """The same in that thread itself, which has caught a push: one more that is on its way is raised, and ends, here.

    To take it back would be worse: Python 3.11 then looks for it for ever, see `Stillness.can_be_pushed`.
    """
    if ident in _pushes:
        disarm(ident)
        try:
            settle()
        except Unwind:
            pass


def push(ident: int) -> None:
    """Raise an exception in another thread as soon as it executes Python code."""
    actor = ACTING.get(ident)
    if actor is not None:
        actor.push()
        return
    _set_exception(ctypes.c_ulong(ident), ctypes.py_object(push_for(ident)))


def settle() -> None:
    """A push that the code before has swallowed is raised here for the second time, not where nobody expects it."""


class Stillness:
    """Tells by several looks whether a thread sleeps where it can't be woken by Python."""

    def __init__(self, ident: int, native_id: int) -> None:
        self.looks = 0
        """So many looks in a row have found it asleep."""
        self.looked = 0
        self.starved = False
        """It is ready to run, but has hardly got a processor since the first look: the machine is busy."""
        self.used: float | None = None
        """Seconds of processor time that it had used at the last look; ``None`` where the platform doesn't tell."""
        self._at_first: float | None = None
        self._ident = ident
        self._native_id = native_id

    def look(self) -> int:
        """Look once more; return `looks`."""
        used = cpu_seconds(self._ident, self._native_id)
        if self._at_first is None:
            self._at_first = used
        still = used is not None and self.used is not None and used - self.used < ASLEEP
        sleeps = _sleeps(self._ident, self._native_id)
        self.starved = used is not None and used - (self._at_first or 0.0) < STARVED and not sleeps
        self.looks = self.looks + 1 if still and sleeps else 0
        self.used = used
        self.looked += 1
        return self.looks

    def can_be_pushed(self) -> bool:
        """Whether the thread will notice soon, as far as that matters.

        As long as an exception is set for a thread that sleeps, Python 3.11 can't call a function in any other thread
        that is traced or profiled: it runs in a circle (in DO_TRACING, which looks for that exception before RESUME).
        """
        return sys.version_info >= (3, 12) or (self.looked > 1 and not self.looks) or self._ident in ACTING

    def has_moved(self) -> bool:
        """Whether it has done anything at all since the last look."""
        return cpu_seconds(self._ident, self._native_id) != self.used


def where_is(ident: int) -> str:
    """Say where in the code a thread is now: ``file:line in function``, and the caller's place if that is ours."""
    actor = ACTING.get(ident)
    if actor is not None:
        return actor.where()
    frame = sys._current_frames().get(ident)
    while frame is not None and is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return "no Python code"
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"


def cpu_seconds(ident: int, native_id: int) -> float | None:
    """How much processor time a thread has used; ``None`` where the platform doesn't tell, or the thread is gone."""
    if native_id and LINUX:
        try:
            return int((_folder(ident, native_id) / "schedstat").read_text(encoding="ascii").split()[0]) / 1e9
        except (OSError, ValueError, IndexError):
            pass
    if ident in ACTING or not hasattr(time, "pthread_getcpuclockid"):
        return None
    try:
        return time.clock_gettime(time.pthread_getcpuclockid(ident))
    except OSError:
        return None


def is_main_thread(ident: int) -> bool:
    """Whether it is the thread that gets the signals."""
    return threading.main_thread().ident == ident


def _folder(ident: int, native_id: int) -> Path:
    actor = ACTING.get(ident)
    return actor.folder() if actor is not None else Path(f"/proc/self/task/{native_id}")


def _sleeps(ident: int, native_id: int) -> bool:
    """Whether the kernel says that the thread sleeps; where it doesn't tell, the unused processor time decides."""
    actor = ACTING.get(ident)
    if actor is not None and actor.is_served():
        return False
    if not native_id:
        return True
    try:
        status = (_folder(ident, native_id) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] in "SD"
