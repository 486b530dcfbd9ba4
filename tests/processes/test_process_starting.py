"""Processes that a test starts itself: by ``Process`` and its subclasses, by ``os.fork``, by pools and executors."""

from __future__ import annotations

import multiprocessing.process
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from shared import FORK, ON_NEWEST, Main, assert_found, assert_silent, explored, replayed

from pytest_racecheck.core.together import run_together


def add(value: Any, lock: Any = None) -> None:
    if lock is None:
        value.value += 1
    else:
        with lock:
            value.value += 1


class Adder(multiprocessing.context.ForkProcess):
    def __init__(self, value: Any, lock: Any = None) -> None:
        super().__init__(daemon=True)
        self._given = (value, lock)

    def run(self) -> None:
        add(*self._given)


def by_process(value: Any, lock: Any) -> None:
    processes = [FORK.Process(target=add, args=(value, lock)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def by_subclass(value: Any, lock: Any) -> None:
    process = Adder(value, lock)
    process.start()
    add(value, lock)
    process.join()


def by_fork(value: Any, lock: Any) -> None:
    pid = os.fork()
    add(value, lock)
    if pid == 0:
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3


def by_process_in_process(value: Any, lock: Any) -> None:
    process = FORK.Process(target=by_subclass, args=(value, lock))
    process.start()
    process.join()


def by_thread_in_process(value: Any, lock: Any) -> None:
    def body() -> None:
        thread = threading.Thread(target=add, args=(value, lock))
        thread.start()
        add(value, lock)

    process = FORK.Process(target=body)
    process.start()
    process.join()


def by_process_in_thread(value: Any, lock: Any) -> None:
    def body() -> None:
        process = FORK.Process(target=add, args=(value, lock))
        process.start()
        process.join()

    threads = [threading.Thread(target=body) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def by_fixture(value: Any, lock: Any) -> None:
    def body() -> int:
        add(value, lock)
        return 1

    assert run_together([body, body], method="fork") == [1, 1]


WAYS = [
    by_process, by_subclass, by_fork, by_process_in_process, by_thread_in_process, by_process_in_thread, by_fixture,
]  # fmt: skip


def main(way: Callable[[Any, Any], None], *, locked: bool) -> Main:
    def body() -> None:
        value = FORK.Value("i", 0)
        way(value, FORK.Lock() if locked else None)
        assert value.value == 2

    return Main(body)


@pytest.mark.parametrize("way", WAYS)
def test_they_lose_an_update_without_a_lock(way: Callable[[Any, Any], None]) -> None:
    program = main(way, locked=False)

    result = explored(program)

    assert_found(result, "read value.value 0", "write value.value 1")
    assert replayed(program, result.findings[0].token).outcome == "failed"


@pytest.mark.parametrize("way", WAYS)
def test_they_do_not_with_one(way: Callable[[Any, Any], None]) -> None:
    assert_silent(explored(main(way, locked=True)))


def message_of(body: Callable[[], object], **limits: Any) -> str:
    result = explored(Main(body), **limits)
    return result.findings[0].message if result.findings else ""


def test_who_does_not_join_sees_what_comes_later() -> None:
    def body() -> None:
        value = FORK.Value("i", 0)
        FORK.Process(target=add, args=(value,), daemon=True).start()
        assert value.value == 1

    assert message_of(body).startswith("AssertionError: assert 0 == 1")
    assert multiprocessing.active_children() == []


# -- how they end --------------------------------------------------------------------------------------------------


def fail() -> None:
    raise ValueError("of the process")


@pytest.mark.parametrize("looks", [False, True])
def test_an_exception_of_a_process_is_a_failure_unless_somebody_looks(looks: bool) -> None:
    def body() -> None:
        process = FORK.Process(target=fail)
        process.start()
        process.join()
        assert not looks or process.exitcode == 1

    assert message_of(body) == ("" if looks else "ValueError: of the process")


@pytest.mark.parametrize("looks", [False, True])
def test_so_is_a_signal_that_kills_it(looks: bool) -> None:
    def crash() -> None:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGUSR1)

    def body() -> None:
        process = FORK.Process(target=crash)
        process.start()
        process.join()
        assert not looks or process.exitcode == -signal.SIGUSR1

    message = message_of(body).splitlines()

    assert message[:1] == ([] if looks else ["the process of task 0.0 was killed by signal 10 (SIGUSR1)"])


def test_terminating_ends_it_at_once() -> None:
    def body() -> None:
        process = FORK.Process(target=time.sleep, args=(1000,))
        process.start()
        process.join(1)
        assert process.is_alive()
        process.terminate()
        assert not process.is_alive()
        process.join()
        assert process.exitcode == -signal.SIGTERM

    assert message_of(body) == ""


def test_a_handler_runs_when_the_process_moves_next() -> None:
    def waits(value: Any) -> None:
        def handler(_number: int, _frame: object) -> None:
            value.value = 7
            raise SystemExit(5)

        signal.signal(signal.SIGTERM, handler)
        value.value = 1
        time.sleep(1000)

    def body() -> None:
        value = FORK.Value("i", 0)
        process = FORK.Process(target=waits, args=(value,))
        process.start()
        process.join(1)
        assert value.value == 1
        process.terminate()
        process.join()
        assert (value.value, process.exitcode) == (7, 5)

    assert message_of(body) == ""


def test_a_lock_held_by_a_process_that_was_killed() -> None:
    def holds(lock: Any) -> None:
        lock.acquire()
        time.sleep(1000)

    def body() -> None:
        lock = FORK.Lock()
        process = FORK.Process(target=holds, args=(lock,))
        process.start()
        process.join(1)
        process.kill()
        with lock:
            pass

    message = message_of(body)

    assert message.startswith("deadlock: every task waits, none can go on")
    assert ", held by task 0.0, which has ended, since " in message


def test_a_forked_process_that_comes_out_of_the_test_is_refused() -> None:
    def body() -> None:
        os.fork()

    assert "a process that was forked, came out of the function that forked it" in message_of(body)


def test_three_that_sleep_add_their_part_in_any_order() -> None:
    """Four seconds by the clock of the run; all orders that are possible, each with the same sum."""
    seen = set()

    def part(number: int, seconds: int, value: Any, lock: Any, order: Any) -> None:
        time.sleep(seconds)
        with lock:
            value.value += sum(range(number, number + 3))
            order.append(value.value)

    def body() -> None:
        value, lock, queue = FORK.Value("i", 0), FORK.Lock(), FORK.SimpleQueue()
        began = time.monotonic()
        processes = [
            FORK.Process(target=part, args=(number, seconds, value, lock, Order(queue)))
            for number, seconds in ((1, 3), (4, 3), (7, 4))
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert time.monotonic() - began == 4
        seen.add(tuple(queue.get() for _ in processes))
        assert value.value == 45

    class Order:
        def __init__(self, queue: Any) -> None:
            self._queue = queue

        def append(self, item: int) -> None:
            self._queue.put(item)

    result = explored(Main(body), runs=60)

    assert not result.findings, result.findings[0].message
    assert {(6, 21, 45), (15, 21, 45)} <= seen


# -- pools ---------------------------------------------------------------------------------------------------------

shared: Any = None


def initialise(value: Any) -> None:
    global shared
    shared = value


def add_shared(number: int) -> int:
    shared.value += number
    return number


def add_locked(number: int) -> int:
    with shared.get_lock():
        shared.value += number
    return number


def by_pool_map(function: Callable[[int], int], value: Any) -> list[int]:
    with FORK.Pool(2, initialise, (value,)) as pool:
        return list(pool.map(function, [1, 2], 1))


def by_pool_apply(function: Callable[[int], int], value: Any) -> list[int]:
    with FORK.Pool(2, initialise, (value,), maxtasksperchild=1) as pool:
        results = [pool.apply_async(function, (number,)) for number in (1, 2)]
        return [result.get() for result in results]


def by_pool_imap(function: Callable[[int], int], value: Any) -> list[int]:
    with FORK.Pool(2, initialise, (value,)) as pool:
        return list(pool.imap(function, [1, 2]))


def by_executor_map(function: Callable[[int], int], value: Any) -> list[int]:
    with ProcessPoolExecutor(2, FORK, initialise, (value,)) as executor:
        return list(executor.map(function, [1, 2]))


def by_executor_submit(function: Callable[[int], int], value: Any) -> list[int]:
    with ProcessPoolExecutor(2, FORK, initialise, (value,)) as executor:
        futures = [executor.submit(function, number) for number in (1, 2)]
        return [future.result() for future in futures]


POOLS = [by_pool_map, by_executor_submit, by_pool_apply, by_pool_imap, by_executor_map]
SOME = POOLS[:2] if ON_NEWEST else POOLS[:1]


def pooled(way: Callable[..., list[int]], function: Callable[[int], int]) -> Main:
    def body() -> None:
        value = FORK.Value("i", 0)
        assert way(function, value) == [1, 2]
        assert value.value == 3

    return Main(body)


@pytest.mark.parametrize("way", SOME)
def test_the_work_of_a_pool_loses_an_update(way: Callable[..., list[int]]) -> None:
    assert_found(explored(pooled(way, add_shared)))


@pytest.mark.parametrize("way", POOLS if ON_NEWEST else POOLS[:2])
def test_with_a_lock_it_does_not(way: Callable[..., list[int]]) -> None:
    result = explored(pooled(way, add_locked), runs=25)

    assert not result.findings, result.findings[0].message
    assert not result.uncontrolled, result.uncontrolled


REMEDY = "define it with def at the top of a module: only its name is sent"


@pytest.mark.parametrize("way", SOME)
def test_a_lambda_is_refused_with_its_name_and_a_remedy(way: Callable[..., list[int]]) -> None:
    message = explored(pooled(way, lambda number: number)).findings[0].message

    name = "test_a_lambda_is_refused_with_its_name_and_a_remedy.<locals>.<lambda>"
    assert f"racecheck: the lambda {name} can't be sent to another process (" in message
    assert REMEDY in message


def test_an_item_that_can_not_be_sent_is_a_failure_at_once() -> None:
    def body() -> None:
        queue = FORK.Queue()
        queue.put(threading.Lock())
        queue.get()

    message = message_of(body)

    assert message.splitlines()[-1] == (
        "racecheck: a _thread.lock can't be sent to another process (cannot pickle '_thread.lock' object); "
        "make it in the process that uses it, for example in an initializer"
    )


def test_a_result_that_can_not_come_back_is_told() -> None:
    def body() -> None:
        run_together([threading.Lock, bool], method="fork")

    assert "returned, a lock, can't be sent back from its process: cannot pickle '_thread.lock'" in message_of(body)
