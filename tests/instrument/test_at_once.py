"""Operations that go through at once are the same ones, in the same runs, as with a hook at every step inside."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from pytest_racecheck.core.passed import SURE
from pytest_racecheck.core.runner import Limits, Runner
from pytest_racecheck.core.values import Trace
from pytest_racecheck.instrument import primitives
from pytest_racecheck.instrument.install import Rewriting
from pytest_racecheck.instrument.marking import PASSED
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.strategies.random_walk import RandomWalk

HERE = Path(__file__)
RUNS = 60
Bodies = Sequence[Callable[[], object]]


class Program:
    """Bodies that are made anew for each run."""

    def __init__(self, make: Callable[[], Bodies]) -> None:
        self._make = make

    def set_up(self) -> Bodies:
        """Make the bodies."""
        return self._make()

    def check(self) -> None:
        """Nothing is checked: the runs are compared."""

    def tear_down(self) -> None:
        """Nothing is left."""


def runs(make: Callable[[], Bodies], count: int = RUNS, *, gil: bool = False) -> Iterator[Trace]:
    with Runner(Program(make), Rewriting(Scope(HERE.parent, (), HERE)), Limits(gil=gil), 0, ()) as runner:
        strategy = RandomWalk(0)
        for _ in range(count):
            strategy.start_run()
            yield runner.run(strategy, recorded=True)


def told(trace: Trace) -> tuple[Any, ...]:
    """What happened in a run; not at which address."""
    return (
        trace.path,
        trace.schedule,
        trace.chances,
        [(event.task, event.kind, event.line, event.name, event.note) for event in trace.events],
        [failure.message for failure in trace.failures],
    )


def events() -> Bodies:
    begin, end = threading.Event(), threading.Event()

    def first() -> None:
        begin.set()
        end.wait()
        begin.clear()

    def second() -> None:
        begin.wait(1)
        end.set()
        assert begin.is_set() or not begin.wait(0)

    return [first, second, begin.wait]


def conditions() -> Bodies:
    lock = threading.RLock()
    full, empty = threading.Condition(lock), threading.Condition(lock)
    box: list[int] = []

    def put() -> None:
        with full:
            while box:
                empty.wait()
            box.append(1)
            full.notify_all()

    def get() -> None:
        with lock:
            while not box:
                full.wait()
            box.pop()
            empty.notify()

    return [put, get, put, get]


def semaphores() -> Bodies:
    places = threading.BoundedSemaphore(1)
    turn = threading.Semaphore(0)

    def work() -> None:
        with places:
            turn.release()
        turn.acquire(timeout=1)
        places.acquire(blocking=False)

    return [work, work, work]


def queues() -> Bodies:
    items: queue.Queue[int] = queue.Queue(1)

    def produce() -> None:
        for number in range(2):
            items.put(number)
        items.join()

    def consume() -> None:
        items.get()
        items.task_done()
        if not items.empty():
            items.get_nowait()
            items.task_done()

    return [produce, consume, consume]


def a_queue_whose_mutex_is_held() -> Bodies:
    items: queue.LifoQueue[int] = queue.LifoQueue()

    def hold() -> None:
        with items.mutex:
            items.queue.append(0)
            items.not_empty.notify()
            assert len(items.queue) < 9

    return [hold, lambda: items.put(1), lambda: items.get(timeout=1), items.qsize]


def futures() -> Bodies:
    future: Future[int] = Future()
    seen: list[bool] = []

    def work() -> None:
        if future.set_running_or_notify_cancel():
            future.set_result(1)

    def ask() -> None:
        future.add_done_callback(lambda done: seen.append(done.cancelled()))
        if not future.cancel():
            assert future.result(timeout=5) == 1
        assert future.done()

    return [work, ask, lambda: wait([future])]


def never_done() -> Bodies:
    future: Future[int] = Future()
    return [future.result, lambda: future.exception(timeout=1), future.done, lambda: (future.done(), future.running())]


def pools() -> Bodies:
    def work() -> None:
        with ThreadPoolExecutor(2) as pool:
            nested = pool.submit(pool.submit, int, "1")
            assert sum(pool.map(int, "123")) == 6
            assert nested.result().result() == 1

    return [work]


def looks_between_looks() -> Bodies:
    """What comes after a look that is the last thing done, after a wait, and after what calls C code."""
    event, items, box = threading.Event(), queue.Queue[int](), [0]
    condition = threading.Condition()

    def work() -> None:
        seen = box[0]
        while not event.is_set() and seen < 9:
            seen += box[0] + 9
        box[0] = seen
        event.set()
        box[0] += 1
        items.put(seen)
        box[0] += items.qsize()
        items.get()
        box[0] -= 1
        with condition:
            condition.wait(1)
            box[0] += 1
            condition.notify_all()

    return [work, work]


class Counted(threading.Event):
    """Something of its own happens where the other events are set."""

    count = 0

    def set(self) -> None:
        self.count += 1
        super().set()


def a_subclass() -> Bodies:
    event = Counted()
    return [event.set, event.set, lambda: event.wait() and event.count]


PROGRAMS = (
    events, conditions, semaphores, queues, a_queue_whose_mutex_is_held, futures, never_done, pools,
    looks_between_looks, a_subclass,
)  # fmt: skip


@pytest.mark.parametrize("gil", [False, True], ids=["anywhere", "gil"])
@pytest.mark.parametrize("make", PROGRAMS, ids=[make.__name__ for make in PROGRAMS])
def test_runs_are_the_same_with_all_hooks(
    make: Callable[[], Bodies], gil: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So are the places where the interpreter could have switched, and the runs where it is stopped only there."""
    at_once = [told(trace) for trace in runs(make, gil=gil)]
    with monkeypatch.context() as patch:
        patch.setattr(primitives, "GOES_PLAINLY", False)
        hooked = [told(trace) for trace in runs(make, gil=gil)]

    assert at_once == hooked
    assert len({path for path, *_ in at_once}) > 1


@pytest.mark.parametrize("plainly", [True, False])
def test_a_look_is_the_last_that_is_done_a_change_is_not(plainly: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the interpreter can have let another thread go since the operation; see `Passed`."""
    monkeypatch.setattr(primitives, "GOES_PLAINLY", plainly)
    looked: list[tuple[str, bool]] = []

    def made() -> Bodies:
        event, items, done = threading.Event(), queue.Queue[int](), Future[int]()
        done.set_result(1)

        def body() -> None:
            event.is_set()
            looked.append(("is_set", PASSED[SURE]))
            event.set()
            looked.append(("set", PASSED[SURE]))
            items.put(1)
            looked.append(("put", PASSED[SURE]))
            done.result()
            looked.append(("result", PASSED[SURE]))

        return [body, body]

    list(runs(made, 5))

    assert set(looked) == {("is_set", False), ("set", True), ("put", True), ("result", True)}


def test_a_replaced_part_of_the_standard_library_is_explored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who puts a function of his own in its place wants to know what becomes of it."""
    notified = {"count": 0}
    original = threading.Condition.notify

    def counting(self: threading.Condition, n: int = 1) -> None:
        notified["count"] += 1
        original(self, n)

    def made() -> Bodies:
        notified["count"] = 0
        return [notify, notify]

    def notify() -> None:
        condition = threading.Condition()
        with condition:
            condition.notify_all()

    monkeypatch.setattr(threading.Condition, "notify", counting)
    counts = [notified["count"] for _ in runs(made)]

    assert set(counts[1:]) == {1, 2}
