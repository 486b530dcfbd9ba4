"""Tears down and sets up again the function-scoped fixtures of one test, in place.

All that this plugin knows of how pytest keeps fixtures stands here. pytest hangs the end of every function-scoped
fixture on the item, in ``SetupState.stack``; an item whose request is made anew evaluates them again. Fixtures of a
wider scope stay: they are handed to the new request as they are.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Finalizer = Callable[[], object]


class FixtureState:
    """The function-scoped fixtures of a test that pytest has set up already."""

    def __init__(self, item: pytest.Function) -> None:
        self._item: Any = item
        self._filled = True
        self._last_folder: Path | None = None
        # If false, the state is made anew only after runs that have asked for more fixtures.
        self._always = bool(self._transient()) or self._is_method()
        self._after_setup = len(self._finalizers())
        self._wide = {name: each for name, each in self._active().items() if not self._is_narrow(each)}
        self._wide_finalizers = {name: len(each._finalizers) for name, each in self._wide.items()}

    def fill(self) -> bool:
        """Set up what `empty` has torn down; tell whether there was anything to do."""
        if self._filled:
            return False
        self._filled = True
        self._remove_last_folder()
        if self._is_method():
            self._renew_instance()
        self._item._initrequest()
        request = self._item._request
        request._fixture_defs.update(self._wide)
        self._item.funcargs.update({name: each.cached_result[0] for name, each in self._wide.items()})
        request._fillfixtures()
        self._after_setup = len(self._finalizers())
        return True

    def empty(self) -> None:
        """Tear down, if a run may have left anything; raises what the fixtures raise."""
        if not self._always and len(self._finalizers()) == self._after_setup:
            return
        self._filled = False
        self._last_folder = self._folder()
        self._keep_pytest_tmp_path_working()
        try:
            self._finalize()
        finally:
            self._forget_dead_finalizers()

    def _active(self) -> dict[str, Any]:
        """The definitions of the fixtures in use, by name."""
        active: dict[str, Any] = self._item._request._fixture_defs
        return active

    def _transient(self) -> list[str]:
        """Names of the fixtures that have a state of their own: parameters have none, neither have ours."""
        parameters = getattr(getattr(self._item, "callspec", None), "params", {})
        return [
            name
            for name, each in self._active().items()
            if self._is_narrow(each)
            and name not in ("racecheck", "task_index")
            and not (name in parameters and each.func.__name__ == "get_direct_param_fixture_func")
        ]

    def _is_narrow(self, definition: Any) -> bool:
        """Whether a fixture ends with the test; one of a class does, too, where there is no class."""
        return definition.scope == "function" or (definition.scope == "class" and self._item.cls is None)

    def _is_method(self) -> bool:
        return isinstance(self._item.parent, pytest.Class)

    def _renew_instance(self) -> None:
        self._item.__dict__.pop("_instance", None)
        self._item.__dict__.pop("_obj", None)

    def _finalizers(self) -> list[Finalizer]:
        """What pytest will call at the end of the item; the first is the item's own and stays."""
        finalizers: list[Finalizer] = self._item.session._setupstate.stack[self._item][0]
        return finalizers

    def _finalize(self) -> None:
        finalizers = self._finalizers()
        raised: list[BaseException] = []
        while len(finalizers) > 1:
            try:
                finalizers.pop()()
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt | pytest.exit.Exception):
                    raise
                raised.append(error)
        if len(raised) == 1:
            raise raised[0]
        if raised:
            raise BaseExceptionGroup(f"errors while tearing down {self._item!r}", raised)

    def _forget_dead_finalizers(self) -> None:
        """Drop what fixtures of this run have hung on wider ones: those would grow with every run."""
        for name, length in self._wide_finalizers.items():
            kept = self._wide[name]._finalizers
            if len(kept) > length:
                kept[length:] = [each for each in kept[length:] if not self._ends_narrow_fixture(each)]

    def _ends_narrow_fixture(self, finalizer: Finalizer) -> bool:
        owner = getattr(finalizer.func, "__self__", None) if isinstance(finalizer, functools.partial) else None
        return isinstance(owner, pytest.FixtureDef) and self._is_narrow(owner)

    def _folder(self) -> Path | None:
        folder = self._active().get("tmp_path")
        result = folder.cached_result if folder is not None else None
        return result[0] if result is not None else None

    def _remove_last_folder(self) -> None:
        """Keep one ``tmp_path`` a test, as without us, not one a run."""
        if self._last_folder is not None:
            shutil.rmtree(self._last_folder, ignore_errors=True)

    def _keep_pytest_tmp_path_working(self) -> None:
        """Its end takes the results of the phases from the item and expects them there once only."""
        from _pytest.tmpdir import tmppath_result_key

        self._item.stash.setdefault(tmppath_result_key, {})


def exists(name: str, item: pytest.Function) -> bool:
    """Whether a test can ask for a fixture of this name."""
    manager: Any = item.session._fixturemanager
    try:
        return bool(manager.getfixturedefs(name, item))
    except AttributeError:  # pytest 8.0 wants the node's id instead
        return bool(manager.getfixturedefs(name, item.nodeid))
