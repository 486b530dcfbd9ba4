"""Races on the items of containers: builtin ones, those of collections, and classes that take items themselves."""

from __future__ import annotations

import array
import collections
import ctypes
import functools
import operator
from collections import Counter, OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import Callable
from typing import Any

import pytest
from races import Made, race


def equal(read: Callable[[], object], expected: object) -> Callable[[], None]:
    def check() -> None:
        assert read() == expected

    return check


@race
def test_item_of_a_dict() -> Made:
    counts = {"a": 0, "b": 0}

    def body() -> None:
        counts["a"] += 1  # race

    return body, equal(lambda: counts["a"], 2)


@race
def test_membership_of_a_dict() -> Made:
    cache: dict[str, int] = {}
    made: list[int] = []

    def body() -> None:
        if "k" not in cache:  # race
            cache["k"] = 1  # race
            made.append(1)

    return body, equal(lambda: made, [1])


@race
def test_membership_of_a_set() -> Made:
    seen: set[str] = set()
    made: list[int] = []

    def body() -> None:
        if "k" not in seen:  # race
            seen.add("k")  # race
            made.append(1)

    return body, equal(lambda: made, [1])


@race
def test_membership_of_a_list() -> Made:
    seen: list[str] = []

    def body() -> None:
        if "k" not in seen:  # race
            seen.append("k")  # race

    return body, equal(lambda: seen, ["k"])


@race
def test_found_then_deleted_in_a_dict() -> Made:
    cache = {"k": 1}

    def body() -> None:
        if "k" in cache:  # race
            del cache["k"]  # race

    return body, bool


@race
def test_found_then_removed_from_a_set() -> Made:
    waiting = {1}

    def body() -> None:
        if 1 in waiting:  # race
            waiting.remove(1)  # race

    return body, bool


@race
def test_found_then_removed_from_a_list() -> Made:
    waiting = ["a"]

    def body() -> None:
        if "a" in waiting:  # race
            waiting.remove("a")  # race

    return body, bool


@race
def test_keys_that_are_objects() -> Made:
    key = object()
    counts: dict[object, int] = {key: 0}

    def body() -> None:
        counts[key] += 1  # race

    return body, equal(lambda: counts[key], 2)


@race
def test_keys_that_are_tuples() -> Made:
    counts = {(1, 2): 0}

    def body() -> None:
        counts[1, 2] += 1  # race

    return body, equal(lambda: counts[1, 2], 2)


@race
def test_keys_that_are_equal_but_not_alike() -> Made:
    counts: dict[Any, int] = {1: 0}

    def one() -> None:
        counts[1] += 1  # race

    def other() -> None:
        counts[True] += 1  # race

    return (one, other), equal(lambda: counts[1], 2)


@race
def test_len_then_pop() -> Made:
    stack = [1]

    def body() -> None:
        if len(stack) > 0:  # race
            stack.pop()  # race

    return body, bool


@race
def test_truth_then_pop() -> Made:
    stack = [1]

    def body() -> None:
        if stack:  # race
            stack.pop()  # race

    return body, bool


@race
def test_not_then_append() -> Made:
    stack: list[int] = []

    def body() -> None:
        if not stack:  # race
            stack.append(1)  # race

    return body, equal(lambda: stack, [1])


@race
def test_bool_then_popitem() -> Made:
    left = {"a": 1}

    def body() -> None:
        if bool(left):  # race
            left.popitem()  # race

    return body, bool


@race
def test_truth_of_a_deque_then_popleft() -> Made:
    queue = deque([1])

    def body() -> None:
        while queue:  # race
            queue.popleft()  # race

    return body, bool


@race
def test_truth_of_a_set_then_pop() -> Made:
    pool = {1}

    def body() -> None:
        if pool:  # race
            pool.pop()  # race

    return body, bool


@race
def test_negative_index() -> Made:
    items = [0, 0]

    def one() -> None:
        items[-1] += 1  # race

    def other() -> None:
        items[1] += 1  # race

    return (one, other), equal(lambda: items[1], 2)


@race
def test_last_item_while_another_appends() -> Made:
    items = [1]

    def body() -> None:
        items.append(items[-1] + 1)  # race

    return body, equal(lambda: items, [1, 2, 3])


@race
def test_get_then_set() -> Made:
    counts: dict[str, int] = {}

    def body() -> None:
        counts["a"] = counts.get("a", 0) + 1  # race

    return body, equal(lambda: counts["a"], 2)


@race
def test_get_then_update() -> Made:
    counts: dict[str, int] = {}

    def body() -> None:
        counts.update(a=counts.get("a", 0) + 1)  # race

    return body, equal(lambda: counts["a"], 2)


@race
def test_pop_then_set() -> Made:
    counts = {"a": 0}

    def body() -> None:
        counts["a"] = counts.pop("a") + 1  # race

    return body, equal(lambda: counts["a"], 2)


@race
def test_setdefault_after_a_look() -> Made:
    cache: dict[str, object] = {}
    made: list[int] = []

    def body() -> None:
        if cache.get("k") is None:  # race
            made.append(1)
            cache.setdefault("k", object())  # race

    return body, equal(lambda: made, [1])


@race
def test_merged_in_place() -> Made:
    seen: dict[str, int] = {}

    def body() -> None:
        size = len(seen)  # race
        nonlocal_update(seen, {f"k{size}": size})

    def nonlocal_update(target: dict[str, int], more: dict[str, int]) -> None:
        target |= more  # race

    return body, equal(lambda: len(seen), 2)


@race
def test_list_extended_in_place() -> Made:
    items: list[int] = []

    def body() -> None:
        more = items
        size = len(items)  # race
        more += [size]  # race

    return body, equal(lambda: items, [0, 1])


@race
def test_slice_assignment() -> Made:
    items = [1, 2, 3]

    def writer() -> None:
        items[:] = []  # race

    def reader() -> None:
        if items:  # race
            assert items[0]

    return (writer, reader), bool


@race
def test_slice_read_twice() -> Made:
    items = [1, 2, 3]

    def reader() -> None:
        assert items[1:] == items[1:]  # race

    def writer() -> None:
        items[2] = 0  # race

    return (reader, writer), bool


@race
def test_slice_deleted() -> Made:
    items = [1, 2]

    def body() -> None:
        if len(items) == 2:  # race
            first = items[0]
            del items[:1]  # race
            assert first != items[0]

    return body, equal(lambda: items, [2])


@race
def test_two_items_that_belong_together() -> Made:
    pair = [0, 0]

    def writer() -> None:
        pair[0] = 1  # race
        pair[1] = 1

    def reader() -> None:
        first, second = pair  # race
        assert first == second

    return (writer, reader), bool


@race
def test_two_lists_compared() -> Made:
    one, other = [0], [0]

    def writer() -> None:
        one[0] = 1  # race
        other[0] = 1

    def reader() -> None:
        assert one == other  # race

    return (writer, reader), bool


@race
def test_two_sets_subtracted() -> Made:
    wanted = {1}
    done: set[int] = set()

    def reader() -> None:
        first = wanted - done  # race
        assert wanted - done == first

    def writer() -> None:
        done.add(1)  # race

    return (reader, writer), bool


@race
def test_bytearray() -> Made:
    data = bytearray(1)

    def body() -> None:
        data[0] += 1  # race

    return body, equal(lambda: data[0], 2)


@race
def test_array() -> Made:
    data = array.array("i", [0])

    def body() -> None:
        data[0] += 1  # race

    return body, equal(lambda: data[0], 2)


@race
def test_memoryview() -> Made:
    data = bytearray(1)
    view = memoryview(data)

    def one() -> None:
        view[0] += 1  # race

    def other() -> None:
        data[0] += 1  # race

    return (one, other), equal(lambda: data[0], 2)


@race
def test_two_views_of_one_array() -> Made:
    data = array.array("i", [0])

    def body() -> None:
        with memoryview(data) as view:
            view[0] += 1  # race

    return body, equal(lambda: data[0], 2)


@race
def test_deque_by_index() -> Made:
    data = deque([0])

    def body() -> None:
        data[0] += 1  # race

    return body, equal(lambda: data[0], 2)


@race
def test_defaultdict() -> Made:
    counts: dict[str, int] = defaultdict(int)

    def body() -> None:
        counts["a"] += 1  # race

    return body, equal(lambda: counts["a"], 2)


@race
def test_defaultdict_that_makes_two() -> Made:
    groups: dict[str, list[int]] = defaultdict(lambda: list(filter(None, [])))
    got: list[object] = []

    def body() -> None:
        if "a" in groups:  # race
            got.append(groups["a"])
        else:
            fresh: list[int] = []
            groups["a"] = fresh  # race
            got.append(fresh)

    def check() -> None:
        assert got[0] is got[1]

    return body, check


@race
def test_counter() -> Made:
    counts: Counter[str] = Counter()

    def body() -> None:
        counts["a"] += 1  # race

    return body, equal(lambda: counts["a"], 2)


@race
def test_ordered_dict_as_lru() -> Made:
    cache: OrderedDict[str, int] = OrderedDict(a=1)

    def getter() -> None:
        if "a" in cache:  # race
            cache.move_to_end("a")  # race

    def evictor() -> None:
        cache.popitem(last=False)  # race

    return (getter, evictor), bool


@race
def test_chain_map() -> Made:
    settings: Any = collections.ChainMap({"n": 0})

    def body() -> None:
        settings["n"] = settings["n"] + 1  # race

    return body, equal(lambda: settings["n"], 2)


@race
def test_user_dict_out_of_scope() -> Made:
    counts: UserDict[str, int] = UserDict(a=0)

    def body() -> None:
        counts["a"] += 1  # race

    return body, equal(lambda: counts["a"], 2)


@race
def test_user_list_out_of_scope() -> Made:
    items: UserList[int] = UserList()

    def body() -> None:
        if len(items) == 0:  # race
            items.append(1)  # race

    return body, equal(lambda: list(items), [1])


class Table:
    """Takes items by its own code."""

    def __init__(self) -> None:
        self.rows = {"n": 0}

    def __getitem__(self, key: str) -> int:
        return self.rows[key]

    def __setitem__(self, key: str, value: int) -> None:
        self.rows[key] = value

    def __contains__(self, key: str) -> bool:
        return key in self.rows

    def __len__(self) -> int:
        return len(self.rows)


class Shouting(dict[str, int]):
    """A dict with one method of its own."""

    def __setitem__(self, key: str, value: int) -> None:
        super().__setitem__(key.upper(), value)


@race
def test_items_by_own_code() -> Made:
    table = Table()

    def body() -> None:
        table["n"] += 1

    def reader() -> None:
        before = table.rows["n"]  # race
        body()
        assert table.rows["n"] == before + 1  # race

    return reader, equal(lambda: table["n"], 2)


@race
def test_length_by_own_code() -> Made:
    table = Table()

    def body() -> None:
        table[f"k{len(table)}"] = 1

    def check() -> None:
        assert len(table.rows) == 3

    def seen() -> None:
        before = len(table.rows)  # race
        body()
        assert len(table.rows) == before + 1  # race

    return seen, check


@race
def test_subclass_of_dict_with_a_method_of_its_own() -> Made:
    counts = Shouting(A=0)

    def body() -> None:
        counts["a"] = counts["A"] + 1  # race

    return body, equal(lambda: counts["A"], 2)


@race
def test_subclass_of_dict_with_attributes() -> Made:
    class Sized(dict[str, int]):
        total = 0

    counts = Sized()

    def body() -> None:
        counts.total += 1  # race

    return body, equal(lambda: counts.total, 2)


@race
def test_ctypes_array() -> Made:
    data = (ctypes.c_int * 2)()

    def body() -> None:
        data[1] += 1  # race

    return body, equal(lambda: data[1], 2)


@race
def test_ctypes_value() -> Made:
    number = ctypes.c_int(0)

    def body() -> None:
        number.value += 1  # race

    return body, equal(lambda: number.value, 2)


class Point(ctypes.Structure):
    _fields_ = (("x", ctypes.c_int), ("y", ctypes.c_int))


class Line(ctypes.Structure):
    _fields_ = (("start", Point), ("end", Point))


class Either(ctypes.Union):
    _fields_ = (("small", ctypes.c_int), ("large", ctypes.c_long))


@race
def test_ctypes_structure() -> Made:
    point = Point(0, 0)

    def body() -> None:
        point.x += 1  # race

    return body, equal(lambda: point.x, 2)


@race
def test_ctypes_structure_inside_another() -> Made:
    line = Line()

    def body() -> None:
        line.end.x += 1  # race

    return body, equal(lambda: line.end.x, 2)


@race
def test_ctypes_union() -> Made:
    either = Either()

    def reader() -> None:
        before = either.small  # race
        assert either.small == before

    def writer() -> None:
        either.large = 1  # race

    return (reader, writer), bool


@race
def test_ctypes_over_a_bytearray() -> Made:
    data = bytearray(4)

    def reader() -> None:
        before = data[0]  # race
        assert data[0] == before

    def writer() -> None:
        ctypes.c_int.from_buffer(data).value = 1  # race

    return (reader, writer), bool


@race
def test_unbound_append() -> Made:
    items: list[int] = []

    def body() -> None:
        if list.__len__(items) == 0:  # race
            list.append(items, 1)  # race

    return body, equal(lambda: items, [1])


@race
def test_partial_append() -> Made:
    items: list[int] = []
    append = functools.partial(items.append, 1)

    def body() -> None:
        if not items:  # race
            append()  # race

    return body, equal(lambda: items, [1])


@race
def test_partial_unbound_append() -> Made:
    items: list[int] = []
    append = functools.partial(list.append, items)

    def body() -> None:
        if not items:  # race
            append(1)  # race

    return body, equal(lambda: items, [1])


@race
def test_bound_method_kept() -> Made:
    items: list[int] = []
    add, size = items.append, items.__len__

    def body() -> None:
        if size() == 0:  # race
            add(1)  # race

    return body, equal(lambda: items, [1])


@race
def test_operator_functions() -> Made:
    box = {"n": 0}

    def body() -> None:
        operator.setitem(box, "n", operator.getitem(box, "n") + 1)  # race

    return body, equal(lambda: box["n"], 2)


@race
def test_operator_deletes() -> Made:
    box = {"n": 0}

    def body() -> None:
        if operator.contains(box, "n"):  # race
            operator.delitem(box, "n")  # race

    return body, bool


@race
def test_operator_iadd() -> Made:
    items: list[int] = []

    def body() -> None:
        if operator.not_(items):  # race
            operator.iadd(items, [1])  # type: ignore[no-untyped-call]  # race

    return body, equal(lambda: items, [1])


@race
def test_itemgetter() -> Made:
    box = {"n": 0}
    get = operator.itemgetter("n")

    def reader() -> None:
        before = get(box)  # race
        assert get(box) == before  # race

    def writer() -> None:
        box["n"] = 1  # race

    return (reader, writer), bool


@race
def test_methodcaller() -> Made:
    items = [1]
    pop = operator.methodcaller("pop")

    def body() -> None:
        if items:  # race
            pop(items)  # race

    return body, bool


@race
def test_list_passed_to_a_thread_as_star_args() -> Made:
    items = [1]

    def take(*args: int) -> int:
        return len(args)

    def reader() -> None:
        assert take(*items) == take(*items)  # race

    def writer() -> None:
        items.append(2)  # race

    return (reader, writer), bool


@race
def test_string_builder() -> Made:
    text = ""

    def body() -> None:
        nonlocal text
        text += "x"  # race

    return body, equal(lambda: text, "xx")


@race
def test_dict_views_kept() -> Made:
    ages = {"a": 1}
    keys = ages.keys()

    def body() -> None:
        if "a" in keys:  # race
            del ages["a"]  # race

    return body, bool


@race
def test_length_of_a_kept_view() -> Made:
    ages = {"a": 1}
    values = ages.values()

    def body() -> None:
        if len(values) == 1:  # race
            ages[f"k{len(values)}"] = 1  # race

    return body, equal(lambda: len(ages), 2)


@race
def test_mapping_proxy() -> Made:
    import types

    ages = {"a": 1}
    proxy = types.MappingProxyType(ages)

    def body() -> None:
        if "a" in proxy:  # race
            del ages["a"]  # race

    return body, bool


@race
def test_numpy_item() -> Made:
    numpy = pytest.importorskip("numpy")
    data = numpy.zeros(2, dtype=int)

    def body() -> None:
        data[0] += 1  # race

    return body, equal(lambda: int(data[0]), 2)


@race
def test_numpy_views() -> Made:
    numpy = pytest.importorskip("numpy")
    data = numpy.zeros(4, dtype=int)
    low, low_too = data[:2], data.reshape(2, 2)

    def one() -> None:
        low[0] += 1  # race

    def other() -> None:
        low_too[0, 0] += 1  # race

    return (one, other), equal(lambda: int(data[0]), 2)


@race
def test_numpy_whole() -> Made:
    numpy = pytest.importorskip("numpy")
    data = numpy.zeros(2, dtype=int)

    def body() -> None:
        data[:] = data + 1  # race

    return body, equal(lambda: int(data[0]), 2)


@race
def test_numpy_function_and_method() -> Made:
    numpy = pytest.importorskip("numpy")
    data = numpy.zeros(2, dtype=int)

    def reader() -> None:
        assert numpy.sum(data) == data.sum()  # race

    def writer() -> None:
        data.fill(1)  # race

    return (reader, writer), bool


@race
def test_numpy_over_a_bytearray() -> Made:
    numpy = pytest.importorskip("numpy")
    raw = bytearray(8)
    data = numpy.frombuffer(raw, dtype=numpy.uint8)

    def one() -> None:
        data[0] += 1  # race

    def other() -> None:
        raw[0] += 1  # race

    return (one, other), equal(lambda: raw[0], 2)
