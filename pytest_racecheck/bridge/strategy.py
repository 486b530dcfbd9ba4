"""Finds a strategy by its name: ours, or one that a hook offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_racecheck.bridge.defaults import Sourced
from pytest_racecheck.core.errors import RacecheckError
from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.strategies import table

Factory = Callable[[int], Strategy]


def make_strategy(config: pytest.Config, name: str, seed: int, *, gil: bool = False) -> Strategy:
    """Make the strategy that is called ``name``, which may carry parameters after a colon.

    ``gil``: tasks can be stopped only where the interpreter, with its GIL, can stop them.

    Raises:
        RacecheckError: if there is none, or if a hook offers a name that is taken.
    """
    offered = _offered(config)
    return offered[name](seed) if name in offered else table.make(name, seed, gil=gil)


def check_name(config: pytest.Config, name: str, *, where: str) -> None:
    """Refuse a name that no strategy has, and parameters that it does not take.

    Raises:
        RacecheckError: with the whole message.
    """
    offered = _offered(config)
    known = (*table.names(), *offered)
    plain = name.partition(":")[0]
    if plain not in known:
        raise RacecheckError(f"{where}: strategy={name!r} does not exist; there are {', '.join(sorted(known))}.")
    if name in offered:
        return
    if plain in offered:
        raise RacecheckError(f"{where}: strategy={name!r} can't be; {plain} takes no parameters.")
    try:
        table.parse(name)
    except RacecheckError as error:
        raise RacecheckError(f"{where}: strategy={name!r} can't be; {error}.") from None


def check_session(config: pytest.Config, strategy: Sourced) -> None:
    """Refuse a name on the command line or in the ini file.

    Raises:
        pytest.UsageError: with the whole message.
    """
    try:
        check_name(config, strategy.value, where=strategy.origin)
    except RacecheckError as error:
        raise pytest.UsageError(str(error)) from None


def _offered(config: pytest.Config) -> dict[str, Factory]:
    found: dict[str, Factory] = {}
    hook: Any = config.hook
    for strategies in hook.pytest_racecheck_strategies(config=config):
        for name, factory in strategies.items():
            if name in found or name in table.names():
                raise RacecheckError(f"pytest_racecheck_strategies offers {name!r}, a name that is already taken.")
            found[name] = factory
    return found
