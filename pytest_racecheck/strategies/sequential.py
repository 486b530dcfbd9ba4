"""One task after another, in a few orders: finds what fails without any preemption, and shows what is shared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from pytest_racecheck.core.values import Choice, TaskId, Trace

Order = Callable[[Choice], TaskId]


def _oldest(choice: Choice) -> TaskId:
    return choice.default


def _newest(choice: Choice) -> TaskId:
    return choice.default if choice.default == choice.running else choice.enabled[-1]


def _second(choice: Choice) -> TaskId:
    return choice.default if choice.default == choice.running else choice.enabled[len(choice.enabled) // 2]


ORDERS: Final[tuple[Order, ...]] = (_oldest, _newest, _oldest, _newest, _second)
"""The first two run twice: code that is first met in them is instrumented only afterwards."""


class Sequential:
    """Runs each task until it ends or waits; who follows is the oldest, the newest, or one between."""

    name = "sequential"
    independent = False

    def __init__(self, orders: Sequence[Order] = ORDERS) -> None:
        self._orders = orders
        self._next = 0
        self._order: Order = _oldest

    def start_run(self) -> bool:
        """See `Strategy`."""
        if self._next == len(self._orders):
            return False
        self._order = self._orders[self._next]
        self._next += 1
        return True

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        return self._order(choice)

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`."""
