"""Makes of a test what the engine can run again and again."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pytest_racecheck.bridge.fixture_state import FixtureState, exists
from pytest_racecheck.bridge.run_output import RunOutput
from pytest_racecheck.bridge.settings import Settings, method_of
from pytest_racecheck.core.abroad import InProcess

Body = Callable[[], object]


class ItemProgram:
    """A test, as the engine's `Program`: set up, bodies, invariants, tear down, for every run anew."""

    def __init__(self, item: pytest.Function, settings: Settings, output: RunOutput) -> None:
        self.runs = 0
        self._item: Any = item
        self._settings = settings
        self._output = output
        self._fixtures = FixtureState(item)
        self._invariants = tuple((each, _parameters(each, item)) for each in settings.invariant)
        self._values: dict[str, object] = {}
        self._bodies: tuple[Body, ...] = ()

    def set_up(self) -> Sequence[Body]:
        """Start a run afresh. The first finds everything as pytest has set it up."""
        __tracebackhide__ = True
        self.runs += 1
        if self.runs > 1:
            self._output.forget()
        try:
            if self._fixtures.fill():
                self._bodies = ()
        except Exception as error:
            error.add_note(f"racecheck: raised while setting up the fixtures for run {self.runs:,} of this test")
            raise
        self._values = {name: self._value(name) for _, names in self._invariants for name in names}
        if not self._bodies:
            self._bodies = self._make_bodies()
        return self._bodies

    def check(self) -> None:
        """Call the invariants."""
        __tracebackhide__ = True
        for invariant, names in self._invariants:
            invariant(**{name: self._values[name] for name in names})

    def tear_down(self) -> None:
        """End the run's fixtures."""
        __tracebackhide__ = True
        self._fixtures.empty()

    def _value(self, name: str) -> object:
        if name in self._item.funcargs:
            return self._item.funcargs[name]
        return self._item.instance if name == "self" else self._item._request.getfixturevalue(name)

    def _make_bodies(self) -> tuple[Body, ...]:
        function = self._item.obj
        arguments = {name: self._item.funcargs[name] for name in self._item._fixtureinfo.argnames}
        threads, processes = self._settings.threads, self._settings.processes
        method = method_of(self._settings)
        bodies: list[Body] = []
        for index in range(threads + processes):
            own = {"task_index": index} if "task_index" in arguments else {}
            body = functools.partial(function, **{**arguments, **own})
            bodies.append(body if index < threads else InProcess(body, method))
        return tuple(bodies)


def _parameters(function: Callable[..., object], item: pytest.Function) -> tuple[str, ...]:
    """Names of the fixtures that an invariant asks for.

    Raises:
        ValueError: for a parameter that is no fixture; with the whole message.
    """
    named = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    parameters = [
        each.name
        for each in inspect.signature(function).parameters.values()
        if each.kind in named and each.default is inspect.Parameter.empty
    ]
    for name in parameters:
        _refuse_parameter(name, function, item)
    return tuple(parameters)


def _refuse_parameter(name: str, function: Callable[..., object], item: Any) -> None:
    what = getattr(function, "__qualname__", repr(function))
    if name == "task_index":
        raise ValueError(f"invariant {what}: there is no task_index, because invariants run after all tasks.")
    if name in ("request", "self") or name in item.fixturenames:
        return
    if not exists(name, item):
        raise ValueError(f"invariant {what}: its parameter {name!r} is not the name of a fixture.")
