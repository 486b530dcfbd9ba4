"""A global counter, raised by three copies of a test that run at once: one of them without a lock."""

import threading

import pytest

counter = 0
lock = threading.Lock()


@pytest.fixture
def fresh_counter():
    global counter
    counter = 0


def all_counted():
    assert counter == 3


@pytest.mark.racecheck(threads=3, invariant=all_counted)
def test_unlocked(fresh_counter):
    global counter
    counter += 1


@pytest.mark.racecheck(threads=3, invariant=all_counted)
def test_locked(fresh_counter):
    global counter
    with lock:
        counter += 1
