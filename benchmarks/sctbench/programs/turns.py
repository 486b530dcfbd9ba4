"""CS.circular_buffer, CS.queue, CS.stack: two threads that take turns by flags under a lock, and miscount the turns."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sctbench.program import Body, Program


class CircularBuffer(Program):
    """A sender and a receiver who each go on to the next number also when it was not their turn."""

    size = 10
    turns = 7

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.buffer = [0] * self.size
        self.first = self.next = 0
        self.send, self.receive = True, False

    def bodies(self) -> Sequence[Body]:
        """Two threads."""
        return [self.sender, self.receiver]

    def insert(self, value: int) -> None:
        assert self.next < self.size
        self.buffer[self.next] = value
        self.next = (self.next + 1) % self.size

    def remove(self) -> int:
        assert self.next > self.first
        self.first += 1
        return self.buffer[self.first - 1]

    def sender(self) -> None:
        for turn in range(self.turns):
            with self.lock:
                if self.send:
                    self.insert(turn)
                    self.send, self.receive = False, True

    def receiver(self) -> None:
        for turn in range(self.turns):
            with self.lock:
                if self.receive:
                    assert self.remove() == turn
                    self.receive, self.send = False, True


class CircularBufferRight(CircularBuffer):
    """Counts what was sent and what was received."""

    def sender(self) -> None:
        sent = 0
        for _ in range(self.turns):
            with self.lock:
                if self.send:
                    self.insert(sent)
                    sent += 1
                    self.send, self.receive = False, True

    def receiver(self) -> None:
        received = 0
        for _ in range(self.turns):
            with self.lock:
                if self.receive:
                    assert self.remove() == received
                    received += 1
                    self.receive, self.send = False, True


class Queue(Program):
    """One puts numbers into a queue and notes by its turn what was put; the other compares by its own turn."""

    size = 20

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.elements = [0] * self.size
        self.head = self.tail = self.amount = 0
        self.expected = [-1] * self.size
        self.may_put, self.may_take = True, False

    def bodies(self) -> Sequence[Body]:
        """Two threads."""
        return [self.put_all, self.take_all]

    def put(self, value: int) -> None:
        assert self.amount < self.size
        self.elements[self.tail] = value
        self.tail = (self.tail + 1) % self.size
        self.amount += 1

    def take(self) -> int:
        assert self.amount > 0
        value = self.elements[self.head]
        self.head = (self.head + 1) % self.size
        self.amount -= 1
        return value

    def put_all(self) -> None:
        value = 0
        with self.lock:
            self.put(value)
            self.expected[0] = value
        for turn in range(self.size - 1):
            with self.lock:
                if self.may_put:
                    value += 1
                    self.put(value)
                    self.expected[turn + 1] = value
                    self.may_put, self.may_take = False, True

    def take_all(self) -> None:
        for turn in range(self.size):
            with self.lock:
                if self.may_take:
                    assert self.take() == self.expected[turn]
                    self.may_take, self.may_put = False, True


class QueueRight(Queue):
    """Both count what went through the queue, not their turns."""

    def put_all(self) -> None:
        value = 0
        with self.lock:
            self.put(value)
            self.expected[0] = value
        for _ in range(self.size - 1):
            with self.lock:
                if self.may_put:
                    value += 1
                    self.put(value)
                    self.expected[value] = value
                    self.may_put, self.may_take = False, True

    def take_all(self) -> None:
        taken = 0
        for _ in range(self.size):
            with self.lock:
                if self.may_take:
                    assert self.take() == self.expected[taken]
                    taken += 1
                    self.may_take, self.may_put = False, True


class Stack(Program):
    """One pushes and raises a flag that nobody takes down; the other pops whenever it is up."""

    size = 10

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.items = [0] * self.size
        self.top = 0
        self.filled = False

    def bodies(self) -> Sequence[Body]:
        """Two threads."""
        return [self.push_all, self.pop_all]

    def push(self, value: int) -> None:
        assert self.top < self.size
        self.items[self.top] = value
        self.top += 1

    def pop(self) -> int:
        assert self.top > 0
        self.top -= 1
        return self.items[self.top]

    def push_all(self) -> None:
        for number in range(self.size):
            with self.lock:
                self.push(number)
                self.filled = True

    def pop_all(self) -> None:
        for _ in range(self.size):
            with self.lock:
                if self.filled:
                    self.pop()


class StackRight(Stack):
    """Takes the flag down with the last item."""

    def pop(self) -> int:
        value = super().pop()
        self.filled = self.top > 0
        return value
