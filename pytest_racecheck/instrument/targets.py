"""What an object of the standard library is called as the target of an operation: the same in every process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pytest_racecheck.core.shared_things import Key
from pytest_racecheck.instrument.state import STATE

_NAMED: Final[dict[int, Callable[[Any], Key]]] = {}
"""By identity of the type, for those whose objects processes share: what names them."""


def target_of(obj: Any) -> int:
    """The target of an operation on an object: its identity, unless processes can share it."""
    sought = id(type(obj))
    name = _NAMED[sought] if sought in _NAMED else None
    return id(obj) if name is None else STATE.controller.shared_things.number(name(obj))


def name_of_semaphore(semaphore: Any) -> Key:
    """Forked processes have it at the same address, others by its name."""
    return ("semaphore", semaphore.name or semaphore.handle)


def _semlock() -> type | None:
    try:
        from _multiprocessing import SemLock  # type: ignore[import-not-found]
    except ImportError:
        return None
    return SemLock  # type: ignore[no-any-return]


SEMLOCK: Final = _semlock()
"""The C type behind the locks and semaphores of ``multiprocessing``."""
if SEMLOCK is not None:
    _NAMED[id(SEMLOCK)] = name_of_semaphore
