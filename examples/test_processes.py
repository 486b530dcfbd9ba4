"""Processes that share a value: forked for every run, and which one moves next is chosen, as with threads."""

import multiprocessing
import time

import pytest

fork = multiprocessing.get_context("fork")


def both_counted(shared_value):
    assert shared_value.value == 2


@pytest.mark.racecheck(processes=2, invariant=both_counted)
def test_unlocked(shared_value):
    shared_value.value += 1


@pytest.mark.racecheck(processes=2, invariant=both_counted)
def test_locked(shared_value):
    with shared_value.get_lock():
        shared_value.value += 1


@pytest.mark.racecheck(processes=2, start_method="spawn", invariant=both_counted)
def test_spawned(shared_value):
    with shared_value.get_lock():
        shared_value.value += 1


def add_part(numbers, seconds, total, lock):
    time.sleep(seconds)
    with lock:
        total.value += sum(numbers)


PARTS = [(range(1, 4), 3), (range(4, 7), 3), (range(7, 11), 4)]


@pytest.mark.racecheck(threads=1)
def test_three_that_sleep():
    total, lock = fork.Value("i", 0), fork.Lock()
    began = time.monotonic()
    processes = [fork.Process(target=add_part, args=(*part, total, lock)) for part in PARTS]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert total.value == 55
    assert time.monotonic() - began == 4


@pytest.mark.racecheck(threads=1)
def test_one_after_the_other():
    total, lock = fork.Value("i", 0), fork.Lock()
    began = time.monotonic()
    for part in PARTS:
        process = fork.Process(target=add_part, args=(*part, total, lock))
        process.start()
        process.join()
    assert total.value == 55
    assert time.monotonic() - began == 10
