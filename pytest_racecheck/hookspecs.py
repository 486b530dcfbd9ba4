"""Hooks through which other people's code takes part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_racecheck.core.protocols import Strategy
    from pytest_racecheck.core.values import Exploration


@pytest.hookspec
def pytest_racecheck_strategies(config: pytest.Config) -> Mapping[str, Callable[[int], Strategy]]:  # type: ignore[empty-body]
    """Offer strategies: names for ``strategy=``, each with a function that makes the strategy from a seed.

    A name that is already taken is an error.
    """


@pytest.hookspec
def pytest_racecheck_explored(item: pytest.Item, exploration: Exploration) -> None:
    """Called after a marked test was explored, whatever the outcome: for reports of your own."""
