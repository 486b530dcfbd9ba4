"""CS.carter01, CS.deadlock01, RADBench bug6: locks in a wrong order, and a lock taken again behind a waiting writer."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sctbench.program import Body, Program


class Carter01(Program):
    """Two groups share a resource; its first member takes it, its last one gives it back, both counts under one lock.

    The last two threads do nothing, as in the original.
    """

    def __init__(self) -> None:
        self.mutex = self.other_mutex = threading.Lock()
        self.resource = threading.Lock()
        self.a = self.b = 0

    def bodies(self) -> Sequence[Body]:
        """Four threads."""
        return [self.member_of_a, self.member_of_b, bool, bool]

    def member_of_a(self) -> None:
        with self.mutex:
            self.a += 1
            if self.a == 1:
                self.resource.acquire()
        with self.mutex:
            self.a -= 1
            if self.a == 0:
                self.resource.release()

    def member_of_b(self) -> None:
        with self.other_mutex:
            self.b += 1
            if self.b == 1:
                self.resource.acquire()
        with self.other_mutex:
            self.b -= 1
            if self.b == 0:
                self.resource.release()


class Carter01Right(Carter01):
    """Each count has a lock of its own: who waits for the resource holds nothing that its owner needs."""

    def __init__(self) -> None:
        super().__init__()
        self.other_mutex = threading.Lock()


class Deadlock01(Program):
    """Two locks, taken in opposite order."""

    def __init__(self) -> None:
        self.a, self.b = threading.Lock(), threading.Lock()
        self.counter = 1

    def bodies(self) -> Sequence[Body]:
        """Two threads."""
        return [self.up, self.down]

    def up(self) -> None:
        with self.a:
            with self.b:
                self.counter += 1

    def down(self) -> None:
        with self.b:
            with self.a:
                self.counter -= 1


class Deadlock01Right(Deadlock01):
    """The same order in both."""

    def down(self) -> None:
        with self.a:
            with self.b:
                self.counter -= 1


class RecursiveReader(Program):
    """RADBench bug6, NSPR's reader-writer lock: writers go first, also before a reader who takes the lock again."""

    def __init__(self) -> None:
        self.mutex = threading.Lock()
        self.may_read, self.may_write = threading.Condition(self.mutex), threading.Condition(self.mutex)
        self.readers = 0
        self.writing = False
        self.waiting_writers = 0

    def bodies(self) -> Sequence[Body]:
        """A reader and a writer."""
        return [self.reader, self.writer]

    def reader(self) -> None:
        self.lock_to_read()
        self.lock_to_read()
        self.unlock_read()
        self.unlock_read()

    def writer(self) -> None:
        self.lock_to_write()
        self.unlock_written()

    def must_wait(self) -> bool:
        return self.writing or self.waiting_writers > 0

    def lock_to_read(self) -> None:
        with self.mutex:
            while self.must_wait():
                self.may_read.wait()
            self.readers += 1

    def unlock_read(self) -> None:
        with self.mutex:
            self.readers -= 1
            if self.readers == 0:
                self.may_write.notify()

    def lock_to_write(self) -> None:
        with self.mutex:
            self.waiting_writers += 1
            while self.writing or self.readers > 0:
                self.may_write.wait()
            self.waiting_writers -= 1
            self.writing = True

    def unlock_written(self) -> None:
        with self.mutex:
            self.writing = False
            self.may_write.notify()
            self.may_read.notify_all()


class RecursiveReaderRight(RecursiveReader):
    """Readers wait for who writes, not for who waits."""

    def must_wait(self) -> bool:
        return self.writing
