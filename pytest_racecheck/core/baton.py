"""How one thread lets another go on: the cheapest thing the platform has that a thread can sleep on."""

from __future__ import annotations

import _thread
import os
import select
from collections.abc import Callable
from functools import partial
from typing import Protocol


class Baton(Protocol):
    """A counter of signals: `signal` adds one, `wait` takes one and sleeps while there is none."""

    signal: Callable[[], object]
    wait: Callable[[], object]

    def wait_for(self, seconds: float) -> bool:
        """Like `wait`, but give up after so many seconds; tell whether a signal was taken."""

    def close(self) -> None:
        """Give back what the platform lent."""


class EventfdBaton:
    """One Linux eventfd: 2.8 us a hand-off between pinned threads (docs/measurements.md)."""

    __slots__ = ("_descriptor", "signal", "wait")

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_SEMAPHORE)
        self.signal: Callable[[], object] = partial(os.eventfd_write, self._descriptor, 1)
        self.wait: Callable[[], object] = partial(_read, os.eventfd_read, self._descriptor)

    def wait_for(self, seconds: float) -> bool:
        """See `Baton`."""
        return _readable(self._descriptor, seconds) and bool(self.wait())

    def close(self) -> None:
        """See `Baton`."""
        os.close(self._descriptor)


class PipeBaton:
    """A pipe, where there is no eventfd."""

    __slots__ = ("_reader", "_writer", "signal", "wait")

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self.signal: Callable[[], object] = partial(os.write, self._writer, b"x")
        self.wait: Callable[[], object] = partial(_read, os.read, self._reader, 1)

    def wait_for(self, seconds: float) -> bool:
        """See `Baton`."""
        return _readable(self._reader, seconds) and bool(self.wait())

    def close(self) -> None:
        """See `Baton`."""
        os.close(self._reader)
        os.close(self._writer)


def _read(read: Callable[..., object], *arguments: object) -> object:
    """Read; again after a signal whose handler has raised nothing, which `os.eventfd_read` leaves to its caller."""
    while True:
        try:
            return read(*arguments)
        except InterruptedError:
            pass


def _readable(descriptor: int, seconds: float) -> bool:
    """Whether a descriptor has something to read within so many seconds; ``select`` knows only those below 1024."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


class LockBaton:
    """A bare lock, where pipes can't be selected on (Windows). Holds one signal at most, which is all we need."""

    __slots__ = ("_lock", "signal", "wait")

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._lock.acquire()
        self.wait: Callable[[], object] = self._lock.acquire
        self.signal: Callable[[], object] = self._release

    def _release(self) -> None:
        if self._lock.locked():
            self._lock.release()

    def wait_for(self, seconds: float) -> bool:
        """See `Baton`."""
        return self._lock.acquire(timeout=max(0.0, seconds))

    def close(self) -> None:
        """See `Baton`."""


def make_baton() -> Baton:
    """Make the cheapest baton that this platform has."""
    if hasattr(os, "eventfd"):
        return EventfdBaton()
    if os.name == "posix":
        return PipeBaton()
    return LockBaton()
