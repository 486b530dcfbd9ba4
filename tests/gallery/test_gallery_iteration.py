"""Races of who goes over something while another changes it, and of iterators that are shared themselves."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from races import Made, race


@race
def test_list() -> Made:
    items = [1, 2, 3]

    def reader() -> None:
        assert [item for item in items] == [item for item in items]  # race

    def writer() -> None:
        items.append(4)  # race

    return (reader, writer), bool


@race
def test_list_that_loses_an_item() -> Made:
    items = [1, 2, 3]

    def reader() -> None:
        seen = 0
        for item in items:  # race
            seen += item
        assert seen in (6, 5)

    def writer() -> None:
        items.remove(1)  # race

    return (reader, writer), bool


@race
def test_dict() -> Made:
    ages = {"a": 1, "b": 2}

    def reader() -> None:
        for _ in ages:  # race
            pass

    def writer() -> None:
        ages["c"] = 3  # race

    return (reader, writer), bool


@race
def test_items_of_a_dict() -> Made:
    ages = {"a": 1, "b": 2}

    def reader() -> None:
        for _, _ in ages.items():  # race
            pass

    def writer() -> None:
        del ages["a"]  # race

    return (reader, writer), bool


@race
def test_values_of_a_dict_in_a_comprehension() -> Made:
    ages = {"a": 1, "b": 2}

    def reader() -> None:
        assert sum([age for age in ages.values()])  # race

    def writer() -> None:
        ages.pop("a")  # race

    return (reader, writer), bool


@race
def test_set() -> Made:
    names = {1, 2}

    def reader() -> None:
        for _ in names:  # race
            pass

    def writer() -> None:
        names.add(3)  # race

    return (reader, writer), bool


@race
def test_deque() -> Made:
    jobs = deque([1, 2])

    def reader() -> None:
        for _ in jobs:  # race
            pass

    def writer() -> None:
        jobs.append(3)  # race

    return (reader, writer), bool


@race
def test_enumerated() -> Made:
    ages = {"a": 1, "b": 2}

    def reader() -> None:
        for _, _ in enumerate(ages):  # race
            pass

    def writer() -> None:
        ages["c"] = 3  # race

    return (reader, writer), bool


@race
def test_zipped() -> Made:
    ages = {"a": 1, "b": 2}

    def reader() -> None:
        for _, _ in zip(ages, itertools.count(), strict=False):  # race
            pass

    def writer() -> None:
        ages["c"] = 3  # race

    return (reader, writer), bool


@race
def test_reversed() -> Made:
    ages = {"a": 1, "b": 2}

    def reader() -> None:
        for _ in reversed(ages):  # race
            pass

    def writer() -> None:
        ages["c"] = 3  # race

    return (reader, writer), bool


@race
def test_iterator_made_by_hand() -> Made:
    ages = {"a": 1, "b": 2}

    def reader() -> None:
        walk = iter(ages)  # race
        next(walk)  # race
        next(walk)

    def writer() -> None:
        ages["c"] = 3  # race

    return (reader, writer), bool


@race
def test_chained() -> Made:
    ages = {"a": 1, "b": 2}

    def reader() -> None:
        for _ in itertools.chain(ages, [1]):  # race
            pass

    def writer() -> None:
        ages["c"] = 3  # race

    return (reader, writer), bool


@race
def test_generator_over_a_dict() -> Made:
    ages = {"a": 1, "b": 2}

    def names() -> Iterator[str]:
        for name in ages:  # race
            yield name

    def reader() -> None:
        for _ in names():
            pass

    def writer() -> None:
        ages["c"] = 3  # race

    return (reader, writer), bool


@pytest.mark.xfail(strict=False, reason="GET_YIELD_FROM_ITER and SEND have no hook")
@race
def test_yield_from() -> Made:
    ages = {"a": 1, "b": 2}

    def names() -> Iterator[str]:
        yield from ages  # race

    def reader() -> None:
        for _ in names():
            pass

    def writer() -> None:
        ages["c"] = 3  # race

    return (reader, writer), bool


@race
def test_unpacked() -> Made:
    pair = [1, 2]

    def reader() -> None:
        first, second = pair  # race
        assert first
        assert second

    def writer() -> None:
        last = pair.pop()  # race
        pair.append(last)

    return (reader, writer), bool


@race
def test_starred() -> Made:
    items = [1]

    def reader() -> None:
        assert [*items] == [*items]  # race

    def writer() -> None:
        items.append(2)  # race

    return (reader, writer), bool


@race
def test_class_that_iterates_by_its_own_code() -> Made:
    class Bag:
        def __init__(self) -> None:
            self.items = {"a": 1, "b": 2}

        def __iter__(self) -> Iterator[str]:
            for item in self.items:  # race
                yield item

    bag = Bag()

    def reader() -> None:
        for _ in bag:
            pass

    def writer() -> None:
        bag.items["c"] = 3  # race

    return (reader, writer), bool


@race
def test_shared_iterator_of_a_list() -> Made:
    walk = iter([1])

    def body() -> None:
        if walk.__length_hint__():  # type: ignore[attr-defined]  # race
            next(walk)  # race

    return body, bool


@race
def test_shared_iterator_read_by_two_loops() -> Made:
    walk = iter([1, 2, 3])
    seen: list[int] = []

    def body() -> None:
        for item in walk:  # race
            seen.append(item)

    def check() -> None:
        assert seen == sorted(seen)

    return body, check


@race
def test_shared_count() -> Made:
    numbers = itertools.count()
    drawn: list[int] = []

    def body() -> None:
        drawn.append(next(numbers))  # race

    def check() -> None:
        assert drawn == [0, 1]

    return body, check


@race
def test_shared_cycle() -> Made:
    turns = itertools.cycle("ab")
    drawn: list[str] = []

    def body() -> None:
        turn = next(turns)  # race
        drawn.append(turn)

    def check() -> None:
        assert drawn == ["a", "b"]

    return body, check


@race
def test_generator_that_is_running_already() -> Made:
    steps = {"n": 0}

    def numbers() -> Iterator[int]:
        while True:
            steps["n"] += 1
            yield steps["n"]

    shared = numbers()

    def body() -> None:
        next(shared)  # race

    return body, bool


@race
def test_generator_in_two_loops() -> Made:
    steps = {"n": 0}

    def numbers() -> Iterator[int]:
        for _ in range(3):
            steps["n"] += 1
            yield steps["n"]

    shared = numbers()

    def body() -> None:
        for _ in shared:  # race
            pass

    return body, bool


@race
def test_generator_sent_to() -> Made:
    total = {"n": 0}

    def adder() -> Any:
        while True:
            more = yield total["n"]
            total["n"] += more

    shared = adder()
    next(shared)

    def body() -> None:
        shared.send(1)  # race

    return body, bool


@race
def test_own_iterator() -> Made:
    class Ticket:
        def __init__(self) -> None:
            self.number = 0

        def __iter__(self) -> Ticket:
            return self

        def __next__(self) -> int:
            number = self.number
            self.number = number + 1
            return number

    tickets = Ticket()
    drawn: list[int] = []

    def body() -> None:
        before = tickets.number  # race
        drawn.append(next(tickets))
        assert tickets.number == before + 1  # race

    return body, bool


def consumed(by: Callable[[Iterable[int]], object]) -> Made:
    """A builtin function goes over a list twice; it is changed in between."""
    items = [3, 1]

    def reader() -> None:
        assert by(items) == by(items)  # race

    def writer() -> None:
        items[:] = [0]  # race

    return (reader, writer), bool


def _consuming(by: Callable[[Iterable[int]], object]) -> Callable[[bool], None]:
    def case() -> Made:
        return consumed(by)

    case.__wrapped__ = consumed  # type: ignore[attr-defined]
    return race(case)


test_sorted = _consuming(sorted)
test_sum = _consuming(sum)
test_min = _consuming(min)
test_list_of = _consuming(list)
test_tuple_of = _consuming(tuple)
test_set_of = _consuming(set)
test_all = _consuming(all)
test_repr = _consuming(repr)
test_list_of_map = _consuming(lambda items: list(map(str, items)))
test_dict_from_keys = _consuming(dict.fromkeys)
test_join_of = _consuming(lambda items: ",".join(map(str, items)))
