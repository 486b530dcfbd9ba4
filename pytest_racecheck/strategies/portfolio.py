"""The default: all that is good at something takes turns, and what still brings something new has more of them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from pytest_racecheck.core.errors import RacecheckInternalError
from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.values import Choice, TaskId, Trace
from pytest_racecheck.strategies.delays import Delays
from pytest_racecheck.strategies.novelty import Novelty
from pytest_racecheck.strategies.pct import Pct
from pytest_racecheck.strategies.pos import Pos
from pytest_racecheck.strategies.random_walk import RandomWalk
from pytest_racecheck.strategies.reads_from import ReadsFrom
from pytest_racecheck.strategies.sequential import ORDERS, Sequential
from pytest_racecheck.strategies.single_preemptions import BASES, SinglePreemptions
from pytest_racecheck.strategies.starvation import Starvation
from pytest_racecheck.strategies.surw import Surw
from pytest_racecheck.strategies.urw import Urw

OPENING: Final = 1 + len(BASES)
"""So many runs are sequential orders."""

LEAST: Final = 0.2
"""What a turn is worth that brings nothing new: nobody is left out for good."""

WATCHED: Final = 16
"""So many runs are watched at the beginning, and of so many one later on: watching costs time."""

MEMORY: Final = 0.9
"""How much of its worth a member keeps from turn to turn."""


@dataclass
class Member:
    """A strategy with its share of the turns."""

    strategy: Strategy
    share: float = 1.0
    """What it gets if all bring as much."""
    worth: float = 1.0
    """What its last runs brought, between 0 and 1."""
    credit: float = 0.0
    runs: int = 0
    goes_on: bool = True

    @property
    def weight(self) -> float:
        """What it has a right to now."""
        return self.share * (LEAST + self.worth)


class Portfolio:
    """Sequential orders first; then every third run has one preemption, as long as such runs are unlike each other,
    and the rest goes to the members in turn.

    A member's share grows with what its runs bring: reads that see another write, other interleavings. Turns are
    given by credit, without any chance: each earns its weight, the richest moves and pays for all.
    """

    name = "portfolio"

    def __init__(self, seed: int) -> None:
        self._singles = SinglePreemptions()
        self._singly = Member(self._singles)
        self._members = [*_members(seed), self._singly]
        self._opening: Strategy = Sequential(ORDERS[:1])
        self._playing = Member(self._opening)
        self._novelty = Novelty()
        self._turns = 0

    @property
    def watches(self) -> bool:
        """Whether the current run is one to learn from: the first ones are, then some, and those of single preemptions
        that look for chances.
        """
        some = self._turns <= WATCHED or self._turns % WATCHED == 0
        return some or (self._playing is self._singly and self._singles.watches)

    @property
    def independent(self) -> bool:
        """Whether the current run is drawn at random, without regard to what others found."""
        return bool(getattr(self._playing.strategy, "independent", False))

    @property
    def runs(self) -> dict[str, int]:
        """How many runs each member has made."""
        return {member.strategy.name: member.runs for member in self._members}

    def start_run(self) -> bool:
        """See `Strategy`; there is always one more."""
        self._turns += 1
        if self._opening.start_run():
            return True
        single = self._is_for_singles() and self._singles.start_run()
        self._playing = self._singly if single else self._next()
        self._playing.runs += 1
        return True

    def _is_for_singles(self) -> bool:
        """Their first runs are sequential orders and belong to the beginning; later they have every third turn."""
        return self._turns <= OPENING or (self._singles.novel and self._turns % 3 == 2)

    def _next(self) -> Member:
        """Give every member its weight, and the turn to the richest that has something left to try."""
        able = [member for member in self._members if member.goes_on]
        for member in able:
            member.credit += member.weight
        for member in sorted(able, key=_credit, reverse=True):
            if member.strategy.start_run():
                member.credit -= sum(each.weight for each in able)
                return member
            member.goes_on = False
        raise RacecheckInternalError("a portfolio without a member that goes on for ever")

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        return self._playing.strategy.choose(choice)

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`; all members learn from the run of each."""
        playing = self._playing
        playing.worth += (self._novelty.of(trace) - playing.worth) * (1 - MEMORY)
        playing.strategy.end_run(trace)
        for member in self._members:
            if member is not playing:
                member.strategy.end_run(trace)


def _credit(member: Member) -> float:
    return member.credit


def _members(seed: int) -> list[Member]:
    """Larger shares for those that find most alone."""
    seeds = Random(seed).getrandbits
    return [
        Member(Urw(seeds(32)), 4),
        Member(Surw(seeds(32)), 4),
        Member(Pos(seeds(32)), 3),
        Member(RandomWalk(seeds(32)), 1.5),
        Member(ReadsFrom(seeds(32)), 2),
        Member(Pct(seeds(32), 3), 1),
        Member(Pct(seeds(32), 2), 0.5),
        Member(Delays(), 0.5),
        Member(Starvation(seeds(32)), 0.5),
    ]
