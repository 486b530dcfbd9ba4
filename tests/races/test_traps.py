"""Programs that share without a lock and are right: each has trapped a race detector. Nobody is accused."""

from __future__ import annotations

import itertools
import queue
import threading
import weakref
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from pairs import Bodies, assert_silent

Trap = Callable[[], Bodies]
TRAPS: list[Trap] = []


def trap(case: Trap) -> Trap:
    TRAPS.append(case)
    return case


class Service:
    def __init__(self) -> None:
        self.calls = 0


@dataclass
class Size:
    width: int
    height: int


def double(number: int) -> int:
    return number * 2


# -- making something once -------------------------------------------------------------------------------------


@trap
def double_checked_locking() -> Bodies:
    lock, box = threading.Lock(), SimpleNamespace(service=None)
    used: list[Service] = []

    def body() -> None:
        if box.service is None:
            with lock:
                if box.service is None:
                    box.service = Service()
        used.append(box.service)

    return body


@trap
def equal_values_made_twice() -> Bodies:
    """Who comes second makes the same once more."""
    box = SimpleNamespace(table=None)
    used: list[dict[str, int]] = []

    def body() -> None:
        if box.table is None:
            box.table = {"a": 1, "b": 2}
        used.append(box.table)

    return body


@trap
def equal_dataclasses_made_twice() -> Bodies:
    box = SimpleNamespace(size=None)
    used: list[Size] = []

    def body() -> None:
        if box.size is None:
            box.size = Size(3, 4)
        used.append(box.size)

    return body


@trap
def cache_filled_twice() -> Bodies:
    cache: dict[int, int] = {}
    results: list[int] = []

    def body() -> None:
        if 3 not in cache:
            cache[3] = double(3)
        results.append(cache[3])

    return body


@trap
def cache_asked_by_get() -> Bodies:
    cache: dict[str, str] = {}
    results: list[str] = []

    def body() -> None:
        found = cache.get("a")
        if found is None:
            found = cache["a"] = "A"
        results.append(found)

    return body


@trap
def lru_cache_filled_twice() -> Bodies:
    remembered = lru_cache(double)
    results: list[int] = []

    def body() -> None:
        results.append(remembered(3))

    return body


@trap
def setdefault() -> Bodies:
    groups: dict[str, list[int]] = {}

    def body() -> None:
        groups.setdefault("a", []).append(1)

    return body


@trap
def lock_of_a_key_by_setdefault() -> Bodies:
    locks: dict[str, threading.Lock] = {}
    counts = {"a": 0}

    def body() -> None:
        with locks.setdefault("a", threading.Lock()):
            counts["a"] += 1

    return body


@trap
def flag_set_twice() -> Bodies:
    box = SimpleNamespace(seen=False)

    def body() -> None:
        if not box.seen:
            box.seen = True

    return body


# -- handing over ----------------------------------------------------------------------------------------------


@trap
def published_through_a_queue() -> Bodies:
    jobs: queue.Queue[Service] = queue.Queue()

    def make() -> None:
        service = Service()
        service.calls += 1
        jobs.put(service)

    def use() -> None:
        service = jobs.get()
        service.calls += 1

    return [make, use]


@trap
def there_and_back_through_queues() -> Bodies:
    """One writes in between the other's read and write, in every run."""
    there: queue.SimpleQueue[Service] = queue.SimpleQueue()
    back: queue.SimpleQueue[Service] = queue.SimpleQueue()

    def ask() -> None:
        service = Service()
        before = service.calls
        there.put(service)
        service = back.get()
        service.calls = before + 10

    def answer() -> None:
        service = there.get()
        service.calls = 5
        back.put(service)

    return [ask, answer]


@trap
def queue_only() -> Bodies:
    jobs: queue.Queue[int] = queue.Queue()
    done: queue.Queue[int] = queue.Queue()
    for number in range(3):
        jobs.put(number)

    def body() -> None:
        while True:
            try:
                number = jobs.get_nowait()
            except queue.Empty:
                return
            done.put(number * 2)

    return body


@trap
def published_by_an_event() -> Bodies:
    box, ready = SimpleNamespace(value=None), threading.Event()
    got: list[Any] = []

    def make() -> None:
        box.value = [1, 2]
        ready.set()

    def use() -> None:
        ready.wait()
        got.append(box.value)

    return [make, use]


@trap
def published_by_a_flag() -> Bodies:
    """The flag is written last and read first."""
    box = SimpleNamespace(value=None, ready=False)
    got: list[Any] = []

    def make() -> None:
        box.value = [1, 2]
        box.ready = True

    def use() -> None:
        if box.ready:
            got.append(box.value)

    return [make, use]


@trap
def handed_over_by_a_semaphore() -> Bodies:
    box, permits = SimpleNamespace(n=0), threading.Semaphore(0)

    def first() -> None:
        box.n += 1
        permits.release()

    def second() -> None:
        permits.acquire()
        box.n += 1

    return [first, second]


@trap
def phases_of_a_barrier() -> Bodies:
    """Everybody writes his own, and reads the others' only after all have written."""
    barrier = threading.Barrier(2)
    parts, sums = [0, 0], [0, 0]

    def work(index: int) -> None:
        parts[index] = index + 1
        barrier.wait()
        sums[index] = sum(parts)

    return [lambda: work(0), lambda: work(1)]


@trap
def waiting_for_a_condition() -> Bodies:
    condition, box = threading.Condition(), SimpleNamespace(items=[], taken=0)

    def put() -> None:
        with condition:
            box.items.append(1)
            condition.notify()

    def take() -> None:
        with condition:
            while not box.items:
                condition.wait()
            box.items.pop()
            box.taken += 1

    return [put, take]


@trap
def result_of_a_future() -> Bodies:
    future: Future[int] = Future()
    got: list[int] = []

    def make() -> None:
        future.set_result(3)

    def use() -> None:
        got.append(future.result() + 1)

    return [make, use]


@trap
def sums_of_a_pool() -> Bodies:
    total: list[int] = []

    def test() -> None:
        with ThreadPoolExecutor(2) as pool:
            total.append(sum(pool.map(double, range(3))))

    return [test]


@trap
def counted_after_the_join() -> Bodies:
    box = SimpleNamespace(n=0)

    def add() -> None:
        box.n += 1

    def test() -> None:
        for _ in range(2):
            thread = threading.Thread(target=add)
            thread.start()
            thread.join()
        box.n += 1

    return [test]


# -- one writer, or one step -----------------------------------------------------------------------------------


@trap
def counter_of_a_single_writer() -> Bodies:
    stats = SimpleNamespace(done=0)
    seen: list[int] = []

    def work() -> None:
        stats.done += 1
        stats.done += 1

    def watch() -> None:
        seen.append(stats.done)

    return [work, watch]


@trap
def counter_for_each_writer() -> Bodies:
    counts = [0, 0]
    seen: list[int] = []

    def work(index: int) -> None:
        counts[index] += 1

    return [lambda: work(0), lambda: work(1), lambda: seen.append(sum(counts))]


@trap
def counters_of_a_single_writer() -> Bodies:
    """They have nothing to do with each other: each is counted somewhere else."""
    stats = SimpleNamespace(hits=0, misses=0)
    seen: list[int] = []

    def hit() -> None:
        stats.hits += 1

    def miss() -> None:
        stats.misses += 1

    def work() -> None:
        hit()
        miss()

    def watch() -> None:
        seen.append(stats.hits + stats.misses)

    return [work, watch]


@trap
def appended_in_one_step() -> Bodies:
    log: list[str] = []

    def body() -> None:
        log.append("a")
        log.extend(["b", "c"])

    return body


@trap
def taken_in_one_step() -> Bodies:
    jobs, done = deque([1, 2]), deque[int]()

    def body() -> None:
        try:
            done.append(jobs.popleft())
        except IndexError:
            done.append(0)

    return body


@trap
def popped_with_a_default() -> Bodies:
    found, got = {"a": 1}, list[object]()

    def body() -> None:
        got.append(found.pop("a", None))

    return body


@trap
def numbers_of_a_counter_of_c() -> Bodies:
    numbers = itertools.count()
    given: list[int] = []

    def body() -> None:
        given.append(next(numbers))

    return body


@trap
def different_keys() -> Bodies:
    counts: defaultdict[str, int] = defaultdict(int)

    def count(key: str) -> None:
        for _ in range(2):
            counts[key] += 1

    return [lambda: count("a"), lambda: count("b")]


@trap
def added_to_a_set() -> Bodies:
    seen: set[int] = set()

    def body() -> None:
        seen.add(1)
        seen.add(2)

    return body


@trap
def last_one_wins() -> Bodies:
    box = SimpleNamespace(latest="")

    def note(text: str) -> None:
        box.latest = text

    return [lambda: note("a"), lambda: note("b")]


# -- looking without a lock ------------------------------------------------------------------------------------


@trap
def config_swapped_as_a_whole() -> Bodies:
    box = SimpleNamespace(config={"host": "a", "port": 1})
    used: list[str] = []

    def reload() -> None:
        box.config = {"host": "b", "port": 2}

    def connect() -> None:
        config = box.config
        used.append(f"{config['host']}:{config['port']}")

    return [reload, connect]


@trap
def frozen_view_swapped() -> Bodies:
    box = SimpleNamespace(view=MappingProxyType({"a": 1}))
    got: list[int] = []

    def reload() -> None:
        box.view = MappingProxyType({"a": 2})

    def read() -> None:
        got.append(box.view["a"])

    return [reload, read]


@trap
def listeners_copied_on_write() -> Bodies:
    """Writers have a lock, readers go over what was there when they began."""
    lock, box = threading.Lock(), SimpleNamespace(listeners=("a",))
    called: list[str] = []

    def join(name: str) -> None:
        with lock:
            box.listeners = (*box.listeners, name)

    def fire() -> None:
        for listener in box.listeners:
            called.append(listener)

    return [lambda: join("b"), lambda: join("c"), fire]


@trap
def told_to_stop() -> Bodies:
    box = SimpleNamespace(stop=False, rounds=0)

    def work() -> None:
        while not box.stop and box.rounds < 3:
            box.rounds += 1

    def end() -> None:
        box.stop = True

    return [work, end]


@trap
def tried_again_if_it_has_changed() -> Bodies:
    """Worked out without the lock, and written only if nobody has been faster; a retry is counted."""
    lock, box = threading.Lock(), SimpleNamespace(n=0, retries=0)

    def body() -> None:
        while True:
            old = box.n
            new = old + 1
            with lock:
                if box.n == old:
                    box.n = new
                    return
                box.retries += 1

    return body


@trap
def read_again_if_it_has_changed() -> Bodies:
    """A sequence lock: who reads looks at the number before and after."""
    box = SimpleNamespace(number=0, x=0, y=0)
    seen: list[tuple[int, int] | None] = []

    def write() -> None:
        box.number += 1
        box.x = 1
        box.y = 1
        box.number += 1

    def read() -> None:
        for _ in range(2):
            number = box.number
            pair = (box.x, box.y)
            if number % 2 == 0 and box.number == number:
                seen.append(pair)
                return
        seen.append(None)

    return [write, read]


@trap
def looked_at_before_it_is_set() -> Bodies:
    """What is read has nothing to do with what is written."""
    box = SimpleNamespace(level=0)
    log: list[int] = []

    def one() -> None:
        log.append(box.level)
        box.level = 5

    def other() -> None:
        box.level = 3

    return [one, other]


@trap
def two_safe_calls_in_a_row() -> Bodies:
    """Each is under the lock; nobody has promised that nothing comes in between."""
    lock, box = threading.Lock(), SimpleNamespace(n=0)
    given: list[tuple[int, int]] = []

    def number() -> int:
        with lock:
            box.n += 1
            return int(box.n)

    def body() -> None:
        given.append((number(), number()))

    return body


@trap
def every_hundredth_is_logged() -> Bodies:
    """A decision that says nothing about what is written next."""
    lock, box = threading.Lock(), SimpleNamespace(n=99)
    log: list[int] = []

    def body() -> None:
        if box.n % 100 == 0:
            log.append(100)
        with lock:
            box.n += 1

    return body


# -- not shared ------------------------------------------------------------------------------------------------


@trap
def thread_local_state() -> Bodies:
    own = threading.local()
    done: list[int] = []

    def body() -> None:
        own.n = 0
        own.n += 1
        own.n += 1
        done.append(own.n)

    return body


@trap
def objects_of_their_own() -> Bodies:
    done: list[int] = []

    def body() -> None:
        service = Service()
        service.calls += 1
        done.append(service.calls)

    return body


@trap
def only_read() -> Bodies:
    table = {"a": 1, "b": 2}
    sums: list[int] = []

    def body() -> None:
        sums.append(sum(table.values()) + table["a"])

    return body


@trap
def lock_with_a_fallback() -> Bodies:
    """Who does not get the lock at once does without."""
    lock, box = threading.Lock(), SimpleNamespace(n=0)
    skipped: list[int] = []

    def body() -> None:
        if lock.acquire(blocking=False):
            box.n += 1
            lock.release()
        else:
            skipped.append(1)

    return body


@trap
def weak_references() -> Bodies:
    service = Service()
    known = weakref.WeakValueDictionary({"a": service})
    got: list[bool] = []

    def body(kept: Service) -> None:
        got.append(known.get("a") is kept)

    return [partial(body, service), partial(body, service)]


# -- locks in two orders that never meet -----------------------------------------------------------------------


@trap
def gate_before_two_orders() -> Bodies:
    gate, one, other = threading.Lock(), threading.Lock(), threading.Lock()

    def forwards() -> None:
        with gate, one, other:
            pass

    def backwards() -> None:
        with gate, other, one:
            pass

    return [forwards, backwards]


@trap
def two_orders_one_after_the_other() -> Bodies:
    one, other = threading.Lock(), threading.Lock()

    def forwards() -> None:
        with one, other:
            pass

    def test() -> None:
        thread = threading.Thread(target=forwards)
        thread.start()
        thread.join()
        with other, one:
            pass

    return [test]


@trap
def tried_in_the_other_order() -> Bodies:
    """Who holds one does not wait for the other."""
    one, other = threading.Lock(), threading.Lock()

    def forwards() -> None:
        with one, other:
            pass

    def backwards() -> None:
        with other:
            if one.acquire(blocking=False):
                one.release()

    return [forwards, backwards]


# -- all at once -----------------------------------------------------------------------------------------------


@trap
def jobs_taken_by_whoever_comes() -> Bodies:
    """Who does which job depends on the order; each is done once."""
    jobs = deque([1, 2, 3])
    done: dict[str, list[int]] = {"a": [], "b": []}

    def work(name: str) -> None:
        while True:
            try:
                job = jobs.popleft()
            except IndexError:
                return
            done[name].append(job)

    return [partial(work, "a"), partial(work, "b")]


@trap
def two_counters_with_a_lock_each() -> Bodies:
    """Whoever gives back the lock in between has meant others to see it."""
    box = SimpleNamespace(a=0, b=0, seen=None)
    first, second = threading.Lock(), threading.Lock()

    def work() -> None:
        with first:
            box.a += 1
        with second:
            box.b += 1

    def look() -> None:
        box.seen = (box.a, box.b)

    return [work, look]


@trap
def class_made_in_every_run() -> Bodies:
    """Its methods are new code every time: something to learn from every run."""

    def body() -> None:
        @dataclass
        class Settings:
            text: str
            parsed: dict[str, str] | None = None

            def get(self) -> dict[str, str]:
                if self.parsed is None:
                    self.parsed = {"text": self.text}
                return self.parsed

        settings = Settings("a")
        threads = [threading.Thread(target=settings.get) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return [body]


@trap
def words_counted_under_a_lock() -> Bodies:
    lock, counts = threading.Lock(), Counter[str]()

    def body() -> None:
        for word in ("a", "b", "a"):
            with lock:
                counts[word] += 1

    return body


@pytest.mark.parametrize("case", TRAPS, ids=lambda case: case.__name__)
def test_nobody_is_accused(case: Trap) -> None:
    assert_silent(case, case)
