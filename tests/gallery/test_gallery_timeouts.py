"""Timed waits: they give up when nothing else can move, or, if that is asked for, at any time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

import pytest
from races import Case, Made, assert_silent, explored


def acquire_unlooked() -> Made:
    lock = threading.Lock()
    counter = [0]

    def add() -> None:
        lock.acquire(timeout=1)
        counter[0] += 1
        if lock.locked():
            lock.release()

    def check() -> None:
        assert counter == [2]

    return add, check


def join_unlooked() -> Made:
    def work() -> None:
        done = []
        thread = threading.Thread(target=lambda: done.append(1))
        thread.start()
        thread.join(timeout=5)
        assert done

    return (work, lambda: None), bool


def event_unlooked() -> Made:
    ready = threading.Event()
    box: list[int] = []

    def wait() -> None:
        ready.wait(10)
        assert box

    def give() -> None:
        box.append(1)
        ready.set()

    return (wait, give), bool


def get_unguarded() -> Made:
    jobs: queue.Queue[int] = queue.Queue()
    return (lambda: jobs.get(timeout=60), lambda: jobs.put(1)), bool


def sleep_for_a_join() -> Made:
    box: list[int] = []

    def late() -> None:
        time.sleep(5)
        assert box

    return (late, lambda: box.append(1)), bool


def timer_beside() -> Made:
    box = [0]

    def work() -> None:
        timer = threading.Timer(30, lambda: box.append(1))
        timer.start()
        size = len(box)
        box.append(2)
        assert len(box) == size + 1
        timer.cancel()
        timer.join()

    return (work, lambda: None), bool


WRONG = [acquire_unlooked, join_unlooked, event_unlooked, get_unguarded, sleep_for_a_join, timer_beside]


def acquire_looked() -> Made:
    lock = threading.Lock()
    counter = [0]
    gave_up = []

    def add() -> None:
        if lock.acquire(timeout=1):
            try:
                counter[0] += 1
            finally:
                lock.release()
        else:
            gave_up.append(1)

    def check() -> None:
        assert counter[0] + len(gave_up) == 2

    return add, check


def join_looked() -> Made:
    def work() -> None:
        done = []
        thread = threading.Thread(target=lambda: done.append(1))
        thread.start()
        while thread.is_alive():
            thread.join(timeout=5)
        assert done

    return (work, lambda: None), bool


def event_in_a_loop() -> Made:
    ready = threading.Event()
    box: list[int] = []

    def wait() -> None:
        while not ready.wait(10):
            pass
        assert box

    def give() -> None:
        box.append(1)
        ready.set()

    return (wait, give), bool


def get_guarded() -> Made:
    jobs: queue.Queue[int] = queue.Queue()
    got: list[int] = []

    def take() -> None:
        while not got:
            try:
                got.append(jobs.get(timeout=60))
            except queue.Empty:
                continue

    def check() -> None:
        assert got == [1]

    return (take, lambda: jobs.put(1)), check


def sleeps_never_shorter() -> Made:
    """Early means before others have moved, never before the time has come."""

    def sleep(seconds: int) -> None:
        before = time.monotonic()
        time.sleep(seconds)
        assert time.monotonic() - before >= seconds

    return (lambda: sleep(1), lambda: sleep(2)), bool


RIGHT = [acquire_looked, join_looked, event_in_a_loop, get_guarded, sleeps_never_shorter]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.__name__)
def test_time_may_be_over_at_any_time_if_that_is_explored(case: Callable[[], Made]) -> None:
    found = explored(case, early_timeouts=True)

    assert found.findings
    assert found.findings[0].token, found.findings[0].remarks
    assert not found.uncontrolled


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.__name__)
def test_else_time_is_over_only_when_nothing_can_move(case: Callable[[], Made]) -> None:
    assert_silent(explored(case, runs=200))


@pytest.mark.parametrize("case", RIGHT, ids=lambda case: case.__name__)
def test_who_reckons_with_it_is_right(case: Callable[[], Made]) -> None:
    assert_silent(explored(case, early_timeouts=True))


@pytest.mark.parametrize("strategy", ["portfolio", "preemptions", "random"])
def test_who_lets_go_and_tries_again_comes_through(strategy: str) -> None:
    """Two tasks that do so in step end all the same, whoever chooses: no clock keeps them in step for ever."""

    def case() -> Made:
        one, other, done = threading.Lock(), threading.Lock(), list[int]()

        def body(first: threading.Lock, second: threading.Lock) -> None:
            while True:
                with first:
                    if second.acquire(timeout=0.01):
                        done.append(1)
                        second.release()
                        return

        def check() -> None:
            assert done == [1, 1]

        return (lambda: body(one, other), lambda: body(other, one)), check

    assert_silent(explored(case, runs=200, strategy=strategy))


def a_lock_at_once() -> Made:
    lock = threading.Lock()
    taken: list[bool] = []

    def take() -> None:
        taken.append(lock.acquire(timeout=0))

    def hold() -> None:
        with lock:
            taken.append(False)

    def check() -> None:
        assert any(taken), "time of none is not waited for"

    return (take, hold), check


def an_item_at_once(make: Callable[[], queue.Queue[int] | queue.SimpleQueue[int]]) -> Case:
    def case() -> Made:
        items = make()
        return (lambda: items.get(timeout=0), lambda: items.put(1)), bool

    return case


def an_end_at_once() -> Made:
    def work() -> None:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join(timeout=0)
        assert not thread.is_alive()

    return (work, lambda: None), bool


def a_result_at_once() -> Made:
    future: Future[int] = Future()
    return (lambda: future.result(timeout=0), lambda: future.set_result(1)), bool


AT_ONCE = {
    "lock": a_lock_at_once,
    "queue": an_item_at_once(queue.Queue),
    "simple queue": an_item_at_once(queue.SimpleQueue),
    "thread": an_end_at_once,
    "future": a_result_at_once,
}


@pytest.mark.parametrize("case", AT_ONCE.values(), ids=AT_ONCE.keys())
def test_no_time_at_all_is_not_waited_for(case: Case) -> None:
    """It is over at once, whoever else can move: a look, and no wait."""
    found = explored(case)

    assert found.findings
    assert found.findings[0].token, found.findings[0].remarks
