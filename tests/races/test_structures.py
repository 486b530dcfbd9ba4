"""Containers that change while somebody goes over them; what belongs together, read apart; locks in two orders."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from pairs import Bodies, Case, Pairs, assert_named, assert_silent

over = Pairs("changed-while-iterating")
torn = Pairs("torn-invariant")
order = Pairs("lock-order")
early = Pairs("unordered")
low = high = 0


def guard(right: bool) -> contextlib.AbstractContextManager[object]:
    return threading.Lock() if right else contextlib.nullcontext()


# -- going over ------------------------------------------------------------------------------------------------


@over
def dict_grows(right: bool) -> Bodies:
    found: dict[str, int] = {"a": 1, "b": 2}
    seen: list[str] = []

    def go_over() -> None:
        for key in list(found) if right else found:  # race
            seen.append(key)

    def add() -> None:
        found["c"] = 3  # race

    return [go_over, add]


@over
def dict_shrinks(right: bool) -> Bodies:
    lock, found = guard(right), {"a": 1, "b": 2}
    seen: list[int] = []

    def go_over() -> None:
        with lock:
            for value in found.values():  # race
                seen.append(value)

    def remove() -> None:
        with lock:
            found.pop("a")  # race

    return [go_over, remove]


@over
def ordered_dict(right: bool) -> Bodies:
    lock = guard(right)
    found = OrderedDict({"a": 1, "b": 2})

    def go_over() -> None:
        with lock:
            for _ in found.items():  # race
                pass

    def add() -> None:
        with lock:
            found["c"] = 3  # race

    return [go_over, add]


@over
def set_changes(right: bool) -> Bodies:
    lock, found = guard(right), {1, 2, 3}

    def go_over() -> None:
        with lock:
            for _ in found:  # race
                pass

    def remove() -> None:
        with lock:
            found.discard(2)  # race

    return [go_over, remove]


@over
def deque_changes(right: bool) -> Bodies:
    lock, jobs = guard(right), deque([1, 2, 3])

    def go_over() -> None:
        with lock:
            for _ in jobs:  # race
                pass

    def take() -> None:
        with lock:
            jobs.popleft()  # race

    return [go_over, take]


@over
def item_of_a_list_is_skipped(right: bool) -> Bodies:
    """Nothing is raised: a list just goes on with what is there now."""
    lock, items = guard(right), ["a", "b", "c", "d"]
    seen: list[str] = []

    def go_over() -> None:
        with lock:
            for item in items:  # race
                seen.append(item)

    def remove() -> None:
        with lock:
            items.remove("b")  # race

    return [go_over, remove]


@over
def item_of_a_list_is_met_twice(right: bool) -> Bodies:
    lock, items = guard(right), ["a", "b", "c"]
    seen: list[str] = []

    def go_over() -> None:
        with lock:
            for item in items:  # race
                seen.append(item)

    def put_in_front() -> None:
        with lock:
            items.insert(0, "new")  # race

    return [go_over, put_in_front]


@over
def comprehension(right: bool) -> Bodies:
    lock, found = guard(right), {"a": 1, "b": 2}
    seen: list[str] = []

    def go_over() -> None:
        with lock:
            seen.extend([key.upper() for key in found])  # race

    def add() -> None:
        with lock:
            found["c"] = 3  # race

    return [go_over, add]


@over
def callbacks_that_come_and_go(right: bool) -> Bodies:
    lock = guard(right)
    called: list[str] = []
    listeners: list[Callable[[], None]] = [
        lambda: called.append("a"),
        lambda: called.append("b"),
        lambda: called.append("c"),
    ]

    def fire() -> None:
        with lock:
            for listener in listeners:  # race
                listener()

    def leave() -> None:
        with lock:
            del listeners[0]  # race

    return [fire, leave]


# -- what belongs together -------------------------------------------------------------------------------------


@torn
def two_attributes(right: bool) -> Bodies:
    """Who writes has the lock, who reads has not."""
    point, lock = SimpleNamespace(x=0, y=0), threading.Lock()
    seen: list[tuple[int, int]] = []

    def move() -> None:
        with lock:
            point.x = 1  # race
            point.y = 1  # race

    def look() -> None:
        with lock if right else contextlib.nullcontext():
            seen.append((point.x, point.y))  # race

    return [move, look]


@torn
def money_on_its_way(right: bool) -> Bodies:
    lock, bank = guard(right), SimpleNamespace(a=100, b=0)
    sums: list[int] = []

    def transfer() -> None:
        with lock:
            bank.a -= 30  # race
            bank.b += 30  # race

    def audit() -> None:
        with lock:
            sums.append(bank.a + bank.b)  # race

    return [transfer, audit]


@torn
def seen_by_a_thread_only(right: bool) -> Bodies:
    """What the test makes itself, and only one of its threads holds the answer."""

    class Bank:
        def __init__(self) -> None:
            self.lock, self.a, self.b, self.sums = guard(right), 100, 0, [0]

        def transfer(self) -> None:
            with self.lock:
                self.a -= 30  # race
                self.b += 30  # race

        def audit(self) -> None:
            with self.lock:
                self.sums = [self.a + self.b]  # race

    def body() -> None:
        bank = Bank()
        threads = [threading.Thread(target=bank.transfer), threading.Thread(target=bank.audit)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return [body]


@torn
def two_globals(right: bool) -> Bodies:
    global low, high
    lock = guard(right)
    low, high = 0, 9
    seen: list[tuple[int, int]] = []

    def move() -> None:
        global low, high
        with lock:
            low = 10  # race
            high = 19  # race

    def look() -> None:
        with lock:
            seen.append((low, high))  # race

    return [move, look]


@torn
def two_items_of_a_dict(right: bool) -> Bodies:
    lock, where = guard(right), {"host": "a", "port": 1}
    used: list[str] = []

    def move() -> None:
        with lock:
            where["host"] = "b"  # race
            where["port"] = 2  # race

    def connect() -> None:
        with lock:
            used.append(f"{where['host']}:{where['port']}")  # race

    return [move, connect]


@torn
def swapped_one_by_one(right: bool) -> Bodies:
    """A new pair is as good as a lock."""
    pair = SimpleNamespace(both=(1, 2), first=1, second=2)
    seen: list[tuple[int, int]] = []

    def swap() -> None:
        if right:
            pair.both = (3, 4)
        else:
            pair.first = 3  # race
            pair.second = 4  # race

    def look() -> None:
        seen.append(pair.both if right else (pair.first, pair.second))  # race

    return [swap, look]


@torn
def state_and_its_time(right: bool) -> Bodies:
    lock, breaker = guard(right), SimpleNamespace(state="closed", since=-100.0)
    seen: list[str] = []

    def trip() -> None:
        with lock:
            breaker.state = "open"  # race
            breaker.since = time.monotonic()  # race

    def look() -> None:
        with lock:
            is_open = breaker.state == "open"  # race
            since = breaker.since  # race
        seen.append("half open" if is_open and since < -30 else "fine")

    return [trip, look]


@torn
def seen_while_it_is_rebuilt(right: bool) -> Bodies:
    """Fails: what is read in between does not fit together."""
    lock, table = guard(right), SimpleNamespace(keys=["a"], values=["A"])
    got: list[Any] = []

    def grow() -> None:
        with lock:
            table.keys = ["a", "b"]  # race
            table.values = ["A", "B"]  # race

    def last() -> None:
        with lock:
            place = len(table.keys) - 1  # race
            got.append(table.values[place])  # race

    return [grow, last]


# -- locks -----------------------------------------------------------------------------------------------------


@order
def two_locks(right: bool) -> Bodies:
    one, other = threading.Lock(), threading.Lock()

    def forwards() -> None:
        with one:  # race
            with other:  # race
                pass

    def backwards() -> None:
        if right:
            forwards()
        else:
            with other:  # race
                with one:  # race
                    pass

    return [forwards, backwards]


@order
def three_locks(right: bool) -> Bodies:
    locks = [threading.Lock(), threading.Lock(), threading.Lock()]

    def take(first: int, second: int) -> None:
        with locks[first], locks[second]:  # race
            pass

    return [lambda: take(0, 1), lambda: take(1, 2), lambda: take(0, 2) if right else take(2, 0)]


@order
def rlocks_of_two_accounts(right: bool) -> Bodies:
    accounts = [SimpleNamespace(lock=threading.RLock(), money=5, rank=rank) for rank in range(2)]

    def transfer(source: Any, target: Any) -> None:
        first, second = (source, target)
        if right and second.rank < first.rank:
            first, second = second, first
        with first.lock:  # race
            with second.lock:  # race
                source.money -= 1
                target.money += 1

    return [lambda: transfer(*accounts), lambda: transfer(*reversed(accounts))]


@order
def acquired_by_hand(right: bool) -> Bodies:
    one, other = threading.Lock(), threading.Lock()

    def forwards() -> None:
        one.acquire()  # race
        other.acquire()  # race
        other.release()
        one.release()

    def backwards() -> None:
        other.acquire()  # race
        if right:
            other.release()
        one.acquire()  # race
        one.release()
        if not right:
            other.release()

    return [forwards, backwards]


# -- nothing says who comes first ------------------------------------------------------------------------------


@early
def used_before_it_is_there(right: bool) -> Bodies:
    box, ready = SimpleNamespace(), threading.Event()

    def make() -> None:
        box.value = 1  # race
        ready.set()

    def use() -> None:
        if right:
            ready.wait()
        assert box.value  # race

    return [make, use]


@early
def looked_at_before_the_join(right: bool) -> Bodies:
    box = SimpleNamespace(n=0)

    def add() -> None:
        box.n = 1  # race

    def test() -> None:
        thread = threading.Thread(target=add)
        thread.start()
        if right:
            thread.join()
        assert box.n == 1  # race
        thread.join()

    return [test]


@early
def key_that_comes_later(right: bool) -> Bodies:
    found: dict[str, int] = {}
    ready = threading.Event()
    got: list[int] = []

    def put() -> None:
        found["a"] = 1  # race
        ready.set()

    def get() -> None:
        if right:
            ready.wait()
        got.append(found["a"])  # race

    return [put, get]


CASES = [*over.cases, *torn.cases, *order.cases, *early.cases]


@pytest.mark.parametrize(("case", "kind"), CASES)
def test_the_race_is_named(case: Case, kind: str) -> None:
    assert_named(case, kind)


@pytest.mark.parametrize(("case", "kind"), CASES)
def test_its_twin_is_silent(case: Case, kind: str) -> None:
    assert_silent(lambda: case(True), case)
