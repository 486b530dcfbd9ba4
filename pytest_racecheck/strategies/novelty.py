"""What a run brought that no run before it had."""

from __future__ import annotations

from pytest_racecheck.core.values import Trace
from pytest_racecheck.strategies.reads_from import Pair, reads_from


class Novelty:
    """Remembers interleavings and which reads saw which writes."""

    def __init__(self) -> None:
        self._interleavings: set[int] = set()
        self._pairs: set[Pair] = set()

    def of(self, trace: Trace) -> float:
        """Between 0 for a run like one before and 1 for a read that saw what it never saw.

        A new interleaving alone is worth half: where there are many, every run is one.
        """
        known = len(self._pairs)
        self._pairs.update(reads_from(trace.operations))
        repeated = trace.fingerprint in self._interleavings
        self._interleavings.add(trace.fingerprint)
        if len(self._pairs) > known:
            return 1.0
        return 0.0 if repeated else 0.5
