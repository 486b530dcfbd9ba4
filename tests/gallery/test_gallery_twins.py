"""Each thing that a thread can wait for, used wrongly in a program that is found, and rightly in one that stays silent.

The right ones run 200 times here; `RACECHECK_TWIN_RUNS=10000 pytest tests/gallery/test_gallery_twins.py` takes longer.
"""

from __future__ import annotations

import functools
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError, ThreadPoolExecutor, wait
from types import SimpleNamespace
from typing import Any

import pytest
from races import Body, Made, explored

RUNS = int(os.environ.get("RACECHECK_TWIN_RUNS", "200"))

Twin = Callable[[bool], Made]
TWINS: list[Twin] = []


def twin(case: Twin) -> Twin:
    """Keep a case that is wrong or right, as it is told."""
    TWINS.append(case)
    return case


def add(box: Any) -> None:
    box.n += 1


def holds(box: Any, expected: int) -> Callable[[], object]:
    def check() -> None:
        assert box.n == expected, box.n

    return check


def counted(guard: Any, *, right: bool) -> Made:
    """Two tasks count, under the guard or without."""
    box = SimpleNamespace(n=0)

    def body() -> None:
        if right:
            with guard:
                add(box)
        else:
            add(box)

    return body, holds(box, 2)


@twin
def lock(right: bool) -> Made:
    return counted(threading.Lock(), right=right)


@twin
def rlock(right: bool) -> Made:
    return counted(threading.RLock(), right=right)


@twin
def semaphore(right: bool) -> Made:
    """Two permits keep nobody out."""
    guard = threading.Semaphore(1 if right else 2)
    made, check = counted(guard, right=True)
    return made, check


@twin
def bounded_semaphore(right: bool) -> Made:
    """Released once more than it was acquired, by whoever comes last."""
    guard = threading.BoundedSemaphore(1)

    def body() -> None:
        got = guard.acquire(blocking=False)
        if got or not right:
            guard.release()

    return body, bool


@twin
def condition(right: bool) -> Made:
    """Waiting without having looked: a notification may have come before."""
    cond, box = threading.Condition(), SimpleNamespace(n=0)

    def take() -> None:
        with cond:
            if right:
                cond.wait_for(lambda: box.n)
            else:
                cond.wait()

    def give() -> None:
        with cond:
            box.n = 1
            cond.notify()

    return [take, give], holds(box, 1)


@twin
def condition_of_two(right: bool) -> Made:
    """One notification where two tasks wait."""
    cond, box = threading.Condition(), SimpleNamespace(n=0)

    def take() -> None:
        with cond:
            while not box.n:
                cond.wait()

    def give() -> None:
        with cond:
            box.n = 1
            if right:
                cond.notify_all()
            else:
                cond.notify()

    return [take, take, give], holds(box, 1)


@twin
def event(right: bool) -> Made:
    """Set before what it announces is there."""
    ready, box = threading.Event(), SimpleNamespace(n=0)

    def make() -> None:
        if right:
            box.n = 1
            ready.set()
        else:
            ready.set()
            box.n = 1

    def use() -> None:
        ready.wait()
        assert box.n == 1

    return [make, use], bool


@twin
def barrier(right: bool) -> Made:
    """Reading what the other one writes, without waiting for it."""
    meeting, box = threading.Barrier(2), SimpleNamespace(left=0, right=0)

    def left() -> None:
        box.left = 1
        if right:
            meeting.wait()
        assert box.right == 1

    def other() -> None:
        box.right = 1
        if right:
            meeting.wait()
        assert box.left == 1

    return [left, other], bool


def drained(items: Any, *, right: bool) -> Made:
    """Two tasks take one item: asking and taking are two operations."""
    items.put(1)

    def body() -> None:
        if right:
            try:
                items.get_nowait()
            except queue.Empty:
                pass
        elif not items.empty():
            items.get_nowait()

    return body, bool


@twin
def fifo(right: bool) -> Made:
    return drained(queue.Queue(), right=right)


@twin
def lifo(right: bool) -> Made:
    return drained(queue.LifoQueue(), right=right)


@twin
def priority(right: bool) -> Made:
    return drained(queue.PriorityQueue(), right=right)


@twin
def simple(right: bool) -> Made:
    return drained(queue.SimpleQueue(), right=right)


@twin
def full_queue(right: bool) -> Made:
    """Both ends of a conversation put more than there is room for before they take."""
    one: queue.Queue[int] = queue.Queue(1)
    other: queue.Queue[int] = queue.Queue(1)

    def talk(out: queue.Queue[int], into: queue.Queue[int]) -> None:
        out.put(1)
        if right:
            into.get()
        out.put(2)
        into.get()
        if not right:
            into.get()

    return [lambda: talk(one, other), lambda: talk(other, one)], bool


@twin
def queue_join(right: bool) -> Made:
    """Said to be done before it is."""
    items: queue.Queue[int] = queue.Queue()
    box = SimpleNamespace(n=0)
    items.put(1)

    def work() -> None:
        number = items.get()
        if right:
            box.n += number
            items.task_done()
        else:
            items.task_done()
            box.n += number

    def look() -> None:
        items.join()
        assert box.n == 1

    return [work, look], bool


@twin
def future(right: bool) -> Made:
    """Setting a result that has been cancelled meanwhile."""
    promise: Future[int] = Future()

    def fulfil() -> None:
        if right:
            if promise.set_running_or_notify_cancel():
                promise.set_result(1)
        elif not promise.cancelled():
            promise.set_result(1)

    return [fulfil, promise.cancel], bool


@twin
def future_result(right: bool) -> Made:
    """Asking for a result that may have been cancelled."""
    promise: Future[int] = Future()

    def ask() -> None:
        try:
            assert promise.result() == 1
        except CancelledError:
            assert right

    def fulfil() -> None:
        try:
            promise.set_result(1)
        except InvalidStateError:
            pass

    return [ask, fulfil, promise.cancel], bool


def alone(body: Body, check: Callable[[], object] = bool) -> Made:
    """One body, which starts threads of its own."""
    return [body], check


@twin
def pool(right: bool) -> Made:
    box, guard = SimpleNamespace(n=0), threading.Lock()

    def count() -> None:
        with guard if right else threading.Lock():
            add(box)

    def body() -> None:
        with ThreadPoolExecutor(2) as executor:
            wait([executor.submit(count) for _ in range(2)])

    return alone(body, holds(box, 2))


@twin
def pool_that_waits_for_itself(right: bool) -> Made:
    def body() -> None:
        with ThreadPoolExecutor(2 if right else 1) as executor:
            outer = executor.submit(lambda: executor.submit(int, "1").result())
            assert outer.result() == 1

    return alone(body)


@twin
def thread(right: bool) -> Made:
    """A thread that nobody joins before its result is used."""
    box = SimpleNamespace(n=0)

    def body() -> None:
        started = threading.Thread(target=add, args=(box,))
        started.start()
        if right:
            started.join()
        assert box.n == 1
        started.join()

    return alone(body)


@twin
def timer(right: bool) -> Made:
    """A timer that was cancelled may be running already; only who has joined it knows."""
    box = SimpleNamespace(n=0)

    def body() -> None:
        timed = threading.Timer(0.0, add, (box,))
        timed.start()
        timed.cancel()
        if right:
            timed.join()
        seen = box.n
        timed.join()
        assert box.n == seen

    return alone(body)


@pytest.mark.parametrize("case", TWINS, ids=[case.__name__ for case in TWINS])
def test_what_is_wrong_is_found(case: Twin) -> None:
    result = explored(functools.wraps(case)(lambda: case(False)), runs=1000)
    assert result.findings, f"not found in {result.runs} runs"


@pytest.mark.parametrize("case", TWINS, ids=[case.__name__ for case in TWINS])
def test_what_is_right_is_silent(case: Twin) -> None:
    result = explored(functools.wraps(case)(lambda: case(True)), runs=RUNS)
    assert not result.findings, result.findings[0].message
    assert not result.error
    assert not result.uncontrolled
    assert result.runs >= RUNS or result.stopped_by == "one interleaving"


def waits_once() -> Made:
    """Right but for the ``if``: a wait may end without a notification."""
    cond, items = threading.Condition(), list[int]()

    def take() -> None:
        with cond:
            if not items:
                cond.wait()
            items.pop()

    def give() -> None:
        with cond:
            items.append(1)
            cond.notify()

    return [take, give], bool


def waits_in_a_loop() -> Made:
    cond, items = threading.Condition(), list[int]()

    def take() -> None:
        with cond:
            while not items:
                cond.wait()
            items.pop()

    def give() -> None:
        with cond:
            items.append(1)
            cond.notify()

    return [take, take, give, give], bool


def waits_for_an_event() -> Made:
    """What the standard library builds from conditions has a loop of its own, or waits once: it never wakes early."""
    ready = threading.Event()

    def use() -> None:
        assert ready.wait()

    return [use, ready.set], bool


def test_a_wait_that_ends_for_no_reason_is_explored_on_request() -> None:
    found = explored(waits_once, wakeups=1)
    assert found.findings
    assert any("although nobody has notified it" in event.note for event in found.findings[0].trace.events)
    assert not explored(waits_once, runs=RUNS).findings


@pytest.mark.parametrize("case", [waits_in_a_loop, waits_for_an_event])
def test_who_reckons_with_it_is_right(case: Callable[[], Made]) -> None:
    assert not explored(case, runs=RUNS, wakeups=3).findings
