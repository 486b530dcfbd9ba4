"""Learns which sites touch locations that two tasks share: only those are choices."""

from __future__ import annotations

import weakref
from collections.abc import Hashable, Iterable
from typing import Any, Final

from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import WHOLE, Site

STRUCTURE: Final = "<structure>"
"""The part of a container that says how many items and which keys it has."""

Place = tuple[int, Hashable]
"""Part of a target: the identity of an object and a key, a name, `STRUCTURE` or `WHOLE`."""


class _Several:
    """Stands for more than one task."""


SEVERAL: Final = _Several()


class Location:
    """Who has touched one part of one target in this run while others were alive."""

    __slots__ = ("conflict", "reader", "sites", "writer")

    def __init__(self) -> None:
        self.reader: object = None
        self.writer: object = None
        self.sites: set[Site] = set()
        self.conflict = False


class Sharing:
    """Notes every access of a run; two tasks at one location, one of them writing, make their sites shared.

    A site becomes a choice only between runs (`adopt`), so that within a run all occurrences of it are counted.
    """

    def __init__(self) -> None:
        self._targets: dict[int, dict[Hashable, Location]] = {}
        self._references: dict[int, tuple[object, int]] = {}
        self._gone: list[object] = []
        """References to objects that have gone since the last access."""
        self._found: set[Site] = set()
        self._aliases: dict[int, int] = {}
        self.shared: dict[Site, None] = {}
        """All sites that are choices."""
        self.handed_out: set[int] = set()
        """Objects whose dict was handed out: others may go over it as over any container."""
        self.travelling: set[int] = set()
        """Identities of iterators that were not made where they are used."""

    def note(self, task: Task, site: Site, target: int, part: Hashable, write: bool, obj: object = None) -> None:
        """One access by a task; ``part`` is a key, a name, `STRUCTURE` or `WHOLE`, which meets all the others."""
        if self._gone:
            self._forget_gone()
        targets = self._targets
        parts = targets[target] if target in targets else self._new_target(target, obj)
        if part in parts:
            location = parts[part]
        else:
            location = parts[part] = Location()
        writer, reader = location.writer, location.reader
        if location.conflict:
            if not site.shared:
                self._found.add(site)
        else:
            location.sites.add(site)
            if (writer is not None and writer is not task) or (write and reader is not None and reader is not task):
                self._conflict(location, location)
        if len(parts) > 1:
            self._meet_others(parts, location, task, part, write)
        if write:
            if writer is not task:
                location.writer = task if writer is None else SEVERAL
        elif reader is not task:
            location.reader = task if reader is None else SEVERAL

    def _new_target(self, target: int, obj: object) -> dict[Hashable, Location]:
        """The parts of a target that has not been touched; they are forgotten when the object goes.

        Another object may get the identity of one that is gone. Not all types have weak references.
        """
        parts: dict[Hashable, Location] = {}
        self._targets[target] = parts
        if obj is not None:
            try:
                reference = weakref.ref(obj, self._gone.append)  # no Python code may run when it goes
                self._references[id(reference)] = (reference, target)
            except TypeError:
                pass
        return parts

    def _forget_gone(self) -> None:
        while self._gone:
            _, target = self._references.pop(id(self._gone.pop()), (None, 0))
            self._targets.pop(target, None)

    def _meet_others(
        self, parts: dict[Hashable, Location], location: Location, task: Task, part: Hashable, write: bool
    ) -> None:
        """The whole meets every part, and a part the whole."""
        if part == WHOLE:
            others = [other for other in parts.values() if other is not location]
        elif WHOLE in parts:
            others = [parts[WHOLE]]
        else:
            return
        for other in others:
            writer, reader = other.writer, other.reader
            if (writer is not None and writer is not task) or (write and reader is not None and reader is not task):
                self._conflict(other, location)

    def _conflict(self, other: Location, location: Location) -> None:
        other.conflict = location.conflict = True
        self._found |= other.sites
        self._found |= location.sites

    def find(self, sites: Iterable[Site]) -> None:
        """Sites touch something shared, as another process has found."""
        self._found.update(sites)

    def share(self, site: Site) -> None:
        """Make a site a choice."""
        site.shared = True
        self.shared[site] = None

    def forget_sites(self) -> None:
        """The exploration is over: no site is a choice any more."""
        for site in self.shared:
            site.shared = False
        self.shared.clear()

    def is_shared(self, place: Place) -> bool:
        """Whether two tasks have met at a place in this run, one of them writing."""
        target, part = place
        return target in self._targets and part in self._targets[target] and self._targets[target][part].conflict

    def alias(self, namespace: Any, owner: object) -> None:
        """The dict of an object, module or class is going to be handed out: its items are attributes of the owner."""
        self._aliases[id(namespace)] = id(owner)
        self.handed_out.add(id(owner))

    def unalias(self, target: int) -> int:
        """The object whose dict this is, if it was handed out, else the target itself."""
        return self._aliases[target] if target in self._aliases else target

    def adopt(self) -> bool:
        """Make the sites that were found choices, and forget the run; tell whether there were any."""
        learned = any(not site.shared for site in self._found)
        for site in self._found:
            self.share(site)
        self._found.clear()
        self._targets.clear()
        self._references.clear()
        self._gone.clear()
        self._aliases.clear()
        self.handed_out.clear()
        self.travelling.clear()
        return learned
