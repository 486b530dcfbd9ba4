"""What explorations of one scope have in common: which code is swapped at their beginning, by what, and its sites."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any, Final, NamedTuple

from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument.rewrite import Plan
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.instrument.stock import FIRST_PAGE, STOCK, Reference
from pytest_racecheck.instrument.versions import FREE_THREADED_BUILD

MOST_KEPT: Final = 4
"""So many scopes are remembered, the last ones; a test file is part of a scope, and tests come file by file."""

SAME_PLACE: Final = 16
"""So many sites are remembered of one place: code that each run makes anew (exec, import) has new ones each time."""

MOST_SWAPPED: Final = 300
"""Of a scope with more code than that, only what is called is swapped, and when it is."""

MOST_MADE: Final = 1000
"""So much code that ``exec`` has made is remembered."""


class Entry:
    """What is known of one code object: by what it is replaced, and what a call of it means."""

    __slots__ = ("code", "replacement", "verdict")

    def __init__(self, code: CodeType, replacement: CodeType | None, verdict: Any) -> None:
        self.code = code
        self.replacement = replacement
        self.verdict = verdict


class Swap(NamedTuple):
    """A function whose code is swapped for the length of an exploration."""

    function: Reference
    old: CodeType
    new: CodeType


class Known:
    """Entries by identity of the code, sites by key, and what goes with them; on top of what was known before."""

    def __init__(self, below: Known | None = None) -> None:
        self.entries: dict[int, Entry] = {}
        self._sites: dict[str, tuple[Site, ...]] = {}
        self._below = below
        self.failed: dict[str, None] = {} if below is None else below.failed.copy()
        """Sentences on code that could not be rewritten."""
        self.full: int = 0 if below is None else below.full
        """How much code was rewritten with every hook."""

    def entry(self, code: CodeType) -> Entry | None:
        """What is known of a code object."""
        sought = id(code)
        found = self.entries[sought] if sought in self.entries else None
        if found is None and self._below is not None:
            found = self._below.entry(code)
            if found is not None:
                self.entries[sought] = found
        return found if found is not None and found.code is code else None

    def sites(self, key: str) -> tuple[Site, ...]:
        """The sites of a key."""
        found = self._sites[key] if key in self._sites else None
        if found is None:
            return () if self._below is None else self._below.sites(key)
        return found

    def add_site(self, site: Site) -> tuple[Site, ...]:
        """Know one more site; returns those of the same key, the new one included."""
        sites = self._sites[site.key] = (*self.sites(site.key), site)[-SAME_PLACE:]
        return sites


class Prepared:
    """For one scope: what was swapped when an exploration began, so that the next one need not ask again."""

    def __init__(self) -> None:
        self.known = Known()
        self.swaps: list[Swap] = []
        self._plans: dict[int, tuple[CodeType, Plan | None]] = {}
        self._made: dict[int, tuple[CodeType, Plan | None]] = {}
        self._explored: dict[int, list[Reference]] = {}
        self._page = FIRST_PAGE
        self.swaps_all = not FREE_THREADED_BUILD
        """Whether all code in scope is swapped at the beginning."""

    def news(self, scope: Scope) -> Iterator[FunctionType]:
        """The functions that have come since the last time and are to be swapped at the beginning.

        Those that must not run without hooks even once; and where the scope is small, all that are in it.
        """
        references, self._page = STOCK.since(self._page)
        later = []
        for reference in references:
            function = reference()
            plan = None if function is None else self.plan(function.__code__, function.__globals__, scope)
            if function is None or plan is None:
                continue
            if plan is Plan.FULL:
                self._explored.setdefault(id(function.__code__), []).append(reference)
                if function.__code__.co_filename != scope.test_file:
                    later.append(function)
                    continue
            yield function
        if self.swaps_all and len(self._explored) > MOST_SWAPPED:
            self.swaps_all = False
        if self.swaps_all:
            yield from later

    def plan(self, code: CodeType, namespace: dict[str, Any], scope: Scope) -> Plan | None:
        """How to instrument code; what was asked once is remembered."""
        is_made = code.co_filename.startswith("<")  # by ``exec``, perhaps anew in every run
        plans = self._made if is_made else self._plans
        sought = id(code)
        known = plans[sought] if sought in plans else None
        if known is not None and known[0] is code:
            return known[1]
        if is_made and len(plans) > MOST_MADE:
            plans.clear()
        plan = scope.plan(code, namespace)
        plans[id(code)] = (code, plan)
        return plan

    def scope_has_grown(self) -> None:
        """What ``exec`` has made may be in the scope now."""
        self._made.clear()

    def functions_of(self, code: CodeType) -> list[FunctionType]:
        """Functions in scope that have this code, as far as they are known."""
        found = [reference() for reference in self._explored.get(id(code), ())]
        return [function for function in found if function is not None and function.__code__ is code]

    def keep(self, swapped: dict[int, tuple[Reference, CodeType]]) -> None:
        """What was swapped at the beginning is to be swapped at the beginning of the next exploration, too."""
        if not swapped:
            return
        self.swaps = [swap for swap in self.swaps if swap.function() is not None]
        for reference, code in swapped.values():
            function = reference()
            if function is not None:
                self.swaps.append(Swap(reference, code, function.__code__))


_prepared: dict[tuple[str, tuple[str, ...], str], Prepared] = {}


def prepared_for(scope: Scope) -> Prepared:
    """What is known of a scope from earlier explorations."""
    key = (scope.root, scope.sources, scope.test_file)
    found = _prepared.pop(key, None) or Prepared()
    _prepared[key] = found  # the last one is used last
    while len(_prepared) > MOST_KEPT:
        del _prepared[next(iter(_prepared))]
    return found
