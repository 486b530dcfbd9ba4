"""The instrument: hooks in all code in scope for the length of an exploration, and out again on every way out."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from functools import partial
from typing import Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.observation import Spots
from pytest_racecheck.core.values import Failure
from pytest_racecheck.instrument import (
    at_once,
    attributes,
    calls,
    containers,
    futures,
    hearing,
    leftovers,
    managers,
    pipes,
    primitives,
    processes,
    semaphores,
    spawning,
    threads,
    unproven,
    variables,
)
from pytest_racecheck.instrument.discovery import Discoverer
from pytest_racecheck.instrument.marking import PASSED
from pytest_racecheck.instrument.observing import Observing
from pytest_racecheck.instrument.recording import Recording
from pytest_racecheck.instrument.rewrite import Hooks, Plan
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.instrument.sharing import Sharing
from pytest_racecheck.instrument.state import STATE
from pytest_racecheck.instrument.synchronisation import HOLDERS
from pytest_racecheck.instrument.versions import dialect

HOOKS: Final = Hooks(
    read_attribute=attributes.read_attribute,
    write_attribute=attributes.write_attribute,
    delete_attribute=attributes.delete_attribute,
    read_global=variables.read_global,
    write_global=variables.write_global,
    delete_global=variables.delete_global,
    read_cell=variables.read_cell,
    write_cell=variables.write_cell,
    delete_cell=variables.delete_cell,
    read_item=containers.read_item,
    write_item=containers.write_item,
    delete_item=containers.delete_item,
    read_slice=containers.read_slice,
    write_slice=containers.write_slice,
    contains=containers.contains,
    compare=containers.compare,
    binary=containers.binary,
    truth=containers.truth,
    iterate=containers.iterate,
    iterating=containers.iterating,
    advance=containers.advance,
    unpack=containers.unpack,
    read_whole=containers.read_whole,
    call=calls.call,
    call_spread=calls.call_spread,
    enter=calls.enter,
    leave=calls.leave,
)


SYNCHRONISATION_HOOKS: Final = Hooks(
    call=calls.call_synchronising, call_spread=calls.spread_synchronising, enter=calls.enter, leave=calls.leave
)


class Rewriting:
    """An `Instrument` that rewrites bytecode."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._controller: Controller | None = None
        self._discoverer: Discoverer | None = None
        self._sharing = Sharing()

    @contextmanager
    def installed(self, controller: Controller) -> Iterator[None]:
        """See `Instrument`.

        Raises: UnsupportedInterpreterError.
        """
        dialect()
        before = (STATE.controller, STATE.sharing, STATE.discoverer, STATE.entries)
        hooks = {Plan.FULL: HOOKS, Plan.SYNC: SYNCHRONISATION_HOOKS}
        discoverer = Discoverer(self._scope, hooks, controller, outermost=STATE.discoverer is None)
        sharing = Sharing()
        STATE.controller, STATE.sharing, STATE.discoverer = controller, sharing, discoverer
        self._controller, self._discoverer, self._sharing = controller, discoverer, sharing
        controller.on_task_start = discoverer.task_started
        controller.on_task_end = discoverer.task_ended
        controller.site_of = discoverer.elsewhere.described
        controller.inherited_site = discoverer.elsewhere.inherited
        controller.explain_shared = semaphores.explain_shared
        controller.listeners.update(hearing.listeners(controller))
        controller.launch = partial(spawning.launch, controller)
        controller.prepare_warm = spawning.preparing(self._scope)
        try:
            discoverer.begin()
            pipes.between_runs()
            controller.passed = PASSED if discoverer.hears() else None
            with futures.quiet_about_unwinding():
                yield
        finally:
            discoverer.end()
            sharing.forget_sites()
            STATE.controller, STATE.sharing, STATE.discoverer, STATE.entries = before
            self._forget_run()

    def between_runs(self) -> bool:
        """See `Instrument`."""
        learned = STATE.sharing.adopt()
        self._forget_run()
        if self._discoverer is not None:
            self._discoverer.elsewhere.spread()
            learned |= self._discoverer.next_run()
        return learned

    def unseen(self) -> tuple[Failure, ...]:
        """See `Instrument`."""
        ends = () if self._controller is None else self._controller.unseen_ends()
        return futures.UNSEEN.failures() + ends

    def watch(self, places: AbstractSet[str]) -> None:
        """See `Instrument`."""
        if self._discoverer is not None:
            self._discoverer.watch(frozenset(places))

    def watch_all(self) -> None:
        """See `Instrument`."""
        STATE.sharing.learns_all = True

    def recorder(self) -> Recording:
        """See `Instrument`."""
        if self._controller is None:
            raise RuntimeError("nothing is installed")
        return Recording(self._controller)

    def observer(self, spots: Spots) -> Observing:
        """See `Instrument`."""
        if self._controller is None:
            raise RuntimeError("nothing is installed")
        return Observing(self._controller, spots)

    def instrumented(self) -> int:
        """See `Instrument`."""
        return self._discoverer.full if self._discoverer else 0

    def fingerprint(self, places: AbstractSet[str]) -> str:
        """See `Instrument`."""
        first = [self._discoverer.sites(place)[:1] for place in sorted(places)] if self._discoverer else []
        known = [f"{site.key} {site.action} {site.name}" for sites in first for site in sites]
        return f"{zlib.crc32(chr(10).join(known).encode()):08x}"

    def uninstrumented(self) -> tuple[str, ...]:
        """See `Instrument`."""
        missing = [f"racecheck_source names {name!r}, and there is no such module" for name in self._scope.missing()]
        return (*missing, *self._discoverer.failed) if self._discoverer else ()

    def shared_sites(self) -> tuple[str, ...]:
        """See `Instrument`."""
        return tuple(sorted({site.key for site in self._sharing.shared}))

    def _forget_run(self) -> None:
        HOLDERS.forget()
        threads.TASKS.clear()
        futures.UNSEEN.forget()
        primitives.UNHEARD.clear()
        unproven.forget_run()
        primitives.DONE.clear()
        at_once.UNTOUCHED.forget()
        processes_met = STATE.controller.shared_things.forget()
        semaphores.forget_run()
        processes.forget_run()
        spawning.forget_run()
        managers.forget_run()
        leftovers.forget_run()
        if processes_met:
            pipes.between_runs()
