"""chess.WorkStealQueue and its variants: the owner of a queue works at one end, and thieves at the other."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager

from sctbench.atomic import Atomic, resize
from sctbench.program import Body, Program


class Item:
    """A piece of work that wants to be done once."""

    def __init__(self) -> None:
        self.done = 0

    def do(self) -> None:
        self.done += 1


class SpinLock:
    """A lock made of an atomic exchange: who finds it taken lets others go on and tries again."""

    def __init__(self) -> None:
        self._taken = Atomic(0)

    def __enter__(self) -> None:
        while self._taken.exchange(1):
            time.sleep(0)

    def __exit__(self, *_error: object) -> None:
        self._taken.value = 0


Lock = AbstractContextManager[object]


class WorkStealQueue:
    """The queue of M. Frigo, C. Leiserson and K. Randall, "The implementation of the Cilk-5 multithreaded language"
    (PLDI 1998), with the third of the bugs that CHESS planted: it lets itself become quite full.

    One slot must stay free for a thief who has claimed an item and not yet read it.
    """

    spare = 0

    def __init__(self, lock: Lock, size: int) -> None:
        self.lock = lock
        self.head = self.tail = 0
        self.mask = size - 1
        self.slots: list[Item | None] = [None] * size

    def push(self, item: Item) -> None:
        tail = self.tail
        if tail < self.head + self.mask + 1 - self.spare:
            self.slots[tail & self.mask] = item
            self.tail = tail + 1
        else:
            self._push_locked(item)

    def pop(self) -> Item | None:
        tail = self.tail - 1
        self.tail = tail
        if self.head <= tail:
            return self.slots[tail & self.mask]
        self.tail = tail + 1
        return self._pop_locked()

    def steal(self) -> Item | None:
        with self.lock:
            head = self.head
            self.head = head + 1
            if head < self.tail:
                return self.slots[head & self.mask]
            self.head = head
            return None

    def _push_locked(self, item: Item) -> None:
        with self.lock:
            head = self.head
            count = self.tail - head
            head &= self.mask
            self.head = head
            self.tail = head + count
            if count >= self.mask:
                self._grow(head, count)
            tail = self.tail
            self.slots[tail & self.mask] = item
            self.tail = tail + 1

    def _grow(self, head: int, count: int) -> None:
        size = 2 * (self.mask + 1)
        slots: list[Item | None] = [None] * size
        for number in range(count):
            slots[number] = self.slots[(head + number) & self.mask]
        self.slots = slots
        self.mask = size - 1
        self.head = 0
        self.tail = count

    def _pop_locked(self) -> Item | None:
        with self.lock:
            tail = self.tail - 1
            self.tail = tail
            found = None
            if self.head <= tail:
                found = self.slots[tail & self.mask]
            else:
                self.tail = tail + 1
            if self.head > tail:
                self.head = self.tail = 0
                found = None
            return found


class WorkStealQueueRight(WorkStealQueue):
    """Leaves one slot free."""

    spare = 1


class WorkStealing(Program):
    """An owner who pushes four items and pops what is left of them, and thieves who try twice each."""

    items = 4
    attempts = 2
    kind = WorkStealQueue

    def __init__(self, thieves: int = 2) -> None:
        self.queue = self.kind(self.lock(), size=2)
        self.work = [Item() for _ in range(self.items)]
        self.thieves = thieves

    def bodies(self) -> Sequence[Body]:
        """The owner, in the original's main thread, and the thieves."""
        return [self.own, *[self.steal] * self.thieves]

    def lock(self) -> Lock:
        return threading.Lock()

    def own(self) -> None:
        for number in range(0, self.items, 2):
            self.queue.push(self.work[number])
            self.queue.push(self.work[number + 1])
            self.do(self.queue.pop())
        for _ in range(self.items // 2):
            self.do(self.queue.pop())

    def steal(self) -> None:
        for _ in range(self.attempts):
            self.do(self.queue.steal())

    def do(self, item: Item | None) -> None:
        if item is not None:
            item.do()

    def check(self) -> None:
        """All is done, and nothing twice."""
        assert [item.done for item in self.work] == [1] * self.items


class WorkStealingRight(WorkStealing):
    """With the right queue."""

    kind = WorkStealQueueRight


class InterlockedWorkStealing(WorkStealing):
    """With a spin lock."""

    def lock(self) -> Lock:
        return SpinLock()


class InterlockedWorkStealingRight(InterlockedWorkStealing):
    """With the right queue."""

    kind = WorkStealQueueRight


class ActivationRecords(Program):
    """chess.StateWorkStealQueue: the queue is right, but threads find their records in a vector that each may resize.

    This is the vector alone, without the queue: who has seen that it is too short may find it long enough by now, and
    cut it off. A resize is one step.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.records: list[list[int]] = [[]]

    def bodies(self) -> Sequence[Body]:
        """Two threads; the first record is that of the original's main thread."""
        return [functools.partial(self.act, number) for number in (1, 2)]

    def act(self, number: int) -> None:
        self.make_room(number)
        self.records[number].append(number)
        assert self.records[number][-1] == number
        self.records[number].pop()

    def make_room(self, number: int) -> None:
        if len(self.records) <= number:
            resize(self.records, number + 1)


class ActivationRecordsRight(ActivationRecords):
    """Looks and resizes under a lock."""

    def make_room(self, number: int) -> None:
        with self.lock:
            super().make_room(number)
