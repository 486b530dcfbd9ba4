"""What a run did, step by step, for those who judge it; costs nothing but keeping what the controller has noted."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_racecheck.core.values import Kind, Operation, Site, TaskId


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The steps of one run. Targets mean something within it only; tasks are told by their place in ``tasks``."""

    tasks: tuple[TaskId, ...]
    path: list[tuple[int, Site]]
    """Which task was where at each step."""
    operations: list[Operation]
    """What it did there."""
    beside: list[tuple[int, int, Kind, int]]
    """What was done without being announced: before which step, by which task, which kind, to which target."""
    joins: list[tuple[int, tuple[TaskId, ...]]]
    """At which step it was known that which tasks had ended."""
    born: tuple[int, ...]
    """For each task, before which step it was started."""
    started: tuple[str, ...]
    """For each task, ``file:line`` where it was started; "" for the bodies of the test."""
    processes: bool = False
    """Whether tasks of other processes took part."""
