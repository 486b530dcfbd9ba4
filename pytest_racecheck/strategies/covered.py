"""A search, and beside it a strategy that runs every class of interleavings, where these are few enough."""

from __future__ import annotations

import math
from typing import Final

from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.values import Choice, TaskId, Trace
from pytest_racecheck.strategies.dpor import Dpor
from pytest_racecheck.strategies.exhaustive import Exhaustive

LEARNING: Final = 5
"""So many runs belong to the search alone: they show which places are shared."""

TRIED: Final = 16
"""After so many classes their estimated number counts."""

SELDOM: Final = 16
"""If there are too many, one run of so many goes on counting: an estimate may have been wrong."""

LEAST_SHARE: Final = 3
"""If there are few, one run of so many is enough to come to the end of them."""


class Covered:
    """Searches as the search does, and ends when every class of interleavings was run.

    As long as the estimate of their number says that they fit into the runs that are left, the covering strategy has
    as many turns as it needs to finish, and at least every third.
    """

    covers = True

    def __init__(self, search: Strategy, covering: Dpor | Exhaustive) -> None:
        self.name = search.name
        self.runs_left: float = math.inf
        """How many runs there may still be; whoever explores says so before each."""
        self._search = search
        self._covering = covering
        self._playing: Strategy = search
        self._turns = 0

    @property
    def complete(self) -> bool:
        """Whether every class was run."""
        return self._covering.complete

    @property
    def classes(self) -> int:
        """How many classes were run."""
        return self._covering.classes

    @property
    def gave_up(self) -> str:
        """Why the classes can't all be run, as a sentence; "" if they can, given the time."""
        return self._covering.gave_up

    def estimate(self) -> float:
        """How many classes there may be."""
        return self._covering.estimate()

    @property
    def independent(self) -> bool:
        """Whether the current run is drawn at random, without regard to what others found."""
        return self._playing is self._search and bool(getattr(self._search, "independent", False))

    @property
    def follows(self) -> bool:
        """Whether the strategy whose turn it is wants to be asked at every step."""
        return self._playing is self._covering and self._covering.follows

    @property
    def watches(self) -> bool:
        """Whether the search wants to know of all operations of this run."""
        return bool(getattr(self._search, "watches", False))

    def start_run(self) -> bool:
        """See `Strategy`; ``False`` when every class was run, or the search has ended."""
        self._turns += 1
        if self._covering.complete:
            return False
        if self._is_for_covering() and self._covering.start_run():
            self._playing = self._covering
            return True
        self._playing = self._search
        return self._search.start_run()

    def _is_for_covering(self) -> bool:
        if self._turns <= LEARNING:
            return False
        if self._covering.classes < TRIED:
            return self._turns % LEAST_SHARE == 0
        left = self._covering.estimate() - self._covering.classes
        if left > self.runs_left:
            return self._turns % SELDOM == 0
        share = min(LEAST_SHARE, self.runs_left / max(left, 1))
        return self._turns % max(1, int(share)) == 0

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        return self._playing.choose(choice)

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`; both learn from every run."""
        self._covering.end_run(trace)
        self._search.end_run(trace)
