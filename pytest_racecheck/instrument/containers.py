"""The hooks at items and at containers as a whole: lists, dicts, arrays, iterators, and objects that act like them."""

from __future__ import annotations

import gc
from _thread import get_ident
from array import array
from collections import defaultdict, deque
from collections.abc import Hashable
from mmap import mmap
from types import BuiltinFunctionType, GeneratorType, MappingProxyType
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.values import WHOLE, Kind, Site
from pytest_racecheck.instrument import files, mapped, unproven
from pytest_racecheck.instrument.accesses import access, admitted
from pytest_racecheck.instrument.attributes import opaque
from pytest_racecheck.instrument.classify import (
    COMBINED,
    DELETED,
    IMMUTABLE,
    ITERATORS,
    KEY_VIEWS,
    OVER_IMMUTABLE,
    OVER_KEYS,
    WALKERS,
    Items,
    items_of,
    part_of,
    shared_memory,
    special,
)
from pytest_racecheck.instrument.sharing import STRUCTURE
from pytest_racecheck.instrument.state import STATE

_COUNTED: Final = frozenset(map(id, (list, bytearray, deque, array)))


def place_of(container: Any, key: object) -> tuple[Any, Hashable]:
    """The object and the part of it that an access by key touches."""
    memory = shared_memory(container)
    items = items_of(type(memory))
    if items is Items.KEYED or items is Items.MEMBERS:
        return memory, part_of(key)
    if type(key) is not int or memory is not container:
        return memory, WHOLE
    if key < 0:
        return memory, key + len(container) if id(type(container)) in _COUNTED else WHOLE
    return memory, key


def _located(container: Any, key: object) -> tuple[Any, mapped.Where]:
    """The object that an access by key touches, and where; what lies in memory of something else is told by bytes."""
    memory, part = place_of(container, key)
    if type(memory) is not mmap:
        return memory, (STATE.sharing.unalias(id(memory)), part, ())
    return memory, mapped.place(container, memory, key if type(key) is int else WHOLE)


def has_key(memory: Any, key: object) -> bool:
    """Whether a dict or set has a key whose part is known: such keys are compared without any code of the user's."""
    return dict.__contains__(memory, key) if issubclass(type(memory), dict) else set.__contains__(memory, key)


def read_item(site: Site, container: Any, key: object) -> None:
    """An item is going to be read."""
    controller = STATE.controller
    if (get_ident() != controller.ident and not admitted(controller)) or not controller.concurrent:
        return
    kind = type(container)
    items = items_of(kind)
    if items is Items.KEYED or items is Items.INDEXED:
        memory, (target, part, also) = _located(container, key)
        if items is Items.KEYED:
            unproven.compares(controller, site, key)
        if kind is not dict and part != WHOLE and issubclass(kind, defaultdict) and not has_key(memory, key):
            access(controller, "update", site, target, part, ((target, STRUCTURE),))
        else:
            access(controller, "read", site, target, part, also)
        if controller.recorder is not None:
            controller.recorder.read_key(site, container, key, target, part)  # type: ignore[attr-defined]
    elif items is Items.PYTHON:
        own_code(controller, site, container, "__getitem__")


def write_item(site: Site, container: Any, key: object, value: object) -> None:
    """An item is going to be set."""
    controller = STATE.controller
    if (get_ident() != controller.ident and not admitted(controller)) or not controller.concurrent:
        return
    items = items_of(type(container))
    if items is Items.KEYED or items is Items.INDEXED:
        memory, (target, part, also) = _located(container, key)
        if items is Items.KEYED:
            unproven.compares(controller, site, key)
        if items is Items.KEYED and part != WHOLE and not has_key(memory, key):
            also = ((target, STRUCTURE),)
        access(controller, "write", site, target, part, also)
        if controller.recorder is not None:
            controller.recorder.write_key(site, key, value, target, part, also)  # type: ignore[attr-defined]
    elif items is Items.PYTHON:
        own_code(controller, site, container, "__setitem__")


def delete_item(site: Site, container: Any, key: object) -> None:
    """An item is going to be removed."""
    controller = STATE.controller
    if (get_ident() != controller.ident and not admitted(controller)) or not controller.concurrent:
        return
    items = items_of(type(container))
    if items is Items.KEYED or items is Items.INDEXED:
        target = STATE.sharing.unalias(id(shared_memory(container)))
        part = part_of(key) if items is Items.KEYED else WHOLE
        also = ((target, STRUCTURE),) if part != WHOLE else ()
        access(controller, "write", site, target, part, also)
        if controller.recorder is not None:
            controller.recorder.write_key(site, key, DELETED, target, part, also)  # type: ignore[attr-defined]
    elif items is Items.PYTHON:
        own_code(controller, site, container, "__delitem__")


def own_code(controller: Controller, site: Site, obj: Any, *names: str) -> None:
    """The first of these special methods that a class has runs: find its code, or expect anything of it."""
    for name in names:
        method = special(type(obj), name)
        if method is not None:
            if method.__module__ == "weakref":
                unproven.looks_at_weak(controller, site)
            if STATE.discoverer.entry(method) is STATE.discoverer.OPAQUE:
                unproven.calls_outside(controller, site, method)
                opaque(controller, site, obj)
            return


def read_slice(site: Site, container: object) -> None:
    """A slice is going to be read."""
    touch(site, container, "read", WHOLE, "__getitem__")


def write_slice(site: Site, container: object) -> None:
    """A slice is going to be set."""
    touch(site, container, "write", WHOLE, "__setitem__")


def contains(site: Site, item: object, container: Any) -> None:
    """``item in container`` is going to be asked."""
    kind = type(container)
    items = items_of(type(shared_memory(container)) if kind is MappingProxyType else kind)
    keyed = items is Items.KEYED or items is Items.MEMBERS or id(kind) in KEY_VIEWS
    unproven.compares(STATE.controller, site, item)
    touch(site, container, "read", part_of(item) if keyed else WHOLE, "__contains__", "__iter__", "__getitem__")


# -- containers as a whole -----------------------------------------------------------------------------------

_CONTAINING: Final = ("__iter__", "__getitem__", "__len__", "__contains__")
_COMPARING: Final = ("__eq__", "__lt__", *_CONTAINING)


def touch(site: Site, obj: Any, kind: Kind, part: Hashable, *methods: str) -> None:
    """A part of a container is going to be read or written; ``methods`` are what runs if that is Python code."""
    controller = STATE.controller
    if get_ident() != controller.ident and not admitted(controller):
        return
    if not controller.concurrent or id(type(obj)) in IMMUTABLE:
        return
    memory = shared_memory(obj)
    items = items_of(type(memory))
    if items is Items.FIXED or items is Items.NONE:
        return
    if items is Items.PYTHON:
        own_code(controller, site, memory, *(methods or _CONTAINING))
        return
    target = mapped.whole(obj, memory)
    part = part if memory is obj else WHOLE
    access(controller, kind, site, target, part)
    if controller.recorder is not None:
        controller.recorder.container(site, kind, obj, target, part)  # type: ignore[attr-defined]


def truth(site: Site, obj: object) -> None:
    """It is going to be asked whether an object is true: for a container, whether it has items."""
    if id(type(obj)) not in IMMUTABLE:
        touch(site, obj, "read", STRUCTURE, "__bool__", "__len__")


def read_whole(site: Site, obj: object) -> None:
    """All items are going to be read."""
    kind = id(type(obj))
    if kind in ITERATORS:
        advance(site, obj)
    elif kind not in IMMUTABLE:
        touch(site, obj, "read", WHOLE)
        if items_of(type(obj)) is Items.NONE:
            _read_object(site, obj)


def _read_object(site: Site, obj: object) -> None:
    """Any attribute may be read: by a class pattern, or to make a text of an object."""
    controller = STATE.controller
    if get_ident() == controller.ident and controller.concurrent and type(obj) not in STATE.discoverer.harmless:
        access(controller, "read", site, id(obj), WHOLE)
        if controller.recorder is not None:
            controller.recorder.container(site, "read", obj, id(obj), WHOLE)  # type: ignore[attr-defined]


def compare(site: Site, left: object, right: object) -> None:
    """Two objects are going to be compared."""
    if id(type(left)) not in IMMUTABLE:
        touch(site, left, "read", WHOLE, *_COMPARING)
    if right is not left and id(type(right)) not in IMMUTABLE:
        touch(site, right, "read", WHOLE, *_COMPARING)


def binary(site: Site, left: object, right: object) -> None:
    """Two objects are going to be joined by an operator; ``+=`` and the like change the left one in place."""
    if id(type(left)) not in IMMUTABLE:
        touch(site, left, "update" if site.name.endswith("=") else "read", WHOLE)
    if id(type(right)) not in IMMUTABLE:
        touch(site, right, "read", WHOLE)


unpack = read_whole


def iterate(site: Site, container: Any) -> None:
    """An iterator over a container is going to be made."""
    if id(type(container)) not in IMMUTABLE:
        touch(site, container, "read", STRUCTURE, "__iter__", "__getitem__")


def iterating(site: Site, container: object, iterator: object) -> None:
    """An iterator was made; if it is the object itself, others may have it too."""
    if container is iterator and get_ident() == STATE.controller.ident:
        STATE.sharing.travelling.add(id(iterator))


def advance(site: Site, iterator: Any) -> None:
    """The next item of an iterator is going to be fetched."""
    controller = STATE.controller
    if (get_ident() != controller.ident and not admitted(controller)) or not controller.concurrent:
        return
    kind = type(iterator)
    if id(kind) in files.STREAM_TYPES:
        files.read_on(controller, site, iterator)
        return
    if id(iterator) in STATE.sharing.travelling or kind is GeneratorType:
        if kind is GeneratorType:
            unproven.resumes(controller, site)
        access(controller, "update", site, id(iterator), WHOLE)
        if controller.recorder is not None:
            controller.recorder.container(site, "update", iterator, id(iterator), WHOLE)  # type: ignore[attr-defined]
    if id(kind) in ITERATORS:
        _read_through(controller, site, iterator)
    elif id(kind) not in OVER_IMMUTABLE:
        own_code(controller, site, iterator, "__next__")


def _read_through(controller: Controller, site: Site, iterator: object) -> None:
    """An iterator reads the container it goes over; one over others makes those go on, and may call a method."""
    kind = id(type(iterator))
    if kind not in WALKERS and kind not in COMBINED:
        return
    part = STRUCTURE if kind in OVER_KEYS else WHOLE
    for inner in gc.get_referents(iterator):
        if id(type(inner)) in ITERATORS:
            _read_through(controller, site, inner)
        elif kind in WALKERS:
            touch(site, inner, "read", part)
        elif type(inner) is tuple:  # of what a zip or map goes over
            for each in inner:
                _read_through(controller, site, each)
        elif type(inner) is BuiltinFunctionType:
            opaque(controller, site, inner.__self__)
