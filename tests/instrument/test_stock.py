"""The functions that there are: each is told of once to everybody who asks, wherever the collector has put it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType

import pytest

from pytest_racecheck.instrument.stock import FIRST_PAGE, Stock
from pytest_racecheck.instrument.versions import FREE_THREADED_BUILD

pytestmark = pytest.mark.skipif(FREE_THREADED_BUILD, reason="only functions of modules are known there")


def made() -> FunctionType:
    function = lambda: None  # noqa: E731
    assert isinstance(function, FunctionType)
    return function


def nothing() -> None:
    """The functions stay where they are."""


@contextmanager
def no_collection() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("move", [nothing, lambda: gc.collect(0), lambda: gc.collect(1), gc.collect])
def test_a_function_that_has_come_since_is_told_of_once(move: Callable[[], object]) -> None:
    stock = Stock()
    before = made()
    _, page = stock.since(FIRST_PAGE)
    function = made()
    with no_collection():
        move()
        news, page = stock.since(page)
        again, _ = stock.since(page)

    met = [reference() for reference in news]
    assert any(each is function for each in met)
    assert not any(each is before for each in met)
    assert not any(reference() is function for reference in again)


def test_everybody_is_told_of_all() -> None:
    """Also who asks for the first time when others have asked before."""
    stock = Stock()
    function = made()
    stock.since(FIRST_PAGE)

    news, _ = stock.since(FIRST_PAGE)

    assert any(reference() is function for reference in news)


def test_no_function_is_kept_alive() -> None:
    stock = Stock()
    function = made()
    stock.since(FIRST_PAGE)
    reference = weakref.ref(function)

    del function

    assert reference() is None


def test_functions_that_are_gone_are_forgotten() -> None:
    """And who asks then is told of all that are left once more."""
    stock = Stock()
    _, page = stock.since(FIRST_PAGE)
    many = [made() for _ in range(50_000)]
    _, page = stock.since(page)
    kept = many[7]

    many.clear()
    stock._forget_gone()
    news, _ = stock.since(page)

    assert sum(reference() is kept for reference in news) == 1
    assert all(reference() is not None for reference in news)
