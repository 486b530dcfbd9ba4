"""CS.account, CS.lazy01, CS.token_ring: every access is under one lock; the order of the threads is what is wrong."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sctbench.program import Body, Program


class Account(Program):
    """A depositor, a withdrawer, and one who expects the wrong balance when both are done."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.x, self.y, self.z = 1, 2, 4
        self.balance = self.x
        self.deposited = False
        self.withdrawn = False

    def bodies(self) -> Sequence[Body]:
        """Three threads."""
        return [self.check_result, self.deposit, self.withdraw]

    def deposit(self) -> None:
        with self.lock:
            self.balance += self.y
            self.deposited = True

    def withdraw(self) -> None:
        with self.lock:
            self.balance -= self.z
            self.withdrawn = True

    def check_result(self) -> None:
        with self.lock:
            if self.deposited and self.withdrawn:
                assert self.balance == self.expected()

    def expected(self) -> int:
        return (self.x - self.y) - self.z


class AccountRight(Account):
    """Expects what was paid in to be there."""

    def expected(self) -> int:
        return (self.x + self.y) - self.z


class Lazy01(Program):
    """Two add to a number, one expects that it is never the last."""

    most = 2

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.data = 0

    def bodies(self) -> Sequence[Body]:
        """Three threads."""
        return [self.add_one, self.add_two, self.check_data]

    def add_one(self) -> None:
        with self.lock:
            self.data += 1

    def add_two(self) -> None:
        with self.lock:
            self.data += 2

    def check_data(self) -> None:
        with self.lock:
            assert self.data <= self.most


class Lazy01Right(Lazy01):
    """Expects both to be done at the most."""

    most = 3


class TokenRing(Program):
    """Each of three passes its neighbour's number on; all end up with the same one if they go in turn."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.x1, self.x2, self.x3 = 1, 2, 1
        self.done1 = self.done2 = self.done3 = False

    def bodies(self) -> Sequence[Body]:
        """Four threads."""
        return [self.first, self.second, self.third, self.check_ring]

    def first(self) -> None:
        with self.condition:
            self.x1 = (self.x3 + 1) % 4
            self.done1 = True

    def second(self) -> None:
        with self.condition:
            self.x2 = self.x1
            self.done2 = True

    def third(self) -> None:
        with self.condition:
            self.x3 = self.x2
            self.done3 = True

    def check_ring(self) -> None:
        with self.condition:
            if self.done1 and self.done2 and self.done3:
                assert self.x1 == self.x2 == self.x3


class TokenRingRight(TokenRing):
    """The second waits for the first, and the third for the second."""

    def first(self) -> None:
        super().first()
        with self.condition:
            self.condition.notify_all()

    def second(self) -> None:
        with self.condition:
            while not self.done1:
                self.condition.wait()
            self.x2 = self.x1
            self.done2 = True
            self.condition.notify_all()

    def third(self) -> None:
        with self.condition:
            while not self.done2:
                self.condition.wait()
            self.x3 = self.x2
            self.done3 = True
