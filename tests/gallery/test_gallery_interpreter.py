"""Which interpreter can show a bug, and what it depends on: bugs of the standard library, and the shapes of others.

"can" is what was found out about the same bugs by looking for a schedule whose preemptions are all at places where
CPython looks for other threads; those of cachetools, redis, uuid6 and others are written here in their shape.
"""

from __future__ import annotations

import inspect
import random
import sys
import threading
from collections import OrderedDict
from functools import cached_property
from unittest import mock

import pytest
from races import Case, Made, explored

from pytest_racecheck.core.values import Cause, Chance, Finding
from pytest_racecheck.report.cause import cause_of

COUNTING = inspect.getsource(mock.CallableMixin._increment_mock_call)  # type: ignore[attr-defined]


def found(case: Case, *sources: str) -> Finding:
    """What is found, by the default strategy."""
    return explored(case, sources=sources, strategy="portfolio").findings[0]


def lines(cause: Cause, first: int) -> tuple[int, int]:
    """The lines of both ends, counted from a line of the file."""
    assert cause.after is not None
    assert cause.before is not None
    return cause.after.line - first, cause.before.line - first


# -- the standard library --------------------------------------------------------------------------------------


def gauss_twice() -> Made:
    """It hands out the second number of a pair: looks whether it is there, then clears it."""
    generator = random.Random(20240607)
    generator.gauss(0.0, 1.0)
    drawn: list[float] = []

    def draw() -> None:
        drawn.append(generator.gauss(0.0, 1.0))

    def check() -> None:
        assert drawn[0] != drawn[1]

    return draw, check


class Session:
    @cached_property
    def handle(self) -> object:
        return object()


def property_made_twice() -> Made:
    session = Session()
    seen: list[object] = []

    def use() -> None:
        seen.append(session.handle)

    def check() -> None:
        assert seen[0] is seen[1]

    return use, check


class Node:
    def __init__(self, peer: Node | None = None) -> None:
        self.peer = peer

    @cached_property
    def size(self) -> int:
        return 1 if self.peer is None else 1 + self.peer.depth

    @cached_property
    def depth(self) -> int:
        return 1 if self.peer is None else 1 + self.peer.size


def properties_lock_each_other() -> Made:
    """One lock for each of two properties of a class, taken in opposite order by different objects."""
    one, other = Node(Node()), Node(Node())
    return [lambda: one.size, lambda: other.depth], bool


def calls_lost() -> Made:
    """``call_count += 1``, through a property that hands it on."""
    called = mock.Mock(return_value=None)

    def check() -> None:
        assert called.call_count == 2

    return called, check


@pytest.mark.parametrize(
    ("case", "source", "can", "kind"),
    [
        (gauss_twice, "random", "no", "invariant"),
        pytest.param(
            property_made_twice,
            "functools",
            "yes",
            "invariant",
            marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="it had a lock"),
        ),
        pytest.param(
            properties_lock_each_other,
            "functools",
            "yes",
            "deadlock",
            marks=pytest.mark.skipif(sys.version_info >= (3, 12), reason="it has no lock any more"),
        ),
        pytest.param(
            calls_lost,
            "unittest.mock",
            "yes",
            "invariant",
            marks=pytest.mark.skipif("._lock" in COUNTING, reason="it has a lock now"),
        ),
    ],
)
def test_bugs_of_the_standard_library(case: Case, source: str, can: Chance, kind: str) -> None:
    finding = found(case, source)

    assert (finding.kind, finding.with_gil) == (kind, can)
    (cause,) = finding.causes
    assert source.replace(".", "/") in (cause.after or cause.before).filename  # type: ignore[union-attr]


# -- the shapes of others --------------------------------------------------------------------------------------


class Pool:
    """As many connections as are allowed: looks, then counts."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.made = 0
        self.given = 0

    def connect(self) -> None:
        if self.made >= self.most:
            raise RuntimeError("too many")
        self.made += 1
        self.given += 1


def one_connection_too_many() -> Made:
    """Nothing is called between the look and the count."""
    pool = Pool(1)

    def connect() -> None:
        try:
            pool.connect()
        except RuntimeError:
            pass

    def check() -> None:
        assert pool.made <= pool.most

    return connect, check


class Ids:
    last = 0

    def unique(self, now: int) -> int:
        if now <= self.last:
            now = self.last + 1
        self.last = now
        return now


def an_id_twice() -> Made:
    ids = Ids()
    made: list[int] = []

    def make() -> None:
        made.append(ids.unique(5))

    def check() -> None:
        assert made[0] != made[1]

    return make, check


class Cache:
    """Evicts the oldest of its items: finds it, then removes it."""

    def __init__(self) -> None:
        self.items: OrderedDict[str, int] = OrderedDict(a=1, b=2)

    def evict(self) -> int:
        oldest = next(iter(self.items))
        return self.items.pop(oldest)


def an_item_evicted_twice() -> Made:
    cache = Cache()
    return cache.evict, bool


class Table:
    """Reads all, changes, writes all."""

    def __init__(self) -> None:
        self.rows: tuple[int, ...] = ()

    def read(self) -> tuple[int, ...]:
        return self.rows

    def write(self, rows: tuple[int, ...]) -> None:
        self.rows = rows

    def insert(self, row: int) -> None:
        self.write((*self.read(), row))


def an_insert_lost() -> Made:
    table = Table()

    def check() -> None:
        assert len(table.rows) == 2

    return [lambda: table.insert(1), lambda: table.insert(2)], check


class Breaker:
    """Two things that belong together, set one after the other by calls."""

    def __init__(self) -> None:
        self.state = "open"
        self.since = 0

    def set_state(self, state: str) -> None:
        self.state = state

    def set_since(self, since: int) -> None:
        self.since = since

    def close(self) -> None:
        self.set_state("closed")
        self.set_since(1)

    def look(self) -> None:
        state = self.state
        assert (state, self.since) != ("closed", 0)


def half_closed() -> Made:
    breaker = Breaker()
    return [breaker.close, breaker.look], bool


def locks_in_opposite_order() -> Made:
    """Nothing between the two: with its GIL the interpreter does not look until the second is taken."""
    one, other = threading.Lock(), threading.Lock()

    def forwards() -> None:
        with one:
            with other:
                pass

    def backwards() -> None:
        with other:
            with one:
                pass

    return [forwards, backwards], bool


def locks_in_opposite_order_by_calls() -> Made:
    """``acquire()`` is a call, and after a call it looks."""
    one, other = threading.Lock(), threading.Lock()

    def forwards() -> None:
        one.acquire()
        other.acquire()
        other.release()
        one.release()

    def backwards() -> None:
        other.acquire()
        one.acquire()
        one.release()
        other.release()

    return [forwards, backwards], bool


@pytest.mark.parametrize(
    ("case", "can"),
    [
        (one_connection_too_many, "no"),
        (an_id_twice, "no"),
        (an_item_evicted_twice, "yes"),
        (an_insert_lost, "yes"),
        (half_closed, "yes"),
        (locks_in_opposite_order, "no"),
        (locks_in_opposite_order_by_calls, "yes"),
    ],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_shapes(case: Case, can: Chance) -> None:
    finding = found(case)

    assert finding.with_gil == can
    assert cause_of(finding, "").startswith("Fails only if task ")


@pytest.mark.parametrize(
    ("case", "owner", "window"),
    [
        (one_connection_too_many, Pool.connect, (1, 3)),
        (an_id_twice, Ids.unique, (1, 3)),
        (an_item_evicted_twice, Cache.evict, (1, 2)),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_the_window_is_that_of_the_bug(case: Case, owner: object, window: tuple[int, int]) -> None:
    """From the line that looks to the line that acts, whatever lies between."""
    (cause,) = found(case).causes

    assert lines(cause, owner.__code__.co_firstlineno) == window  # type: ignore[attr-defined]
