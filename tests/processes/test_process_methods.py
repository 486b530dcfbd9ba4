"""The start methods ``spawn`` and ``forkserver``: what a process is given is pickled, and its modules are its own."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import pytest
from shared import ON_NEWEST, Body, Cased, Made, Main, assert_found, assert_silent, explored, replayed

from pytest_racecheck.core.abroad import InProcess
from pytest_racecheck.core.errors import RacecheckError

METHODS = ["spawn", "forkserver"]

loaded = 0


def add(value: Any, lock: Any = None) -> None:
    if lock is None:
        value.value += 1
    else:
        with lock:
            value.value += 1


def count(value: Any) -> None:
    global loaded
    loaded += 1
    add(value)
    assert loaded == 1


class Bodies(Cased):
    """Two processes of a start method, each with the same body."""

    def __init__(self, method: str, body: Callable[..., object], *, locked: bool = False) -> None:
        context: Any = multiprocessing.get_context(method)

        def case() -> Made:
            value = context.Value("i", 0)
            given = (value, context.Lock()) if locked else (value,)

            def check() -> None:
                assert value.value == 2

            return partial(body, *given), check

        super().__init__(case)
        self._method = method

    def set_up(self) -> Sequence[Body]:
        return [InProcess(body.function, self._method) for body in super().set_up() if isinstance(body, InProcess)]


@pytest.mark.parametrize("method", METHODS)
def test_bodies(method: str) -> None:
    program = Bodies(method, add)

    result = explored(program)

    assert_found(result, "read value.value 0", "write value.value 1")
    assert replayed(program, result.findings[0].token).outcome == "failed"
    assert_silent(explored(Bodies(method, add, locked=True)))


def test_the_modules_of_a_process_are_its_own_in_every_run() -> None:
    result = explored(Bodies("spawn", count), strategy="sequential", runs=6)

    assert not result.findings, result.findings[0].message
    assert loaded == 0


def test_a_body_that_can_not_be_pickled_is_refused_before_anything_runs() -> None:
    class Unlucky(Bodies):
        def set_up(self) -> Sequence[Body]:
            return [InProcess(partial(add, value=threading.Lock()), "spawn")] * 2

    with pytest.raises(RacecheckError) as raised:
        explored(Unlucky("spawn", add))

    assert str(raised.value) == (
        "start_method='spawn': the argument 'value' of the test can't be used: a _thread.lock can't be sent to another "
        "process (cannot pickle '_thread.lock' object); make it in the process that uses it, for example in an "
        "initializer."
    )


def by_process(context: Any, value: Any, lock: Any) -> None:
    processes = [context.Process(target=add, args=(value, lock)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]


def starts_another(name: str, value: Any, lock: Any) -> None:
    process: Any = multiprocessing.get_context(name).Process(target=add, args=(value, lock))  # type: ignore[attr-defined]
    process.start()
    add(value, lock)
    process.join()


def by_process_in_process(context: Any, value: Any, lock: Any) -> None:
    process = context.Process(target=starts_another, args=(context.get_start_method(), value, lock))
    process.start()
    process.join()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", [by_process, by_process_in_process])
@pytest.mark.parametrize("locked", [False, True])
def test_processes(method: str, way: Callable[..., None], locked: bool) -> None:
    context: Any = multiprocessing.get_context(method)

    def body() -> None:
        value = context.Value("i", 0)
        way(context, value, context.Lock() if locked else None)
        assert value.value == 2

    result = explored(Main(body))

    if locked:
        assert_silent(result)
    else:
        assert_found(result, "read value.value 0", "write value.value 1")


shared: Any = None


def initialise(value: Any) -> None:
    global shared
    shared = value


def add_shared(number: int) -> int:
    shared.value += number
    return number


def by_pool(context: Any, value: Any) -> list[int]:
    with context.Pool(2, initialise, (value,)) as pool:
        return list(pool.map(add_shared, [1, 2], 1))


def by_executor(context: Any, value: Any) -> list[int]:
    with ProcessPoolExecutor(2, context, initialise, (value,), max_tasks_per_child=1) as executor:
        return list(executor.map(add_shared, [1, 2]))


@pytest.mark.skipif(not ON_NEWEST, reason="takes half a minute of the processor")
@pytest.mark.parametrize("way", [by_pool, by_executor])
def test_pools(way: Callable[..., list[int]]) -> None:
    context: Any = multiprocessing.get_context("spawn")

    def body() -> None:
        value = context.Value("i", 0)
        assert way(context, value) == [1, 2]
        assert value.value == 3

    assert_found(explored(Main(body)))


def test_an_exception_and_an_exit_code() -> None:
    def body() -> None:
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=int, args=("x",))
        process.start()
        process.join()

    message = explored(Main(body)).findings[0].message

    assert message == "ValueError: invalid literal for int() with base 10: 'x'"
