"""What processes wait for: each a program that is wrong, and the one that is right."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from queue import Empty
from typing import Any

import pytest
from shared import FORK, Body, Cased, Made, assert_found, assert_silent, explored

Bodies = Callable[[Any, Any], Sequence[Body]]


def case(make: Callable[[], Any], bodies: Bodies, expected: object = None) -> Cased:
    """Bodies that are given what ``make`` makes and a shared number, which must be the expected one at the end."""

    def made() -> Made:
        number = FORK.Value("i", 0)

        def check() -> None:
            assert expected is None or number.value == expected

        return bodies(make(), number), check

    return Cased(made)


def ended_by(result: Any) -> str:
    return str(result.findings[0].message) if result.findings else ""


# -- locks and semaphores ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [FORK.Lock, FORK.RLock, lambda: FORK.Semaphore(1), lambda: FORK.BoundedSemaphore(1)])
def test_what_lets_one_in_protects(make: Callable[[], Any]) -> None:
    def bodies(lock: Any, number: Any) -> Sequence[Body]:
        def with_it() -> None:
            with lock:
                number.value += 1

        def called() -> None:
            lock.acquire()
            number.value += 1
            lock.release()

        return [with_it, called]

    def forgetful(lock: Any, number: Any) -> Sequence[Body]:
        def without() -> None:
            number.value += 1

        return [bodies(lock, number)[0], without]

    assert_silent(explored(case(make, bodies, 2)))
    assert_found(explored(case(make, forgetful, 2)), "acquire lock", "write number.value 1")


def test_a_semaphore_of_two_lets_two_in() -> None:
    def bodies(semaphore: Any, number: Any) -> Sequence[Body]:
        def body() -> None:
            with semaphore:
                number.value += 1

        return [body, body]

    assert_found(explored(case(lambda: FORK.Semaphore(2), bodies, 2)), "acquire semaphore")


def test_two_locks_in_opposite_order() -> None:
    def bodies(locks: Any, _number: Any) -> Sequence[Body]:
        lock_a, lock_b = locks

        def one() -> None:
            with lock_a:
                with lock_b:
                    pass

        def other() -> None:
            with lock_b:
                with lock_a:
                    pass

        return [one, other]

    began = time.perf_counter()
    result = explored(case(lambda: (FORK.Lock(), FORK.Lock()), bodies))

    first, one, other, cycle = ended_by(result).splitlines()
    assert first == "deadlock: every task waits, none can go on"
    assert re.search(r"task 0 waits for lock_b \(made at .*test_process_waiting.py:\d+\), held by task 1 since ", one)
    assert re.search(r"task 1 waits for lock_a \(made at .*test_process_waiting.py:\d+\), held by task 0 since ", other)
    assert cycle == "  cycle: task 0 -> task 1 -> task 0"
    assert time.perf_counter() - began < SECONDS_OF_A_TIMEOUT


SECONDS_OF_A_TIMEOUT = 9.0
"""Less than the time after which something that hangs is given up."""


def test_locks_in_the_same_order() -> None:
    def bodies(locks: Any, _number: Any) -> Sequence[Body]:
        def body() -> None:
            with locks[0], locks[1]:
                pass

        return [body, body]

    assert_silent(explored(case(lambda: (FORK.Lock(), FORK.Lock()), bodies)))


def test_a_timed_acquire_gives_up_when_nothing_else_can_move() -> None:
    def bodies(lock: Any, number: Any) -> Sequence[Body]:
        def keeps() -> None:
            lock.acquire()
            number.value += 1

        def gives_up() -> None:
            with_it = lock.acquire(timeout=5)
            number.value += 10 if with_it else 100

        return [keeps, gives_up]

    assert_silent(explored(case(FORK.Lock, bodies, 101), strategy="sequential", runs=1), verified=False)
    message = ended_by(explored(case(FORK.Lock, bodies, 101)))
    assert "held by task 1, which has ended, since " in message, "who gives up may come first, and keep it"


def test_an_event_is_waited_for() -> None:
    def bodies(event: Any, number: Any) -> Sequence[Body]:
        def sets() -> None:
            number.value = 1
            event.set()

        def waits() -> None:
            event.wait()
            assert number.value == 1

        return [sets, waits]

    def too_early(event: Any, number: Any) -> Sequence[Body]:
        def sets() -> None:
            event.set()
            number.value = 1

        return [sets, bodies(event, number)[1]]

    assert_silent(explored(case(FORK.Event, bodies, 1)))
    assert_found(explored(case(FORK.Event, too_early, 1)), "wait event.wait()", "read number.value 0")


def test_a_condition() -> None:
    def bodies(condition: Any, number: Any) -> Sequence[Body]:
        def notifies() -> None:
            with condition:
                number.value = 1
                condition.notify()

        def waits() -> None:
            with condition:
                while number.value == 0:
                    condition.wait()

        return [notifies, waits]

    def does_not_look(condition: Any, number: Any) -> Sequence[Body]:
        def waits() -> None:
            with condition:
                condition.wait()

        return [bodies(condition, number)[0], waits]

    assert_silent(explored(case(FORK.Condition, bodies, 1)))
    result = explored(case(FORK.Condition, does_not_look, 1))
    assert "task 1 waits for condition to be notified" in ended_by(result)
    assert "(a lost wake-up: task 0 did that before it waited, at " in ended_by(result)


def test_a_barrier() -> None:
    def bodies(barrier: Any, number: Any) -> Sequence[Body]:
        def first() -> None:
            number.value = 1
            barrier.wait()

        def second() -> None:
            barrier.wait()
            assert number.value == 1

        return [first, second]

    def alone(barrier: Any, number: Any) -> Sequence[Body]:
        return [bodies(barrier, number)[0], lambda: None]

    assert_silent(explored(case(lambda: FORK.Barrier(2), bodies, 1)))
    result = explored(case(lambda: FORK.Barrier(2), alone, 1))
    assert "task 0 waits at barrier for the others (1 of 2 are there)" in ended_by(result)


# -- queues and pipes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [FORK.SimpleQueue, FORK.Queue, FORK.JoinableQueue])
def test_what_was_put_is_got(make: Callable[[], Any]) -> None:
    def bodies(queue: Any, number: Any) -> Sequence[Body]:
        def puts() -> None:
            queue.put(20)
            queue.put(3)

        def gets() -> None:
            number.value = queue.get() + queue.get()

        return [puts, gets]

    def looks(queue: Any, number: Any) -> Sequence[Body]:
        def gets() -> None:
            if not queue.empty():
                number.value = queue.get() + queue.get()

        return [bodies(queue, number)[0], gets]

    assert_silent(explored(case(make, bodies, 23)))
    assert explored(case(make, looks, 23)).findings


def test_a_queue_that_is_asked_too_early() -> None:
    def bodies(queue: Any, number: Any) -> Sequence[Body]:
        def gets() -> None:
            try:
                number.value = queue.get_nowait()
            except Empty:
                number.value = -1

        return [lambda: queue.put(1), gets]

    assert explored(case(FORK.Queue, bodies, 1)).findings
    assert explored(case(FORK.Queue, bodies, -1)).findings


def test_two_take_what_was_put_once() -> None:
    def bodies(queue: Any, _number: Any) -> Sequence[Body]:
        return [lambda: queue.put(1), queue.get, queue.get]

    result = explored(case(FORK.SimpleQueue, bodies))

    assert "waits for an item in queue.get" not in ended_by(result)
    assert ended_by(result).startswith("deadlock: every task waits, none can go on")


def test_a_queue_with_room_for_one() -> None:
    def bodies(queue: Any, number: Any) -> Sequence[Body]:
        def puts() -> None:
            queue.put(1)
            queue.put(2)

        def gets() -> None:
            number.value = 10 * queue.get() + queue.get()

        return [puts, gets]

    def nobody_gets(queue: Any, number: Any) -> Sequence[Body]:
        return [bodies(queue, number)[0], lambda: None]

    assert_silent(explored(case(lambda: FORK.Queue(1), bodies, 12), runs=500))
    assert "task 0 waits for room in queue" in ended_by(explored(case(lambda: FORK.Queue(1), nobody_gets)))


def test_all_items_are_done() -> None:
    def bodies(queue: Any, number: Any) -> Sequence[Body]:
        def puts() -> None:
            queue.put(1)
            queue.join()
            assert number.value == 1

        def works() -> None:
            number.value += queue.get()
            queue.task_done()

        return [puts, works]

    def says_so_too_early(queue: Any, number: Any) -> Sequence[Body]:
        def works() -> None:
            item = queue.get()
            queue.task_done()
            number.value += item

        return [bodies(queue, number)[0], works]

    assert_silent(explored(case(FORK.JoinableQueue, bodies, 1)))
    assert_found(explored(case(FORK.JoinableQueue, says_so_too_early, 1)), "wait queue.join()")


@pytest.mark.parametrize("duplex", [True, False])
def test_a_pipe(duplex: bool) -> None:
    def bodies(pipe: Any, number: Any) -> Sequence[Body]:
        receiver, sender = pipe

        def sends() -> None:
            number.value = 1
            sender.send("x")

        def receives() -> None:
            receiver.recv()
            assert number.value == 1

        return [sends, receives]

    def too_early(pipe: Any, number: Any) -> Sequence[Body]:
        def sends() -> None:
            pipe[1].send("x")
            number.value = 1

        return [sends, bodies(pipe, number)[1]]

    assert_silent(explored(case(lambda: FORK.Pipe(duplex), bodies, 1)))
    assert_found(explored(case(lambda: FORK.Pipe(duplex), too_early, 1)), "update receiver.recv()")


def test_both_wait_for_the_others_message() -> None:
    def bodies(pipe: Any, _number: Any) -> Sequence[Body]:
        here, there = pipe

        def one() -> None:
            here.recv()
            here.send(1)

        def other() -> None:
            there.recv()
            there.send(1)

        return [one, other]

    message = ended_by(explored(case(FORK.Pipe, bodies)))

    assert "task 0 waits for data in here" in message
    assert "task 1 waits for data in there" in message


def test_a_message_larger_than_the_pipe_is_sent_in_steps() -> None:
    def bodies(pipe: Any, number: Any) -> Sequence[Body]:
        receiver, sender = pipe

        def receives() -> None:
            number.value = len(receiver.recv_bytes())

        return [lambda: sender.send_bytes(b"x" * 200_000), receives]

    def nobody_receives(pipe: Any, number: Any) -> Sequence[Body]:
        return [bodies(pipe, number)[0], pipe[0].fileno]

    assert_silent(explored(case(lambda: FORK.Pipe(duplex=False), bodies, 200_000)))
    message = ended_by(explored(case(lambda: FORK.Pipe(duplex=False), nobody_receives)))
    assert "task 0 waits for room in sender" in message


def test_a_poll_waits_as_long_as_it_is_told() -> None:
    def bodies(pipe: Any, number: Any) -> Sequence[Body]:
        receiver, sender = pipe

        def sends() -> None:
            time.sleep(2)
            sender.send("x")

        def polls() -> None:
            began = time.monotonic()
            assert not receiver.poll(1)
            assert receiver.poll(None)
            number.value = round(time.monotonic() - began)

        return [sends, polls]

    result = explored(case(FORK.Pipe, bodies, 2))

    assert not result.findings, ended_by(result)


# -- no end ----------------------------------------------------------------------------------------------------------


class Own:
    """What every process has of its own."""

    count = 0


@pytest.mark.parametrize(("counts", "kind"), [(False, "livelock: no end"), (True, "no end")])
def test_a_process_that_changes_what_is_its_own_is_only_long(counts: bool, kind: str) -> None:
    def bodies(flag: Any, _number: Any) -> Sequence[Body]:
        def ask() -> None:
            while not flag.is_set():
                if counts:
                    Own.count += 1

        return [ask, ask]

    assert ended_by(explored(case(FORK.Event, bodies), runs=1, steps=200)).startswith(kind)
