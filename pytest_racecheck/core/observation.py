"""What came of a run that was observed: what it left behind, and what was seen at the steps of interest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from pytest_racecheck.core.record import RunRecord
from pytest_racecheck.core.values import Side, TaskId, Trace


class Spot(NamedTuple):
    """A step that is of interest: which one, and what it is called."""

    label: str
    place: str
    """The key of its site."""


class Seen(NamedTuple):
    """What was seen at such a step."""

    side: Side
    location: str
    """What was touched: ``Cache.hits``, ``shop.counter``."""
    shown: str
    """The same for people who look at the source."""
    left: str
    """The same among what the run leaves behind."""
    value: str
    """What was read or written there, in full, so that runs can be compared."""
    identity: str
    """The same with a number for each object: equal for the same object within one run."""


class Left(NamedTuple):
    """One thing that a run left behind."""

    name: str
    canonical: str
    """All of it, so that runs can be compared."""
    text: str
    """Short, for people."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What came of a run."""

    trace: Trace
    record: RunRecord
    left: tuple[Left, ...]
    seen: dict[str, Seen]
    """By label."""

    def differences(self, other: Observation) -> list[str]:
        """The names of what two runs have left that is not the same.

        What only one of them has touched is not known of the other, and counts as the same.
        """
        mine, theirs = self._by_name(), other._by_name()
        return [name for name in mine if name in theirs and not _fits(mine[name], theirs[name])]

    def comes_to(self, other: Observation) -> bool:
        """Whether two runs ended alike."""
        if self.trace.failures or other.trace.failures:
            return _signatures(self.trace) == _signatures(other.trace)
        return not self.differences(other)

    def _by_name(self) -> dict[str, Counter[str]]:
        found: dict[str, Counter[str]] = {}
        for each in self.left:
            found.setdefault(each.name, Counter())[each.canonical] += 1
        return found


def _fits(one: Counter[str], other: Counter[str]) -> bool:
    """Whether all of the smaller one is in the larger one."""
    return one <= other or other <= one


def _signatures(trace: Trace) -> list[tuple[str, str, str]]:
    return [failure.signature for failure in trace.failures]


Spots = dict[TaskId, Spot]
"""For each task, the step of interest that it is just doing."""
