"""What no number of runs can prove anything about: code that is not seen into, and steps whose order is not known."""

from __future__ import annotations

from _thread import get_ident
from functools import partial
from types import FunctionType, GeneratorType, MethodType
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument.classify import special
from pytest_racecheck.instrument.state import STATE

_WITHOUT_STATE: Final = frozenset(
    {
        "array", "binascii", "bisect", "builtins", "cmath", "collections", "functools", "hashlib", "heapq", "itertools",
        "json", "math", "operator", "string", "struct", "textwrap", "thread", "threading", "time", "unicodedata",
        "zlib",
    }
)  # fmt: skip
"""Modules whose functions keep nothing that a later call could meet."""

_CALLERS: Final[dict[str, Task]] = {}
"""For this run: package that is not explored -> the first task that has called code of it."""

_MET: Final[dict[int, tuple[object, Task]]] = {}
"""For this run: identity of an object of C -> the object, kept so that no other gets its identity, and who used it."""

_CALLABLES: Final = frozenset(map(id, (FunctionType, MethodType, GeneratorType, partial)))


def forget_run() -> None:
    """A new run begins."""
    _CALLERS.clear()
    _MET.clear()


def calls_outside(controller: Controller, site: Site, function: Any) -> None:
    """Code that is not explored is going to be called: if two tasks do that, they may share what it keeps."""
    task = controller.running
    if controller.touched is None or task is None or site.hidden or not controller.concurrent:
        return
    module = getattr(function, "__module__", None)
    package = str(module or "builtins").partition(".")[0].lstrip("_")
    if package not in _WITHOUT_STATE and _CALLERS.setdefault(package, task) is not task:
        controller.not_proven(
            f"several tasks call code of {package}, which is not explored (racecheck_source) and may share state"
        )


def writes_out(controller: Controller, site: Site, name: str) -> None:
    """A file is going to be opened, or something printed: several tasks may do it to the same file."""
    task = controller.running
    if controller.touched is not None and task is not None and _CALLERS.setdefault(name, task) is not task:
        controller.not_proven(f"several tasks call {name}(), and what that does to files is not seen")


def runs_text(controller: Controller, site: Site) -> None:
    """Text is going to be executed: in one step, as no hooks are in it."""
    if controller.touched is not None and controller.concurrent:
        controller.not_proven(f"text is executed in one step, at {site.filename}:{site.line}")


def imports(_name: object) -> None:
    """A module is going to be loaded: its body is executed in one step."""
    controller = STATE.controller
    if STATE.discoverer is not None:
        STATE.discoverer.look_out()
    if controller.touched is not None and controller.concurrent and get_ident() == controller.ident:
        controller.not_proven("a module is imported while several tasks run, and its body is executed in one step")


def looks_inside(controller: Controller, site: Site, obj: object) -> None:
    """An attribute is going to be used of an object whose own code is not explored: that may change it unseen."""
    if controller.touched is not None and controller.concurrent and not site.hidden:
        controller.not_proven(
            f"an attribute of a {type(obj).__name__}, whose own code is not explored, is used at "
            f"{site.filename}:{site.line}"
        )


def looks_at_weak(controller: Controller, site: Site) -> None:
    """A weak reference is going to be followed: when the object goes is not seen."""
    if controller.touched is not None and controller.concurrent and not site.hidden:
        controller.not_proven(f"a weak reference is followed, at {site.filename}:{site.line}")


def changes_code(controller: Controller, site: Site) -> None:
    """What a function, a class or a builtin name is, is going to be changed: calls of it don't tell that they look."""
    if controller.touched is not None and controller.concurrent:
        controller.not_proven(f"code is changed while several tasks run, at {site.filename}:{site.line}")


def meets(controller: Controller, site: Site, obj: object) -> None:
    """An object of C, of which nothing is known, is going to be used: if several tasks do, they share it."""
    task = controller.running
    if controller.touched is None or task is None or site.hidden or not controller.concurrent:
        return
    if _MET.setdefault(id(obj), (obj, task))[1] is not task:
        controller.not_proven(f"tasks share a {type(obj).__name__}, at {site.filename}:{site.line}")


def calls_back(controller: Controller, site: Site, arguments: tuple[Any, ...]) -> None:
    """C code is going to work on something shared, and may call Python code in the middle of that."""
    if controller.touched is not None and site.shared and any(id(type(each)) in _CALLABLES for each in arguments):
        controller.not_proven(f"C code that works on shared data calls back, at {site.filename}:{site.line}")


def compares(controller: Controller, site: Site, key: object) -> None:
    """A shared container is going to be asked for something that is compared by Python code."""
    if controller.touched is None or not site.shared:
        return
    kind = type(key)
    if special(kind, "__eq__") is not None or special(kind, "__hash__") is not None:
        controller.not_proven(
            f"a shared container compares {kind.__name__} objects by their own code, at {site.filename}:{site.line}"
        )


def resumes(controller: Controller, site: Site) -> None:
    """A generator that tasks share is going to be resumed: when it is at work, and when not again, is not seen."""
    if controller.touched is not None and site.shared:
        controller.not_proven(f"tasks share a generator, at {site.filename}:{site.line}")


def waits_outside(controller: Controller, site: Site) -> None:
    """A task is going to wait for data that may come from anywhere."""
    controller.not_proven(f"a task waits for data from outside, at {site.filename}:{site.line}")
