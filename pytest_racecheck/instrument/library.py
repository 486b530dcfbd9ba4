"""Which functions of the standard library have stand-ins, and what those ask."""

from __future__ import annotations

import importlib
from multiprocessing import connection, shared_memory, synchronize
from typing import TYPE_CHECKING, Any

from pytest_racecheck.instrument import (
    between_processes,
    futures,
    leftovers,
    managers,
    pipes,
    pools,
    processes,
    programs,
    semaphores,
    shareable,
    spawning,
    stand_ins,
    synchronized,
    threads,
    unpicklable,
    unproven,
)
from pytest_racecheck.instrument.primitives import PRIMITIVES

if TYPE_CHECKING:
    from pytest_racecheck.instrument.discovery import Discoverer


def place(discoverer: Discoverer) -> None:
    """Put all of them where they belong."""
    for handlers in (
        threads.HANDLERS,
        synchronized.handlers(),
        semaphores.handlers(),
        processes.handlers(),
        pipes.handlers(),
        between_processes.HANDLERS,
        pools.HANDLERS,
        spawning.HANDLERS,
        shareable.handlers(),
        managers.handlers(),
        unpicklable.HANDLERS,
    ):
        discoverer.place(handlers)
    for primitive in (*PRIMITIVES, *between_processes.PRIMITIVES):
        discoverer.place_made(primitive.function, primitive, primitive.stand_in)
    _place_without_hooks(discoverer)


def _place_without_hooks(discoverer: Discoverer) -> None:
    function: Any
    handler: stand_ins.Handler
    for function, handler in (*pipes.functions(), *pools.FUNCTIONS, *unpicklable.FUNCTIONS, *managers.functions()):
        discoverer.entry(function)
        discoverer.stand_in(function, stand_ins.handled_function(function, handler))
    for function, handler in futures.HANDLERS:
        discoverer.stand_in(function, stand_ins.handled(function, handler))
    discoverer.stand_in(programs.POPEN, stand_ins.told(programs.POPEN, programs.started_by_popen))
    for kind, tell in ((synchronize.SemLock, _semaphore_made), (shared_memory.SharedMemory, leftovers.segment_made)):
        made: Any = kind.__init__
        discoverer.entry(made)
        discoverer.stand_in(made, stand_ins.told_made(made, tell))
    pair: Any = connection.Pipe
    discoverer.stand_in(pair, stand_ins.told_after(pair, pipes.made_pair))
    load = importlib._bootstrap._find_and_load  # type: ignore[attr-defined]
    discoverer.stand_in(load, stand_ins.told(load, unproven.imports))


def _semaphore_made(owner: Any) -> None:
    semaphores.made(owner)
    leftovers.semaphore_made(owner)
