"""Time inside a run: virtual, it moves only when no task can; real on request."""

from __future__ import annotations

import math
import time
from typing import Final

POLLS: Final = 1000
"""So many looks at the clock without anything else happening; from then on each look moves it a little."""

TICK: Final = 0.001

SLICE: Final = 0.05
"""Seconds of real sleep at a time."""


class VirtualClock:
    """Seconds since the start of the run, which is a real instant: what a fixture has read before lies in the past.

    A task that does nothing but look at the clock would wait for ever; after `POLLS` looks in a row each one moves the
    clock by a millisecond.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.reset()

    def reset(self) -> None:
        """Go to the start of a run."""
        self.now = 0.0
        self._looks = 0
        self._epoch = _exact(time.time())
        self._monotonic = _exact(time.monotonic())
        self._performance = _exact(time.perf_counter())

    def state(self) -> tuple[float, ...]:
        """What another process needs to go on with the same time, see `clock_of`."""
        return (self.now, self._epoch, self._monotonic, self._performance)

    def advance_to(self, instant: float) -> None:
        """Move forward; going back is not possible."""
        self.now = max(self.now, instant)
        self._looks = 0

    def time(self) -> float:
        """What `time.time` says inside a run."""
        return self._look(self._epoch)

    def monotonic(self) -> float:
        """What `time.monotonic` says inside a run."""
        return self._look(self._monotonic)

    def perf_counter(self) -> float:
        """What `time.perf_counter` says inside a run."""
        return self._look(self._performance)

    def _look(self, base: float) -> float:
        self._looks += 1
        if self._looks > POLLS:
            self.now += TICK
        return base + self.now


class RealClock(VirtualClock):
    """The clock of the machine, for code whose time must not be made up: it can't be moved, only waited for."""

    @property
    def now(self) -> float:
        """Seconds since the start of the run."""
        return time.monotonic() - self._began

    @now.setter
    def now(self, _instant: float) -> None:
        """Time goes on by itself."""

    def reset(self) -> None:
        """See `VirtualClock`."""
        self._began = time.monotonic()

    def state(self) -> tuple[float, ...]:
        """See `VirtualClock`."""
        return (self._began,)

    def advance_to(self, instant: float) -> None:
        """Wait for the instant; in slices, so that the thread can be told to end."""
        while (left := instant - self.now) > 0:
            time.sleep(min(left, SLICE))

    def time(self) -> float:
        """See `VirtualClock`."""
        return time.time()

    def monotonic(self) -> float:
        """See `VirtualClock`."""
        return time.monotonic()

    def perf_counter(self) -> float:
        """See `VirtualClock`."""
        return time.perf_counter()


def clock_of(state: tuple[float, ...]) -> VirtualClock:
    """Make a clock that goes on where another one is."""
    if len(state) == 1:
        real = RealClock()
        real._began = state[0]
        return real
    clock = VirtualClock()
    clock.now, clock._epoch, clock._monotonic, clock._performance = state
    return clock


def _exact(instant: float) -> float:
    """The next instant to which whole seconds, and halves of halves of them, can be added without rounding."""
    return math.ceil(instant * 1024) / 1024
