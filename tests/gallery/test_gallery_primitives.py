"""Events, conditions, semaphores, barriers, queues, futures: one choice an operation, and what a task waits for."""

from __future__ import annotations

import queue
import sched
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from typing import Any

import pytest
from races import Made, assert_found, assert_silent, explored

Operations = dict[str, tuple[Callable[[], Any], Callable[[Any], object]]]


def decided() -> Future[int]:
    future: Future[int] = Future()
    future.set_result(1)
    return future


OPERATIONS: Operations = {
    "Event.set": (threading.Event, lambda event: event.set()),
    "Event.clear": (threading.Event, lambda event: event.clear()),
    "Event.is_set": (threading.Event, lambda event: event.is_set()),
    "Event.wait, over at once": (threading.Event, lambda event: event.wait(0)),
    "Semaphore.release": (threading.Semaphore, lambda semaphore: semaphore.release()),
    "Semaphore.acquire": (lambda: threading.Semaphore(9), lambda semaphore: semaphore.acquire()),
    "BoundedSemaphore.acquire": (lambda: threading.BoundedSemaphore(9), lambda semaphore: semaphore.acquire(timeout=1)),
    "Barrier.reset": (lambda: threading.Barrier(2), lambda barrier: barrier.reset()),
    "Queue.put": (queue.Queue, lambda items: items.put(1)),
    "Queue.put_nowait": (queue.LifoQueue, lambda items: items.put_nowait(1)),
    "Queue.get": (lambda: filled(queue.PriorityQueue()), lambda items: items.get()),
    "Queue.get_nowait": (lambda: filled(queue.Queue()), lambda items: items.get_nowait()),
    "Queue.qsize": (queue.Queue, lambda items: items.qsize()),
    "Queue.task_done": (lambda: filled(queue.Queue()), lambda items: items.task_done()),
    "SimpleQueue.put": (queue.SimpleQueue, lambda items: items.put(1)),
    "SimpleQueue.get": (lambda: filled(queue.SimpleQueue()), lambda items: items.get()),
    "Future.done": (Future, lambda future: future.done()),
    "Future.running": (Future, lambda future: future.running()),
    "Future.cancel": (Future, lambda future: future.cancel()),
    "Future.result of a decided one": (decided, lambda future: future.result()),
    "Future.exception of a decided one": (decided, lambda future: future.exception(timeout=1)),
    "Future.add_done_callback": (Future, lambda future: future.add_done_callback(bool)),
}


def filled(items: Any) -> Any:
    for number in range(9):
        items.put(number)
    return items


@pytest.mark.parametrize(("make", "operate"), OPERATIONS.values(), ids=OPERATIONS.keys())
def test_one_choice(make: Callable[[], Any], operate: Callable[[Any], object]) -> None:
    """Two tasks with two operations each: 4! / (2! 2!) orders, not one more."""

    def case() -> Made:
        made = make()

        def twice() -> None:
            operate(made)
            operate(made)

        return twice, bool

    result = explored(case, runs=300)
    assert_silent(result)
    assert result.interleavings == 6


def event() -> Made:
    event = threading.Event()
    return (lambda: event.wait(), lambda: None), bool


def semaphore() -> Made:
    places = threading.Semaphore(1)
    return lambda: places.acquire(), bool


def barrier() -> Made:
    barrier = threading.Barrier(3)
    return lambda: barrier.wait(), bool


def full_queue() -> Made:
    jobs: queue.Queue[int] = queue.Queue(1)
    return lambda: jobs.put(1), bool


def empty_queue() -> Made:
    jobs: queue.Queue[int] = queue.Queue()
    return (lambda: jobs.get(), lambda: None), bool


def simple_queue() -> Made:
    jobs: queue.SimpleQueue[int] = queue.SimpleQueue()
    return (lambda: jobs.get(), lambda: None), bool


def unfinished_queue() -> Made:
    jobs: queue.Queue[int] = queue.Queue()

    def work() -> None:
        jobs.put(1)
        jobs.get()
        jobs.join()

    return (work, lambda: None), bool


def future() -> Made:
    answer: Future[int] = Future()
    return (lambda: answer.result(), lambda: None), bool


def pool_that_waits_for_itself() -> Made:
    def work() -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: pool.submit(int).result()).result()

    return (work, lambda: None), bool


def held_mutex() -> Made:
    jobs: queue.Queue[int] = queue.Queue()
    return (lambda: jobs.mutex.acquire(), lambda: jobs.put(1)), bool


def joined_under_its_lock() -> Made:
    jobs: queue.Queue[int] = queue.Queue()

    def work() -> None:
        with jobs.mutex:
            thread = threading.Thread(target=jobs.put, args=(1,))
            thread.start()
            thread.join()

    return (work, lambda: None), bool


def lost_wakeup() -> Made:
    cond = threading.Condition()

    def wait() -> None:
        with cond:
            cond.wait()

    def notify() -> None:
        with cond:
            cond.notify()

    return (wait, notify), bool


WAITS = {
    event: "task 0 waits for event to be set (no other task has called set() on it), at ",
    semaphore: "task 1 waits for places to be released (last acquire() by task 0, at ",
    barrier: "task 0 waits at barrier for the others (2 of 3 are there), at ",
    full_queue: "task 1 waits for room in jobs (no other task has called get() on it), at ",
    empty_queue: "task 0 waits for an item in jobs (no other task has called put() on it), at ",
    simple_queue: "task 0 waits for an item in jobs, at ",
    unfinished_queue: "task 0 waits for the items of jobs to be done (no other task has called task_done() on it), at ",
    future: "task 0 waits for answer to be done (its call has not begun), at ",
    pool_that_waits_for_itself: "waits for pool.submit(int) to be done (its call has not begun: ",
    held_mutex: "task 1 waits for the lock of jobs, held by task 0, which has ended, as jobs.mutex since ",
    joined_under_its_lock: "  cycle: task 0 -> task 0.0 -> task 0",
    lost_wakeup: "task 0 waits for cond to be notified (a lost wake-up: task 1 did that before it waited, at ",
}


@pytest.mark.parametrize(("case", "says"), WAITS.items(), ids=[case.__name__ for case in WAITS])
def test_what_a_task_waits_for(case: Callable[[], Made], says: str) -> None:
    result = explored(case)

    assert [finding.kind for finding in result.findings] == ["deadlock"]
    assert says in result.findings[0].message
    assert not result.uncontrolled


class Uninitialised(threading.Thread):
    def __init__(self) -> None:
        """Forgets to call the one of its base."""


def test_errors_are_those_of_the_real_thing() -> None:
    def case() -> Made:
        def body() -> None:
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()
            with pytest.raises(RuntimeError, match="threads can only be started once"):
                thread.start()
            with pytest.raises(RuntimeError, match="cannot join current thread"):
                threading.current_thread().join()
            with pytest.raises(RuntimeError, match=r"__init__\(\) not called"):
                Uninitialised().start()
            with pytest.raises(RuntimeError, match="un-acquired lock"):
                threading.Condition().notify()
            with pytest.raises(ValueError, match="released too many times"):
                threading.BoundedSemaphore().release()
            with pytest.raises(ValueError, match="called too many times"):
                queue.Queue().task_done()

        return body, bool

    assert_silent(explored(case, runs=100))


def test_a_scheduler_runs_in_virtual_time() -> None:
    def case() -> Made:
        done: list[str] = []

        def check() -> None:
            assert done == ["early", "late"]

        def run() -> None:
            began = time.monotonic()
            scheduler = sched.scheduler()
            scheduler.enter(5000, 1, done.append, ("late",))
            scheduler.enter(2000, 1, done.append, ("early",))
            scheduler.run()
            assert time.monotonic() - began == 5000

        return (run, lambda: time.sleep(1)), check

    assert_silent(explored(case, runs=100))


def test_a_pool_whose_initializer_fails_is_broken() -> None:
    def case() -> Made:
        def initializer() -> None:
            raise KeyError

        def work() -> None:
            pool = ThreadPoolExecutor(1, initializer=initializer)
            with pytest.raises(BrokenExecutor):
                pool.submit(int).result()
            pool.shutdown()

        return (work, lambda: None), bool

    assert_silent(explored(case, runs=100))


def test_futures_that_are_cancelled_at_the_end() -> None:
    def case() -> Made:
        def work() -> None:
            pool = ThreadPoolExecutor(1)
            futures = [pool.submit(time.sleep, 1) for _ in range(4)]
            pool.shutdown(cancel_futures=True)
            assert all(future.done() for future in futures)
            with pytest.raises(RuntimeError):
                pool.submit(int)

        return (work, lambda: None), bool

    assert_silent(explored(case, runs=100))


def notified_first(*, again: bool) -> Made:
    """Somebody notifies before anybody waits, and, if so wanted, once more when somebody does."""
    cond, over = threading.Condition(), threading.Event()
    waiting: list[int] = []

    def wait() -> None:
        over.wait()
        with cond:
            waiting.append(1)
            cond.wait()
            cond.wait()

    def notify() -> None:
        with cond:
            cond.notify_all()
        over.set()
        while again and not waiting:
            time.sleep(1)
        with cond:
            if again:
                cond.notify_all()

    return (wait, notify), bool


def test_notify_all_is_lost_as_notify_is() -> None:
    def case() -> Made:
        return notified_first(again=False)

    (finding,) = explored(case).findings
    assert finding.kind == "deadlock"
    assert "a lost wake-up: task 1 did that" in finding.message


def test_what_was_heard_afterwards_makes_up_for_it() -> None:
    def case() -> Made:
        return notified_first(again=True)

    (finding,) = explored(case).findings
    assert finding.kind == "deadlock"
    assert "waits for cond to be notified, at " in finding.message


def test_two_operations_on_one_line_are_two_places() -> None:
    """What fails only between them is replayed between them."""

    def case() -> Made:
        jobs: Any = queue.Queue()

        def put() -> None:
            _ = jobs.put(1), jobs.put(1), jobs.put(1)

        def look() -> None:
            assert jobs.qsize() != 2

        return (put, look), bool

    (finding,) = explored(case).findings
    assert finding.token, finding.remarks


def test_who_is_notified_in_time_has_lost_nothing() -> None:
    """An earlier notification for nobody is no lost wake-up for who waits and is told again."""

    def case() -> Made:
        cond = threading.Condition()
        ready: list[int] = []

        def wait() -> None:
            with cond:
                while not ready:
                    cond.wait()

        def notify() -> None:
            with cond:
                cond.notify()
                ready.append(1)
                cond.notify_all()

        return (wait, notify), bool

    assert_silent(explored(case))


def test_a_callback_is_at_its_own_grain() -> None:
    """What a future calls is the user's code, in the middle of an operation of the future."""

    def case() -> Made:
        counter = [0]

        def add(_future: object) -> None:
            counter[0] += 1  # race

        def finish() -> None:
            future: Future[int] = Future()
            future.add_done_callback(add)
            future.set_result(1)

        def check() -> None:
            assert counter == [2]

        return finish, check

    assert_found(explored(case), case)


def test_so_are_the_locks_that_it_takes() -> None:
    def case() -> Made:
        first, second = threading.Lock(), threading.Lock()

        def both(one: Any, other: Any) -> Callable[[object], None]:
            def callback(_future: object) -> None:
                with one, other:
                    pass

            return callback

        def finish(callback: Callable[[object], None]) -> None:
            future: Future[int] = Future()
            future.add_done_callback(callback)
            future.set_result(1)

        return (lambda: finish(both(first, second)), lambda: finish(both(second, first))), bool

    assert [finding.kind for finding in explored(case).findings] == ["deadlock"]


def test_a_primitive_of_ones_own_is_at_its_own_grain() -> None:
    """A flag that is set outside of its lock: the wait can miss it."""

    def case() -> Made:
        class Flag:
            def __init__(self) -> None:
                self.cond = threading.Condition()
                self.flag = False

            def set(self) -> None:
                self.flag = True
                if self.cond.acquire(blocking=False):
                    self.cond.notify_all()
                    self.cond.release()

            def wait(self) -> None:
                with self.cond:
                    if not self.flag:
                        self.cond.wait()

        flag = Flag()
        return (flag.wait, flag.set), bool

    assert [finding.kind for finding in explored(case).findings] == ["deadlock"]
