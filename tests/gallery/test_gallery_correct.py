"""Correct code without a lock, or with one in an unusual place: nothing is ever found in it."""

from __future__ import annotations

import itertools
import queue
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from races import Made, silent

SETTINGS = {"limit": 3}


@silent
def test_setdefault() -> Made:
    cache: dict[str, object] = {}
    got: list[object] = []

    def body() -> None:
        got.append(cache.setdefault("k", object()))

    def check() -> None:
        assert got[0] is got[1]

    return body, check


@silent
def test_single_appends() -> Made:
    items: list[int] = []

    def body() -> None:
        items.append(1)

    def check() -> None:
        assert items == [1, 1]

    return body, check


@silent
def test_own_keys_of_one_dict() -> Made:
    results: dict[str, int] = {}

    def one() -> None:
        results["a"] = 1
        results["a"] += 1

    def other() -> None:
        results["b"] = 1
        results["b"] += 1

    def check() -> None:
        assert results == {"a": 2, "b": 2}

    return (one, other), check


@silent
def test_what_goes_through_a_queue() -> Made:
    jobs: queue.Queue[list[int]] = queue.Queue()

    def producer() -> None:
        jobs.put([1])

    def consumer() -> None:
        job = jobs.get()
        job.append(2)
        assert job == [1, 2]

    return (producer, consumer), bool


@silent
def test_thread_local_state() -> Made:
    local = threading.local()

    def body() -> None:
        local.n = 0
        local.n += 1
        assert local.n == 1

    return body, bool


@silent
def test_what_is_local() -> Made:
    def body() -> None:
        counts = {"a": 0}
        counts["a"] += 1
        items = [counts["a"] for _ in range(2)]
        assert items == [1, 1]

    return body, bool


@silent
def test_swap_of_an_immutable_snapshot() -> Made:
    state: tuple[int, int] = (0, 0)

    def writer() -> None:
        nonlocal state
        state = (1, 1)

    def reader() -> None:
        low, high = state
        assert low == high

    return (writer, reader), bool


@silent
def test_pop_that_may_fail() -> Made:
    stack = [1]
    got: list[int] = []

    def body() -> None:
        try:
            got.append(stack.pop())
        except IndexError:
            pass

    def check() -> None:
        assert got == [1]

    return body, check


@silent
def test_deque_drained_by_two() -> Made:
    jobs = deque([1, 2, 3])
    done: list[int] = []

    def body() -> None:
        while True:
            try:
                done.append(jobs.popleft())
            except IndexError:
                return

    def check() -> None:
        assert sorted(done) == [1, 2, 3]

    return body, check


@silent
def test_tickets_of_a_counter_of_c() -> Made:
    tickets = itertools.count()
    drawn: set[int] = set()

    def body() -> None:
        drawn.add(next(tickets))

    def check() -> None:
        assert len(drawn) == 2

    return body, check


@silent
def test_iteration_over_a_copy() -> Made:
    ages = {"a": 1}

    def reader() -> None:
        for _ in list(ages):
            pass

    def writer() -> None:
        ages["b"] = 2

    return (reader, writer), bool


@silent
def test_settings_that_nobody_writes() -> Made:
    def body() -> None:
        assert SETTINGS["limit"] == 3
        assert len(SETTINGS) == 1

    return body, bool


@silent
def test_double_checked_lock() -> Made:
    lock = threading.Lock()
    made: list[int] = []
    instance: Any = None

    def body() -> None:
        nonlocal instance
        if instance is None:
            with lock:
                if instance is None:
                    made.append(1)
                    instance = object()

    def check() -> None:
        assert made == [1]

    return body, check


@silent
def test_lock_in_a_context_manager_of_the_user() -> Made:
    lock = threading.RLock()
    box = {"n": 0}

    @contextmanager
    def guarded() -> Iterator[dict[str, int]]:
        with lock:
            yield box

    def body() -> None:
        with guarded() as mine:
            mine["n"] += 1

    def check() -> None:
        assert box["n"] == 2

    return body, check


@silent
def test_lock_in_the_setter_and_the_method() -> Made:
    class Account:
        def __init__(self) -> None:
            self.lock = threading.Lock()
            self._balance = 0

        @property
        def balance(self) -> int:
            with self.lock:
                return self._balance

        def deposit(self, amount: int) -> None:
            with self.lock:
                self._balance += amount

    account = Account()

    def body() -> None:
        account.deposit(1)
        assert account.balance in (1, 2)

    def check() -> None:
        assert account.balance == 2

    return body, check


@silent
def test_handed_over_by_join() -> Made:
    box: list[int] = []

    def body() -> None:
        mine: list[int] = []
        worker = threading.Thread(target=mine.append, args=(1,))
        worker.start()
        worker.join()
        assert mine == [1]
        box.extend(mine)

    def check() -> None:
        assert box == [1, 1]

    return body, check


@silent
def test_compare_and_retry() -> Made:
    versions: dict[int, str] = {}

    def body() -> None:
        number = 0
        while versions.setdefault(number, threading.current_thread().name) != threading.current_thread().name:
            number += 1

    def check() -> None:
        assert sorted(versions) in ([0, 1], [0])

    return body, check
