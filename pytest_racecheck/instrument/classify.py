"""Tells, without running any user code, where an attribute lives and how a container takes its items."""

from __future__ import annotations

import array
import collections
import ctypes
import functools
import gc
import itertools
import re
import types
from collections.abc import Callable, Hashable
from enum import Enum
from typing import Any, Final

from pytest_racecheck.core.values import WHOLE, Site

mro_of: Final = type.__dict__["__mro__"].__get__
namespace_of: Final = type.__dict__["__dict__"].__get__
name_of: Final = type.__dict__["__name__"].__get__
module_of: Final = type.__dict__["__module__"].__get__
# What a metaclass says instead is not asked.

_MISSING: Final = object()

MOST_KEPT: Final = 50_000
"""So many answers are kept: classes that are made in every run must not stay for ever."""

DELETED: Final = object()
"""Stands for the value of what is deleted."""


def _ids(*kinds: type) -> frozenset[int]:
    """Types are looked up by identity: what a metaclass says of hash and equality is the user's code."""
    return frozenset(map(id, kinds))


def dict_of(obj: Any) -> dict[str, Any] | None:
    """The attributes of an object, unless the class has put something else in their place."""
    getter = found_on(type(obj), "__dict__")[1]
    namespace = getter.__get__(obj) if type(getter) is types.GetSetDescriptorType else None
    return namespace if type(namespace) is dict else None


def found_on(kind: type, name: str) -> tuple[type | None, Any]:
    """The class that has an attribute, and the attribute as it stands there; ``None`` twice if no class has it."""
    for owner in mro_of(kind):
        value = namespace_of(owner).get(name, _MISSING)
        if value is not _MISSING:
            return owner, value
    return None, None


def is_python(method: object) -> bool:
    """Whether a method, as it stands in its class, is code that can be instrumented."""
    return type(method) is types.FunctionType


_specials: dict[tuple[int, str], tuple[type, Any]] = {}


def special(kind: type, name: str) -> Any:
    """The special method of a type if that is code that can be instrumented; found out once."""
    sought = id(kind), name
    found = _specials[sought] if sought in _specials else None
    if found is None or found[0] is not kind:
        if len(_specials) > MOST_KEPT:
            _specials.clear()
        method = found_on(kind, name)[1]
        found = _specials[id(kind), name] = (kind, method if is_python(method) else None)
    return found[1]


# -- attributes ------------------------------------------------------------------------------------------------


class Home(Enum):
    """Where the value of an attribute is found."""

    INSTANCE = "in the object itself: its dict, a slot, a field of a C type"
    CLASS = "in the class, unless the object has its own"
    METHOD = "in the class, and nobody writes to it"
    CODE = "nowhere: a property or another descriptor runs code"
    CACHED = "in the object itself, once code of the class has put it there"
    ANYWHERE = "nobody knows: a descriptor of C looks for it"


_METHODS: Final = _ids(
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    classmethod,
    staticmethod,
    functools.partialmethod,
    functools.singledispatchmethod,
)
FIELDS: Final = _ids(types.MemberDescriptorType, types.GetSetDescriptorType)

_SIMPLE: Final = (str, int, bytes, bool, float, complex, type(None))
SIMPLE: Final = _ids(*_SIMPLE)
"""Identities of types whose values are told apart by value, and compared without running any user code."""

IMMUTABLE: Final = frozenset(
    id(kind)
    for kind in (
        *_SIMPLE, tuple, frozenset, range, slice, type(Ellipsis), type(NotImplemented), type, property,
        types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodDescriptorType,
        types.WrapperDescriptorType, types.MethodWrapperType, types.CodeType, types.CellType,
        type(re.compile("")), type(re.compile("").match),
    )
)  # fmt: skip
"""Identities of types whose values are handed to C functions without anything being shared by that."""


class Attributes:
    """Looks attributes up statically: on the type only, cached by type and name."""

    def __init__(self) -> None:
        self.homes: dict[tuple[int, str], tuple[type, Home, type | None]] = {}
        self._written: set[str] = set()
        self.own: dict[Site, type] = {}
        """For a site, the last type that was seen there if its objects have the attribute themselves: the fast way."""
        self.methods: dict[Site, type] = {}
        """The same where it was a method."""
        self.restless: list[object] = []
        """Types of which instances have changed to another type."""

    def home(self, kind: type, name: str) -> tuple[type, Home, type | None]:
        """Where instances of a type have an attribute: the type, the kind of home, and the class that has it.

        The same for an attribute of a class: classes look in their own bases.
        """
        sought = id(kind), name
        found = self.homes[sought] if sought in self.homes else None
        if found is None or found[0] is not kind:
            if len(self.homes) > MOST_KEPT:
                self._forget()
            owner, value = found_on(kind, name)
            home = Home.INSTANCE if owner is None else self._classify(kind, value, name)
            found = self.homes[id(kind), name] = (kind, home, owner)
        return found

    def _classify(self, kind: type, value: object, name: str) -> Home:
        descriptor = type(value)
        if id(descriptor) in FIELDS:
            return Home.INSTANCE
        if descriptor is functools.cached_property:
            return Home.CACHED
        if id(descriptor) in _METHODS:
            return Home.CLASS if name in self._written or any(each is kind for each in self.restless) else Home.METHOD
        if descriptor is property:
            codes = (value.fget, value.fset, value.fdel)  # type: ignore[attr-defined]
            return Home.CODE if all(each is None or is_python(each) for each in codes) else Home.ANYWHERE
        return _home_of_other(descriptor, kind)

    def written(self, name: str) -> None:
        """A task writes an attribute of a class, or one that hides a method: from now on it is data."""
        if name not in self._written:
            self._written.add(name)
            self._forget()

    def value_on(self, owner: type, name: str) -> object:
        """The attribute as it stands in the class, unbound."""
        return namespace_of(owner).get(name)

    def unsettled(self, kind: object) -> None:
        """A task gives an object another type: which methods it has is data from now on."""
        if not any(each is kind for each in self.restless):
            self.restless.append(kind)
            self._forget()

    def _forget(self) -> None:
        self.homes.clear()
        self.own.clear()
        self.methods.clear()


def _home_of_other(descriptor: type, kind: type) -> Home:
    getter = found_on(descriptor, "__get__")[1]
    if getter is None:
        return Home.CLASS
    if is_python(getter):
        return Home.CODE
    return Home.INSTANCE if name_of(descriptor) == "CField" and not _is_union(kind) else Home.ANYWHERE


def _is_union(kind: type) -> bool:
    return any(name_of(owner) == "Union" and module_of(owner) == "_ctypes" for owner in mro_of(kind))


# -- items -----------------------------------------------------------------------------------------------------


class Items(Enum):
    """How an object takes its items."""

    KEYED = "a dict, or a subclass that takes its items as dict does"
    INDEXED = "a list or another C sequence"
    MEMBERS = "a set"
    PYTHON = "by code of its own"
    FIXED = "it can't be changed"
    NONE = "it is no container that can be looked into"


_KEYED: Final = (dict, collections.OrderedDict, collections.defaultdict, collections.Counter)
_CONTAINER: Final = ("__getitem__", "__iter__", "__len__", "__contains__")
_items_cache: dict[int, tuple[type, Items]] = {}


def items_of(kind: type) -> Items:
    """How objects of a type take their items; found out once for each type."""
    sought = id(kind)
    found = _items_cache[sought] if sought in _items_cache else None
    if found is None or found[0] is not kind:
        if len(_items_cache) > MOST_KEPT:
            _items_cache.clear()
        found = _items_cache[id(kind)] = (kind, _items_of(kind))
    return found[1]


def _items_of(kind: type) -> Items:
    if id(kind) in IMMUTABLE:
        return Items.FIXED
    if any(owner is set for owner in mro_of(kind)):
        return Items.MEMBERS
    owner, method = found_on(kind, "__getitem__")
    if owner is None:
        return Items.PYTHON if any(is_python(found_on(kind, name)[1]) for name in _CONTAINER) else Items.NONE
    if any(owner is each for each in _KEYED):
        return Items.KEYED
    if is_python(method):
        return Items.PYTHON
    return Items.FIXED if id(owner) in IMMUTABLE else Items.INDEXED


_by_identity: dict[int, tuple[type, bool]] = {}


def part_of(key: object) -> Hashable:
    """The part of a container that a key names: the value if it is simple, the identity if that decides, or `WHOLE`."""
    kind = type(key)
    if id(kind) in SIMPLE:
        return key
    if kind is tuple and all(id(type(each)) in SIMPLE for each in key):  # type: ignore[attr-defined]
        return key
    sought = id(kind)
    found = _by_identity[sought] if sought in _by_identity else None
    if found is None or found[0] is not kind:
        decides = all(found_on(kind, name)[0] is object for name in ("__hash__", "__eq__"))
        found = _by_identity[id(kind)] = (kind, decides)
    return ("is", id(key)) if found[1] else WHOLE


# -- what lies behind a view -----------------------------------------------------------------------------------

_ORDERED: Final = collections.OrderedDict[str, str]()


def _types_of(*examples: object) -> frozenset[int]:
    return frozenset(id(type(each)) for each in examples)


KEY_VIEWS: Final = _types_of({}.keys(), _ORDERED.keys())
VIEWS: Final = KEY_VIEWS | _types_of({}.values(), {}.items(), _ORDERED.values(), _ORDERED.items())
OVER_KEYS: Final = _types_of(iter({}), reversed({}), iter(set()), iter(_ORDERED), reversed(_ORDERED))
"""Iterators that read no items, only which there are."""
OVER_IMMUTABLE: Final = _types_of(iter(range(0)), iter(()), iter(""), iter("\u0100"), iter(b""), iter(range(1 << 80)))
"""Iterators over what can't change."""
WALKERS: Final = OVER_KEYS | _types_of(
    iter({}.values()), iter({}.items()), reversed({}.values()), reversed({}.items()), iter([]), reversed([]),
    iter(collections.deque()), reversed(collections.deque()), iter(bytearray()), iter(array.array("b")),
    iter(memoryview(b"")),
)  # fmt: skip
"""Iterators over a builtin container."""
COMBINED: Final = frozenset(
    id(kind) for kind in (enumerate, zip, map, filter, *vars(itertools).values()) if type(kind) is type
)
"""Iterators over other iterators; some call what they were given."""
ITERATORS: Final = WALKERS | COMBINED | {id(types.GeneratorType)}


def _first_referent(view: Any) -> Any:
    below = gc.get_referents(view)
    return below[0] if below else view


def _exporter(view: Any) -> Any:
    try:
        return view.obj
    except ValueError:  # it was released: what follows raises the same
        return view


C_DATA: Final = mro_of(ctypes.c_int)[-2]
c_base: Final = namespace_of(C_DATA)["_b_base_"].__get__
_c_kept: Final = namespace_of(C_DATA)["_objects"].__get__


def _ctypes_base(data: Any) -> Any:
    """The structure or array that a part belongs to, or the buffer that it was laid over."""
    base = c_base(data)
    if base is not None:
        return base
    kept = _c_kept(data)
    if type(kept) is dict:
        kept = next((each for each in kept.values() if type(each) is memoryview), None)
    return kept if type(kept) is memoryview else None


_behind: dict[int, tuple[type, Callable[[Any], Any] | None]] = {}


def _look_behind(kind: type) -> Callable[[Any], Any] | None:
    if kind is memoryview:
        return _exporter
    if kind is types.MappingProxyType or id(kind) in VIEWS:
        return _first_referent
    for owner in mro_of(kind):
        if owner is C_DATA:
            return _ctypes_base
        if name_of(owner) == "ndarray" and module_of(owner) == "numpy":
            return namespace_of(owner)["base"].__get__  # type: ignore[no-any-return]
    return None


def shared_memory(obj: Any) -> Any:
    """The object whose memory an array or a view shows, which is what conflicts."""
    while True:
        kind = type(obj)
        sought = id(kind)
        found = _behind[sought] if sought in _behind else None
        if found is None or found[0] is not kind:
            found = _behind[id(kind)] = (kind, _look_behind(kind))
        if found[1] is None:
            return obj
        below = found[1](obj)
        if below is None or below is obj:
            return obj
        obj = below


SHARED_TYPES: Final = ITERATORS | _ids(dict, list, set, bytearray, memoryview, types.MappingProxyType)
"""Builtin types whose objects hold state."""

CACHES: Final[list[dict[Any, Any]]] = [_specials, _items_cache, _by_identity, _behind]
"""Everything that is remembered of types, and keeps them: to be cleared where each run makes types of its own."""
