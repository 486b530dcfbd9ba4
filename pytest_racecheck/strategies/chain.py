"""One strategy after another: the next begins when one has nothing left to try."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.values import Choice, TaskId, Trace


class Chain:
    """Asks the first strategy that still has something to try; those behind it learn from its runs."""

    def __init__(self, name: str, strategies: Sequence[Strategy]) -> None:
        self.name = name
        self._left = list(strategies)
        self._last = self._left[-1]

    @property
    def current(self) -> Strategy | None:
        """The strategy whose turn it is, ``None`` when all have ended; a `Pct` has its ``depth``."""
        return self._left[0] if self._left else None

    @property
    def independent(self) -> bool:
        """Whether the strategy whose turn it is draws each run independently."""
        return bool(self._left) and getattr(self._left[0], "independent", False)

    @property
    def covers(self) -> bool:
        """Whether the last one runs every class of interleavings."""
        return bool(getattr(self._last, "covers", False))

    @property
    def complete(self) -> bool:
        """Whether the last one has run every class of interleavings."""
        return bool(getattr(self._last, "complete", False))

    @property
    def gave_up(self) -> str:
        """Why the last one can't run them all, as a sentence; "" if it can, given the time."""
        return str(getattr(self._last, "gave_up", ""))

    @property
    def classes(self) -> int:
        """How many classes the last one has run."""
        return int(getattr(self._last, "classes", 0))

    def estimate(self) -> float:
        """How many classes there may be, as far as the last one can tell."""
        estimate = getattr(self._last, "estimate", None)
        return 0.0 if estimate is None else float(estimate())

    @property
    def guarantee(self) -> tuple[int, float]:
        """Which bugs the last one would have found how probably; see `Pct`."""
        return getattr(self._last, "guarantee", (0, 0.0))

    @property
    def watches(self) -> bool:
        """Whether one that is left wants to know of all operations."""
        return any(getattr(strategy, "watches", False) for strategy in self._left)

    @property
    def follows(self) -> bool:
        """Whether the strategy whose turn it is wants to be asked at every step."""
        return bool(self._left) and getattr(self._left[0], "follows", False)

    def start_run(self) -> bool:
        """See `Strategy`."""
        while self._left and not self._left[0].start_run():
            del self._left[0]
        return bool(self._left)

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        return self._left[0].choose(choice)

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`."""
        for strategy in self._left:
            strategy.end_run(trace)
