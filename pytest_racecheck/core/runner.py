"""Runs a program again and again, each time from a fresh state, and keeps count of what was seen."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from pytest_racecheck.core.carried import KNOWN
from pytest_racecheck.core.clock import RealClock, VirtualClock
from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.failures import failure_of
from pytest_racecheck.core.garbage import collected_between_runs
from pytest_racecheck.core.processor import pinned
from pytest_racecheck.core.protocols import Instrument, Program, Strategy
from pytest_racecheck.core.replay import Replay
from pytest_racecheck.core.values import Failure, Schedule, Trace
from pytest_racecheck.core.watchdog import watched

Control = tuple[type[BaseException], ...]
"""Exceptions that are no failure of a run: they end exploring and are raised again (a skip, an exit)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a test may cost, and how far its exploration goes."""

    runs: int = 1000
    """At most so many runs in the search."""
    seconds: float = 10.0
    """The search ends after the run in which this time was over."""
    steps: int = 100_000
    """So many operations may a run have."""
    stuck: float = 10.0
    """A run in which nothing was announced for so many seconds is ended."""
    early_timeouts: bool = False
    """Whether the timed wait that ends first may end although something else can move: one more choice."""
    wakeups: int = 0
    """So often in a run may a wait for a condition end although nobody has notified it: one more choice."""
    real_clock: bool = False
    """Whether time is that of the machine, and waiting takes it."""
    gil: bool = False
    """Whether a task can be stopped only where this interpreter, with its GIL, can stop it."""


class Runner:
    """One program under one instrument; a context manager that leaves nothing behind.

    Its counts (runs, the last one that taught what is shared, the most tasks, choices and steps of a run, different
    interleavings, sentences on what was not controlled) are over all runs since it was entered.
    """

    def __init__(self, program: Program, instrument: Instrument, limits: Limits, seed: int, control: Control) -> None:
        self.limits = limits
        self.seed = seed
        self.instrument = instrument
        self.began = time.perf_counter()
        self.runs = self.tasks = self.choices = self.steps = self.forced = self.waits_ended = self.learning = 0
        self.interleavings: set[int] = set()
        self.uncontrolled: dict[str, None] = {}
        self.leaked: dict[str, None] = {}
        self.unproven: dict[str, None] = {}
        self._watched_late: set[str] = set()
        self._program = program
        self._control = control
        KNOWN.update({(kind.__module__, kind.__qualname__): kind for kind in control})
        self._controller = Controller(
            max_steps=limits.steps,
            early_timeouts=limits.early_timeouts,
            wakeups=limits.wakeups,
            clock=RealClock() if limits.real_clock else VirtualClock(),
        )
        self._controller.gil = limits.gil
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._controller.close)
            stack.enter_context(watched(self._controller, self.limits.stuck))
            stack.enter_context(pinned())
            stack.enter_context(self.instrument.installed(self._controller))
            stack.enter_context(_random_state_restored())
            self._collect = stack.enter_context(collected_between_runs())
            self._stack = stack.pop_all()
        self.began = time.perf_counter()  # what it takes to prepare the code is not part of the search
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @contextmanager
    def only_with_gil(self) -> Iterator[None]:
        """For the length of the block a task can be stopped only where this interpreter, with its GIL, can stop it."""
        before, self._controller.gil = self._controller.gil, True
        try:
            yield
        finally:
            self._controller.gil = before

    @contextmanager
    def at_most(self, steps: int) -> Iterator[None]:
        """For the length of the block a run that takes more steps is cut off."""
        before, self._controller.max_steps = self._controller.max_steps, min(steps, self._controller.max_steps)
        try:
            yield
        finally:
            self._controller.max_steps = before

    @property
    def seconds(self) -> float:
        """How long the runs have taken so far."""
        return time.perf_counter() - self.began

    def run(self, strategy: Strategy, *, recorded: bool = False) -> Trace:
        """One run, fresh from set-up to tear-down; invariants are checked if nothing failed before.

        Raises: what the program's set-up raises, KeyboardInterrupt, and the exceptions of ``control``.
        """
        random.seed(self.seed)
        bodies = self._program.set_up()
        try:
            recorder = self.instrument.recorder() if recorded else None
            trace = self._controller.run(bodies, strategy, recorder)
            if not trace.failures:
                trace = self._checked(trace)
            if unseen := self.instrument.unseen():
                trace = replace(trace, failures=(*trace.failures, *unseen))
        finally:
            self._program.tear_down()
        self._collect()
        if self.instrument.between_runs():
            trace = replace(trace, learned=True)
        self._count(trace)
        return trace

    def watch_late(self, places: AbstractSet[str]) -> None:
        """Make places choices that nobody has found to be shared, to see what would become of a run."""
        self._watched_late |= places - set(self.instrument.shared_sites())
        self.instrument.watch(places)

    def shared_sites(self) -> tuple[str, ...]:
        """The places that were found to be shared, sorted."""
        return tuple(place for place in self.instrument.shared_sites() if place not in self._watched_late)

    def follow(
        self, schedule: Schedule, failure: Failure | None = None, *, recorded: bool = False, traces: bool = False
    ) -> Trace | None:
        """Run a schedule; the trace, but ``None`` if a failure is given and the run does not fail like that."""
        strategy = Replay(schedule, traces=traces)
        strategy.start_run()
        if failure is None:
            return self.run(strategy, recorded=recorded)
        return self.fails(strategy, failure, recorded=recorded)

    def fails(self, strategy: Strategy, failure: Failure, *, recorded: bool = False) -> Trace | None:
        """Run once; the trace if the run fails as the given failure did, else ``None``."""
        trace = self.run(strategy, recorded=recorded)
        strategy.end_run(trace)
        return trace if any(each.signature == failure.signature for each in trace.failures) else None

    def _checked(self, trace: Trace) -> Trace:
        try:
            self._program.check()
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, *self._control)):
                raise
            return replace(trace, failures=(failure_of(error, None, "invariant"),))
        return trace

    def _count(self, trace: Trace) -> None:
        for failure in trace.failures:
            if isinstance(failure.exception, self._control):
                raise failure.exception
        self.runs += 1
        if trace.learned:
            self.learning = self.runs
        self.tasks = max(self.tasks, len(trace.tasks))
        self.choices = max(self.choices, trace.choices)
        self.steps = max(self.steps, trace.steps)
        self.forced += trace.forced
        self.waits_ended += trace.waits_ended
        self.interleavings.add(trace.fingerprint)
        if trace.uncontrolled:
            self.uncontrolled.update(dict.fromkeys(trace.uncontrolled))
        if trace.unproven:
            self.unproven.update(dict.fromkeys(trace.unproven))
        if trace.leaked:
            self.leaked.update(dict.fromkeys(trace.leaked))


@contextmanager
def _random_state_restored() -> Iterator[None]:
    """Every run seeds the global generator alike; put it back after."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
