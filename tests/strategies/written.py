"""Programs that are only written down, and what tests ask of runs of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.values import Operation, Site, TaskId, Trace
from pytest_racecheck.strategies.simulation import Script, Simulation, script


def same(tasks: int, *acts: str) -> Script:
    """So many tasks that all do this."""
    return script(**{f"_{task}": ", ".join(acts) for task in range(tasks)})


def traces(strategy: Strategy, written: Script, runs: int) -> Iterator[Trace]:
    """So many runs, fewer if the strategy ends."""
    simulation = Simulation(written)
    for _ in range(runs):
        trace = simulation.run(strategy)
        if trace is None:
            return
        yield trace


def orders(strategy: Strategy, written: Script, runs: int) -> list[str]:
    """Who did the operations, run by run."""
    return ["".join(step.task for step in trace.operations) for trace in traces(strategy, written, runs)]


def preemptions(moves: str) -> int:
    """How often a task was stopped before its end."""
    return sum(one != other and one in moves[at + 1 :] for at, (one, other) in enumerate(pairwise(moves)))


def position(trace: Trace, task: TaskId, nth: int) -> int:
    """Where in a run the nth operation of a task was done, both counted from 0."""
    return [at for at, step in enumerate(trace.operations) if step.task == task][nth]


def site(line: int = 0) -> Site:
    return Site(module="m", qualname="f", filename="f.py", first_line=0, line=line, rank=0, action="")


def operation(kind: str, target: int = 1, part: object = "x", **more: object) -> Operation:
    return Operation(kind, site(), target, part, **more)  # type: ignore[arg-type]
