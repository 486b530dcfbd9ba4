"""Values and arrays that processes share: a lost update is found, with their lock around it there is none."""

from __future__ import annotations

import ctypes
import multiprocessing
import threading
from collections.abc import Callable
from typing import Any

import pytest
from shared import FORK, Body, Cased, Made, assert_found, assert_silent, explored, replayed

from pytest_racecheck.core.abroad import InProcess


def adding(make: Callable[[], Any], read: Callable[[Any], object], *, locked: bool = False) -> Callable[[], Made]:
    """Two processes that each add 1 to what ``make`` makes."""

    def case() -> Made:
        value = make()

        def body() -> None:
            if locked:
                with value.get_lock():
                    value.value += 1
            else:
                value.value += 1

        def check() -> None:
            assert read(value) == 2

        return body, check

    return case


def of_value(value: Any) -> object:
    return value.value


def test_an_unlocked_addition_loses_an_update() -> None:
    result = explored(Cased(adding(lambda: FORK.Value("i", 0), of_value)))

    assert_found(result, "read value.value 0", "write value.value 1")
    assert result.findings[0].trace.preemptions == 1
    assert result.findings[0].message.startswith("AssertionError: assert 1 == 2")
    assert ("value.value", "0") in result.findings[0].trace.initial_values


def test_under_its_lock_it_does_not() -> None:
    result = explored(Cased(adding(lambda: FORK.Value("i", 0), of_value, locked=True)))

    assert_silent(result)
    assert result.classes == 2


def test_a_token_replays_it() -> None:
    program = Cased(adding(lambda: FORK.Value("i", 0), of_value))
    token = explored(program).findings[0].token

    outcomes = [replayed(program, token) for _ in range(3)]

    assert [each.outcome for each in outcomes] == ["failed"] * 3
    assert len({str(each.findings[0].trace.path) for each in outcomes}) == 1


@pytest.mark.parametrize("typecode", "bBhHiIlLqQfd")
def test_every_typecode(typecode: str) -> None:
    found = explored(Cased(adding(lambda: FORK.Value(typecode, 0), of_value)))
    silent = explored(Cased(adding(lambda: FORK.Value(typecode, 0), of_value, locked=True)))

    assert_found(found)
    assert_silent(silent)


def test_without_a_lock_of_its_own() -> None:
    assert_found(explored(Cased(adding(lambda: FORK.RawValue("i", 0), of_value))), "write value.value 1")
    assert_found(explored(Cased(adding(lambda: FORK.Value("i", 0, lock=False), of_value))), "write value.value 1")


class Point(ctypes.Structure):
    _fields_ = (("x", ctypes.c_int), ("y", ctypes.c_double))


def moving(make: Callable[[], Any], *names: str) -> Callable[[], Made]:
    """Processes each of which adds 1 to a field of a structure."""

    def case() -> Made:
        point = make()

        def mover(name: str) -> Body:
            if name == "x":

                def body() -> None:
                    point.x += 1

            else:

                def body() -> None:
                    point.y += 1

            return body

        def check() -> None:
            assert point.x + point.y == len(names)

        return [mover(name) for name in names], check

    return case


@pytest.mark.parametrize("make", [lambda: FORK.Value(Point, 0, 0), lambda: FORK.RawValue(Point, 0, 0)])
def test_a_field_of_a_structure(make: Callable[[], Any]) -> None:
    assert_found(explored(Cased(moving(make, "x", "x"))), "write point.x 1")


@pytest.mark.parametrize("make", [lambda: FORK.Value(Point, 0, 0), lambda: FORK.RawValue(Point, 0, 0)])
def test_different_fields_are_not_in_each_others_way(make: Callable[[], Any]) -> None:
    """The wrapper's own lock is taken in both orders; without it there is nothing to be in order."""
    result = explored(Cased(moving(make, "x", "y")))

    assert_silent(result, verified=result.stopped_by != "one interleaving")


def elements(make: Callable[[], Any], *indices: int) -> Callable[[], Made]:
    """Processes each of which adds 1 to an element."""

    def case() -> Made:
        array = make()

        def body(index: int) -> Body:
            def add() -> None:
                array[index] += 1

            return add

        def check() -> None:
            assert sum(array) == len(indices)

        return [body(index) for index in indices], check

    return case


@pytest.mark.parametrize("make", [lambda: FORK.Array("i", 3), lambda: FORK.RawArray("i", 3)])
def test_an_element_of_an_array(make: Callable[[], Any]) -> None:
    assert_found(explored(Cased(elements(make, 1, 1))))
    assert_found(explored(Cased(elements(make, 1, -2))))


@pytest.mark.parametrize("make", [lambda: FORK.Array("i", 3), lambda: FORK.RawArray("i", 3)])
def test_different_elements_are_not_in_each_others_way(make: Callable[[], Any]) -> None:
    result = explored(Cased(elements(make, 0, 1)))

    assert_silent(result, verified=result.stopped_by != "one interleaving")


def test_a_slice_meets_its_elements() -> None:
    def case() -> Made:
        array = FORK.RawArray("i", 4)

        def add() -> None:
            array[2] += 1

        def move() -> None:
            array[1:3] = [each + 10 for each in array[1:3]]

        def check() -> None:
            assert list(array) == [0, 10, 11, 0]

        return [add, move], check

    assert_found(explored(Cased(case)))


def test_threads_and_processes_together() -> None:
    def case() -> Made:
        value = FORK.Value("i", 0)

        def body() -> None:
            value.value += 1

        def check() -> None:
            assert value.value == 2

        return [body, InProcess(body)], check

    class Mixed(Cased):
        def __init__(self) -> None:
            super().__init__(case, alone=True)

    assert_found(explored(Mixed()), "read value.value 0")


def test_threads_inside_of_a_process_are_tasks() -> None:
    def case() -> Made:
        array = FORK.RawArray("i", 1)

        def add() -> None:
            array[0] += 1

        def body() -> None:
            threads = [threading.Thread(target=add) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        def check() -> None:
            assert array[0] == 2

        return [body], check

    result = explored(Cased(case))

    assert_found(result)
    assert {event.task for event in result.findings[0].trace.events if event.shared} == {"0.0", "0.1"}


def test_ordinary_objects_of_different_processes_are_different_ones() -> None:
    """Forked processes have them at the same place, and each its own."""

    def case() -> Made:
        items = [0]
        value = FORK.RawValue("i", 0)

        def body() -> None:
            items[0] += 1
            items.append(1)
            value.value = 1

        def check() -> None:
            assert items == [0]

        return body, check

    result = explored(Cased(case))

    assert_silent(result)
    assert result.classes == 2


def test_a_lock_of_threads_does_not_protect_processes() -> None:
    def case() -> Made:
        value = FORK.RawValue("i", 0)
        lock = threading.Lock()

        def body() -> None:
            with lock:
                value.value += 1

        def check() -> None:
            assert value.value == 2

        return body, check

    assert_found(explored(Cased(case)))


def test_nothing_is_left_of_the_processes() -> None:
    explored(Cased(adding(lambda: FORK.Value("i", 0), of_value)))

    assert multiprocessing.active_children() == []
