"""stringbuffer-jdk1.4, inspect.boundedBuffer: a lock is let go between looking at a buffer and acting on it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence

from sctbench.program import Body, Program


class Text:
    """A string buffer with a lock of its own, which its holder can take again, as in Java."""

    def __init__(self, text: str) -> None:
        self.lock = threading.RLock()
        self.text = text

    def length(self) -> int:
        with self.lock:
            return len(self.text)

    def characters(self, start: int, end: int) -> str:
        with self.lock:
            assert end <= len(self.text)
            return self.text[start:end]

    def erase(self, start: int, end: int) -> None:
        with self.lock:
            self.text = self.text[:start] + self.text[end:]

    def append(self, text: str) -> None:
        with self.lock:
            self.text += text

    def append_buffer(self, other: Text) -> None:
        with self.lock:
            length = other.length()
            self.text += other.characters(0, length)


class StringBuffer(Program):
    """One appends a buffer to its own: its length first, then as many characters; another shortens it in between.

    From C. Flanagan and S. Qadeer, "A type and effect system for atomicity" (PLDI 2003).
    """

    def __init__(self) -> None:
        self.buffer = Text("abc")

    def bodies(self) -> Sequence[Body]:
        """The original's main thread, and a worker."""
        return [self.copy, self.replace]

    def copy(self) -> None:
        Text("").append_buffer(self.buffer)

    def replace(self) -> None:
        self.buffer.erase(0, 3)
        self.buffer.append("abc")


class StringBufferRight(StringBuffer):
    """Holds the other buffer's lock over both calls."""

    def copy(self) -> None:
        with self.buffer.lock:
            super().copy()


class BoundedBuffer(Program):
    """Producers and consumers; a consumer lets the lock go between waiting for an item and taking it."""

    size = 3
    items_each = 4

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.not_full, self.not_empty = threading.Condition(self.lock), threading.Condition(self.lock)
        self.waiting_full = self.waiting_empty = 0
        self.items = [0] * self.size
        self.head = self.count = 0

    def bodies(self) -> Sequence[Body]:
        """Two producers and two consumers."""
        return [functools.partial(self.produce, number) for number in range(2)] + [self.consume] * 2

    def produce(self, number: int) -> None:
        for item in range(self.items_each):
            self.put(number * self.items_each + item)

    def consume(self) -> None:
        for _ in range(self.items_each):
            self.get()

    def put(self, item: int) -> None:
        with self.lock:
            while self.count == self.size:
                self.waiting_full += 1
                self.not_full.wait()
                self.waiting_full -= 1
            self.items[(self.head + self.count) % self.size] = item
            self.count += 1
            if self.waiting_empty:
                self.not_empty.notify()

    def get(self) -> int:
        with self.lock:
            while self.count == 0:
                self.waiting_empty += 1
                self.not_empty.wait()
                self.waiting_empty -= 1
            self.pause()
            assert self.count > 0
            item = self.items[self.head]
            self.head = (self.head + 1) % self.size
            self.count -= 1
            if self.waiting_full:
                self.not_full.notify()
        return item

    def pause(self) -> None:
        self.lock.release()
        self.lock.acquire()


class BoundedBufferRight(BoundedBuffer):
    """Keeps the lock."""

    def pause(self) -> None:
        """Go on at once."""
