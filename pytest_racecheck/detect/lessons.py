"""Whether runs that were compared have taught something: then some had other steps than others."""

from __future__ import annotations

from typing import Final

from pytest_racecheck.core.runner import Runner
from pytest_racecheck.core.values import Trace

MOST_LESSONS: Final = 4
"""So often does a comparison begin anew for whatever was learned."""

MOST_PLACES: Final = 4
"""So often more if places turn out to be shared."""


class Lessons:
    """What is learned from the runs of one comparison; ``number`` says how many comparisons there were before it.

    Code that is made in every run, such as a dataclass in the body of a test, is new in every run. After a few
    comparisons only that counts which makes further steps choices.
    """

    def __init__(self, runner: Runner, number: int = 0) -> None:
        self.learned = False
        self._instrument = runner.instrument
        self._anything = number < MOST_LESSONS
        self._places = runner.instrument.shared_sites()

    def note(self, trace: Trace) -> None:
        """A run of the comparison is over."""
        if trace.learned and not self.learned:
            self.learned = self._anything or self._instrument.shared_sites() != self._places
