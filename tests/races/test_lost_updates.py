"""A task reads, another writes, and the first writes what it made of the old value: at all kinds of locations."""

from __future__ import annotations

import array
import contextlib
import multiprocessing
import threading
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import SimpleNamespace

import cupboard
import pytest
from pairs import Bodies, Case, Pairs, assert_named, assert_silent

lost = Pairs("lost-update")
count = 0


def guard(right: bool) -> contextlib.AbstractContextManager[object]:
    return threading.Lock() if right else contextlib.nullcontext()


class Box:
    total = 0

    def __init__(self) -> None:
        self.n = 0
        self.lock = threading.Lock()

    def get(self) -> int:
        return self.n  # race

    def set(self, value: int) -> None:
        self.n = value  # race


class Slotted:
    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 0


class Gauge:
    def __init__(self) -> None:
        self._level = 0

    @property
    def level(self) -> int:
        return self._level  # race

    @level.setter
    def level(self, value: int) -> None:
        self._level = value  # race


@dataclass(frozen=True)
class Point:
    x: int = 0
    y: int = 0


@lost
def global_variable(right: bool) -> Bodies:
    global count
    lock = guard(right)
    count = 0

    def body() -> None:
        global count
        with lock:
            count += 1  # race

    return body


@lost
def closure_variable(right: bool) -> Bodies:
    lock = guard(right)
    n = 0

    def body() -> None:
        nonlocal n
        with lock:
            n += 1  # race

    return body


@lost
def attribute(right: bool) -> Bodies:
    lock, box = guard(right), Box()

    def body() -> None:
        with lock:
            box.n += 1  # race

    return body


@lost
def slot(right: bool) -> Bodies:
    lock, box = guard(right), Slotted()

    def body() -> None:
        with lock:
            box.n += 1  # race

    return body


@lost
def class_attribute(right: bool) -> Bodies:
    lock = guard(right)
    Box.total = 0

    def body() -> None:
        with lock:
            Box.total += 1  # race

    return body


@lost
def attribute_of_a_module(right: bool) -> Bodies:
    lock = guard(right)
    cupboard.count = 0

    def body() -> None:
        with lock:
            cupboard.count += 1  # race

    return body


@lost
def item_of_a_dict(right: bool) -> Bodies:
    lock, seen = guard(right), {"a": 0}

    def body() -> None:
        with lock:
            seen["a"] += 1  # race

    return body


@lost
def item_of_a_dict_inside(right: bool) -> Bodies:
    lock, seen = guard(right), {"a": {"n": 0}}

    def body() -> None:
        with lock:
            seen["a"]["n"] += 1  # race

    return body


@lost
def item_of_a_list(right: bool) -> Bodies:
    lock, seen = guard(right), [0, 0]

    def body() -> None:
        with lock:
            seen[1] += 1  # race

    return body


@lost
def item_of_a_counter(right: bool) -> Bodies:
    lock = guard(right)
    seen: Counter[str] = Counter(a=1)

    def body() -> None:
        with lock:
            seen["a"] += 1  # race

    return body


@lost
def item_of_a_defaultdict(right: bool) -> Bodies:
    lock = guard(right)
    seen: defaultdict[str, int] = defaultdict(int)

    def body() -> None:
        with lock:
            seen["a"] += 1  # race

    return body


@lost
def byte(right: bool) -> Bodies:
    lock, seen = guard(right), bytearray(2)

    def body() -> None:
        with lock:
            seen[0] += 1  # race

    return body


@lost
def shared_value(right: bool) -> Bodies:
    value = multiprocessing.Value("i", 0)
    lock = value.get_lock() if right else contextlib.nullcontext()

    def body() -> None:
        with lock:
            value.value += 1  # race

    return body


@lost
def item_of_an_array(right: bool) -> Bodies:
    lock, seen = guard(right), array.array("i", [0])

    def body() -> None:
        with lock:
            seen[0] += 1  # race

    return body


@lost
def by_methods(right: bool) -> Bodies:
    """What is read in one function goes into another."""
    lock, box = guard(right), Box()

    def body() -> None:
        with lock:
            box.set(box.get() + 1)

    return body


@lost
def by_a_property(right: bool) -> Bodies:
    lock, gauge = guard(right), Gauge()

    def body() -> None:
        with lock:
            gauge.level += 1

    return body


@lost
def lock_given_back_in_between(right: bool) -> Bodies:
    box = Box()

    def body() -> None:
        with box.lock:
            n = box.n  # race
            if right:
                box.n = n + 1
        if not right:
            with box.lock:
                box.n = n + 1  # race

    return body


@lost
def lock_of_its_own(right: bool) -> Bodies:
    box, one, other = Box(), threading.Lock(), threading.Lock()

    def add(lock: threading.Lock) -> None:
        with lock:
            box.n += 1  # race

    return [lambda: add(one), lambda: add(one if right else other)]


@lost
def one_of_them_without_the_lock(right: bool) -> Bodies:
    box = Box()

    def careful() -> None:
        with box.lock:
            box.n += 1  # race

    def careless() -> None:
        box.n += 1  # race

    return [careful, careful if right else careless]


@lost
def rlock_around_the_read(right: bool) -> Bodies:
    box, lock = Box(), threading.RLock()

    def body() -> None:
        with lock:
            n = box.n  # race
            if right:
                box.n = n + 1
        if not right:
            box.n = n + 1  # race

    return body


@lost
def two_permits(right: bool) -> Bodies:
    box, permits = Box(), threading.Semaphore(1 if right else 2)

    def body() -> None:
        with permits:
            box.n += 1  # race

    return body


@lost
def condition_not_entered(right: bool) -> Bodies:
    box, condition = Box(), threading.Condition()

    def body() -> None:
        if right:
            with condition:
                box.n += 1
        else:
            box.n += 1  # race
            with condition:
                condition.notify_all()

    return body


@lost
def event_lets_both_go(right: bool) -> Bodies:
    box, ready, lock = Box(), threading.Event(), guard(right)
    ready.set()

    def body() -> None:
        ready.wait()
        with lock:
            box.n += 1  # race

    return body


@lost
def barrier_lets_both_go(right: bool) -> Bodies:
    box, barrier, lock = Box(), threading.Barrier(2), guard(right)

    def body() -> None:
        barrier.wait()
        with lock:
            box.n += 1  # race

    return body


@lost
def text(right: bool) -> Bodies:
    lock, log = guard(right), SimpleNamespace(text="")

    def body() -> None:
        with lock:
            log.text += "x"  # race

    return body


@lost
def tuple_made_longer(right: bool) -> Bodies:
    lock, log = guard(right), SimpleNamespace(items=())

    def body() -> None:
        with lock:
            log.items = (*log.items, 1)  # race

    return body


@lost
def copy_on_write(right: bool) -> Bodies:
    """Swapping the whole dict is safe for readers; two writers lose what one of them has put in."""
    lock, config = guard(right), SimpleNamespace(values={"a": 0, "b": 0})

    def change(key: str) -> None:
        with lock:
            config.values = {**config.values, key: 1}  # race

    return [lambda: change("a"), lambda: change("b")]


@lost
def frozen_dataclass_replaced(right: bool) -> Bodies:
    lock, shape = guard(right), SimpleNamespace(corner=Point())

    def wide() -> None:
        with lock:
            shape.corner = replace(shape.corner, x=1)  # race

    def high() -> None:
        with lock:
            shape.corner = replace(shape.corner, y=1)  # race

    return [wide, high]


@lost
def moving_average(right: bool) -> Bodies:
    """A statistic, and wrong all the same."""
    lock, stats = guard(right), SimpleNamespace(mean=0.0)

    def note(value: float) -> None:
        with lock:
            stats.mean = 0.5 * stats.mean + value  # race

    return [lambda: note(1.0), lambda: note(1.0)]


@lost
def numbers_given_out_twice(right: bool) -> Bodies:
    lock, source = guard(right), SimpleNamespace(last=0)
    given: list[int] = []

    def body() -> None:
        with lock:
            number = source.last + 1  # race
            source.last = number  # race
        given.append(number)

    return body


@lost
def by_reflection(right: bool) -> Bodies:
    lock, box = guard(right), Box()

    def body() -> None:
        with lock:
            setattr(box, "n", getattr(box, "n") + 1)  # race

    return body


@lost
def in_a_pool(right: bool) -> Bodies:
    lock, box = guard(right), Box()

    def add() -> None:
        with lock:
            box.n += 1  # race

    def test() -> None:
        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(add), pool.submit(add)]:
                future.result()

    return [test]


@lost
def in_threads_of_its_own(right: bool) -> Bodies:
    lock, box = guard(right), Box()

    class Worker(threading.Thread):
        def run(self) -> None:
            with lock:
                box.n += 1  # race

    def test() -> None:
        workers = [Worker(), Worker()]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    return [test]


@lost
def before_the_join(right: bool) -> Bodies:
    """The thread that waits counts as well, but too early."""
    box = Box()

    def add() -> None:
        box.n += 1  # race

    def test() -> None:
        thread = threading.Thread(target=add)
        thread.start()
        if right:
            thread.join()
        box.n += 1  # race
        if not right:
            thread.join()

    return [test]


@lost
def by_three(right: bool) -> Bodies:
    lock, box = guard(right), Box()

    def body() -> None:
        with lock:
            box.n += 1  # race

    return [body, body, body]


@lost
def in_a_loop(right: bool) -> Bodies:
    lock, box = guard(right), Box()

    def body() -> None:
        for _ in range(2):
            with lock:
                box.n += 1  # race

    return body


@lost
def reset_undone(right: bool) -> Bodies:
    """Not both of them work with the value."""
    lock, box = guard(right), Box()
    box.n = 5

    def reset() -> None:
        with lock:
            box.n = 0  # race

    def add() -> None:
        with lock:
            box.n += 1  # race

    return [add, reset]


@pytest.mark.parametrize(("case", "kind"), lost.cases)
def test_the_race_is_named(case: Case, kind: str) -> None:
    assert_named(case, kind)


@pytest.mark.parametrize(("case", "kind"), lost.cases)
def test_its_twin_is_silent(case: Case, kind: str) -> None:
    assert_silent(lambda: case(True), case)
