"""Runs a schedule again, and tells where a run left it."""

from __future__ import annotations

from pytest_racecheck.core.steps import Step
from pytest_racecheck.core.values import Choice, Schedule, Switch, TaskId, Trace


class Replay:
    """A strategy that follows a schedule once: at each of its switches it switches, else it keeps the default.

    ``avoiding`` is a task that moves only where no other one can, whatever the schedule says. ``looks_at`` is a step of
    a task: what it is about to do there is noted.
    """

    name = "replay"

    def __init__(
        self, schedule: Schedule, *, traces: bool = False, avoiding: TaskId = "", looks_at: Step | None = None
    ) -> None:
        self.schedule = schedule
        self.traces = traces
        self.kind = ""
        """What the task was about to do that came to the step which is to be looked at."""
        self._step = looks_at
        self.avoided = avoiding
        self._waiting = {(switch.task, switch.place, switch.occurrence): switch for switch in schedule}
        self._parted = ""

    def start_run(self) -> bool:
        """See `Strategy`; a replay may be run as often as one likes."""
        self._waiting = {(switch.task, switch.place, switch.occurrence): switch for switch in self.schedule}
        self._parted = ""
        return True

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        key = (choice.running or "", choice.place, choice.occurrence)
        if key == self._step and choice.running in choice.enabled:
            self.kind = choice.operations[choice.enabled.index(choice.running)].kind
        switch = self._waiting.pop(key, None)
        if self.avoided and self.avoided in (choice.default if switch is None else switch.to, choice.default):
            return self._another(choice, switch)
        if switch is None:
            return choice.default
        if switch.to in choice.enabled:
            return switch.to
        if not self._parted:
            self._parted = f"at {choice.place} task {switch.to} should move, which cannot move there"
        return choice.default

    def _another(self, choice: Choice, switch: Switch | None) -> TaskId:
        """Who moves in place of the task that is avoided: whom the schedule says, else the oldest other one."""
        if switch is not None and switch.to in choice.enabled and switch.to != self.avoided:
            return switch.to
        others = [task for task in choice.enabled if task != self.avoided]
        return choice.default if choice.default in others or not others else others[0]

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
