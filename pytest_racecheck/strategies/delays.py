"""Iterative delay bounding: all schedules that leave out the task whose turn it is once, then twice..."""

from __future__ import annotations

from pytest_racecheck.core.enumeration import Enumeration
from pytest_racecheck.core.values import Choice, TaskId


def _by_delays(choice: Choice) -> list[tuple[TaskId, int]]:
    first = choice.enabled.index(choice.default)
    turn = (*choice.enabled[first:], *choice.enabled[:first])
    return [(task, delays) for delays, task in enumerate(turn)]


class Delays(Enumeration):
    """Runs all schedules by their delays: a delay passes over the task whose turn it is, in the order of creation.

    With c delays there are no more than k ** c schedules of k choices, however many tasks there are: Emmi, Qadeer and
    Rakamarić, "Delay-bounded scheduling" (POPL 2011).
    """

    def __init__(self, bound: int | None = None) -> None:
        super().__init__("delays", _by_delays, bound)
