"""A task decides by a value that another one changes before it acts; or finds nothing there, and so does the other."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from pairs import Bodies, Case, Pairs, assert_named, assert_silent

check = Pairs("check-then-act")
twice = Pairs("double-initialisation")
lazy: list[int] | None = None


def guard(right: bool) -> contextlib.AbstractContextManager[object]:
    return threading.Lock() if right else contextlib.nullcontext()


class Connection:
    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, text: str) -> None:
        self.sent.append(text)


@check
def room_in_a_pool(right: bool) -> Bodies:
    lock = guard(right)
    pool: list[str] = ["one"]

    def body() -> None:
        with lock:
            if len(pool) < 2:  # race
                pool.append("more")  # race

    return body


@check
def balance(right: bool) -> Bodies:
    """Taking the money is locked, looking whether it is there is not."""
    account, lock = SimpleNamespace(money=100), threading.Lock()

    def body() -> None:
        if right:
            with lock:
                if account.money >= 60:
                    account.money -= 60
        elif account.money >= 60:  # race
            with lock:
                account.money -= 60  # race

    return body


@check
def tickets(right: bool) -> Bodies:
    shop, lock = SimpleNamespace(left=1), threading.Lock()
    sold: list[int] = []

    def body() -> None:
        with guard_if(right, lock):
            if shop.left > 0:  # race
                with guard_if(not right, lock):
                    shop.left -= 1  # race
                sold.append(1)

    return body


def guard_if(wanted: bool, lock: threading.Lock) -> contextlib.AbstractContextManager[object]:
    return lock if wanted else contextlib.nullcontext()


@check
def started_twice(right: bool) -> Bodies:
    lock, machine = guard(right), SimpleNamespace(state="new")
    starts: list[str] = []

    def body() -> None:
        with lock:
            if machine.state == "new":  # race
                machine.state = "running"  # race
                starts.append("started")

    return body


@check
def seen_before(right: bool) -> Bodies:
    """Adding to a set is one step; asking first is another."""
    lock = guard(right)
    seen: set[str] = set()
    done: list[str] = []

    def body() -> None:
        with lock:
            if "a" not in seen:  # race
                seen.add("a")  # race
                done.append("a")

    return body


@check
def up_to_a_limit(right: bool) -> Bodies:
    box, lock = SimpleNamespace(n=1), threading.Lock()

    def body() -> None:
        with guard_if(right, lock):
            while box.n < 2:  # race
                with guard_if(not right, lock):
                    box.n += 1  # race

    return body


@check
def taken_and_cleared(right: bool) -> Bodies:
    """A value that is there for one of them."""
    lock, box = guard(right), SimpleNamespace(spare="value")
    taken: list[object] = []

    def body() -> None:
        with lock:
            spare = box.spare  # race
            if spare is not None:
                box.spare = None  # race
                taken.append(spare)

    return body


@check
def asked_by_a_method(right: bool) -> Bodies:
    lock, box = guard(right), Bounded()

    def body() -> None:
        with lock:
            if box.has_room():
                box.add("more")

    return body


class Bounded:
    def __init__(self) -> None:
        self.items = ["one"]

    def has_room(self) -> bool:
        return len(self.items) < 2  # race

    def add(self, item: str) -> None:
        self.items.append(item)  # race


@check
def gone_from_a_dict(right: bool) -> Bodies:
    """Fails, and is named all the same."""
    lock, found = guard(right), {"a": 1}
    got: list[int] = []

    def read() -> None:
        with lock:
            if "a" in found:  # race
                got.append(found["a"])  # race

    def remove() -> None:
        with lock:
            found.pop("a", None)  # race

    return [read, remove]


@check
def gone_from_a_list(right: bool) -> Bodies:
    lock, jobs = guard(right), [1]
    done: list[int] = []

    def body() -> None:
        with lock:
            if jobs:  # race
                done.append(jobs.pop())  # race

    return body


@check
def gone_from_a_deque(right: bool) -> Bodies:
    lock, jobs = guard(right), deque([1])
    done: list[int] = []

    def body() -> None:
        with lock:
            if len(jobs) > 0:  # race
                done.append(jobs.popleft())  # race

    return body


@check
def deleted_twice(right: bool) -> Bodies:
    lock, found = guard(right), {"a": 1}

    def body() -> None:
        with lock:
            if "a" in found:  # race
                del found["a"]  # race

    return body


@check
def attribute_deleted_twice(right: bool) -> Bodies:
    lock, box = guard(right), SimpleNamespace(spare=1)

    def body() -> None:
        with lock:
            if hasattr(box, "spare"):  # race
                del box.spare  # race

    return body


@check
def closed_meanwhile(right: bool) -> Bodies:
    """What was looked at has to be kept: the attribute may be another one the next time."""
    box = SimpleNamespace(connection=Connection())

    def send() -> None:
        if right:
            connection = box.connection
            if connection is not None:
                connection.send("x")
        elif box.connection is not None:  # race
            box.connection.send("x")  # race

    def close() -> None:
        box.connection = None  # race

    return [send, close]


@check
def index_of_an_item(right: bool) -> Bodies:
    lock, items = guard(right), ["a", "b", "c"]

    def remove_b() -> None:
        with lock:
            place = items.index("b")  # race
            del items[place]  # race

    def remove_a() -> None:
        with lock:
            items.remove("a")  # race

    return [remove_b, remove_a]


@twice
def lazy_lock(right: bool) -> Bodies:
    """Each of them holds a lock of its own."""
    outer, box = guard(right), SimpleNamespace(lock=None)
    used: list[object] = []

    def body() -> None:
        with outer:
            if box.lock is None:  # race
                box.lock = threading.Lock()  # race
        used.append(box.lock)

    return body


@twice
def lazy_global(right: bool) -> Bodies:
    global lazy
    lock = guard(right)
    lazy = None

    def body() -> None:
        global lazy
        with lock:
            if lazy is None:  # race
                lazy = []  # race
            mine = lazy
        mine.append(1)

    return body


@twice
def lock_of_a_key(right: bool) -> Bodies:
    outer = guard(right)
    locks: dict[str, threading.Lock] = {}
    used: list[object] = []

    def body() -> None:
        with outer:
            if "a" not in locks:  # race
                locks["a"] = threading.Lock()  # race
        used.append(locks["a"])

    return body


@twice
def list_of_a_key(right: bool) -> Bodies:
    """``setdefault`` does both in one step."""
    groups: dict[str, list[int]] = {}

    def body() -> None:
        if right:
            groups.setdefault("a", []).append(1)
        else:
            if "a" not in groups:  # race
                groups["a"] = []  # race
            groups["a"].append(1)

    return body


@twice
def missing_key(right: bool) -> Bodies:
    lock = guard(right)
    made: dict[str, Connection] = {}
    used: list[Connection] = []

    def get() -> Connection:
        found = made.get("a")  # race
        if found is None:
            found = made["a"] = Connection()  # race
        return found

    def body() -> None:
        with lock:
            used.append(get())

    return body


@twice
def missing_attribute(right: bool) -> Bodies:
    lock, box = guard(right), SimpleNamespace()
    used: list[object] = []

    def body() -> None:
        with lock:
            if not hasattr(box, "connection"):  # race
                box.connection = Connection()  # race
            used.append(box.connection)

    return body


@twice
def singleton(right: bool) -> Bodies:
    lock = guard(right)
    Registry.instance = None
    used: list[object] = []

    def body() -> None:
        with lock:
            used.append(Registry.get())

    return body


class Registry:
    instance: Registry | None = None

    @classmethod
    def get(cls) -> Registry:
        if cls.instance is None:  # race
            cls.instance = cls()  # race
        return cls.instance


@twice
def looked_at_once_only(right: bool) -> Bodies:
    """Double-checked locking without the second look."""
    lock, box = threading.Lock(), SimpleNamespace(connection=None)
    used: list[object] = []

    def body() -> None:
        if box.connection is None:  # race
            with lock:
                if not right or box.connection is None:
                    box.connection = Connection()  # race
        used.append(box.connection)

    return body


@twice
def nobody_looks_at_the_lost_one(right: bool) -> Bodies:
    """Nothing comes of it in this test: a warning."""
    lock, box = guard(right), SimpleNamespace(connection=None)

    def body() -> None:
        with lock:
            if box.connection is None:  # race
                box.connection = Connection()  # race

    return body


@twice
def memory_of_a_function(right: bool) -> Bodies:
    lock = guard(right)
    used: list[list[int]] = []

    def remembered(function: Callable[[int], Any]) -> Callable[[int], Any]:
        results: dict[int, Any] = {}

        def call(number: int) -> Any:
            if number not in results:  # race
                results[number] = function(number)  # race
            return results[number]

        return call

    make = remembered(lambda number: [number])

    def body() -> None:
        with lock:
            made = make(3)
        made.append(1)
        used.append(made)

    return body


@twice
def misses_counted(right: bool) -> Bodies:
    """What is put there is equal: whether the misses matter only the author knows."""
    found: dict[str, str] = {}
    box, lock, whole = SimpleNamespace(misses=0), threading.Lock(), guard(right)

    def body() -> None:
        with whole:
            if "a" not in found:  # race
                with lock:
                    box.misses += 1
                found["a"] = "aa"  # race

    return body


@pytest.mark.parametrize(("case", "kind"), [*check.cases, *twice.cases])
def test_the_race_is_named(case: Case, kind: str) -> None:
    assert_named(case, kind)


def test_what_is_equal_is_a_warning_at_most() -> None:
    race = assert_named(misses_counted, "double-initialisation")

    assert race.level == "warn"
    assert race.message.endswith("both found nothing there, and both have put the same there")
    assert dict(race.outcomes)["so"] == "SimpleNamespace.misses = 2"


@pytest.mark.parametrize(("case", "kind"), [*check.cases, *twice.cases])
def test_its_twin_is_silent(case: Case, kind: str) -> None:
    assert_silent(lambda: case(True), case)
