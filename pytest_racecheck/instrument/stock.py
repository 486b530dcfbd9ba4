"""The functions that there are before a test is explored, kept from one exploration to the next: looking is what costs.

Objects of the two younger generations are all that can be new if nothing was collected since the last look.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterable, Iterator
from itertools import compress, repeat
from operator import is_
from types import CodeType, FunctionType
from typing import Any, Final

from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument.rewrite import Plan
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.instrument.versions import FREE_THREADED_BUILD

Reference = weakref.ref[FunctionType]

_OLDEST: Final = 2
"""The generation that is not looked through again."""


class Stock:
    """For one scope: which functions there are, and how their code is to be instrumented."""

    def __init__(self) -> None:
        self.entries: dict[int, Any] = {}
        """What an exploration knows of the code outside of the scope when it begins: filled in by the first one."""
        self.sites: dict[str, list[Site]] = {}
        """The sites in that code."""
        self.failed: dict[str, None] = {}
        """Sentences on such code that could not be rewritten."""
        self._plans: dict[int, tuple[CodeType, Plan | None]] = {}
        self._covered: dict[int, dict[int, Reference]] = {}
        self._outside: dict[int, Reference] = {}
        self._modules: tuple[int, str] = (0, "")
        self._collections: tuple[int, ...] = ()

    def refresh(self, scope: Scope) -> None:
        """Take in what has come since the last time, and forget what has gone."""
        modules = (len(sys.modules), next(reversed(sys.modules), ""))
        if modules == self._modules and self._collections == _collections():
            found: Iterable[FunctionType] = () if FREE_THREADED_BUILD else _young_functions()
        else:
            self._covered.clear()
            self._outside.clear()
            found = _functions_of_modules() if FREE_THREADED_BUILD else _all_functions()
        self._modules = modules
        for function in found:
            self._take(scope, function)

    def close(self) -> None:
        """An exploration is over: what is young from now on was made after it."""
        self._collections = _collections()

    def outside(self) -> Iterator[FunctionType]:
        """The functions outside of the scope that may synchronise."""
        return _alive(self._outside.values())

    def covered(self, code: CodeType) -> list[FunctionType]:
        """The functions in scope that had this code."""
        return list(_alive(self._covered.get(id(code), {}).values()))

    def of_file(self, filename: str) -> Iterator[FunctionType]:
        """The functions in scope whose code stands in a file."""
        for functions in self._covered.values():
            for function in _alive(functions.values()):
                if function.__code__.co_filename == filename:
                    yield function

    def _take(self, scope: Scope, function: FunctionType) -> None:
        code = function.__code__
        known = self._plans.get(id(code))
        if known is None or known[0] is not code:
            known = self._plans[id(code)] = (code, scope.plan(code, function.__globals__))
        if known[1] is Plan.FULL:
            self._covered.setdefault(id(code), {})[id(function)] = weakref.ref(function)
        elif known[1] is Plan.SYNC:
            self._outside[id(function)] = weakref.ref(function)


_stocks: Final[dict[tuple[str, ...], Stock]] = {}


def stock_of(scope: Scope) -> Stock:
    """The stock of a scope; the same one for scopes that cover the same code."""
    return _stocks.setdefault(scope.identity, Stock())


def _alive(references: Iterable[Reference]) -> Iterator[FunctionType]:
    return (function for reference in references if (function := reference()) is not None)


def _collections() -> tuple[int, ...]:
    return tuple([generation["collections"] for generation in gc.get_stats()[1:]])


def _only_functions(objects: list[Any]) -> Iterator[FunctionType]:
    return compress(objects, map(is_, map(type, objects), repeat(FunctionType)))


def _all_functions() -> Iterator[FunctionType]:
    gc.unfreeze()  # what is frozen is not listed
    return _only_functions(gc.get_objects())


def _young_functions() -> Iterator[FunctionType]:
    return _only_functions([each for generation in range(_OLDEST) for each in gc.get_objects(generation)])


# -- where the collector forgets some of them (3.13t, once there are threads) ------------------------------------


def _functions_of_modules() -> Iterable[FunctionType]:
    return {id(each): each for module in list(sys.modules.values()) for each in _functions_in(module, set())}.values()


def _functions_in(owner: Any, seen: set[int]) -> Iterator[FunctionType]:
    """The functions in a module or class, those in its own classes and properties as well."""
    for value in list(getattr(owner, "__dict__", {}).values()):
        if id(value) in seen:
            continue
        seen.add(id(value))
        kind = type(value)
        if kind is FunctionType:
            yield value
        elif kind in (staticmethod, classmethod):
            yield from _functions_among(value.__func__)
        elif kind is property:
            yield from _functions_among(value.fget, value.fset, value.fdel)
        elif issubclass(kind, type) and getattr(value, "__module__", None) == getattr(
            owner, "__module__", owner.__name__
        ):
            yield from _functions_in(value, seen)


def _functions_among(*values: object) -> Iterator[FunctionType]:
    return (value for value in values if type(value) is FunctionType)
