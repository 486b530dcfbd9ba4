"""A thread pool whose calls take time and share a global. Time inside a run is virtual: nobody waits these seconds."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

timings = [1, 2, 2, 1]
some_shared_resource = 0
lock = threading.Lock()


@pytest.fixture
def fresh_resource():
    global some_shared_resource
    some_shared_resource = 0


def work(seconds):
    global some_shared_resource
    time.sleep(seconds)
    some_shared_resource += 1


def work_locked(seconds):
    global some_shared_resource
    time.sleep(seconds)
    with lock:
        some_shared_resource += 1


@pytest.mark.racecheck(threads=1)
@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_unlocked(fresh_resource, workers):
    with ThreadPoolExecutor(workers) as executor:
        for seconds in timings:
            executor.submit(work, seconds)
    assert some_shared_resource == 4


@pytest.mark.racecheck(threads=1)
@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_locked(fresh_resource, workers):
    with ThreadPoolExecutor(workers) as executor:
        list(executor.map(work_locked, timings))
    assert some_shared_resource == 4


@pytest.mark.racecheck(threads=1)
@pytest.mark.parametrize("clock", [time.monotonic, time.perf_counter], ids=["monotonic", "perf_counter"])
@pytest.mark.parametrize(("workers", "seconds"), [(1, 6), (2, 3), (3, 2), (4, 2)])
def test_how_long_it_takes(fresh_resource, clock, workers, seconds):
    began = clock()
    with ThreadPoolExecutor(workers) as executor:
        list(executor.map(work_locked, timings))
    assert round(clock() - began, 6) == seconds
