"""Iterative preemption bounding: all schedules without preemption, then all with one, then all with two..."""

from __future__ import annotations

from pytest_racecheck.core.enumeration import Enumeration, by_preemptions


class Preemptions(Enumeration):
    """Runs all schedules by the number of times that they stop a task which could go on.

    Most bugs need few: Musuvathi and Qadeer, "Iterative context bounding for systematic testing of multithreaded
    programs" (PLDI 2007). Who follows a task that has ended or waits is free, so with many tasks the orders without
    any preemption are many already.
    """

    def __init__(self, bound: int | None = None) -> None:
        super().__init__("preemptions", by_preemptions, bound)
