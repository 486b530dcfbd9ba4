"""What the methods of builtin containers, and the builtin functions, do to the objects they are given."""

from __future__ import annotations

import array
import builtins
import collections
import heapq
import itertools
import operator
import random
import types
from collections.abc import Callable, Hashable
from typing import Any, Final, NamedTuple

from pytest_racecheck.core.values import WHOLE, Kind
from pytest_racecheck.instrument.classify import part_of
from pytest_racecheck.instrument.containers import has_key, place_of
from pytest_racecheck.instrument.sharing import STRUCTURE

Parts = Callable[[Any, tuple[Any, ...]], tuple[Hashable, ...]]


class Effect(NamedTuple):
    """What one method does to its object: read or change it, and which parts of it."""

    kind: Kind
    parts: Parts


def _whole(_owner: Any, _arguments: tuple[Any, ...]) -> tuple[Hashable, ...]:
    return (WHOLE,)


def _structure(_owner: Any, _arguments: tuple[Any, ...]) -> tuple[Hashable, ...]:
    return (STRUCTURE,)


def _end(owner: Any, _arguments: tuple[Any, ...]) -> tuple[Hashable, ...]:
    """A new last item; a length that a subclass computes is not asked for."""
    return (len(owner), STRUCTURE) if type(owner) is list or type(owner) is bytearray else (WHOLE,)


def _key(_owner: Any, arguments: tuple[Any, ...]) -> tuple[Hashable, ...]:
    return (part_of(arguments[0]),) if arguments else (WHOLE,)


def _added_key(owner: Any, arguments: tuple[Any, ...]) -> tuple[Hashable, ...]:
    """Changes the structure only if the key is new."""
    return _key_if(owner, arguments, there=False)


def _removed_key(owner: Any, arguments: tuple[Any, ...]) -> tuple[Hashable, ...]:
    """Changes the structure only if the key is there."""
    return _key_if(owner, arguments, there=True)


def _key_if(owner: Any, arguments: tuple[Any, ...], *, there: bool) -> tuple[Hashable, ...]:
    part = part_of(arguments[0]) if arguments else WHOLE
    if part == WHOLE:
        return (WHOLE,)
    return (part, STRUCTURE) if has_key(owner, arguments[0]) is there else (part,)


def _index(owner: Any, arguments: tuple[Any, ...]) -> tuple[Hashable, ...]:
    return (place_of(owner, arguments[0])[1],) if arguments else (WHOLE,)


READ: Final = Effect("read", _whole)
CHANGE: Final = Effect("update", _whole)
SIZE: Final = Effect("read", _structure)
APPEND: Final = Effect("update", _end)
READ_KEY: Final = Effect("read", _key)
ADD_KEY: Final = Effect("update", _added_key)
REMOVE_KEY: Final = Effect("update", _removed_key)
READ_INDEX: Final = Effect("read", _index)
WRITE_INDEX: Final = Effect("write", _index)

_MAKES_VIEW: Final = SIZE
_SPECIAL: Final = {"__len__": SIZE, "__iter__": SIZE, "__reversed__": SIZE, "__contains__": READ, "__eq__": READ}

_DICT: Final = {
    "get": READ_KEY, "__getitem__": READ_KEY, "__contains__": READ_KEY, "__setitem__": ADD_KEY,
    "__delitem__": REMOVE_KEY, "pop": REMOVE_KEY, "setdefault": ADD_KEY, "move_to_end": CHANGE, "keys": _MAKES_VIEW,
    "values": _MAKES_VIEW, "items": _MAKES_VIEW, "__len__": SIZE, "__iter__": SIZE, "__reversed__": SIZE, "copy": READ,
    "popitem": CHANGE, "clear": CHANGE, "update": CHANGE, "__ior__": CHANGE, "__eq__": READ, "__or__": READ,
    "__missing__": ADD_KEY,
}  # fmt: skip
_LIST: Final = {
    "append": APPEND, "__getitem__": READ_INDEX, "__setitem__": WRITE_INDEX, "__delitem__": CHANGE, "__len__": SIZE,
    "__iter__": SIZE, "__reversed__": SIZE, "copy": READ, "count": READ, "index": READ, "__contains__": READ,
    "extend": CHANGE, "insert": CHANGE, "pop": CHANGE, "remove": CHANGE, "sort": CHANGE, "reverse": CHANGE,
    "clear": CHANGE, "__iadd__": CHANGE, "__imul__": CHANGE, "__eq__": READ, "__add__": READ,
}  # fmt: skip
_SET: Final = {
    "add": ADD_KEY, "discard": REMOVE_KEY, "remove": REMOVE_KEY, "__contains__": READ_KEY, "__len__": SIZE,
    "__iter__": SIZE, "pop": CHANGE, "clear": CHANGE, "update": CHANGE, "difference_update": CHANGE,
    "intersection_update": CHANGE, "symmetric_difference_update": CHANGE, "copy": READ, "union": READ,
    "difference": READ, "intersection": READ, "symmetric_difference": READ, "issubset": READ, "issuperset": READ,
    "isdisjoint": READ,
}  # fmt: skip
_DEQUE: Final = {
    "__eq__": READ, "__reversed__": SIZE, "__len__": SIZE, "__iter__": SIZE, "copy": READ, "count": READ, "index": READ,
    "__contains__": READ, "__getitem__": READ,
}  # fmt: skip
_BYTEARRAY: Final = {"append": APPEND, "__getitem__": READ_INDEX, "__setitem__": WRITE_INDEX, "__len__": SIZE}

_VIEW_TYPES: Final[tuple[type, ...]] = (type({}.keys()), type({}.values()), type({}.items()), types.MappingProxyType)

METHODS: Final[tuple[tuple[type, dict[str, Effect], Effect], ...]] = (
    (dict, _DICT, READ),
    (list, _LIST, READ),
    (set, _SET, READ),
    (collections.deque, _DEQUE, CHANGE),
    (bytearray, _BYTEARRAY, CHANGE),
    (array.array, {**_SPECIAL, "__getitem__": READ_INDEX, "__setitem__": WRITE_INDEX}, CHANGE),
    (memoryview, {**_SPECIAL, "__getitem__": READ, "tobytes": READ, "tolist": READ}, CHANGE),
    *((kind, {**_SPECIAL, "isdisjoint": READ, "mapping": READ}, READ) for kind in _VIEW_TYPES),
)
"""Type, effects by method, and the effect of every method that is not named. Subclasses count as their base."""

_NO_EFFECT: Final = tuple(
    getattr(builtins, name)
    for name in (
        "abs", "bin", "breakpoint", "callable", "chr", "compile", "divmod", "format", "globals", "hash", "hex", "id",
        "input", "isinstance", "issubclass", "locals", "oct", "open", "ord", "pow", "print", "round", "__import__",
        "__build_class__",
    )
)  # fmt: skip

FUNCTIONS: Final[dict[Any, Kind | None]] = {
    **dict.fromkeys(_NO_EFFECT),
    **dict.fromkeys((sorted, sum, min, max, any, all, repr, ascii, dir), "read"),
    **dict.fromkeys((heapq.heappush, heapq.heappop, heapq.heapify, heapq.heapreplace, heapq.heappushpop), "update"),
    **dict.fromkeys((operator.length_hint, operator.countOf, operator.indexOf, operator.eq, operator.concat), "read"),
    random.seed: None,
}
"""What builtin functions do to the containers they are given; of a function that is not here, anything is expected."""

_READING: Final = (list, tuple, set, frozenset, dict, bytes, bytearray, str, collections.deque, array.array)
READING_TYPES: Final = frozenset(map(id, _READING))
"""Identities of types whose construction reads the container that is given."""

LAZY_TYPES: Final = frozenset(map(id, (enumerate, zip, map, filter, reversed, itertools.chain, itertools.islice)))
"""Identities of types whose construction only takes an iterator of the container that is given."""
