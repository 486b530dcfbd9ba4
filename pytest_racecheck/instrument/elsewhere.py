"""What other processes have found out of code that this one has as well: what is forked next is to know it already."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from pytest_racecheck.core.carried import site_of
from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument.state import STATE
from pytest_racecheck.instrument.stock import FIRST_PAGE, STOCK

if TYPE_CHECKING:
    from pytest_racecheck.instrument.discovery import Discoverer


class Elsewhere:
    """Sites and code of which processes speak that this one has forked: they have them at the same places in memory."""

    def __init__(self, discoverer: Discoverer) -> None:
        self._discoverer = discoverer
        self._described: dict[str, Site] = {}
        self._met: dict[tuple[int, str, int], bool] = {}
        """Code by identity, name and line, and whether it has run without hooks."""
        self._calls: list[tuple[int, int, str]] = []

    def described(self, data: tuple[Any, ...]) -> Site:
        """The site of which another process speaks; always the same one for a key."""
        key = data[0]
        site = self._described[key] if key in self._described else None
        if site is None:
            known = self._discoverer.sites(key)
            site = known[-1] if known else site_of(data)
            if not known:
                self._discoverer.add_site(site)
            self._described[key] = site
        return site

    def inherited(self, key: str, identity: int) -> Site | None:
        """The site of this key that is at this place in memory."""
        return next((site for site in self._discoverer.sites(key) if id(site) == identity), None)

    def met(self, identity: int, qualname: str, line: int, late: bool) -> None:
        """Another process has come to code that was not known; ``late`` if it has run without hooks for once."""
        self._met[identity, qualname, line] = late

    def called(self, identity: int, lasti: int, key: str) -> None:
        """Another process has called a stand-in, from code at this place."""
        self._calls.append((identity, lasti, key))

    def spread(self) -> None:
        """What is a choice at one of the sites of a place is one at all of them: another process may have another."""
        for key, site in self._described.items():
            if site.shared:
                for each in self._discoverer.sites(key):
                    STATE.sharing.share(each)

    def take_in(self) -> bool:
        """Prepare what was met for the next process; tell whether something had run without hooks."""
        late = any(self._met.values())
        if self._met:
            for function in _functions():
                code = function.__code__
                if (id(code), code.co_qualname, code.co_firstlineno) in self._met:
                    self._discoverer.entry(function)
            self._met.clear()
        for identity, lasti, key in self._calls:
            site, caller = self._described.get(key), self._discoverer.code_at(identity)
            if caller is not None and site is not None and caller.co_qualname == site.qualname:
                self._discoverer.keep_call(caller, lasti, site)
        self._calls.clear()
        return late


def _functions() -> list[FunctionType]:
    references, _ = STOCK.since(FIRST_PAGE)
    return [function for reference in references if (function := reference()) is not None]
