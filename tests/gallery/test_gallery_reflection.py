"""Races where a value is read in one way and written in another: all ways lead to one location."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
import shelf
from races import Made, assert_found, assert_silent, explored, race


class Box:
    """Has an attribute ``n``."""

    def __init__(self) -> None:
        self.n = 0


class Slotted:
    """Has a slot ``n``."""

    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 0


def _plain(box: Any) -> Any:
    return box.n  # race


def _getattr(box: Any) -> Any:
    return getattr(box, "n", 0)  # race


def _dict(box: Any) -> Any:
    return box.__dict__["n"]  # race


def _vars(box: Any) -> Any:
    return vars(box)["n"]  # race


def _vars_get(box: Any) -> Any:
    return vars(box).get("n", 0)  # race


def _object(box: Any) -> Any:
    return object.__getattribute__(box, "n")  # race


def _attrgetter(box: Any) -> Any:
    return operator.attrgetter("n")(box)  # race


def _copied(box: Any) -> Any:
    return dict(vars(box))["n"]  # race


def _set_plain(box: Any, value: int) -> None:
    box.n = value  # race


def _setattr(box: Any, value: int) -> None:
    box.n = value  # race


def _set_dict(box: Any, value: int) -> None:
    box.__dict__["n"] = value  # race


def _set_vars(box: Any, value: int) -> None:
    vars(box)["n"] = value  # race


def _update(box: Any, value: int) -> None:
    vars(box).update(n=value)  # race


def _set_object(box: Any, value: int) -> None:
    object.__setattr__(box, "n", value)  # race


READS = (_plain, _getattr, _dict, _vars, _vars_get, _object, _attrgetter, _copied)
WRITES = (_set_plain, _setattr, _set_dict, _set_vars, _update, _set_object)


def mixed(read: Callable[[Any], int], write: Callable[[Any, int], None]) -> Made:
    box = Box()

    def reader() -> None:
        before = read(box)
        assert read(box) == before

    return (reader, lambda: write(box, 1)), bool


@pytest.mark.parametrize("write", WRITES, ids=lambda each: each.__name__)
@pytest.mark.parametrize("read", READS, ids=lambda each: each.__name__)
def test_every_way_of_reading_meets_every_way_of_writing(
    read: Callable[[Any], int], write: Callable[[Any, int], None]
) -> None:
    result = explored(lambda: mixed(read, write))
    assert_found(result, read, write)


@pytest.mark.parametrize("write", WRITES, ids=lambda each: each.__name__)
def test_under_a_lock_they_are_silent(write: Callable[[Any, int], None]) -> None:
    assert_silent(explored(lambda: mixed(_vars, write), locked=True, runs=200))


@race
def test_attribute_asked_for_then_set() -> Made:
    box: Any = Box()
    made: list[int] = []

    def body() -> None:
        if not hasattr(box, "cache"):  # race
            box.cache = {}  # race
            made.append(1)

    def check() -> None:
        assert made == [1]

    return body, check


@race
def test_attribute_asked_for_then_deleted() -> Made:
    box = Box()

    def body() -> None:
        if hasattr(box, "n"):  # race
            delattr(box, "n")  # race

    return body, bool


@race
def test_default_then_set() -> Made:
    box: Any = Box()

    def body() -> None:
        box.hits = getattr(box, "hits", 0) + 1  # race

    def check() -> None:
        assert box.hits == 2

    return body, check


@race
def test_slot_by_its_descriptor() -> Made:
    box = Slotted()
    slot: Any = vars(Slotted)["n"]

    def body() -> None:
        slot.__set__(box, slot.__get__(box) + 1)  # race

    def check() -> None:
        assert box.n == 2

    return body, check


@race
def test_attribute_name_that_is_computed() -> Made:
    box = Box()

    def body() -> None:
        for name in ("n",):
            setattr(box, name, getattr(box, name) + 1)  # race

    def check() -> None:
        assert box.n == 2

    return body, check


@race
def test_module_by_setattr() -> Made:
    shelf.count = 0

    def body() -> None:
        shelf.count = shelf.count + 1  # race

    def check() -> None:
        assert shelf.count == 2

    return body, check


@race
def test_module_by_its_dict() -> Made:
    shelf.count = 0

    def body() -> None:
        shelf.__dict__["count"] = shelf.count + 1  # race

    def check() -> None:
        assert shelf.count == 2

    return body, check


@race
def test_class_by_setattr() -> Made:
    class Counter:
        n = 0

    def body() -> None:
        Counter.n = vars(Counter)["n"] + 1  # race

    def check() -> None:
        assert Counter.n == 2

    return body, check


@race
def test_class_by_type_setattr() -> Made:
    class Counter:
        n = 0

    def body() -> None:
        type.__setattr__(Counter, "n", Counter.n + 1)  # race

    def check() -> None:
        assert Counter.n == 2

    return body, check


@race
def test_dict_of_an_object_kept_before_the_run() -> Made:
    box = Box()
    space = vars(box)

    def body() -> None:
        space["n"] = box.n + 1  # race

    def check() -> None:
        assert box.n == 2

    return body, check


@race
def test_dict_replaced() -> Made:
    box = Box()

    def reader() -> None:
        assert box.n == box.n  # race

    def writer() -> None:
        box.__dict__ = {"n": 1}  # race

    return (reader, writer), bool


@race
def test_super_setattr() -> Made:
    class Plain:
        n = 0

        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)

    box = Plain()

    def body() -> None:
        box.n += 1  # race

    def check() -> None:
        assert box.n == 2

    return body, check
