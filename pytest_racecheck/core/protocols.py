"""The seams: what a strategy, a program and an instrument must be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pytest_racecheck.core.controller import Controller
    from pytest_racecheck.core.run_state import Recorder
    from pytest_racecheck.core.values import Choice, Failure, TaskId, Trace


class Strategy(Protocol):
    """Who moves next. The same seed gives the same decisions; nothing but choices and traces is looked at.

    A strategy with an attribute ``watches`` that is true finds all operations of the run in `Trace.operations`, one
    with a true ``traces`` all steps in `Trace.path`. One with a true ``follows`` is asked at every step, also where
    only one task can move, and is told in `Choice.touched` what steps did beside their operations; the steps that its
    ``script`` lays down are made without asking it: pairs of a task and whether another could have moved in its place.
    If one of them is not to be had, it is asked there. One with a true ``covers`` ends by itself when it has run every
    class of interleavings: ``complete`` says whether it has, ``classes`` is their number, and ``gave_up`` why it never
    will.
    """

    name: str

    def start_run(self) -> bool:
        """Prepare the next run; ``False`` when there is nothing left to try."""

    def choose(self, choice: Choice) -> TaskId:
        """Name one of ``choice.enabled``, which is never empty."""

    def end_run(self, trace: Trace) -> None:
        """Learn from what happened."""


class Program(Protocol):
    """What one run executes. Everything here is called in the thread that explores."""

    def set_up(self) -> Sequence[Callable[[], object]]:
        """Make a fresh state; return the bodies. One body runs in this thread, several run as tasks of their own.

        Raises whatever the user's fixtures raise; exploring ends with it.
        """

    def check(self) -> None:
        """Run the invariants; raise what they raise. Called after runs in which nothing failed."""

    def tear_down(self) -> None:
        """Undo `set_up`."""


class Instrument(Protocol):
    """Makes the tasks of a controller announce their operations."""

    def installed(self, controller: Controller) -> AbstractContextManager[None]:
        """Rewrite the code in scope for the length of the block and take it out again on every way out."""

    def between_runs(self) -> bool:
        """Take in what the last run taught: sites that turned out shared become choices. Tell whether it taught any."""

    def unseen(self) -> tuple[Failure, ...]:
        """What failed in the run that has just ended without anybody looking at it; asked before `between_runs`."""

    def watch(self, places: AbstractSet[str]) -> None:
        """Make the sites of these keys choices from now on."""

    def recorder(self) -> Recorder:
        """Make what writes down a run that is going to be shown."""

    def instrumented(self) -> int:
        """How many functions were rewritten with every hook."""

    def fingerprint(self, places: AbstractSet[str]) -> str:
        """A short text that changes when what the code does at these places changes."""

    def uninstrumented(self) -> tuple[str, ...]:
        """Sentences on code in scope that ran without hooks, each with the reason."""

    def shared_sites(self) -> tuple[str, ...]:
        """The keys of the sites that are choices, sorted."""
