"""The hooks at calls: finds code before it runs, and tells what C code does to shared objects."""

from __future__ import annotations

import re
import weakref
from _thread import get_ident
from functools import lru_cache, partial
from types import (
    BuiltinFunctionType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.passed import NOWHERE, RETURNS, SURE, Unsure
from pytest_racecheck.core.values import WHOLE, Site
from pytest_racecheck.instrument import (
    attributes,
    containers,
    databases,
    descriptors,
    file_locks,
    files,
    mapped,
    processes,
    programs,
    reflection,
    semaphores,
    synchronisation,
    threads,
    times,
    unproven,
)
from pytest_racecheck.instrument.accesses import access, admitted
from pytest_racecheck.instrument.attributes import ATTRIBUTES
from pytest_racecheck.instrument.classify import (
    CACHES,
    FIELDS,
    IMMUTABLE,
    ITERATORS,
    SHARED_TYPES,
    found_on,
    is_python,
    shared_memory,
)
from pytest_racecheck.instrument.containers import own_code, touch
from pytest_racecheck.instrument.effects import (
    FUNCTIONS,
    LAZY_TYPES,
    METHODS,
    READ_INDEX,
    READ_KEY,
    READING_TYPES,
    Effect,
)
from pytest_racecheck.instrument.marking import PASSED
from pytest_racecheck.instrument.recording import text_of
from pytest_racecheck.instrument.state import STATE

_SYNCHRONISING: Final = {
    id(kind): handlers
    for table in (synchronisation, semaphores, descriptors, files, databases)
    for kind, handlers in table.methods().items()
}
"""By identity of the type: what a metaclass says of equality is the user's code."""
_SPECIAL: Final = {
    threads.START_NEW: threads.start_new,
    **processes.functions(),
    **programs.functions(),
    **files.functions(),
    **file_locks.functions(),
    **times.functions(),
    **descriptors.functions(),
}
_METHOD_OF_CLASS: Final = type(re.compile("").match)
"""The type of bound C methods that are told their defining class."""
_CACHED: Final = type(lru_cache(bool))
_OF_PYTHON: Final = frozenset(map(id, (FunctionType, MethodType)))
"""Types of what the interpreter runs without looking for other threads when it returns."""
_UNSURE: Final = Unsure(PASSED)
_RUNS_TARGET: Final = ("Thread.run", "Timer.run", "_WorkItem.run")
"""Where the standard library calls what it was handed."""


def call(site: Site, function: Any, *arguments: Any) -> Any:
    """A callable is going to be called; returns what is to be called in its place, nearly always itself."""
    controller = STATE.controller
    if get_ident() != controller.ident and not admitted(controller):
        return function if STATE.starting is None else threads.foreign_call(controller, site, function)
    return _called(controller, site, function, arguments)


def call_spread(site: Site, function: Any, args: Any, kwargs: Any) -> Any:
    """The same for ``function(*args, **kwargs)``."""
    controller = STATE.controller
    if get_ident() != controller.ident and not admitted(controller):
        return function if STATE.starting is None else threads.foreign_call(controller, site, function)
    if type(args) is list:
        containers.read_whole(site, args)
    if kwargs:
        site = _with_keywords(site, tuple(kwargs))
        return _called(controller, site, function, (*tuple_of(args), *kwargs.values()))
    return _called(controller, site, function, tuple_of(args))


def _called(controller: Controller, site: Site, function: Any, arguments: tuple[Any, ...]) -> Any:
    """Handle a call by the type of the callable, and say to whom its return is to be told, see `Passed`."""
    kind = id(type(function))
    if kind in _OF_PYTHON:
        return _CALLS[kind](controller, site, function, arguments)
    instead = (_CALLS[kind] if kind in _CALLS else _other)(controller, site, function, arguments)
    PASSED[RETURNS] = PASSED
    return instead


def call_synchronising(site: Site, function: Any, *arguments: Any) -> Any:
    """A call in code outside the scope: only what synchronises, and what leads to more code, is looked at."""
    controller = STATE.controller
    if get_ident() != controller.ident and (not controller.away or not controller.come_back()):
        return function if STATE.starting is None else threads.foreign_call(controller, site, function)
    kind = type(function)
    underlying = function.__func__ if kind is MethodType else function
    if type(underlying) is FunctionType:
        code, entries = underlying.__code__, STATE.entries
        found = entries[id(code)] if id(code) in entries else None
        if found is None or found.code is not code or found.replacement is not None or found.verdict is not None:
            return _CALLS[id(kind)](controller, site, function, arguments)
        PASSED[RETURNS] = NOWHERE
        return function
    sought = id(kind)
    handler = _SYNCHRONISING_CALLS[sought] if sought in _SYNCHRONISING_CALLS else None
    instead = function if handler is None else handler(controller, site, function, arguments)
    PASSED[RETURNS] = PASSED
    return instead


def spread_synchronising(site: Site, function: Any, args: Any, kwargs: Any) -> Any:
    """The same for ``function(*args, **kwargs)``."""
    if kwargs:
        site = _with_keywords(site, tuple(kwargs))
        return call_synchronising(site, function, *tuple_of(args), *kwargs.values())
    return call_synchronising(site, function, *args) if type(args) is tuple else call_synchronising(site, function)


def tuple_of(args: Any) -> tuple[Any, ...]:
    """The positional arguments, if they are a tuple or list already; an iterator is not touched."""
    return tuple(args) if type(args) is tuple or type(args) is list else ()


def _with_keywords(site: Site, keywords: tuple[str, ...]) -> Site:
    """The same place, seen with the keywords of this call; a copy shares all but the keywords."""
    if site.keywords != keywords:
        site.keywords = keywords
    return site


# -- by type of the callable -----------------------------------------------------------------------------------


def _on_files(controller: Controller, site: Site, function: Any) -> None:
    """A function out of scope is going to be called: it may be one that reads or changes the file system."""
    kind = files.EFFECTS[function] if function in files.EFFECTS else None
    if kind is not None and controller.concurrent and not site.hidden:
        target = files.target_of_files(controller)
        access(controller, kind, site, target, WHOLE)
        if controller.recorder is not None:
            controller.recorder.files(site, kind, target, f"{function.__qualname__}()")  # type: ignore[attr-defined]


def _function(controller: Controller, site: Site, function: Any, arguments: tuple[Any, ...]) -> Any:
    if STATE.discoverer.entry(function) is STATE.discoverer.OPAQUE:
        _outside(controller, site, function, arguments)
    else:
        PASSED[RETURNS] = NOWHERE
    return function


def _method(controller: Controller, site: Site, function: Any, arguments: tuple[Any, ...]) -> Any:
    underlying = function.__func__
    if type(underlying) is not FunctionType:
        _CALLS.get(id(type(underlying)), _other)(controller, site, underlying, (function.__self__, *arguments))
        PASSED[RETURNS] = PASSED
    elif STATE.discoverer.entry(underlying) is STATE.discoverer.OPAQUE:
        _outside(controller, site, underlying, (function.__self__, *arguments))
    else:
        PASSED[RETURNS] = NOWHERE
    return function


def _outside(controller: Controller, site: Site, function: Any, arguments: tuple[Any, ...]) -> None:
    """A Python function that is not explored: it is entered before it does anything; what comes then is not seen."""
    PASSED[SURE] = True
    _on_files(controller, site, function)
    unproven.calls_outside(controller, site, function)
    _opaque(controller, site, arguments)
    PASSED[RETURNS] = _UNSURE if site.shared else NOWHERE


def _builtin(controller: Controller, site: Site, function: Any, arguments: tuple[Any, ...]) -> Any:
    owner = function.__self__
    if owner is None or type(owner) is ModuleType:
        return _builtin_function(controller, site, function, arguments)
    if times.is_date_class(owner):
        return times.of_class(controller, function, owner)
    return _bound(controller, site, function, owner, function.__name__, arguments)


def _descriptor(controller: Controller, site: Site, function: Any, arguments: tuple[Any, ...]) -> Any:
    """``list.append(items, 1)``."""
    if not arguments:
        return function
    return _bound(controller, site, function, arguments[0], function.__name__, arguments[1:])


def _wrapper(controller: Controller, site: Site, function: Any, arguments: tuple[Any, ...]) -> Any:
    return _bound(controller, site, function, function.__self__, function.__name__, arguments)


def _class(controller: Controller, site: Site, function: Any, arguments: tuple[Any, ...]) -> Any:
    if type(function) is type and not site.hidden:
        known = id(function)
        if known in READING_TYPES:
            unproven.calls_back(controller, site, arguments)
            for argument in arguments:
                containers.iterate(site, argument)
                containers.read_whole(site, argument)
            return function
        if known in LAZY_TYPES:
            for argument in arguments:
                containers.iterate(site, argument)
            return function
        if arguments and (function is bool or function is type):
            _asked(site, function, arguments)
    elif type(function) is not type:
        own_code(controller, site, function, "__call__")
    STATE.discoverer.class_called(function)
    if controller.touched is not None:
        _made_outside(controller, site, function)
    return function


def _made_outside(controller: Controller, site: Site, function: Any) -> None:
    for name in ("__new__", "__init__"):
        method = found_on(function, name)[1]
        if is_python(method) and STATE.discoverer.entry(method) is STATE.discoverer.OPAQUE:
            unproven.calls_outside(controller, site, function)


def _asked(site: Site, function: type, arguments: tuple[Any, ...]) -> None:
    """``bool(obj)`` or ``type(obj)``; types matter only where objects change theirs."""
    if function is bool:
        containers.truth(site, arguments[0])
    elif any(each is type(arguments[0]) for each in ATTRIBUTES.restless):
        attributes.read_attribute(reflection.as_site(site, "__class__"), arguments[0])


def _partial(controller: Controller, site: Site, function: Any, arguments: tuple[Any, ...]) -> Any:
    inner = function.func
    kind = id(type(inner))
    replaced = (_CALLS[kind] if kind in _CALLS else _other)(controller, site, inner, (*function.args, *arguments))
    return function if replaced is inner else partial(replaced, *function.args, **function.keywords)


def _other(controller: Controller, site: Site, function: Any, arguments: tuple[Any, ...]) -> Any:
    """An object with a ``__call__``: of Python code, or of C that keeps who knows what."""
    kind = type(function)
    if issubclass(kind, type):
        return _class(controller, site, function, arguments)
    method = found_on(kind, "__call__")[1]
    if is_python(method):
        if STATE.discoverer.entry(method) is STATE.discoverer.OPAQUE:
            unproven.calls_outside(controller, site, method)
            _opaque(controller, site, (function, *arguments))
        return function
    if kind is _CACHED:
        _cached(site, function)
    if issubclass(kind, weakref.ref):
        unproven.looks_at_weak(controller, site)
    else:
        unproven.meets(controller, site, function)
    _opaque(controller, site, (function, *arguments))
    return function


def _cached(site: Site, function: Any) -> None:
    """A cache of C computes outside of its lock: where it is shared, another task may come by while it does."""
    wrapped = getattr(function, "__wrapped__", None)
    if type(wrapped) is FunctionType:
        STATE.discoverer.entry(wrapped)
        if site.shared:
            for constant in wrapped.__code__.co_consts:
                if type(constant) is Site:
                    STATE.sharing.share(constant)


_CALLS: Final[dict[int, Any]] = {
    id(FunctionType): _function,
    id(MethodType): _method,
    id(BuiltinFunctionType): _builtin,
    id(_METHOD_OF_CLASS): _builtin,
    id(MethodDescriptorType): _descriptor,
    id(WrapperDescriptorType): _descriptor,
    id(MethodWrapperType): _wrapper,
    id(type): _class,
    id(partial): _partial,
}


def _builtin_synchronising(controller: Controller, site: Site, function: Any, arguments: tuple[Any, ...]) -> Any:
    owner = function.__self__
    kind = type(owner)
    if id(kind) in _SYNCHRONISING:
        handlers, name = _SYNCHRONISING[id(kind)], function.__name__
        return handlers[name](controller, site, function, owner, arguments) if name in handlers else function
    if owner is None or kind is ModuleType:
        special = _SPECIAL[function] if function in _SPECIAL else None
        return function if special is None else special(controller, site, function, None, arguments)
    if times.is_date_class(owner):
        return times.of_class(controller, function, owner)
    return _builtin(controller, site, function, arguments) if site.qualname in _RUNS_TARGET else function


_SYNCHRONISING_CALLS: Final[dict[int, Any]] = {
    id(MethodType): _method,
    id(BuiltinFunctionType): _builtin_synchronising,
    id(_METHOD_OF_CLASS): _builtin_synchronising,
    id(type): _class,
    id(partial): _partial,
}

# -- what C code does ------------------------------------------------------------------------------------------


def _builtin_function(controller: Controller, site: Site, function: Any, arguments: tuple[Any, ...]) -> Any:
    special = _SPECIAL[function] if function in _SPECIAL else None
    if special is not None:
        return special(controller, site, function, None, arguments)
    handler = reflection.FUNCTIONS[function] if function in reflection.FUNCTIONS else None
    if handler is not None:
        handler(site, arguments)
        return function
    kind = FUNCTIONS[function] if function in FUNCTIONS else "call"
    _on_files(controller, site, function)
    if kind is None:
        if function is print:
            unproven.writes_out(controller, site, function.__name__)
        return function
    unproven.calls_back(controller, site, arguments)
    if kind == "call":
        unproven.calls_outside(controller, site, function)
        _opaque(controller, site, arguments)
    else:
        for argument in arguments:
            if type(argument) is BuiltinFunctionType:  # a key function, nearly always
                attributes.opaque(controller, site, argument.__self__)
            elif kind == "read":
                containers.iterate(site, argument)
                containers.read_whole(site, argument)
            elif id(type(argument)) in SHARED_TYPES:
                touch(site, argument, kind, WHOLE)
    return function


def _bound(controller: Controller, site: Site, function: Any, owner: Any, name: str, arguments: tuple[Any, ...]) -> Any:
    """A method of C is going to be called."""
    kind = type(owner)
    sought = id(kind)
    handlers = _SYNCHRONISING[sought] if sought in _SYNCHRONISING else None
    if handlers is not None:
        handler = handlers[name] if name in handlers else None
        return function if handler is None else handler(controller, site, function, owner, arguments)
    if name in reflection.METHODS:
        reflection.METHODS[name](site, (owner, *arguments))
    elif id(kind) in FIELDS:
        _by_field(site, owner, name, arguments)
    elif id(kind) in ITERATORS:
        STATE.sharing.travelling.add(id(owner))
        containers.advance(site, owner)
    elif controller.concurrent:
        _on_object(controller, site, owner, name, arguments)
    return function


def _on_object(controller: Controller, site: Site, owner: Any, name: str, arguments: tuple[Any, ...]) -> None:
    kind = type(owner)
    effect = None if id(kind) in IMMUTABLE else effect_of(kind, name)
    unproven.calls_back(controller, site, arguments)
    if effect is not None:
        if arguments:
            unproven.compares(controller, site, arguments[0])
        _apply(controller, site, effect, owner, name, arguments)
    elif id(kind) not in IMMUTABLE:
        unproven.meets(controller, site, owner)
        attributes.opaque(controller, site, owner)
    for argument in arguments:
        if id(type(argument)) in SHARED_TYPES:
            containers.read_whole(site, argument)


def _by_field(site: Site, field: Any, name: str, arguments: tuple[Any, ...]) -> None:
    """``Point.x.__set__(point, 1)``, with the descriptor of a slot."""
    handler = {"__get__": reflection.get, "__set__": reflection.set_, "__delete__": reflection.delete}.get(name)
    if handler is not None and arguments:
        further = arguments[1:] if name == "__set__" else ()
        handler(site, (arguments[0], field.__name__, *further))


def _apply(
    controller: Controller, site: Site, effect: Effect, owner: Any, name: str, arguments: tuple[Any, ...]
) -> None:
    memory = shared_memory(owner)
    target = mapped.whole(owner, memory)
    parts = effect.parts(owner, arguments) if memory is owner else (WHOLE,)
    also = tuple((target, part) for part in parts[1:])
    access(controller, effect.kind, site, target, parts[0], also)
    recorder: Any = controller.recorder
    if recorder is not None:
        if effect is READ_KEY or effect is READ_INDEX:
            recorder.read_key(site, owner, arguments[0] if arguments else None, target, parts[0])
        else:
            detail = f"{name}({', '.join(map(text_of, arguments))})"
            recorder.container(site, effect.kind, owner, target, parts[0], detail, also)


_effects: dict[tuple[int, str], tuple[type, Effect | None]] = {}
CACHES.append(_effects)


def effect_of(kind: type, name: str) -> Effect | None:
    """What a method of a builtin container does; ``None`` for a type that is no such container."""
    sought = id(kind), name
    found = _effects[sought] if sought in _effects else None
    if found is None or found[0] is not kind:
        found = _effects[(id(kind), name)] = (kind, _effect_of(kind, name))
    return found[1]


def _effect_of(kind: type, name: str) -> Effect | None:
    for base, effects, default in METHODS:
        if issubclass(kind, base):
            return effects[name] if name in effects else default
    return None


def _opaque(controller: Controller, site: Site, objects: tuple[Any, ...]) -> None:
    """Code that we can't see into is handed these objects: it may do anything to the mutable ones."""
    if not controller.concurrent or site.hidden:
        return
    for obj in objects:
        kind = type(obj)
        if kind is BuiltinFunctionType or kind is MethodType:
            obj = obj.__self__  # noqa: PLW2901  (who is handed a bound method may call it)
        if id(type(obj)) in files.STREAM_TYPES:
            files.used(controller, site, obj)
        elif id(type(obj)) not in IMMUTABLE and id(type(obj)) not in _SYNCHRONISING:
            attributes.opaque(controller, site, obj)


# -- with ------------------------------------------------------------------------------------------------------


def enter(site: Site, manager: Any) -> None:
    """The ``__enter__`` of a context manager is going to be called."""
    controller = STATE.controller
    if get_ident() != controller.ident and (not controller.away or not controller.come_back()):
        return
    kind = type(manager)
    if id(kind) not in _SYNCHRONISING:
        STATE.discoverer.manager_entered(kind)
    elif "__enter__" in _SYNCHRONISING[id(kind)]:
        _SYNCHRONISING[id(kind)]["__enter__"](controller, site, None, manager, ())


def leave(site: Site, exit_method: Any) -> None:
    """A bound ``__exit__`` is going to be called."""
    if type(exit_method) is not BuiltinFunctionType:
        return
    controller = STATE.controller
    if get_ident() != controller.ident and (not controller.away or not controller.come_back()):
        return
    owner = exit_method.__self__
    sought = id(type(owner))
    handlers = _SYNCHRONISING[sought] if sought in _SYNCHRONISING else {}
    if "__exit__" in handlers:
        handlers["__exit__"](controller, site, exit_method, owner, ())
