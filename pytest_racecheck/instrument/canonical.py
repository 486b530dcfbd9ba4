"""Writes objects down so that two runs can be compared: by what they hold, and by which of them are the same.

Builtin data compares by value; a dict and a set have no order. An object of a class compares by its type and its
fields, and, unless its class says what equality is, by which one it is: numbered in the order in which it is met. No
code of the user's runs, neither ``__eq__`` nor ``__repr__`` nor ``__hash__``.
"""

from __future__ import annotations

import array
import collections
import datetime as dt
import decimal
import enum
import fractions
import functools
import pathlib
import queue
import re
import threading
import types
import uuid
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, Final

from pytest_racecheck.instrument.classify import SIMPLE, dict_of, found_on, module_of, mro_of, name_of, namespace_of
from pytest_racecheck.instrument.memories import content_of, is_memory
from pytest_racecheck.instrument.targets import SEMLOCK

MOST_OBJECTS: Final = 5000
"""Of more than so many the rest is left out."""

A_DAY: Final = 86_400.0
EXACTLY: Final = 1e-6
"""A number that lies so near to whole milliseconds after the start is an instant."""

_PLAIN: Final = frozenset(
    map(
        id,
        (
            dt.date, dt.datetime, dt.time, dt.timedelta, dt.timezone, decimal.Decimal,
            fractions.Fraction, uuid.UUID, pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, range, slice,
            re.Pattern, type(Ellipsis), type(NotImplemented),
        ),
    )
)  # fmt: skip
"""Types of the standard library whose objects don't change, and whose ``repr`` tells all of them."""

_FOREIGN: Final = frozenset({"_pytest", "pytest", "pluggy", "logging", "_io", "pytest_racecheck"})
"""Packages whose objects are not looked into: they belong to the test run."""

_OF_THREADING: Final[dict[type, tuple[str, ...]]] = {
    threading.Event: ("_flag",),
    threading.Condition: (),
    threading.Semaphore: ("_value",),
    threading.BoundedSemaphore: ("_value",),
    threading.Barrier: (),
    threading.Thread: (),
    threading.Timer: (),
    Future: ("_state", "_result", "_exception"),
    queue.Queue: ("queue",),
    queue.LifoQueue: ("queue",),
    queue.PriorityQueue: ("queue",),
}
"""What of these says something about the program; the rest is their own affair."""


class Canonical:
    """One numbering of objects: what is written by one of these can be compared within it.

    ``instants`` are those at which the run began, by several clocks: a time is told by how long after that it was.
    """

    def __init__(self, instants: tuple[float, ...] = ()) -> None:
        self._instants = instants
        self._numbers: dict[int, int] = {}
        self._kept: list[object] = []
        """Else another object would get the identity of one that is gone."""
        self._open: set[int] = set()
        self._left = MOST_OBJECTS

    def text(self, value: Any) -> str:
        """Everything about a value, as a text."""
        kind = type(value)
        if id(kind) in SIMPLE:
            return repr(value) if kind is not float else self._float(value)
        if self._left <= 0:
            return "..."
        self._left -= 1
        if id(kind) in _PLAIN:
            return repr(value)
        if id(value) in self._open:
            return "<itself>"
        self._open.add(id(value))
        try:
            return self._compound(kind, value)
        finally:
            self._open.discard(id(value))

    def _float(self, value: float) -> str:
        for instant in self._instants:
            after = round(value - instant, 3)
            if 0 <= after < A_DAY and abs(value - instant - after) < EXACTLY:
                return f"<{after} s after the start>"
        return repr(value)

    def _compound(self, kind: type, value: Any) -> str:
        writer = _BUILTIN[kind] if kind in _BUILTIN else None
        if writer is not None:
            return writer(self, value)
        if issubclass(kind, type):
            return f"<class {_full_name(value)}>"
        if issubclass(kind, BaseException):
            return f"{name_of(kind)}({self.text(BaseException.args.__get__(value))})"  # type: ignore[attr-defined]
        return self._instance(kind, value)

    def _instance(self, kind: type, value: Any) -> str:
        name = _full_name(kind)
        if name.partition(".")[0] in _FOREIGN:
            return f"<{name}>"
        if kind is SEMLOCK:  # its address and its name are others in every run
            return f"<{name}{self._number(value)} {'taken' if value._is_zero() else 'free'}>"
        if is_memory(value):  # where it lies differs, too
            return f"{name}{self._number(value)}({self.text(content_of(value))})"
        if issubclass(kind, enum.Enum):
            return f"{name}.{(dict_of(value) or {}).get('_name_')}"
        number = "" if _has_own_equality(kind) else self._number(value)
        fields = [f"{field}={self.text(inner)}" for field, inner in sorted(_fields(kind, value), key=_first)]
        return f"{name}{number}({', '.join(fields + self._items(kind, value))})"

    def _number(self, value: object) -> str:
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._numbers) + 1
            self._kept.append(value)
        return f"#{self._numbers[id(value)]}"

    def _items(self, kind: type, value: Any) -> list[str]:
        """What an object holds because its class inherits from a builtin container or value."""
        for base in mro_of(kind):
            if base in _CONTENT:
                return [_CONTENT[base](self, value)]
        return []

    def sequence(self, values: Iterable[Any]) -> str:
        """The items of something that has an order."""
        return ", ".join([self.text(each) for each in values])

    def unordered(self, values: Iterable[Any], text: Callable[[Canonical, Any], str]) -> str:
        """The items of something that has none: sorted by what they are without their numbers, then numbered."""
        values = list(values)
        if len(values) > 1:
            values.sort(key=self._rank)
        return ", ".join([text(self, each) for each in values])

    def _rank(self, value: Any) -> str:
        """What sorts a member of a set, or a pair of a dict: its key is enough where that is simple."""
        if type(value) is tuple and len(value) == 2 and id(type(value[0])) in SIMPLE:
            return repr(value[0])
        other = Canonical(self._instants)
        other._open = set(self._open)
        other._left = self._left
        return other.text(value)

    def pair(self, pair: tuple[Any, Any]) -> str:
        """A key and its value."""
        return f"{self.text(pair[0])}: {self.text(pair[1])}"


def _full_name(kind: type) -> str:
    return f"{module_of(kind)}.{name_of(kind)}"


def _has_own_equality(kind: type) -> bool:
    """Whether a class says itself when two of its objects are equal."""
    return found_on(kind, "__eq__")[0] is not object


def _fields(kind: type, value: Any) -> Iterable[tuple[str, Any]]:
    """The attributes that an object has itself."""
    namespace = dict_of(value) or {}
    known = next((_OF_THREADING[each] for each in mro_of(kind) if each in _OF_THREADING), None)
    for name, inner in list(namespace.items()):
        if type(name) is str and (known is None or name in known or name[0] != "_"):
            yield name, inner
    for owner in mro_of(kind):
        if issubclass(owner, BaseException):
            continue
        for name, member in namespace_of(owner).items():
            if type(member) is types.MemberDescriptorType and module_of(owner) != "builtins":
                try:
                    yield name, member.__get__(value, kind)
                except AttributeError:
                    continue


def _first(pair: tuple[str, Any]) -> str:
    return pair[0]


def _function(canonical: Canonical, function: Any) -> str:
    """A function by its name, and by the variables that it shares with others."""
    cells = function.__closure__ or ()
    name = f"{function.__module__}.{function.__qualname__}"
    return f"<{name} {canonical.sequence(cells)}>" if cells else f"<{name}>"


def _cell(canonical: Canonical, cell: Any) -> str:
    try:
        return canonical.text(cell.cell_contents)
    except ValueError:
        return "<empty>"


def _partial(canonical: Canonical, call: Any) -> str:
    function, args, keywords = call.func, call.args, call.keywords
    return f"partial({canonical.text(function)}, {canonical.text(args)}, {canonical.text(keywords)})"


def _lock(canonical: Canonical, lock: Any) -> str:
    return f"<lock{canonical._number(lock)}>"


def _of_class(canonical: Canonical, value: Any) -> str:
    return f"<{_full_name(type(value))}>"


def _dict(canonical: Canonical, value: Any) -> str:
    return f"{{{canonical.unordered(dict.items(value), Canonical.pair)}}}"


def _set(canonical: Canonical, value: Any) -> str:
    return f"{{{canonical.unordered(value, Canonical.text)}}}"


_CONTENT: Final[dict[type, Callable[[Canonical, Any], str]]] = {
    collections.OrderedDict: lambda canonical, value: (
        f"[{', '.join([canonical.pair(pair) for pair in collections.OrderedDict.items(value)])}]"
    ),
    dict: _dict,
    list: lambda canonical, value: f"[{canonical.sequence(list.__iter__(value))}]",
    tuple: lambda canonical, value: f"({canonical.sequence(tuple.__iter__(value))})",
    set: lambda canonical, value: _set(canonical, list(set.__iter__(value))),
    frozenset: lambda canonical, value: _set(canonical, list(frozenset.__iter__(value))),
    collections.deque: lambda canonical, value: f"deque[{canonical.sequence(list(collections.deque.__iter__(value)))}]",
    str: lambda canonical, value: str.__repr__(value),
    int: lambda canonical, value: int.__repr__(value),
    float: lambda canonical, value: float.__repr__(value),
    bytes: lambda canonical, value: bytes.__repr__(value),
    bytearray: lambda canonical, value: bytearray.__repr__(value),
    array.array: lambda canonical, value: array.array.__repr__(value),
}

_BUILTIN: Final[dict[type, Callable[[Canonical, Any], str]]] = {
    **{kind: writer for kind, writer in _CONTENT.items() if id(kind) not in SIMPLE},
    collections.defaultdict: _dict,
    collections.Counter: _dict,
    types.MappingProxyType: lambda canonical, value: f"<{name_of(type(value))}>",
    types.FunctionType: _function,
    types.CellType: _cell,
    types.MethodType: lambda canonical, value: (
        f"<bound {canonical.text(value.__func__)} of {canonical.text(value.__self__)}>"
    ),
    types.BuiltinFunctionType: lambda canonical, value: f"<{value.__qualname__}>",
    types.ModuleType: lambda canonical, value: f"<module {vars(value).get('__name__')}>",
    functools.partial: _partial,
    type(threading.Lock()): _lock,
    type(threading.RLock()): _lock,
    queue.SimpleQueue: lambda canonical, value: f"<SimpleQueue{canonical._number(value)} of {value.qsize()}>",
    weakref.ref: _of_class,
    types.GeneratorType: _of_class,
    types.CodeType: lambda canonical, value: f"<code {value.co_qualname}>",
}
