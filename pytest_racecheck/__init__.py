"""pytest-racecheck: find race conditions by deciding which thread moves next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_racecheck.bridge.fixtures import Racecheck, SwitchInterval
    from pytest_racecheck.bridge.warning import RacecheckWarning
    from pytest_racecheck.core.errors import RacecheckError, TokenError, UnsupportedInterpreterError

__version__ = "0.1.0"

__all__ = [
    "Racecheck",
    "RacecheckError",
    "RacecheckWarning",
    "SwitchInterval",
    "TokenError",
    "UnsupportedInterpreterError",
]

_HOMES: Final = {
    "Racecheck": "bridge.fixtures",
    "RacecheckError": "core.errors",
    "RacecheckWarning": "bridge.warning",
    "SwitchInterval": "bridge.fixtures",
    "TokenError": "core.errors",
    "UnsupportedInterpreterError": "core.errors",
}


def __getattr__(name: str) -> object:
    """Import public names when they are first asked for: every pytest session loads this package."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
