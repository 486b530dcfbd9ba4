"""Segments of shared memory, and semaphores with names, that the processes of a run have made and not removed."""

from __future__ import annotations

from multiprocessing import resource_tracker, shared_memory
from typing import Any, Final

from pytest_racecheck.instrument.state import STATE

_SEGMENTS: Final[dict[str, None]] = {}
"""For this run: those that tasks have made."""

_SEMAPHORES: Final[dict[str, None]] = {}
"""For this run: those that other processes have made; of those of this process others take care."""


def segment_made(owner: Any) -> None:
    """A ``SharedMemory`` was made, in whatever thread."""
    controller = STATE.controller
    if controller.current() is not None and "_flags" in vars(owner):
        _SEGMENTS[owner._name] = None
        controller.tell_left("segment", owner._name)


def semaphore_made(owner: Any) -> None:
    """A semaphore was made, in whatever thread."""
    controller = STATE.controller
    if owner._semlock.name is not None and controller.current() is not None:
        controller.tell_left("semaphore", owner._semlock.name)


def left_elsewhere(kind: str, name: str) -> None:
    """Another process has made one."""
    (_SEGMENTS if kind == "segment" else _SEMAPHORES)[name] = None


def forget_run() -> None:
    """The run is over, fixtures included: remove what is still there."""
    for name in _SEGMENTS:
        _remove(name, "shared_memory", vars(shared_memory)["_posixshmem"].shm_unlink)
    for name in _SEMAPHORES:
        from _multiprocessing import sem_unlink  # type: ignore[import-not-found]

        _remove(name, "semaphore", sem_unlink)
    _SEGMENTS.clear()
    _SEMAPHORES.clear()


def _remove(name: str, kind: str, unlink: Any) -> None:
    try:
        unlink(name)
    except OSError:
        return
    resource_tracker.unregister(name, kind)
