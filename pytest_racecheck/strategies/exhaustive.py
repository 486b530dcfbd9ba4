"""Every interleaving, each once, and then it is over: where tasks can be stopped in few places only."""

from __future__ import annotations

from typing import Final

from pytest_racecheck.core.values import Choice, TaskId, Trace
from pytest_racecheck.strategies.depth_first import DepthFirst

MOST_RESTARTS: Final = 20
"""So often may runs teach something that makes all of them begin anew."""


class Exhaustive:
    """Takes the place of `Dpor` where the interpreter's GIL says who can be stopped where.

    What happens between two such places happens at once, and no order of steps inside it is another interleaving: so
    there is nothing to reduce by their independence, and what is run are all schedules, depth first. How many there
    may be is estimated as by Knuth, "Estimating the efficiency of backtrack programs" (1975).
    """

    name = "exhaustive"
    follows = False
    covers = True
    independent = False

    def __init__(self) -> None:
        self.complete = False
        """Whether every schedule was run."""
        self.gave_up = ""
        """Why this can't be completed, as a sentence."""
        self._restarts = 0
        self._begin()

    def _begin(self) -> None:
        self._all = DepthFirst()
        self._runs = 0
        self._seen: set[int] = set()
        self._estimates = 0.0
        self._leaves = 1.0
        self._is_running = False

    @property
    def classes(self) -> int:
        """How many schedules were run; when all were, how many interleavings they have led to."""
        return len(self._seen) if self.complete else self._runs

    def start_run(self) -> bool:
        """See `Strategy`; ``False`` when every schedule was run, or this was given up."""
        if self.complete or self.gave_up:
            return False
        self.complete = not self._all.start_run()
        self._leaves = 1.0
        self._is_running = not self.complete
        return self._is_running

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        self._leaves *= len(choice.enabled)
        return self._all.choose(choice)

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`; a run that teaches anything makes this begin anew, as its choices were not all there are."""
        if trace.learned and not self.complete:
            self._restarts += self._runs > 0
            if self._restarts > MOST_RESTARTS:
                self.gave_up = "run after run, more turned out to be shared"
            self._begin()
        elif self._is_running:
            self._all.end_run(trace)
            self._is_running = False
            self._runs += 1
            self._seen.add(trace.fingerprint)
            self._estimates += self._leaves

    def estimate(self) -> float:
        """How many schedules there may be, by how many ways each run had."""
        if self.complete:
            return self.classes
        return self._estimates / self._runs if self._runs else float("inf")
