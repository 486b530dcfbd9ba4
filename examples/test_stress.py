"""Stress mode: free threads, really in parallel where the interpreter can, again and again. Nothing is controlled."""

import threading
import time

import pytest

counter = 0
lock = threading.Lock()


@pytest.fixture
def fresh_counter():
    global counter
    counter = 0


def all_counted():
    assert counter == 4


@pytest.mark.racecheck(mode="stress", threads=4, runs=100, invariant=all_counted)
def test_wide_open(fresh_counter):
    global counter
    seen = counter
    time.sleep(0.01)  # so long is the gap in which another thread can come between
    counter = seen + 1


@pytest.mark.racecheck(mode="stress", threads=4, runs=100, invariant=all_counted)
def test_locked(fresh_counter):
    global counter
    with lock:
        counter += 1
