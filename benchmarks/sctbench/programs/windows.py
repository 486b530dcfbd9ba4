"""CS.bluetooth_driver, CS.reorder, CS.twostage, CS.wronglock: another thread gets in between two accesses."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence

from sctbench.atomic import Atomic
from sctbench.program import Body, Program


class BluetoothDriver(Program):
    """The driver looks whether it is being stopped, and only then counts its request: it may be stopped in between.

    From S. Qadeer and D. Wu, "KISS: keep it simple and sequential" (PLDI 2004).
    """

    def __init__(self) -> None:
        self.pending = Atomic(1)
        self.stopping = False
        self.event = False
        self.stopped = False

    def bodies(self) -> Sequence[Body]:
        """The driver, in the original's main thread, and the one who stops it."""
        return [self.request, self.stop]

    def stop(self) -> None:
        self.stopping = True
        self.decrement()
        if self.event:
            self.stopped = True

    def request(self) -> None:
        if self.increment():
            assert not self.stopped
        self.decrement()

    def increment(self) -> bool:
        if self.stopping:
            return False
        self.pending.add(1)
        return True

    def decrement(self) -> None:
        if self.pending.add(-1) == 0:
            self.event = True


class BluetoothDriverRight(BluetoothDriver):
    """Counts its request before it looks."""

    def increment(self) -> bool:
        self.pending.add(1)
        return not self.stopping


class Reorder(Program):
    """Setters write ``a`` and then ``b``; checkers expect both old or both new."""

    def __init__(self, setters: int, checkers: int = 1) -> None:
        self.lock = threading.Lock()
        self.setters, self.checkers = setters, checkers
        self.a = self.b = 0

    def bodies(self) -> Sequence[Body]:
        """The setters, then the checkers."""
        return [self.write] * self.setters + [self.look] * self.checkers

    def write(self) -> None:
        self.a = 1
        self.b = -1

    def look(self) -> None:
        assert (self.a == 0 and self.b == 0) or (self.a == 1 and self.b == -1)


class ReorderRight(Reorder):
    """Both variables under one lock."""

    def write(self) -> None:
        with self.lock:
            super().write()

    def look(self) -> None:
        with self.lock:
            super().look()


class TwoStage(Program):
    """Writers derive a second number from a first one, each under a lock of its own; one reads them in between."""

    def __init__(self, writers: int = 1) -> None:
        self.lock1, self.lock2 = threading.Lock(), threading.Lock()
        self.writers = writers
        self.data1 = self.data2 = 0

    def bodies(self) -> Sequence[Body]:
        """The writers, then the reader."""
        return [self.write] * self.writers + [self.read]

    def write(self) -> None:
        with self.lock1:
            self.data1 = 1
        with self.lock2:
            self.data2 = self.data1 + 1

    def read(self) -> None:
        with self.lock1:
            if self.data1 == 0:
                return
            one = self.data1
        with self.lock2:
            two = self.data2
        assert two == one + 1


class TwoStageRight(TwoStage):
    """Holds the first lock over both stages."""

    def write(self) -> None:
        with self.lock1:
            self.data1 = 1
            with self.lock2:
                self.data2 = self.data1 + 1

    def read(self) -> None:
        with self.lock1:
            if self.data1 == 0:
                return
            one = self.data1
            with self.lock2:
                two = self.data2
        assert two == one + 1


class WrongLock(Program):
    """One counts under one lock, all others under another."""

    def __init__(self, others: int = 7) -> None:
        self.data_lock, self.this_lock = threading.Lock(), threading.Lock()
        self.others = others
        self.value = 0

    def bodies(self) -> Sequence[Body]:
        """The one, then the others."""
        return [self.count_and_look, *[functools.partial(self.count, self.this_lock)] * self.others]

    def count_and_look(self) -> None:
        with self.data_lock:
            before = self.value
            self.value += 1
            assert self.value == before + 1

    def count(self, lock: threading.Lock) -> None:
        with lock:
            self.value += 1


class WrongLockRight(WrongLock):
    """All take the same lock."""

    def bodies(self) -> Sequence[Body]:
        """The one, then the others."""
        return [self.count_and_look, *[functools.partial(self.count, self.data_lock)] * self.others]
