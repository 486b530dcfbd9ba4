"""The instrument in a process that another one explores: what is seen here, the explorer has to hear of."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from types import CodeType
from typing import Any

from pytest_racecheck.core.member import Member
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import Kind, Site
from pytest_racecheck.instrument import futures, pipes, primitives, threads, unproven
from pytest_racecheck.instrument.attributes import ATTRIBUTES
from pytest_racecheck.instrument.recording import Recording, UserPlace
from pytest_racecheck.instrument.sharing import Place, Sharing
from pytest_racecheck.instrument.state import STATE
from pytest_racecheck.instrument.synchronisation import HOLDERS


def prepare_to_tell(member: Member, *, recorded: bool) -> Sharing:
    """Make, before the fork, what the instrument of the new process needs."""
    sharing = TellingSharing(member, everything=recorded)
    discoverer = STATE.discoverer
    member.place_of_thread = discoverer.user_place_here
    member.before_message = sharing.tell_found
    member.at_leave.append(partial(pipes.tell_end, member))
    if recorded:
        member.recorder = TellingRecording(member, ATTRIBUTES)
    return sharing


def begin_to_tell(member: Member, sharing: Sharing) -> None:
    """Make the instrument of this process, which was just forked, serve the member."""
    STATE.sharing = sharing
    HOLDERS.after_fork()
    for each in (threads.TASKS, primitives.UNHEARD, primitives.DONE):
        if each:
            each.clear()
    unproven.forget_run()
    futures.UNSEEN.forget()
    STATE.discoverer.on_code = lambda code, late: _tell_code(member, code, late)
    STATE.discoverer.on_module = lambda name: member.tell("module", name)
    STATE.discoverer.on_call = lambda code, lasti, site: _tell_call(member, code, lasti, site)


def _tell_code(member: Member, code: CodeType, late: bool) -> None:
    """Code was met for which nobody had looked before: the next process that is forked should know it already."""
    member.tell("code", id(code), code.co_qualname, code.co_firstlineno, late)


def _tell_call(member: Member, code: CodeType, lasti: int, site: Site) -> None:
    """The same for a place from which something is called that has a stand-in."""
    member.number_of_site(site)
    member.tell("call", id(code), lasti, site.key)


class TellingSharing(Sharing):
    """Notes what threads of this process share among them; of what processes share, the explorer notes it."""

    def __init__(self, member: Member, *, everything: bool) -> None:
        super().__init__()
        self._member = member
        self._everything = everything
        """Whether the explorer wants to know of all accesses, for a run that will be shown."""
        self._told: set[tuple[object, ...]] = set()

    def note(self, task: Task, site: Site, target: int, part: Hashable, write: bool, obj: object = None) -> None:
        """See `Sharing.note`."""
        if target < 0 or self._everything:
            what = (task.id, site, target, part, write)
            if what not in self._told:
                self._told.add(what)
                member = self._member
                member.tell("note", task.id, member.number_of_site(site), member.target(target), part, write)
        if target >= 0:
            super().note(task, site, target, part, write, obj)

    def tell_found(self) -> None:
        """Tell which sites have turned out to be shared by threads of this process."""
        if self._found:
            self._member.tell("found", [self._member.number_of_site(site) for site in sorted(self._found, key=_key)])
            self._found.clear()


def _key(site: Site) -> str:
    return site.key


class TellingRecording(Recording):
    """Writes down nothing itself."""

    def __init__(self, member: Member, attributes: Any) -> None:
        super().__init__(member, attributes)
        self._member = member

    def begins_with(self, place: Place, name: str, text: str) -> None:
        """See `Recording.begins_with`."""
        self._member.tell("begins", self._place(place), name, text)

    def touched(self, task: Task, kind: Kind, location: object) -> None:
        """See `Recording.touched`."""
        self._member.tell("touched", task.id, kind, self._location(location))

    def append(
        self,
        task: Task,
        kind: Kind,
        site: Site,
        name: str,
        value: str,
        location: object,
        note: str,
        place: UserPlace | None = None,
        *,
        outside: bool = False,
    ) -> None:
        """See `Recording.append`."""
        number = self._member.number_of_site(site)
        where = self._location(location)
        self._member.tell("event", task.id, kind, number, name, value, where, note, place, outside)

    def _place(self, place: Place) -> Place:
        return (self._member.target(place[0]), place[1])

    def _location(self, location: Any) -> Any:
        """A target, a place, or several places; ``None`` for what nothing else can touch."""
        if type(location) is int:
            return self._member.target(location)
        if type(location) is not tuple:
            return None
        if type(location[0]) is int:
            return self._place(location)
        return tuple(map(self._place, location))
