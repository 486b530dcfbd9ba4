"""The functions that there are: gone through once, and asked again only for those that have come since."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterable, Iterator
from itertools import compress, repeat
from operator import is_
from types import FunctionType
from typing import Any, Final

from pytest_racecheck.instrument.versions import FREE_THREADED_BUILD

Reference = weakref.ref[FunctionType]

_COUNTS_COLLECTIONS: Final = not FREE_THREADED_BUILD and sys.version_info < (3, 14)
"""Whether what is new stays among the youngest two generations until a collection is counted that moves it."""

_Moment = tuple[int, int, int]

Page = tuple[int, int]
"""How far somebody has read: an edition of the list, and a number in it."""

FIRST_PAGE: Final[Page] = (0, 0)


class Stock:
    """Remembers the functions that it has met, in the order in which it met them, and keeps none of them alive."""

    def __init__(self) -> None:
        self._known: dict[int, Reference] = {}
        self._met: list[Reference] = []
        self._moment: _Moment | None = None
        self._edition = 0

    def since(self, page: Page) -> tuple[list[Reference], Page]:
        """The functions that have come since a page, among all that there are, and the page to ask with next time.

        Where the collector forgets functions (3.13t, once there are threads), those of modules.
        """
        known = self._known
        for function in self._candidates():
            reference = known.get(id(function))
            if reference is None or reference() is not function:
                reference = known[id(function)] = weakref.ref(function)
                self._met.append(reference)
        if len(self._met) > 2 * len(known):
            self._forget_gone()
        self._moment = _moment()
        edition, number = page
        return self._met[number if edition == self._edition else 0 :], (self._edition, len(self._met))

    def _candidates(self) -> Iterable[FunctionType]:
        if FREE_THREADED_BUILD:
            return _functions_of_modules()
        young = _COUNTS_COLLECTIONS and self._moment == _moment()
        if not young:
            gc.unfreeze()  # what is frozen is not listed
        objects = [*gc.get_objects(0), *gc.get_objects(1)] if young else gc.get_objects()
        return compress(objects, map(is_, map(type, objects), repeat(FunctionType)))

    def _forget_gone(self) -> None:
        """Who asks next is told of all that are left once more."""
        self._known = {key: each for key, each in self._known.items() if each() is not None}
        self._met = list(self._known.values())
        self._edition += 1


STOCK: Final = Stock()
"""One for the process: to explore moves objects from generation to generation unseen, so each exploration asks it."""


def _moment() -> _Moment:
    """Changes when objects that were young have become old, or are kept from the collector."""
    _, second, third = gc.get_stats()
    return second["collections"], third["collections"], gc.get_freeze_count()


def _functions_of_modules() -> Iterable[FunctionType]:
    modules = list(sys.modules.values())
    return {id(each): each for module in modules for each in _functions_in(module, set())}.values()


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
            yield from _only_functions(value.__func__)
        elif kind is property:
            yield from _only_functions(value.fget, value.fset, value.fdel)
        elif issubclass(kind, type) and getattr(value, "__module__", None) == getattr(
            owner, "__module__", owner.__name__
        ):
            yield from _functions_in(value, seen)


def _only_functions(*values: object) -> Iterator[FunctionType]:
    return (value for value in values if type(value) is FunctionType)
