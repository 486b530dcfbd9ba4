"""A multiprocessing.Value, shared by threads: its own lock protects ``+=`` only where somebody takes it."""

import pytest


def both_counted(shared_value):
    assert shared_value.value == 2


@pytest.mark.racecheck(invariant=both_counted)
def test_unlocked(shared_value):
    shared_value.value += 1


@pytest.mark.racecheck(invariant=both_counted)
def test_locked(shared_value):
    with shared_value.get_lock():
        shared_value.value += 1


def each_has_its_own(shared_array):
    assert list(shared_array)[:3] == [0, 10, 20]


@pytest.mark.racecheck(threads=3, invariant=each_has_its_own)
def test_an_element_each(shared_array, task_index):
    shared_array[task_index] = 10 * task_index


@pytest.fixture
def total(make_shared_value):
    return make_shared_value("d", 0.5)


@pytest.mark.racecheck
def test_a_lock_of_its_own(total, shared_lock, racecheck):
    def add():
        with shared_lock:
            total.value += 1

    racecheck.run(add, add)
    assert total.value == 2.5
