"""All schedules with a single preemption, one after another, in one order of the tasks or its reverse."""

from __future__ import annotations

from pytest_racecheck.core.values import Choice, TaskId, Trace


class OnePreemption:
    """Stops the running task once: at its first chance in favour of each other task, then at its second, and so on.

    The first preemption bound of iterative context bounding: Musuvathi and Qadeer, "Iterative context bounding for
    systematic testing of multithreaded programs" (PLDI 2007).
    """

    name = "one-preemption"

    def __init__(self, *, newest_first: bool = False) -> None:
        self._newest_first = newest_first
        self._chance = 0
        self._other = 0
        self._met = 0
        self._others = 0
        self._began = False

    def start_run(self) -> bool:
        """See `Strategy`; ``False`` when the last chance has been taken."""
        if self._began:
            if self._others == 0:
                return False
            self._other += 1
            if self._other >= self._others:
                self._chance, self._other = self._chance + 1, 0
        self._began = True
        self._met = self._others = 0
        return True

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        if choice.default != choice.running:
            return choice.enabled[-1] if self._newest_first else choice.default
        self._met += 1
        if self._met - 1 != self._chance:
            return choice.default
        others = [task for task in choice.enabled if task != choice.running]
        self._others = len(others)
        return others[self._other]

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`."""
