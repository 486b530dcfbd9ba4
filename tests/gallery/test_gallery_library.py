"""Races in what the standard library's C and Python functions do to objects that they are handed."""

from __future__ import annotations

import bisect
import collections
import copy
import functools
import heapq
import json
import operator
import pickle
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from races import Made, explored, race


@race
def test_heap_looked_at_then_popped() -> Made:
    heap = [1]

    def body() -> None:
        if heap:  # race
            heapq.heappop(heap)  # race

    return body, bool


@race
def test_heap_pushed_when_it_looks_empty() -> Made:
    heap: list[int] = []

    def body() -> None:
        if not heap:  # race
            heapq.heappush(heap, 1)  # race

    def check() -> None:
        assert heap == [1]

    return body, check


@race
def test_heapify_by_reference() -> Made:
    heap = [2, 1]

    def fixer() -> None:
        heapq.heapify(heap)  # race

    def reader() -> None:
        first = heap[0]  # race
        assert heap[0] == first

    return (fixer, reader), bool


@race
def test_bisect_insort() -> Made:
    items: list[int] = []

    def body() -> None:
        position = bisect.bisect(items, 1)  # race
        bisect.insort(items, 1)  # race
        assert items[position:] == [1]

    return body, bool


@race
def test_sort_then_index() -> Made:
    items = [2, 1]

    def sorter() -> None:
        items.sort()  # race

    def reader() -> None:
        first = items[0]  # race
        assert items[0] == first

    return (sorter, reader), bool


@race
def test_shuffled_out_of_scope() -> Made:
    items = [1, 2, 3, 4, 5]

    def shuffler() -> None:
        random.shuffle(items)  # race

    def reader() -> None:
        first = list(items)  # race
        assert list(items) == first

    return (shuffler, reader), bool


def test_shuffled_in_scope() -> None:
    def case() -> Made:
        items = [1, 2, 3, 4]

        def body() -> None:
            random.shuffle(items)

        def check() -> None:
            assert sorted(items) == [1, 2, 3, 4]

        return body, check

    result = explored(case, sources=("random",))
    assert result.findings
    shown = {Path(event.filename).name for event in result.findings[0].trace.events if event.shared}
    assert "random.py" in shown


@race
def test_lru_cache_computes_twice() -> Made:
    @functools.lru_cache
    def load(key: str) -> object:
        return object()

    got: list[object] = []

    def body() -> None:
        found = load("k")  # race
        got.append(found)

    def check() -> None:
        assert got[0] is got[1]

    return body, check


@race
def test_cache_computes_twice_with_other_state() -> Made:
    loads = 0

    @functools.cache
    def load() -> int:
        nonlocal loads
        loads += 1  # race
        return 1

    def check() -> None:
        assert loads == 1

    return (lambda: load(), lambda: load()), check


@race
def test_deepcopy_of_what_changes() -> Made:
    config = {"a": 1, "b": {"c": 1}}

    def reader() -> None:
        first = copy.deepcopy(config)  # race
        assert config == first  # race

    def writer() -> None:
        config["a"] = 2  # race

    return (reader, writer), bool


@race
def test_copy_of_a_list() -> Made:
    items = [1]

    def reader() -> None:
        first = copy.copy(items)  # race
        assert items == first

    def writer() -> None:
        items.append(2)  # race

    return (reader, writer), bool


@race
def test_json_dumps_of_a_dict() -> Made:
    data = {"a": 1}

    def reader() -> None:
        assert json.dumps(data) == json.dumps(data)  # race

    def writer() -> None:
        data["b"] = 2  # race

    return (reader, writer), bool


@race
def test_pickle_of_an_object() -> Made:
    items = {"a": [1]}

    def reader() -> None:
        assert pickle.dumps(items) == pickle.dumps(items)  # race

    def writer() -> None:
        items["b"] = [2]  # race

    return (reader, writer), bool


@race
def test_struct_into_a_buffer() -> Made:
    raw = bytearray(4)

    def writer() -> None:
        struct.pack_into("i", raw, 0, 7)  # race

    def reader() -> None:
        first = struct.unpack_from("i", raw)  # race
        assert struct.unpack_from("i", raw) == first

    return (writer, reader), bool


@race
def test_reduce_with_operator() -> Made:
    items = [1, 2]

    def reader() -> None:
        first = functools.reduce(operator.add, items)  # race
        assert functools.reduce(operator.add, items) == first

    def writer() -> None:
        items.append(3)  # race

    return (reader, writer), bool


@race
def test_counter_update() -> Made:
    counts: collections.Counter[str] = collections.Counter()

    def body() -> None:
        before = counts["a"]  # race
        counts.update("a")  # race
        assert counts["a"] == before + 1

    return body, bool


@race
def test_singledispatch_registry_grows() -> Made:
    handlers: dict[type, Callable[[], int]] = {}

    def body() -> None:
        if int not in handlers:  # race
            handlers[int] = lambda: 1  # race
            seen.append(1)

    seen: list[int] = []

    def check() -> None:
        assert seen == [1]

    return body, check


@race
def test_total_ordering_reads_attributes() -> Made:
    class Money:
        def __init__(self, n: int) -> None:
            self.n = n

        def raised(self) -> Money:
            return Money(self.n + 1)

    purse: dict[str, Any] = {"money": Money(0)}

    def body() -> None:
        purse["money"] = purse["money"].raised()  # race

    def check() -> None:
        assert purse["money"].n == 2

    return body, check


@race
def test_map_that_appends() -> Made:
    items: list[int] = []

    def body() -> None:
        if not items:  # race
            list(map(items.append, [1]))  # race

    def check() -> None:
        assert items == [1]

    return body, check


@race
def test_sorted_by_a_key_that_changes() -> Made:
    rank = {"a": 1, "b": 2}

    def reader() -> None:
        first = sorted(["b", "a"], key=rank.get)  # type: ignore[arg-type]  # race
        assert sorted(["b", "a"], key=rank.__getitem__) == first

    def writer() -> None:
        rank["a"] = 3  # race

    return (reader, writer), bool
