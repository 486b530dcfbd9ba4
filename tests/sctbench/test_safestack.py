"""SafeStack fails in one interleaving of hundreds of thousands: here is one, followed step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sctbench import measuring
from sctbench.programs.safestack import SafeStack, SafeStackRight
from sctbench.table import PROGRAMS, Make

from pytest_racecheck.core.explore import explore
from pytest_racecheck.core.runner import Limits
from pytest_racecheck.core.values import Choice, Exploration, TaskId, Trace
from pytest_racecheck.strategies.chain import Chain
from pytest_racecheck.strategies.sequential import Sequential

ONE_ELEMENT_OWNED_TWICE: Final = (
    ("2", 2), ("0", 9), ("1", 9), ("2", 1), ("0", 5), ("2", 4), ("0", 5), ("2", 6), ("1", 10), ("0", 1),
)  # fmt: skip
"""Task and how many steps it takes: the fewest preemptions that do it, by searching all states of a model."""

UNTIL_ALL_IS_SHARED: Final = 4
"""So many runs: the places that only this interleaving comes to are no steps when it first does."""


class Script:
    """Lets tasks take the steps that are written down; then goes on."""

    name = "script"

    def __init__(self, lines: Sequence[tuple[TaskId, int]]) -> None:
        self._tasks = [task for task, steps in lines for _ in range(steps)]
        self._left: list[TaskId] = []
        self._runs = UNTIL_ALL_IS_SHARED

    def start_run(self) -> bool:
        """See `Strategy`."""
        self._left = self._tasks[:]
        self._runs -= 1
        return self._runs >= 0

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`; a task's start is no step of the program."""
        if not self._left or self._left[0] not in choice.enabled:
            return choice.default
        task = self._left[0]
        if choice.operations[choice.enabled.index(task)].kind != "start":
            del self._left[0]
        return task

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`."""


def followed(make: Make) -> Exploration:
    return explore(
        measuring.Fresh(make),
        strategy=Chain("script", [Sequential(), Script(ONE_ELEMENT_OWNED_TWICE)]),
        instrument=measuring.instrument(),
        limits=Limits(),
        seed=1,
    )


def test_one_element_is_owned_twice() -> None:
    finding, *_ = followed(SafeStack).findings

    assert finding.kind == "assertion"
    assert finding.token, finding.remarks
    assert finding.trace.preemptions == PROGRAMS["safestack"].preemptions


def test_under_a_lock_it_is_not() -> None:
    assert not followed(SafeStackRight).findings
