"""SafeStack, by D. Vyukov: a lock-free stack with the ABA problem, which takes eight preemptions of three threads."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Sequence

from sctbench.atomic import Atomic
from sctbench.program import Body, Program


class SafeStack(Program):
    """Three threads take an element each, write to it, expect it to be theirs, and give it back; twice."""

    threads = 3

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.head = Atomic(0)
        self.count = Atomic(self.threads)
        self.next = [Atomic(number + 1) for number in range(self.threads - 1)] + [Atomic(-1)]
        self.owners = [-1] * self.threads

    def bodies(self) -> Sequence[Body]:
        """Three threads."""
        return [functools.partial(self.work, number) for number in range(self.threads)]

    def work(self, number: int) -> None:
        for _ in range(2):
            while (element := self.pop()) < 0:
                time.sleep(0)
            self.owners[element] = number
            assert self.owners[element] == number
            self.push(element)

    def pop(self) -> int:
        while self.count.value > 1:
            head = self.head.value
            following = self.next[head].exchange(-1)
            if following < 0:
                time.sleep(0)
            elif self.head.compare_exchange(head, following) == head:
                self.count.add(-1)
                return head
            else:
                self.next[head].exchange(following)
        return -1

    def push(self, element: int) -> None:
        head = self.head.value
        self.next[element].value = head
        while (found := self.head.compare_exchange(head, element)) != head:
            head = found
            self.next[element].value = head
        self.count.add(1)


class SafeStackRight(SafeStack):
    """Pushes and pops under a lock."""

    def pop(self) -> int:
        with self.lock:
            return super().pop()

    def push(self, element: int) -> None:
        with self.lock:
            super().push(element)
