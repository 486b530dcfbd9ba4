"""The instrument in the process that explores: what it hears of other processes goes where its own findings go."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.remote import Remote
from pytest_racecheck.core.values import Kind
from pytest_racecheck.instrument import leftovers, semaphores, warm
from pytest_racecheck.instrument.recording import Recording, UserPlace
from pytest_racecheck.instrument.state import STATE
from pytest_racecheck.instrument.synchronisation import HOLDERS, MADE

MORE: Final[dict[str, Callable[..., None]]] = {}
"""What others want to hear of, by the word for it."""


def listeners(controller: Controller) -> dict[str, Callable[..., None]]:
    """What is to be done for each word of what other processes tell."""
    ear = _Ear(controller)
    return {
        **MORE,
        "note": ear.note,
        "found": ear.found,
        "held": ear.held,
        "free": ear.free,
        "unheard": ear.unheard,
        "made": lambda remote, target, place: MADE.update({remote.process.target(target): place}),
        "code": ear.code,
        "call": ear.call,
        "left": lambda _remote, kind, name: leftovers.left_elsewhere(kind, name),
        "imported": lambda _remote, names: warm.warm().tell_imported(names),
        "module": lambda _remote, name: STATE.discoverer.is_foreign_module(name),
        "begins": ear.begins,
        "touched": ear.touched,
        "event": ear.event,
    }


class _Ear:
    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def note(self, remote: Remote, task: str, site: int, target: int, part: Hashable, write: bool) -> None:
        process = remote.process
        STATE.sharing.note(self._controller.tasks[task], process.site(site), process.target(target), part, write)

    def found(self, remote: Remote, sites: list[int]) -> None:
        STATE.sharing.find(map(remote.process.site, sites))

    def held(self, remote: Remote, target: int, task: str, site: int) -> None:
        process = remote.process
        HOLDERS.elsewhere(process.target(target), self._controller.tasks[task], process.site(site))

    def free(self, remote: Remote, target: int) -> None:
        HOLDERS.elsewhere(remote.process.target(target), None, None)

    def unheard(self, remote: Remote, target: int, task: str, site: int) -> None:
        process = remote.process
        semaphores.unheard(process.target(target), self._controller.tasks[task], process.site(site))

    def code(self, remote: Remote, identity: int, qualname: str, line: int, late: bool) -> None:
        if remote.process.reaper is not None:
            warm.warm().tell_code(identity, qualname, line, late)
            return
        STATE.discoverer.elsewhere.met(identity, qualname, line, late)

    def call(self, remote: Remote, identity: int, lasti: int, key: str) -> None:
        if remote.process.reaper is None:
            STATE.discoverer.elsewhere.called(identity, lasti, key)

    # -- of a run that will be shown -----------------------------------------------------------------------------

    def _recording(self) -> Recording | None:
        recorder: Any = self._controller.recorder
        return recorder if isinstance(recorder, Recording) else None

    def begins(self, remote: Remote, place: tuple[int, Hashable], name: str, text: str) -> None:
        recording = self._recording()
        if recording is not None:
            recording.begins_with(remote.process.place(place), name, text)

    def touched(self, remote: Remote, task: str, kind: Kind, location: Any) -> None:
        recording = self._recording()
        if recording is not None:
            recording.touched(self._controller.tasks[task], kind, _location(remote, location))

    def event(
        self,
        remote: Remote,
        task: str,
        kind: Kind,
        site: int,
        name: str,
        value: str,
        location: Any,
        note: str,
        place: UserPlace | None,
        outside: bool,
    ) -> None:
        recording = self._recording()
        if recording is not None:
            where = _location(remote, location)
            actor, its = self._controller.tasks[task], remote.process.site(site)
            recording.append(actor, kind, its, name, value, where, note, place, outside=outside)


def _location(remote: Remote, location: Any) -> object:
    if location is None:
        return object()
    if type(location) is int:
        return remote.process.target(location)
    if type(location[0]) is int:
        return remote.process.place(location)
    return tuple(map(remote.process.place, location))
