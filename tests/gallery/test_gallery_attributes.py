"""Races on attributes: of instances, classes, modules, functions, slots, and of what computes them."""

from __future__ import annotations

import functools
import operator
import sys
import types
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import pytest
import shelf
from races import Made, race


class Box:
    n: Any = 0
    items: Any = None


def all_counted(read: Callable[[], int], expected: int = 2) -> Callable[[], None]:
    def check() -> None:
        assert read() == expected

    return check


@race
def test_attribute_of_an_instance() -> Made:
    box = Box()
    box.n = 0

    def body() -> None:
        box.n += 1  # race

    return body, all_counted(lambda: box.n)


@race
def test_default_in_the_class_then_own_value() -> Made:
    box = Box()

    def body() -> None:
        box.n += 1  # race

    return body, all_counted(lambda: box.n)


@race
def test_attribute_of_a_class() -> Made:
    class Counter:
        n = 0

    def body() -> None:
        Counter.n += 1  # race

    return body, all_counted(lambda: Counter.n)


@race
def test_attribute_of_a_base_class_seen_through_a_subclass() -> Made:
    class Base:
        n = 0

    class Derived(Base):
        pass

    def reader() -> None:
        before = Derived.n  # race
        assert Derived.n == before

    def writer() -> None:
        Base.n = 1  # race

    return (reader, writer), bool


@race
def test_class_attribute_read_through_an_instance() -> Made:
    class Counter:
        n = 0

    one = Counter()

    def body() -> None:
        type(one).n = one.n + 1  # race

    return body, all_counted(lambda: Counter.n)


@race
def test_class_method_that_counts() -> Made:
    class Counter:
        n = 0

        @classmethod
        def add(cls) -> None:
            cls.n += 1  # race

    return Counter.add, all_counted(lambda: Counter.n)


@race
def test_attribute_of_a_module() -> Made:
    shelf.count = 0

    def body() -> None:
        shelf.count += 1  # race

    return body, all_counted(lambda: shelf.count)


@race
def test_attribute_of_a_module_that_has_its_own_class() -> Made:
    class Lazy(types.ModuleType):
        n = 0

    module = Lazy("lazy")
    module.n = 0

    def body() -> None:
        module.n += 1  # race

    return body, all_counted(lambda: module.n)


@race
def test_global_of_a_module_read_one_way_and_written_the_other() -> Made:
    shelf.count = 0

    def body() -> None:
        before = shelf.count  # race
        shelf.add()
        assert shelf.count == before + 1

    return body, bool


@race
def test_slot() -> Made:
    class Slotted:
        __slots__ = ("n",)

        def __init__(self) -> None:
            self.n = 0

        def add(self) -> None:
            self.n += 1  # race

    slotted = Slotted()
    return slotted.add, all_counted(lambda: slotted.n)


@race
def test_attribute_of_a_function() -> Made:
    def add() -> None:
        add.count += 1  # type: ignore[attr-defined]  # race

    add.count = 0  # type: ignore[attr-defined]
    return add, all_counted(lambda: add.count)  # type: ignore[attr-defined]


@race
def test_attribute_of_the_function_behind_a_method() -> Made:
    class Counter:
        def add(self) -> None:
            Counter.add.count = Counter.add.count + 1  # type: ignore[attr-defined]  # race

    Counter.add.count = 0  # type: ignore[attr-defined]
    one = Counter()
    return one.add, all_counted(lambda: Counter.add.count)  # type: ignore[attr-defined]


@race
def test_property_with_a_setter() -> Made:
    class Account:
        def __init__(self) -> None:
            self._balance = 0

        @property
        def balance(self) -> int:
            return self._balance  # race

        @balance.setter
        def balance(self, value: int) -> None:
            self._balance = value  # race

    account = Account()

    def body() -> None:
        account.balance += 1

    return body, all_counted(lambda: account._balance)


@race
def test_property_made_of_an_attrgetter() -> Made:
    class Account:
        def __init__(self) -> None:
            self._balance = 0

        balance = property(operator.attrgetter("_balance"))

    account = Account()

    def reader() -> None:
        before = account.balance  # race
        assert account.balance == before

    def writer() -> None:
        account._balance = 1  # race

    return (reader, writer), bool


@race
def test_descriptor_that_stores_in_the_instance() -> Made:
    class Stored:
        def __set_name__(self, owner: type, name: str) -> None:
            self.name = f"_{name}"

        def __get__(self, obj: Any, owner: type) -> Any:
            return obj.__dict__.get(self.name, 0)  # race

        def __set__(self, obj: Any, value: object) -> None:
            obj.__dict__[self.name] = value  # race

    class Model:
        n = Stored()

    model = Model()

    def body() -> None:
        model.n += 1

    return body, all_counted(lambda: model.n)


@race
def test_descriptor_with_its_own_table() -> Made:
    class Tabled:
        def __init__(self) -> None:
            self.table: dict[int, int] = {}

        def __get__(self, obj: Any, owner: type) -> Any:
            return self.table.get(id(obj), 0)  # race

        def __set__(self, obj: Any, value: int) -> None:
            self.table[id(obj)] = value  # race

    class Model:
        n = Tabled()

    model = Model()

    def body() -> None:
        model.n += 1

    return body, all_counted(lambda: model.n)


@race
def test_attributes_that_getattr_and_setattr_compute() -> Made:
    class Proxy:
        def __init__(self) -> None:
            object.__setattr__(self, "data", {"n": 0})

        def __getattr__(self, name: str) -> Any:
            return self.data[name]  # race

        def __setattr__(self, name: str, value: object) -> None:
            self.data[name] = value  # race

    proxy = Proxy()

    def body() -> None:
        proxy.n += 1

    return body, all_counted(lambda: proxy.n)


@race
def test_getattribute_of_its_own() -> Made:
    class Watched:
        n = 0

        def __getattribute__(self, name: str) -> Any:
            return object.__getattribute__(self, name)

    watched = Watched()

    def body() -> None:
        watched.n += 1  # race

    return body, all_counted(lambda: watched.n)


@race
def test_dataclass() -> Made:
    @dataclass
    class Point:
        x: int = 0
        seen: list[int] = field(default_factory=list)

    point = Point()

    def body() -> None:
        point.x += 1  # race

    return body, all_counted(lambda: point.x)


@race
def test_dataclass_with_slots_whose_fields_belong_together() -> Made:
    @dataclass(slots=True)
    class Interval:
        low: int = 0
        high: int = 0

    interval = Interval()

    def writer() -> None:
        interval.low = 1  # race
        interval.high = 1

    def reader() -> None:
        assert interval.low == interval.high  # race

    return (writer, reader), bool


@race
def test_frozen_dataclass_changed_behind_its_back() -> Made:
    @dataclass(frozen=True)
    class Point:
        x: int = 0

    point = Point()

    def body() -> None:
        object.__setattr__(point, "x", point.x + 1)  # race

    return body, all_counted(lambda: point.x)


@race
def test_namedtuple_swapped_for_a_changed_copy() -> Made:
    Pair = namedtuple("Pair", "a b")  # noqa: PYI024  (the old way is what is tested)
    box = Box()
    box.items = Pair(0, 0)

    def body() -> None:
        box.items = box.items._replace(a=box.items.a + 1)  # race

    return body, all_counted(lambda: box.items.a)


@race
def test_typed_namedtuple_in_a_closure() -> Made:
    class Pair(NamedTuple):
        a: int = 0

    pair = Pair()

    def body() -> None:
        nonlocal pair
        pair = Pair(pair.a + 1)  # race

    return body, all_counted(lambda: pair.a)


@race
def test_metaclass_attribute() -> Made:
    class Counting(type):
        made = 0

        def __call__(cls, *args: Any) -> Any:
            Counting.made += 1  # race
            return super().__call__(*args)

    class Thing(metaclass=Counting):
        pass

    return (lambda: Thing(), lambda: Thing()), all_counted(lambda: Counting.made)


@race
def test_registry_filled_by_init_subclass() -> Made:
    class Base:
        registry: ClassVar[list[str]] = []
        count = 0

        def __init_subclass__(cls) -> None:
            Base.count += 1  # race

    def body() -> None:
        class Derived(Base):
            pass

    return body, all_counted(lambda: Base.count)


@race
def test_lazy_singleton() -> Made:
    class Service:
        made = 0
        instance: Any = None

        def __new__(cls) -> Any:
            if cls.instance is None:  # race
                cls.instance = super().__new__(cls)
                cls.made += 1
            return cls.instance

    return (lambda: Service(), lambda: Service()), all_counted(lambda: Service.made, 1)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="cached_property has a lock")
@race
def test_cached_property_computed_twice() -> Made:
    class Report:
        computed = 0

        @functools.cached_property
        def total(self) -> object:
            self.computed += 1
            return object()

    report = Report()
    got: list[object] = []

    def body() -> None:
        got.append(report.total)  # race

    def check() -> None:
        assert got[0] is got[1]

    return body, check


@race
def test_attribute_deleted_after_it_was_found() -> Made:
    box = Box()
    box.extra = 1  # type: ignore[attr-defined]

    def body() -> None:
        if hasattr(box, "extra"):  # race
            del box.extra

    return body, bool


@race
def test_instance_whose_class_is_swapped() -> Made:
    class Closed:
        def send(self) -> None:
            raise ConnectionError

    class Open:
        def send(self) -> None:
            """Goes through."""

    connection: Any = Open()

    def sender() -> None:
        if type(connection) is Open:  # race
            connection.send()

    def closer() -> None:
        connection.__class__ = Closed  # race

    return (sender, closer), bool


@race
def test_method_replaced_on_the_class() -> Made:
    class Service:
        def version(self) -> int:
            return 1

    service = Service()

    def caller() -> None:
        assert service.version() == service.version()  # race

    def patcher() -> None:
        Service.version = lambda self: 2  # type: ignore[method-assign]  # race

    return (caller, patcher), bool


@race
def test_method_hidden_by_the_instance() -> Made:
    class Service:
        def version(self) -> int:
            return 1

    service: Any = Service()

    def caller() -> None:
        assert service.version() == service.version()  # race

    def patcher() -> None:
        service.version = lambda: 2  # race

    return (caller, patcher), bool


@race
def test_simple_namespace() -> Made:
    space = types.SimpleNamespace(n=0)

    def body() -> None:
        space.n += 1  # race

    return body, all_counted(lambda: space.n)


@race
def test_exception_object_as_store() -> Made:
    error: Any = ValueError()
    error.n = 0

    def body() -> None:
        error.n += 1  # race

    return body, all_counted(lambda: error.n)


@race
def test_super_in_a_property() -> Made:
    class Base:
        def __init__(self) -> None:
            self._n = 0

        @property
        def n(self) -> int:
            return self._n  # race

    class Derived(Base):
        @property
        def n(self) -> int:
            return super().n

        def add(self) -> None:
            self._n = self.n + 1  # race

    derived = Derived()
    return derived.add, all_counted(lambda: derived._n)
