"""Keeps the controlled threads on one processor: only one of them may run at a time anyway."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pinned() -> Iterator[None]:
    """Pin the calling thread, and the threads it starts meanwhile, to one processor; undo it for the caller after.

    Without effect where the platform has no affinity or refuses to set it.
    """
    allowed = _allowed()
    if len(allowed) < 2 or not _set({_chosen(allowed)}):
        yield
        return
    try:
        yield
    finally:
        _set(allowed)


def _allowed() -> set[int]:
    if not hasattr(os, "sched_getaffinity"):
        return set()
    return set(os.sched_getaffinity(0))


def _set(processors: set[int]) -> bool:
    try:
        os.sched_setaffinity(0, processors)
    except OSError:
        return False
    return True


def _chosen(allowed: set[int]) -> int:
    """Spread the workers of pytest-xdist; else stay where the kernel has put us."""
    ordered = sorted(allowed)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if worker.isdigit():
        return ordered[int(worker) % len(ordered)]
    try:
        current = int(_stat().rpartition(b")")[2].split()[36])
    except (OSError, ValueError, IndexError):
        return ordered[-1]
    return current if current in allowed else ordered[-1]


def _stat() -> bytes:
    """What Linux says of this process; read plainly, as every exploration asks."""
    descriptor = os.open("/proc/self/stat", os.O_RDONLY)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)
