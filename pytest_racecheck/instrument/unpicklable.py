"""Says of what can't be sent to another process which part of it that is, why, and what to do."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from functools import partial
from multiprocessing import queues, reduction
from types import BuiltinMethodType, FunctionType, GeneratorType, MethodType, ModuleType
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.failures import failure_of
from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument.classify import dict_of, module_of, name_of
from pytest_racecheck.instrument.stand_ins import Handler

DEEPEST: Final = 6
"""So deep does the object stand that is looked for."""

_INHERITANCE: Final = "through inheritance"
"""What ``multiprocessing`` says of its own objects."""

_AT_TOP: Final = "define it with def at the top of a module: only its name is sent"
_CLASS_AT_TOP: Final = "define its class at the top of a module: only the name of that is sent"
_THERE: Final = "make it in the process that uses it, for example in an initializer"
_INHERITED: Final = "hand it over when the process starts: in args= of Process, in initargs= of a pool"


def explained(obj: Any) -> str:
    """The object, why it can't be pickled, and the remedy, as a sentence; "" if it can."""
    found = _culprit(obj, DEEPEST)
    if found is None:
        return ""
    culprit, error = found
    reason = str(error).partition("\n")[0]
    return f"racecheck: {_named(culprit)} can't be sent to another process ({reason}); {_remedy(culprit, error)}"


def _culprit(obj: Any, depth: int) -> tuple[Any, Exception] | None:
    """The innermost part of an object that can't be pickled by itself."""
    error = _error(obj)
    if error is None:
        return None
    if depth and _INHERITANCE not in str(error):
        for part in _parts(obj):
            found = _culprit(part, depth - 1)
            if found is not None:
                return found
    return obj, error


def _error(obj: Any) -> Exception | None:
    try:
        reduction.ForkingPickler(_Nowhere(), pickle.HIGHEST_PROTOCOL).dump(obj)
    except Exception as error:
        return error
    return None


class _Nowhere:
    def write(self, data: Any) -> int:
        """Take what is written."""
        return len(data)


def _parts(obj: Any) -> Iterator[Any]:
    kind = type(obj)
    if kind in (tuple, list, set, frozenset):
        yield from obj
    elif kind is dict:
        yield from obj.keys()
        yield from obj.values()
    elif kind is partial:
        yield from (obj.func, *obj.args, *obj.keywords.values())
    elif kind is MethodType:
        yield obj.__self__
    elif kind not in (FunctionType, ModuleType, GeneratorType) and not issubclass(kind, type):
        yield from (dict_of(obj) or {}).values()


def _named(obj: Any) -> str:
    if type(obj) is FunctionType:
        return f"the {'lambda' if obj.__name__ == '<lambda>' else 'function'} {obj.__qualname__}"
    if issubclass(type(obj), type):
        return f"the class {obj.__qualname__}"
    kind = type(obj)
    return f"a {module_of(kind)}.{name_of(kind)}" if module_of(kind) != "builtins" else f"a {name_of(kind)}"


def _remedy(obj: Any, error: Exception) -> str:
    if _INHERITANCE in str(error):
        return _INHERITED
    if type(obj) in (FunctionType, BuiltinMethodType) or issubclass(type(obj), type):
        return _AT_TOP
    if "<locals>" in type(obj).__qualname__:
        return _CLASS_AT_TOP
    return _THERE


# -- where things are sent ---------------------------------------------------------------------------------------------


def _dumps(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``ForkingPickler.dumps``, and ``reduction.dump``."""
    return partial(_told, controller, function)


def _told(controller: Controller, function: Any, *arguments: Any, **keywords: Any) -> Any:
    try:
        return function(*arguments, **keywords)
    except Exception as error:
        with controller.unhooked():
            note = explained(arguments[0]) if arguments else ""
            if note and note not in getattr(error, "__notes__", ()):
                error.add_note(note)
        raise


def _is_lost(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``Queue._on_queue_feeder_error``: what was put could not be sent, and nobody will get it."""
    with controller.unhooked():
        failure = failure_of(owner, controller.running, "lost-item")
    controller.finish_with(failure)


_PICKLER: Final[Any] = reduction.ForkingPickler
_QUEUE: Final[Any] = queues.Queue
HANDLERS: Final[list[tuple[Any, Handler]]] = [
    (_PICKLER.dumps.__func__, _dumps),
    (_QUEUE._on_queue_feeder_error, _is_lost),
]
"""Functions that have a stand-in, and what it asks."""
FUNCTIONS: Final[list[tuple[Any, Handler]]] = [(reduction.dump, _dumps)]
"""The same, but those are given all arguments."""
