"""Runs a schedule again, and tells where a run left it."""

from __future__ import annotations

from pytest_racecheck.core.values import Choice, Schedule, TaskId, Trace


class Replay:
    """A strategy that follows a schedule once: at each of its switches it switches, else it keeps the default."""

    name = "replay"

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._waiting = {(switch.task, switch.place, switch.occurrence): switch for switch in schedule}
        self._parted = ""

    def start_run(self) -> bool:
        """See `Strategy`; a replay may be run as often as one likes."""
        self._waiting = {(switch.task, switch.place, switch.occurrence): switch for switch in self.schedule}
        self._parted = ""
        return True

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        switch = self._waiting.pop((choice.running or "", choice.place, choice.occurrence), None)
        if switch is None:
            return choice.default
        if switch.to in choice.enabled:
            return switch.to
        if not self._parted:
            self._parted = f"at {choice.place} task {switch.to} should move, which cannot move there"
        return choice.default

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`."""

    @property
    def parted(self) -> str:
        """Where the last run left the schedule, as a sentence; "" if it followed it to the end."""
        if self._parted or not self._waiting:
            return self._parted
        switch = next(switch for switch in self.schedule if switch in self._waiting.values())
        return f"task {switch.task or 'none'} did not come to {switch.place} {_times(switch.occurrence)}"


def _times(occurrence: int) -> str:
    return "at all" if occurrence == 1 else f"{occurrence} times"


def first_difference(one: Trace, other: Trace) -> str:
    """Say where two runs of one schedule parted; "" if they carried out the same steps."""
    for number, (left, right) in enumerate(zip(one.path, other.path, strict=False), 1):
        if left != right:
            return f"step {number}: first task {left[0]} at {left[1]}, then task {right[0]} at {right[1]}"
    if len(one.path) != len(other.path):
        return f"the first run had {len(one.path)} steps, the other {len(other.path)}"
    if [failure.signature for failure in one.failures] != [failure.signature for failure in other.failures]:
        return "the same steps ended differently"
    return ""
