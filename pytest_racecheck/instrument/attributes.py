"""The hooks at attributes: of instances, classes and modules; and what is done to a whole object."""

from __future__ import annotations

import builtins
from _thread import get_ident
from types import FunctionType, ModuleType
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.values import WHOLE, Site
from pytest_racecheck.instrument import mapped, unproven
from pytest_racecheck.instrument.accesses import access, admitted
from pytest_racecheck.instrument.classify import (
    CACHES,
    DELETED,
    IMMUTABLE,
    SHARED_TYPES,
    Attributes,
    Home,
    Items,
    dict_of,
    found_on,
    is_python,
    items_of,
    namespace_of,
    shared_memory,
)
from pytest_racecheck.instrument.sharing import STRUCTURE
from pytest_racecheck.instrument.state import STATE

ATTRIBUTES: Final = Attributes()
CACHES.append(ATTRIBUTES.homes)
_OWN: Final = ATTRIBUTES.own
_METHODS: Final = ATTRIBUTES.methods

module_dict: Final[Any] = namespace_of(ModuleType)["__dict__"].__get__


def read_attribute(site: Site, obj: Any) -> None:
    """An attribute is going to be read."""
    controller = STATE.controller
    if get_ident() != controller.ident and not admitted(controller):
        return
    kind = type(obj)
    if site in _OWN and _OWN[site] is kind:
        if controller.concurrent:
            target = id(obj)
            access(controller, "read", site, target, site.name, (), obj)
            if controller.recorder is not None:
                controller.recorder.read_attribute(site, obj, target, site.name, ())  # type: ignore[attr-defined]
    elif site not in _METHODS or _METHODS[site] is not kind:
        _read_any_attribute(controller, site, obj, kind)


def _read_any_attribute(controller: Controller, site: Site, obj: Any, kind: type) -> None:
    name = site.name
    if kind is ModuleType:
        _read_module_attribute(controller, site, module_dict(obj), name)
    elif issubclass(kind, type):
        _read_class_attribute(controller, site, obj, name)
    else:
        _, home, owner = ATTRIBUTES.home(kind, name)
        if home is Home.METHOD:
            _METHODS[site] = kind
        elif home is Home.CODE:
            run_descriptor(controller, site, owner, name, obj)
        elif controller.concurrent:
            _read_own_attribute(controller, site, obj, home, owner)


def _read_own_attribute(controller: Controller, site: Site, obj: Any, home: Home, owner: type | None) -> None:
    name = site.name
    foreign = STATE.discoverer.is_foreign(type(obj) if owner is None else owner)
    if foreign:
        unproven.looks_inside(controller, site, obj)
    if home is Home.CACHED:
        STATE.discoverer.descriptor(owner, name)
    memory = shared_memory(obj)
    where: mapped.Where = (id(memory), name if home is not Home.ANYWHERE else WHOLE, ())
    if name == "__dict__":
        _hand_out(obj)
    elif memory is not obj:
        where = mapped.place(obj, memory, name)
    elif home is Home.INSTANCE and not foreign:
        _OWN[site] = type(obj)
    target, part, also = where
    if home is Home.CLASS:
        also = (*also, (id(owner), name))
    access(controller, "read", site, target, part, also, memory)
    if controller.recorder is not None:
        controller.recorder.read_attribute(site, obj, target, part, also)  # type: ignore[attr-defined]


def _read_module_attribute(controller: Controller, site: Site, namespace: dict[str, Any], name: str) -> None:
    if controller.concurrent:
        access(controller, "read", site, id(namespace), name)
        if controller.recorder is not None:
            controller.recorder.read_key(site, namespace, name, id(namespace), name)  # type: ignore[attr-defined]


def _read_class_attribute(controller: Controller, site: Site, cls: type, name: str) -> None:
    _, home, owner = ATTRIBUTES.home(cls, name)
    if owner is None:
        meta = ATTRIBUTES.home(type(cls), name)
        if meta[1] is Home.CODE:
            run_descriptor(controller, site, meta[2], name, cls)
            return
    if home is Home.CODE:
        STATE.discoverer.descriptor(owner, name)
    if home is Home.METHOD or home is Home.CODE or not controller.concurrent:
        return
    if name == "__dict__":
        STATE.sharing.alias(shared_memory(namespace_of(cls)), cls)
    target = id(cls if owner is None else owner)
    access(controller, "read", site, target, name)
    if controller.recorder is not None:
        controller.recorder.read_attribute(site, cls, target, name)  # type: ignore[attr-defined]


def _hand_out(obj: Any) -> None:
    """The dict of an object is going to be read: what is done to its items is done to the attributes."""
    namespace = dict_of(obj)
    if namespace is not None:
        STATE.sharing.alias(namespace, obj)


def run_descriptor(controller: Controller, site: Site, owner: type | None, name: str, obj: Any) -> None:
    """An attribute runs code of a property or another descriptor; code out of scope may do anything to the object."""
    if owner is None:
        return
    if STATE.discoverer.is_foreign(owner):
        unproven.looks_inside(controller, site, obj)
    STATE.discoverer.descriptor(owner, name)
    value: Any = namespace_of(owner).get(name)
    code = value.fget if type(value) is property else found_on(type(value), "__get__")[1]
    if is_python(code) and STATE.discoverer.entry(code) is STATE.discoverer.OPAQUE:
        opaque(controller, site, obj)


def opaque(controller: Controller, site: Site, obj: Any) -> None:
    """Code that can't be seen into is handed an object: it may do anything to it."""
    kind = type(obj)
    if not controller.concurrent or site.hidden or id(kind) in IMMUTABLE or issubclass(kind, type):
        return
    if id(kind) not in SHARED_TYPES and (kind in STATE.discoverer.harmless or items_of(kind) is Items.FIXED):
        return
    target = mapped.whole(obj, shared_memory(obj))
    access(controller, "call", site, target, WHOLE)
    if controller.recorder is not None:
        controller.recorder.container(site, "call", obj, target, WHOLE)  # type: ignore[attr-defined]


def write_attribute(site: Site, obj: Any, value: object) -> None:
    """An attribute is going to be set."""
    controller = STATE.controller
    if get_ident() != controller.ident and not admitted(controller):
        return
    kind = type(obj)
    if site in _OWN and _OWN[site] is kind and not STATE.sharing.handed_out:
        if controller.concurrent:
            target = id(obj)
            access(controller, "write", site, target, site.name, (), obj)
            if controller.recorder is not None:
                controller.recorder.write_variable(site, obj, target, value, site.name, ())  # type: ignore[attr-defined]
        return
    _write_any_attribute(controller, site, obj, value)


def _write_any_attribute(controller: Controller, site: Site, obj: Any, value: object) -> None:  # noqa: C901  (one case a kind)
    kind = type(obj)
    name = part = site.name
    memory = obj
    if obj is builtins or (name.startswith("__") and (kind is FunctionType or issubclass(kind, type))):
        unproven.changes_code(controller, site)
    if kind is ModuleType:
        memory = module_dict(obj)
    elif issubclass(kind, type):
        ATTRIBUTES.written(name)
    else:
        _, home, owner = ATTRIBUTES.home(kind, name)
        if home is Home.CODE:
            run_descriptor(controller, site, owner, name, obj)
            return
        if home is Home.METHOD:
            ATTRIBUTES.written(name)
        memory = shared_memory(obj)
        if memory is not obj:
            _write_mapped(controller, site, obj, memory, value)
            return
        if home is Home.ANYWHERE or name in _WHOLE_OBJECT:
            part = WHOLE
            if name == "__class__":
                ATTRIBUTES.unsettled(kind)
                ATTRIBUTES.unsettled(value)
        elif home is Home.INSTANCE:
            _OWN[site] = kind
    if controller.concurrent:
        target = id(memory)
        also = ((target, STRUCTURE),) if target in STATE.sharing.handed_out and _is_new(obj, name) else ()
        access(controller, "write", site, target, part, also, memory)
        if controller.recorder is not None:
            controller.recorder.write_variable(site, obj, target, value, part, also)  # type: ignore[attr-defined]


def _write_mapped(controller: Controller, site: Site, obj: Any, memory: Any, value: object) -> None:
    """What an object shows that lies in memory of something else is going to be set."""
    if controller.concurrent:
        target, part, also = mapped.place(obj, memory, site.name)
        access(controller, "write", site, target, part, also, memory)
        if controller.recorder is not None:
            controller.recorder.write_variable(site, obj, target, value, part, also)  # type: ignore[attr-defined]


_WHOLE_OBJECT: Final = ("__class__", "__dict__")
"""Who sets these changes every attribute."""


def _is_new(obj: object, name: str) -> bool:
    namespace = dict_of(obj)
    return namespace is not None and name not in namespace


def delete_attribute(site: Site, obj: object) -> None:
    """An attribute is going to be deleted."""
    write_attribute(site, obj, DELETED)
