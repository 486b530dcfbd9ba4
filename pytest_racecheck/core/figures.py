"""What a search that found nothing can say of what it has not seen: figures, and under which condition each holds."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.values import Figures, Trace

DOUBT: Final = 0.05
"""The probability with which the bound of `most_failing` may be wrong."""


class Drawn:
    """The runs that a strategy has drawn at random, each without regard to what the others found."""

    def __init__(self) -> None:
        self._interleavings: Counter[int] = Counter()
        self._runs = 0

    def add(self, trace: Trace, strategy: Strategy) -> None:
        """A run was made; it counts if the strategy says of it that it is such a run.

        What was drawn before places turned out to be choices was drawn from something else: it is forgotten.
        """
        if trace.learned:
            self._interleavings.clear()
            self._runs = 0
        elif getattr(strategy, "independent", False):
            self._interleavings[trace.fingerprint] += 1
            self._runs += 1

    def figures(self, strategy: Strategy) -> Figures:
        """What there is to say."""
        depth, probability = getattr(strategy, "guarantee", (0, 0.0))
        complete = getattr(strategy, "complete", False)
        classes = getattr(strategy, "classes", 0)
        estimate = getattr(strategy, "estimate", _unknown)
        return Figures(
            independent_runs=self._runs,
            share_seen=self.share_seen(),
            failure_probability=self.most_failing(),
            depth=depth,
            depth_probability=probability,
            classes_run=classes,
            classes_estimated=float(classes) if complete or not classes else _finite(estimate()),
        )

    def share_seen(self) -> float:
        """How probable it is that a further run, drawn like these, shows an interleaving that was seen.

        An estimate: one minus the share of runs whose interleaving no other run has shown. Good, "The population
        frequencies of species and the estimation of population parameters" (Biometrika 1953), after Turing; it needs
        no more than that runs are drawn independently.
        """
        once = sum(count == 1 for count in self._interleavings.values())
        return 1 - once / self._runs if self._runs else 0.0

    def most_failing(self) -> float:
        """How probable it is at the most that such a run fails, on the average of those that were made.

        With a confidence of 95 %, the rule of three: if the probabilities of the single runs, given what came before
        them, add up to s, then no failure is seen with a probability of e^-s or less.
        """
        return min(1.0, -math.log(DOUBT) / self._runs) if self._runs else 1.0


def _unknown() -> float:
    """Stands for the estimate of a strategy that makes none."""
    return 0.0


def _finite(estimate: float) -> float:
    return estimate if math.isfinite(estimate) else 0.0
