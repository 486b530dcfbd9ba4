"""What the author has said to be harmless: a comment at one of the lines, or a name in the marker or the ini file."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

from pytest_racecheck.core.values import Race, Site

COMMENT: Final = re.compile(r"#\s*racecheck:\s*benign\b")


class Benign:
    """Tells which races are meant to be as they are, and which of the things said so were of no use.

    A pattern is a glob for what races (``Cache.hits``) or for a function that takes part (``Cache.get``); with a kind
    and a colon in front it is said of that kind only: ``lost-update: Cache.*``.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._patterns = tuple(patterns)
        self._used: dict[str, None] = {}
        self._met: dict[Site, None] = {}

    def covers(self, race: Race) -> bool:
        """Whether a race is meant to be so; remembers by what."""
        said = [pattern for pattern in self._patterns if _fits(pattern, race)]
        said += [f"{side.filename}:{side.line}" for side in race.sides if is_marked(side.filename, side.line)]
        self._used.update(dict.fromkeys(said))
        return bool(said)

    def meet(self, sites: Iterable[Site]) -> None:
        """Tasks have touched something that they share at these sites: a comment there may be of use."""
        self._met.update(dict.fromkeys(sites))

    def used(self) -> tuple[str, ...]:
        """The patterns that a race has fitted, and the places of comments."""
        return tuple(self._used)

    def idle(self) -> tuple[str, ...]:
        """The places of comments that tasks have come by, and that no race has fitted."""
        places = {(site.filename, site.line) for site in self._met if site.filename}
        marked = sorted((filename, line) for filename, line in places if is_marked(filename, line))
        return tuple(place for place in (f"{filename}:{line}" for filename, line in marked) if place not in self._used)


def is_marked(filename: str, line: int) -> bool:
    """Whether a line carries the comment."""
    return COMMENT.search(linecache.getline(filename, line)) is not None


def _fits(pattern: str, race: Race) -> bool:
    kind, colon, rest = pattern.partition(":")
    if colon and kind.strip() != race.kind:
        return False
    wanted = rest.strip() if colon else pattern.strip()
    names = [race.location, *[side.function for side in race.sides], *[side.name for side in race.sides]]
    return any(fnmatchcase(name, wanted) for name in names)
