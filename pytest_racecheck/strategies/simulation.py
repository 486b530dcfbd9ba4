"""Runs a program that is only written down under a strategy: the same choices as in a real run, and no thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.task import START
from pytest_racecheck.core.values import Choice, Kind, Operation, Site, Step, Switch, TaskId, Trace

LONGEST: Final = 10_000
"""More operations no simulated run has."""


class Act(NamedTuple):
    """One operation of a written task."""

    kind: Kind
    on: str
    """The location, the lock, or the task that is started or joined."""


Script = Mapping[TaskId, Sequence[Act]]
"""What each task does. Those that another one starts begin then, the others at once."""


def script(**tasks: str) -> dict[TaskId, list[Act]]:
    """Write a program down: ``script(_0="write x, acquire m, release m", _1="read x")``."""
    return {
        name.lstrip("_").replace("_", "."): [_act(text) for text in acts.split(",") if text.strip()]
        for name, acts in tasks.items()
    }


def _act(text: str) -> Act:
    kind, on = text.split()
    return Act(kind, on)  # type: ignore[arg-type]  # what is no kind conflicts like a write


class Simulation:
    """A program in the form of a script.

    It keeps its sites from run to run, as code does; tasks that do the same share theirs.
    """

    def __init__(self, written: Script) -> None:
        self._script = {task: tuple(acts) for task, acts in written.items()}
        self._started = {act.on for acts in written.values() for act in acts if act.kind == "spawn"}
        code = {acts: _sites(task, acts) for task, acts in self._script.items()}
        self._sites = {task: code[acts] for task, acts in self._script.items()}
        self._runs = 0

    def run(self, strategy: Strategy) -> Trace | None:
        """One run and what the strategy is told of it; ``None`` if there is none left."""
        if not strategy.start_run():
            return None
        self._runs += 1
        trace = _Run(self._script, self._sites, self._started, self._runs).perform(strategy)
        strategy.end_run(trace if getattr(strategy, "watches", False) else trace_without_operations(trace))
        return trace


def trace_without_operations(trace: Trace) -> Trace:
    """What a strategy is told that does not watch."""
    return Trace(trace.schedule, trace.failures, trace.steps, trace.choices, trace.tasks, trace.fingerprint)


def _sites(task: TaskId, acts: Sequence[Act]) -> list[Site]:
    return [
        Site(module="script", qualname=task, filename="script", first_line=0, line=at, rank=0, action=act.kind)
        for at, act in enumerate(acts)
    ]


class _Run:
    """The state of one run. Locations get another identity in each, as objects do."""

    def __init__(
        self,
        written: Mapping[TaskId, tuple[Act, ...]],
        sites: Mapping[TaskId, Sequence[Site]],
        started: set[str],
        number: int,
    ) -> None:
        self._script = written
        self._sites = sites
        names = dict.fromkeys(act.on for acts in written.values() for act in acts)
        self._targets = {name: 1000 * number + (at * 7919 + number) % 1000 for at, name in enumerate(names)}
        self._at = {task: -1 for task in written if task not in started}
        self._pending: dict[TaskId, Operation] = {}
        self._held: dict[str, TaskId] = {}
        self._steps: list[Step] = []
        self._switches: list[Switch] = []
        self._choices = 0

    def perform(self, strategy: Strategy) -> Trace:
        """Let one task after another move until none can."""
        running: TaskId | None = None
        while (enabled := self._enabled()) and len(self._steps) < LONGEST:
            running = enabled[0] if len(enabled) == 1 else self._choose(strategy, running, enabled)
            self._move(running, enabled)
        order = tuple((step.task, step.operation.site) for step in self._steps)
        return Trace(
            schedule=tuple(self._switches),
            failures=(),
            steps=len(self._steps),
            choices=self._choices,
            tasks=tuple(self._at),
            fingerprint=hash(order),
            operations=tuple(self._steps),
        )

    def _enabled(self) -> tuple[TaskId, ...]:
        return tuple([task for task, at in self._at.items() if at < len(self._script[task]) and self._is_free(task)])

    def _is_free(self, task: TaskId) -> bool:
        at = self._at[task]
        if at < 0:
            return True
        act = self._script[task][at]
        if act.kind == "acquire":
            return act.on not in self._held
        if act.kind == "join":
            return self._at.get(act.on, -1) == len(self._script[act.on])
        return True

    def _operation(self, task: TaskId) -> Operation:
        at = self._at[task]
        if at < 0:
            return Operation("start", START)
        if task not in self._pending:
            act = self._script[task][at]
            self._pending[task] = Operation(act.kind, self._sites[task][at], self._targets[act.on])
        return self._pending[task]

    def _choose(self, strategy: Strategy, running: TaskId | None, enabled: tuple[TaskId, ...]) -> TaskId:
        default = running if running is not None and running in enabled else enabled[0]
        place = self._place(running)
        operations = tuple([self._operation(task) for task in enabled])
        choice = Choice(running, enabled, operations, self._reached(), place, 1, default)
        chosen = strategy.choose(choice)
        if chosen not in enabled:
            raise AssertionError(f"{strategy.name} chose {chosen!r} out of {enabled}")
        self._choices += 1
        if chosen != default:
            self._switches.append(Switch(running or "", place, 1, chosen, default == running))
        return chosen

    def _reached(self) -> int:
        """How many operations were announced: those that were carried out, and those at which tasks wait."""
        return len(self._steps) + sum(0 <= at < len(self._script[task]) for task, at in self._at.items())

    def _place(self, running: TaskId | None) -> str:
        """What the running task has reached; no task comes to a place twice, there are no loops."""
        if running is None:
            return "start"
        ended = self._at[running] == len(self._script[running])
        return "end" if ended else self._operation(running).site.key

    def _move(self, task: TaskId, enabled: tuple[TaskId, ...]) -> None:
        at = self._at[task]
        if at >= 0:
            act = self._script[task][at]
            self._steps.append(Step(task, self._operation(task), enabled))
            self._do(task, act)
            del self._pending[task]
        self._at[task] = at + 1

    def _do(self, task: TaskId, act: Act) -> None:
        if act.kind == "acquire":
            self._held[act.on] = task
        elif act.kind == "release":
            self._held.pop(act.on, None)
        elif act.kind == "spawn":
            self._at[act.on] = -1
