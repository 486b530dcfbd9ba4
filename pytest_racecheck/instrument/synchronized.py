"""``multiprocessing.Value`` and ``Array`` with a lock: what their properties and items do is one access each."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from multiprocessing import sharedctypes
from types import FunctionType
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.values import WHOLE, Site
from pytest_racecheck.instrument import mapped
from pytest_racecheck.instrument.accesses import access
from pytest_racecheck.instrument.classify import dict_of, shared_memory
from pytest_racecheck.instrument.primitives import Within, perform
from pytest_racecheck.instrument.stand_ins import Handler

_LOCKED: Final = "waits for the lock of {}"


def get(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``wrapper.value`` and its like are going to be read."""
    return _access(controller, site, function, owner, _name(site, "get"), write=False)


def set_(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``wrapper.value`` and its like are going to be set."""
    name = _name(site, "set")
    return _access(controller, site, function, owner, name, write=True, value=arguments[0] if arguments else None)


def get_item(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``wrapper[index]`` is going to be read."""
    return _access(controller, site, function, owner, _index(arguments), write=False)


def set_item(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``wrapper[index]`` is going to be set."""
    value = arguments[1] if len(arguments) == 2 else None
    return _access(controller, site, function, owner, _index(arguments), write=True, value=value)


def _name(site: Site, prefix: str) -> str:
    """The property that is meant: its functions are called ``getvalue`` and ``setvalue``."""
    if site.name.startswith(prefix):
        site.name = site.name.removeprefix(prefix)
    return site.name


def _index(arguments: tuple[Any, ...]) -> Hashable:
    return arguments[0] if arguments and type(arguments[0]) is int else WHOLE


def _access(
    controller: Controller, site: Site, function: Any, owner: Any, part: Hashable, *, write: bool, value: Any = None
) -> Any:
    task = controller.running
    obj = (dict_of(owner) or {}).get("_obj")
    if task is None or obj is None:
        return function
    recorder: Any = controller.recorder
    if controller.concurrent:
        target, its, also = mapped.place(obj, shared_memory(obj), part)
        access(controller, "write" if write else "read", site, target, its, also)
        if recorder is not None and type(part) is str and part != WHOLE:
            if write:
                recorder.write_variable(site, target, value, its, also)
            else:
                recorder.read_value(site, target, its, getattr(obj, part), also)
        elif recorder is not None:
            if write:
                recorder.write_key(site, part, value, target, its, also)
            else:
                recorder.read_item(site, part, target, its, _item(obj, part), also)
    return partial(perform, task, Within(site, owner, _LOCKED, task, (), open=False), function)


def _item(obj: Any, index: Any) -> Any:
    return obj[index] if type(index) is int and -len(obj) <= index < len(obj) else obj[:]


def handlers_of(value: property) -> list[tuple[FunctionType, Handler]]:
    """What is asked in place of the functions of a property that `sharedctypes` has made."""
    found = ((value.fget, get), (value.fset, set_))
    return [(function, handler) for function, handler in found if type(function) is FunctionType]


def handlers() -> list[tuple[Any, Handler]]:
    """Functions that have a stand-in, and what it asks: those that there are now."""
    array: Any = sharedctypes.SynchronizedArray
    found: list[tuple[Any, Handler]] = [(array.__getitem__, get_item), (array.__setitem__, set_item)]
    for each in properties():
        found += handlers_of(each)
    return found


def properties() -> list[property]:
    """The properties that `sharedctypes` has made so far."""
    return list(vars(sharedctypes)["prop_cache"].values())


def is_wrapper(kind: type) -> bool:
    """Whether a class is one of the wrappers with a lock."""
    return issubclass(kind, sharedctypes.SynchronizedBase)
