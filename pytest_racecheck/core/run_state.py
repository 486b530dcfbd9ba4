"""What there is to know of the run that goes on; the controller, and what acts on it from outside, work on this."""

from __future__ import annotations

import _thread
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, Self

from pytest_racecheck.core.baton import Baton, make_baton
from pytest_racecheck.core.carried import site_of
from pytest_racecheck.core.clock import VirtualClock
from pytest_racecheck.core.dump import Dump
from pytest_racecheck.core.known_sites import KnownSites
from pytest_racecheck.core.livelock import LastOperations
from pytest_racecheck.core.observation import Left, Seen
from pytest_racecheck.core.other_process import OtherProcess
from pytest_racecheck.core.passed import Passed
from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.record import RunRecord
from pytest_racecheck.core.shared_things import SharedThings
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import (
    Chance,
    Event,
    Failure,
    Kind,
    Operation,
    Site,
    Step,
    Switch,
    TaskId,
    Touch,
    Trace,
)
from pytest_racecheck.core.workers import WorkerPool


def _nothing(_body: object = None) -> None:
    """Stands for a hook that nobody has set."""


class Explained(NamedTuple):
    """What is known of what a task of another process waits for."""

    text: str | None = None
    """``None`` if only its own process can tell."""
    further: str = ""
    """What is to be said after that."""
    whom: Sequence[Task] | None = None


def _unexplained(_task: Task) -> Explained:
    """Stands for an explanation that nobody has."""
    return Explained()


def _no_site(_key: str, _identity: int) -> None:
    """Stands for a look-up that nobody does."""


def _never(_operation: Operation) -> bool:
    """Stands for a question that nobody answers."""
    return False


class Recorder(Protocol):
    """Writes down what the operations of a run did, for a run that will be shown."""

    def events(self) -> tuple[Event, ...]:
        """What was written down, in order."""

    def initial_values(self) -> tuple[tuple[str, str], ...]:
        """Name and value of what the run read before it wrote it."""

    def note(self, task: Task, operation: Operation, text: str) -> None:
        """Write down a remark at an operation: waiting, ending by an exception."""

    def preempted(self, task: Task) -> None:
        """Write down that a task is stopped here that could have gone on."""


class Observer(Recorder, Protocol):
    """Writes down, moreover, what a run leaves behind."""

    seen: dict[str, Seen]
    """What was seen at the steps of interest, by label."""

    def left(self, bodies: Sequence[Callable[[], object]]) -> tuple[Left, ...]:
        """What is there now, when the run is over."""


class RunState:
    """The fields of a controller, those of a run and those that stay."""

    recorder: Recorder | None
    running: Task | None
    """The task that may move, ``None`` while none can."""
    ident: int
    """Its thread, 0 while no hook is to do anything."""

    def __init__(
        self, *, max_steps: int, early_timeouts: bool = False, wakeups: int = 0, clock: VirtualClock | None = None
    ) -> None:
        self.clock = clock or VirtualClock()
        self.max_steps = max_steps
        self.early_timeouts = early_timeouts
        """Whether a timed wait may end although something else can move."""
        self.wakeups = wakeups
        """So often in a run may a wait for a notification end without one."""
        self.lost_threads: list[str] = []
        """Names of threads that could not be ended."""
        self.hears_signals = False
        """Whether a signal handler of the watchdog is installed."""
        self.on_task_start: Callable[[object], None] = _nothing
        """Called in the thread of a task with its body, before it."""
        self.on_task_end: Callable[[], None] = _nothing
        self.passed: Passed | None = None
        """What the running task has passed, if an instrument notes it."""
        self.gil = False
        """Whether a task can be stopped only where this interpreter, with its GIL, can stop it."""
        self.held_outside: Callable[[Operation], bool] = _never
        """Whether what an operation waits for is held by somebody, and by no task."""
        self.listeners: dict[str, Callable[..., None]] = {}
        """Who wants to hear of what happens in other processes, by the word for it."""
        self.shared_things = SharedThings()
        """Their numbers hold from the set-up of a run to the end of its tear-down: who makes a thing names it."""
        self._dump: Dump | None = None
        self._adopted_before: bool | None = None
        """Whether this process has adopted orphans before it began to; ``None`` as long as it has not."""
        self.known_sites = KnownSites()
        self.site_of = site_of
        """Finds, or makes, the site that another process speaks of."""
        self.inherited_site: Callable[[str, int], Site | None] = _no_site
        """Finds the site of this key and identity: one that forked processes have as well."""
        self.explain_shared: Callable[[Task], Explained] = _unexplained
        """Says what is known here of what a task of another process waits for."""
        self.own_idents = {_thread.get_ident()}
        """Threads of ours that are no tasks."""
        self._pool = WorkerPool()
        self._main: Baton = make_baton()
        self.ended: Baton = make_baton()
        """Signalled by each task that ends while the run is being ended."""
        self._mutex = _thread.allocate_lock()
        self._spare_batons: list[Baton] = []
        self._spent_batons: list[Baton] = []
        self._retired_batons: list[Baton] = []
        self._reset(None)

    @classmethod
    def idle(cls) -> Self:
        """Make one that controls nothing, for hooks that are met while no exploration goes on."""
        controller = cls.__new__(cls)
        controller.clock = VirtualClock()
        controller.max_steps = 0
        controller.early_timeouts = False
        controller.wakeups = 0
        controller.passed = None
        controller.gil = False
        controller.listeners = {}
        controller.shared_things = SharedThings()
        controller.known_sites = KnownSites()
        controller._dump = None
        controller._reset(None)
        return controller

    def _reset(self, strategy: Strategy | None) -> None:
        self.strategy = strategy
        self.recorder = None
        self.stalled = False
        """Whether this run has come to a point where nobody could move but from outside; before ``tasks`` is filled."""
        self.tasks: dict[TaskId, Task] = {}
        self.alive: list[Task] = []
        self.away: dict[int, Task] = {}
        self._reset_abroad()
        self.failures: list[Failure] = []
        self.uncontrolled: list[str] = []
        self.leaked: list[str] = []
        self.schedule: list[Switch] = []
        self.chances: list[Chance] = []
        """For each of its preemptions, whether the interpreter could have made it."""
        self.path: list[tuple[int, Site]] = []
        self._begin_record()
        self.journal: list[Step] | None = [] if getattr(strategy, "watches", False) else None
        """What the strategy is told at the end, if it wants to be told everything."""
        self._reset_script(strategy)
        self.waits_ended = self.simultaneous = 0
        self.pending: tuple[tuple[TaskId, Operation], ...] = ()
        self.came_to: tuple[tuple[TaskId, str, int], ...] = ()
        self.unproven: dict[str, None] = {}
        self.last_operations = LastOperations()
        self.wrote = False
        """Whether a task has changed anything, as far as hooks saw that, without its being an operation."""
        self.woken = 0
        """How often that has happened."""
        self.real_waits = self.forced = self.steps = self.choices = self.quiet = self._streak = self.ident = 0
        self.running = None
        self.ending = self.concurrent = False
        self.interrupts = 0
        """How often Ctrl-C was pressed in this run."""
        self.deaf = False
        """Whether that must not raise anything now: it is heard when the end of the run is complete."""
        self.pushable = False
        """Whether the thread that explores executes the test's own code."""
        self.starting = 0
        """A thread that is starting another one, and must not be interrupted before that is a task."""
        self.wanted_push = False
        """The watchdog has sent the signal that comes now."""
        self.host: Task | None = None
        """The task that is the thread which explores, in runs of a single body."""
        self._roots: list[Task] = []

    def _reset_script(self, strategy: Strategy | None) -> None:
        self.touched: list[Touch] | None = [] if getattr(strategy, "follows", False) else None
        """What the step that goes on has done beside its operation, if the strategy wants to be asked at every step."""
        self.script: Sequence[tuple[TaskId, bool]] = ()
        """Who is to move first, and then, and so on, if the strategy knows; and whether another could."""
        if self.touched is not None and not self.early_timeouts and not self.wakeups:
            self.script = getattr(strategy, "script", ())
        self.followed: list[tuple[Operation, tuple[Touch, ...]]] = []
        """The steps of it that were made, see `Choice`; it is over when the strategy is asked."""

    def _reset_abroad(self) -> None:
        self.tasks_to_come: dict[TaskId, Task] = {}
        """Those that are being started in other processes."""
        self.processes: list[OtherProcess] = []
        """The other processes that have been started."""
        self.bad_ends: dict[TaskId, Failure] = {}
        self.ends_seen: set[TaskId] = set()
        self.versions: dict[int, int] = {}
        """How often something has happened to targets that tasks may wait for."""
        self.ends = 0
        """How many processes have ended: what they had locked is free."""
        self.results: dict[TaskId, tuple[bool, Any]] = {}
        """What processes have come to that `racecheck.run` has started."""

    def _begin_record(self) -> None:
        self.operations: list[Operation] = []
        """What was done at each place of the path."""
        self.beside: list[tuple[int, int, Kind, int]] = []
        """What was done to an object without being announced: after so many operations, by which task, which kind,
        which target."""
        self.joins: list[tuple[int, tuple[TaskId, ...]]] = []
        """After which operations it was known that which tasks had ended."""
        self.returned: dict[TaskId, object] = {}
        """What bodies have returned, in runs that are recorded."""
        self.held: dict[TaskId, list[tuple[object, ...]]] = {}
        """What each task has given to others to be called, and what it will know the result by; in the same runs."""

    def current(self) -> Task | None:
        """The task that the calling thread is, if it may move now."""
        return self.running if _thread.get_ident() == self.ident else None

    def unhooked(self) -> Unhooked:
        """Let every hook pass through in the running task: for our own work, and what is known to be harmless."""
        return Unhooked(self)

    def fail(self, failure: Failure) -> None:
        """Remember what went wrong and end the run; the calling task must go on to its end."""
        with self._mutex:
            self._finish(failure)

    def interrupt(self) -> None:
        """End the run, without a failure: somebody is pressing Ctrl-C. Called by a signal handler."""
        self.ending = True
        self.interrupts += 1

    def touch(self, kind: Kind, target: int, *, inner: bool = False) -> None:
        """Note something that is done to an object without being announced; see `Touch`."""
        if not self.ending:
            if self.running is not None:
                self.beside.append((len(self.operations), self.running.index, kind, target))
            if self.touched is not None:
                self.touched.append(Touch(kind, target, inner=inner))

    def tell_holder(self, target: int, task: Task | None, site: Site | None) -> None:
        """A lock that processes share is held by a task from now on, or by none: the explorer has to know."""

    def tell_made(self, target: int, place: str) -> None:
        """A semaphore that processes may share was made there."""

    def tell_left(self, kind: str, name: str) -> None:
        """A task has made something that outlives it; see `instrument.leftovers`."""

    def tell_unheard(self, target: int, task: Task, site: Site) -> None:
        """Somebody was notified who waits with the semaphore of this target, and nobody did."""

    def hold(self, *given: object) -> None:
        """Keep what the running task gives to another one to be called, in runs that are recorded."""
        if self.recorder is not None and self.running is not None:
            self.held.setdefault(self.running.id, []).append(given)

    def not_proven(self, sentence: str) -> None:
        """Say what was done in steps whose order is not known."""
        self.unproven[sentence] = None

    def not_controlled(self, sentence: str) -> None:
        """Say what was not under control in this run."""
        if sentence not in self.uncontrolled:
            self.uncontrolled.append(sentence)

    def _finish(self, failure: Failure | None = None) -> None:
        """End the run and wake the thread that explores, should it sleep; the mutex is held."""
        if not self.ending:
            self.ending = True
            if self.touched is not None:
                self.pending = tuple([(task.id, task.operation) for task in self.alive if not task.ended])
            if failure is not None:
                self.failures.append(failure)
                left = [task for task in self.alive if not task.ended]
                self.came_to = tuple([(task.id, task.operation.site.key, task.occurrence) for task in left])
            if self.running is None or self.running is not self.host or self.host.ended:
                self._main.signal()

    def record(self) -> RunRecord:
        """What the run did that is over."""
        tasks = self.tasks.values()
        return RunRecord(
            tasks=tuple(self.tasks),
            path=self.path,
            operations=self.operations,
            beside=self.beside,
            joins=self.joins,
            born=tuple([task.born for task in tasks]),
            started=tuple([task.spawned_at for task in tasks]),
            processes=any(task.remote is not None for task in tasks),
        )

    def _enabled(self) -> list[Task]:
        return [task for task in self.alive if task.blocked is None or not task.blocked()]

    def _trace(self, recorder: Recorder | None) -> Trace:
        tasks = tuple(self.tasks)
        traces = recorder is not None or getattr(self.strategy, "traces", False)
        return Trace(
            schedule=tuple(self.schedule),
            chances=tuple(self.chances),
            failures=tuple(self.failures),
            steps=self.steps,
            choices=self.choices,
            forced=self.forced,
            tasks=tasks,
            fingerprint=hash(tuple(self.path)),
            path=tuple([(tasks[index], site.key) for index, site in self.path]) if traces else (),
            moved=len({index for index, _ in self.path}),
            events=recorder.events() if recorder else (),
            uncontrolled=tuple(self.uncontrolled),
            leaked=tuple(self.leaked),
            initial_values=recorder.initial_values() if recorder else (),
            operations=tuple(self.journal or ()),
            touched=tuple(self.touched or ()),
            pending=self.pending,
            came_to=self.came_to,
            unproven=tuple(self.unproven),
            waits_ended=self.waits_ended,
        )


class Unhooked:
    """A block in which the hooks of the running task pass through; no ``contextlib``, that may be under test itself."""

    __slots__ = ("_before", "_state", "_task")

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._task, self._before = state.running, state.ident
        state.ident = 0

    def __enter__(self) -> None:
        """The hooks pass through from the making of the block on."""

    def __exit__(self, *_exception: object) -> None:
        if self._state.running is self._task:  # else it was blocked meanwhile, and set aside
            self._state.ident = self._before
