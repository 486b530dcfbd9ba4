"""inspect.qsort_mt: FreeBSD's quicksort with a pool of threads, which are told to work before they are told on what."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence

from sctbench.program import Body, Program


class Slot:
    """One thread of the pool: what it is told to do, and the part of the data that it is to sort."""

    def __init__(self) -> None:
        self.state = "idle"
        self.mutex = threading.Lock()
        self.told = threading.Condition(self.mutex)
        self.start = self.length = 0


class QuickSort(Program):
    """An idle thread of the pool is marked as working before the lock of its slot is taken, and its part filled in.

    If it looks in between it leaves its waiting loop, sorts the part that it had before, and the new one never is.
    """

    threads = 2
    smallest = 2
    """Parts up to this length are sorted at once."""

    def __init__(self) -> None:
        self.data = [4, 2, 3, 1, 7, 6, 5, 8]
        self.allocator = threading.Lock()
        self.pool = [Slot() for _ in range(self.threads)]
        self.idle = self.threads

    def bodies(self) -> Sequence[Body]:
        """The original's main thread, and the pool."""
        return [self.start, *[functools.partial(self.work, slot) for slot in self.pool]]

    def start(self) -> None:
        slot = self.pool[0]
        with slot.mutex:
            slot.start, slot.length = 0, len(self.data)
            slot.state = "work"
            self.idle -= 1
            slot.told.notify()

    def work(self, slot: Slot) -> None:
        while self.told_to_work(slot):
            self.sort(slot.start, slot.length)
            with self.allocator:
                slot.state = "idle"
                self.idle += 1
                if self.idle == self.threads:
                    self.end_others(slot)
                    return

    def told_to_work(self, slot: Slot) -> bool:
        with slot.mutex:
            while slot.state == "idle":
                slot.told.wait()
        return slot.state == "work"

    def end_others(self, slot: Slot) -> None:
        for other in self.pool:
            if other is not slot:
                with other.mutex:
                    other.state = "end"
                    other.told.notify()

    def sort(self, start: int, length: int) -> None:
        while length > self.smallest:
            smaller = self.partition(start, length)
            if smaller > self.smallest and self.farm_out(start, smaller):
                pass
            elif smaller > 0:
                self.sort(start, smaller)
            start, length = start + smaller + 1, length - smaller - 1
        self.data[start : start + length] = sorted(self.data[start : start + length])

    def partition(self, start: int, length: int) -> int:
        """Move what is smaller than the first item before it; return how much that is."""
        pivot, *others = self.data[start : start + length]
        smaller = [item for item in others if item < pivot]
        larger = [item for item in others if item >= pivot]
        self.data[start : start + length] = [*smaller, pivot, *larger]
        return len(smaller)

    def farm_out(self, start: int, length: int) -> bool:
        slot = self.allocate()
        if slot is None:
            return False
        slot.start, slot.length = start, length
        slot.told.notify()
        slot.mutex.release()
        return True

    def allocate(self) -> Slot | None:
        """Find an idle thread, and return its slot, locked."""
        with self.allocator:
            for slot in self.pool:
                if slot.state == "idle":
                    self.idle -= 1
                    self.take(slot)
                    return slot
        return None

    def take(self, slot: Slot) -> None:
        slot.state = "work"
        slot.mutex.acquire()

    def check(self) -> None:
        """All is in order."""
        assert self.data == sorted(self.data)


class QuickSortRight(QuickSort):
    """Takes the lock of the slot first."""

    def take(self, slot: Slot) -> None:
        slot.mutex.acquire()
        slot.state = "work"
