"""Says which code is instrumented with every hook, which for synchronisation only, and which is left alone."""

from __future__ import annotations

import dis
import fnmatch
import functools
import importlib.util
import os
import re
import site
import sys
import sysconfig
from pathlib import Path
from types import CodeType
from typing import Any, Final

from pytest_racecheck.core.ours import PACKAGE
from pytest_racecheck.instrument.rewrite import Plan

SYNCHRONISING_MODULES: Final = (
    "threading", "queue", "concurrent", "multiprocessing", "_threading_local", "sched", "selectors",
)  # fmt: skip
"""Standard modules that are nothing but synchronisation: always instrumented for it."""

RUNS_IN_FINALISERS: Final = frozenset({"multiprocessing.heap", "multiprocessing.util"})
"""Manages memory, under a lock that no user ever sees, and whenever an object happens to be freed: no choices there."""

_WORDS: Final = frozenset(
    {
        "acquire", "release", "wait", "wait_for", "notify", "notify_all", "sleep", "allocate_lock", "start_new_thread",
        "_acquire_restore", "_release_save", "monotonic", "submit", "get_nowait", "put_nowait", "SimpleQueue",
        "now", "utcnow", "today", "poll", "_select", "recv", "recv_into", "recvfrom", "recvfrom_into", "_accept",
    }
)  # fmt: skip
_WILD: Final = re.compile(r"[*?\[]")
_LOCKLIKE: Final = re.compile(r"lock|mutex|cond|sem(aphore)?$|^_?cv$|barrier|guard", re.IGNORECASE)
_WITH: Final = frozenset(dis.opmap[name] for name in ("BEFORE_WITH", "LOAD_SPECIAL") if name in dis.opmap)

UNLOCKED: Final = frozenset({functools.cached_property.__get__.__code__} if sys.version_info >= (3, 12) else ())
"""Code of the standard library that works on the user's objects for the user, without a lock."""


class Scope:
    """The code under pytest's root (installed packages there and the plugin itself left out), and what is named.

    ``sources`` are names of modules or packages, with ``*`` and ``?`` if wanted; a package includes what is in it.
    """

    def __init__(self, root: Path, sources: tuple[str, ...], test_file: Path) -> None:
        self.root = _resolved(root) + os.sep
        self.sources = sources
        self.test_file = _resolved(test_file)
        self._patterns = tuple(re.compile(fnmatch.translate(source)) for source in sources)
        self._files: dict[str, bool] = {}
        self._adopted: dict[int, dict[str, Any]] = {}
        self._named = self._named_files()

    def missing(self) -> list[str]:
        """Which of the sources, as far as they hold no ``*`` or ``?``, name no module that there is."""
        return [source for source in self.sources if not _WILD.search(source) and not _exists(source)]

    def covers(self, code: CodeType, namespace: dict[str, Any]) -> bool:
        """Whether code is to be instrumented with every hook."""
        filename = code.co_filename
        known = self._files.get(filename)
        if known is not None:
            return known
        if filename.startswith("<"):  # made by exec: belongs to the module that ran it
            return self._covers_module(namespace)
        covered = self._covers_file(filename) or self._names(str(namespace.get("__name__", "")))
        self._files[filename] = covered
        return covered

    def covers_module(self, name: str) -> bool:
        """Whether the code of a module is in scope."""
        return self._covers_module(getattr(sys.modules.get(name), "__dict__", {"__name__": name}))

    def adopt(self, namespace: dict[str, Any]) -> None:
        """Cover what ``exec`` defines in a namespace; kept for this run, or another one would get its identity."""
        self._adopted[id(namespace)] = namespace

    def forget_adopted(self) -> bool:
        """A new run begins; tell whether the last one has adopted anything."""
        had_any = bool(self._adopted)
        self._adopted.clear()
        return had_any

    def plan(self, code: CodeType, namespace: dict[str, Any]) -> Plan | None:
        """How to instrument code that is going to run in a task; ``None`` to leave it alone."""
        if code in UNLOCKED or self.covers(code, namespace):
            return Plan.FULL
        if code.co_filename.startswith(PACKAGE):
            return None
        module = str(namespace.get("__name__", ""))
        if module in RUNS_IN_FINALISERS:
            return None
        if module.partition(".")[0] in SYNCHRONISING_MODULES or may_synchronise(code):
            return Plan.SYNC
        return None

    def _covers_module(self, namespace: dict[str, Any]) -> bool:
        if id(namespace) in self._adopted:
            return True
        file = namespace.get("__file__")
        named = self._names(str(namespace.get("__name__", "")))
        return named or (isinstance(file, str) and self._covers_file(file))

    def _covers_file(self, filename: str) -> bool:
        if filename.startswith(PACKAGE):
            return False
        path = _absolute(filename)
        if path in self._named or any(path.startswith(folder) for folder in self._named if folder.endswith(os.sep)):
            return True
        return path == self.test_file or (path.startswith(self.root) and not _is_installed(path))

    def _names(self, module: str) -> bool:
        parts = module.split(".")
        prefixes = [".".join(parts[: count + 1]) for count in range(len(parts))]
        return any(pattern.match(prefix) for pattern in self._patterns for prefix in prefixes)

    def _named_files(self) -> set[str]:
        """Files, and folders with a separator at the end, of the modules that are named and loaded."""
        found = set[str]()
        for name, module in list(sys.modules.items()) if self.sources else ():
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and self._names(name):
                path = _absolute(file)
                found.add(path.removesuffix("__init__.py") if path.endswith(f"{os.sep}__init__.py") else path)
        return found


def _exists(module: str) -> bool:
    """Whether there is a module; of one in a package, whether there is the package, as nothing is to be imported."""
    top = module.partition(".")[0]
    try:
        return module in sys.modules or top in sys.modules or importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return False


@functools.lru_cache(maxsize=64)
def _resolved(path: Path) -> str:
    """Where a path leads; all tests of a file ask the same."""
    return str(path.resolve())


def _absolute(path: str) -> str:
    """The path from the root, with links left as they are: code objects name files the way they were imported."""
    return os.path.normpath(Path(path).absolute())


def _installed_places() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    places = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    places.update(getattr(site, "getsitepackages", list)())
    return tuple(sorted(_absolute(place) + os.sep for place in places))


_INSTALLED: Final = _installed_places()
_FOLDERS: Final = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages", ".tox", ".nox"))


def _is_installed(path: str) -> bool:
    return path.startswith(_INSTALLED) or any(folder in path for folder in _FOLDERS)


def may_synchronise(code: CodeType) -> bool:
    """Whether code looks as if it took locks, waited, slept or started threads; by the names in it."""
    names = code.co_names
    if not _WORDS.isdisjoint(names):
        return True
    locklike = any(_LOCKLIKE.search(name) for name in (*names, *code.co_freevars))
    return locklike and any(opcode in _WITH for opcode in code.co_code[::2])
