"""The values that travel between the parts; each word means what docs/how-it-works.md says it means."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, NamedTuple

TaskId = str
"""The path of spawn indices that names a task: ``"0"``, its second child ``"0.1"``."""

Kind = Literal[
    "start", "end", "read", "write", "update", "call",
    "acquire", "try-acquire", "release", "join", "spawn", "sleep", "wait", "yield", "give-up",
]  # fmt: skip
"""What an operation does. ``update`` reads and writes in one step; ``call`` is opaque and may do anything.

``give-up`` is said, beside ``acquire``, of a lock that was not taken in time.
"""

Passing = Literal["", "give", "take", "both", "put", "get", "permit"]
"""What an operation passes on between tasks: who takes comes after whoever gave; ``get`` after the ``put`` of its item.

``permit`` is said of a semaphore, which may be there to order tasks or, as a lock, to keep them apart.
"""

Chance = Literal["yes", "no", "unknown"]
"""Whether CPython with its GIL can stop a task at some point; ``unknown`` where the way there can't be told."""

WHOLE: Final = "<whole>"
"""The part of a target that conflicts with every other part of it."""


DATA: Final = "<data>"
"""The part of a descriptor that a task waits for which wants data; the sender may be outside of the run."""

POLL: Final = "<poll>"
"""The same for a task that goes round a loop in which it waits for anything to happen."""

FROM_OUTSIDE: Final = {DATA: DATA, POLL: POLL}
"""These two, which are looked for by identity, by what another process calls them."""


class Site:
    """Where in the code an operation stands. One object for one place; compared by identity.

    ``key`` names the place so that it survives another process and an unrelated edit of the file: module, qualified
    name (``label`` where that alone is not unique), line relative to the function's first line, rank on that line
    (for the call of a stand-in its name and column).
    """

    __slots__ = (
        "action", "column", "end_column", "filename", "hidden", "key", "keywords", "line", "module",
        "name", "namespace", "qualname", "shared",
    )  # fmt: skip

    def __init__(
        self,
        *,
        module: str,
        qualname: str,
        filename: str,
        first_line: int,
        line: int,
        rank: int | str,
        action: str,
        label: str = "",
        name: str = "",
        column: int | None = None,
        end_column: int | None = None,
        keywords: tuple[str, ...] = (),
        namespace: dict[str, Any] | None = None,
    ) -> None:
        self.module = module
        self.qualname = qualname
        self.filename = filename
        self.line = line
        self.action = action
        self.name = name
        self.column = column
        self.end_column = end_column
        self.keywords = keywords
        self.namespace = namespace
        self.key = f"{module}:{label or qualname}+{line - first_line}.{rank}"
        self.hidden = False
        """Whether it is of no interest to a reader: in code that is instrumented for synchronisation only."""
        self.shared = False
        """Whether an operation here is a choice: learned from earlier runs."""

    def __repr__(self) -> str:
        return f"<Site {self.key} {self.action} {self.name}>"


class Operation(NamedTuple):
    """What a task is about to do.

    ``target`` is the identity of the object it does it to, which means something within one run only;
    ``part`` is the attribute, key or index, or `WHOLE`.
    """

    kind: Kind
    site: Site
    target: int = 0
    part: Hashable = WHOLE
    also: tuple[tuple[int, Hashable], ...] = ()
    """Further places, each a target and a part, that it does the same to."""
    looks: bool = False
    """Whether it only looks at what it waits for: an event, a future; not where it takes an item or a permit."""
    open: bool = False
    """Whether what it does to which other objects is known only when it was done; see `Touch`."""
    passes: Passing = ""
    """What it does to the order of the tasks, where it is done to something that exists to order them; locks need no
    word for it."""


new_operation: Final = partial(tuple.__new__, Operation)
"""Makes an operation from a tuple of all its values, see `new_choice`."""


class Touch(NamedTuple):
    """Something that a step did to an object without announcing it: inside of a larger operation."""

    kind: Kind
    target: int
    part: Hashable = WHOLE
    inner: bool = False
    """Whether the object belongs to the one that was announced: it matters only to who names it himself."""


class Choice(NamedTuple):
    """One decision who moves next, as a strategy sees it.

    ``enabled`` is never empty and always in the order in which the tasks were created; ``operations`` holds what
    each of them is about to do, in the same order. ``running`` is the task that ran last, or ``None`` at the start; it
    need not be enabled.
    """

    running: TaskId | None
    enabled: tuple[TaskId, ...]
    operations: tuple[Operation, ...]
    step: int
    place: str
    """What ``running`` has reached: the key of a site, or ``start`` or ``end``."""
    occurrence: int
    """How often it has reached it in this run, counted from 1."""
    default: TaskId
    """Who moves if the schedule says nothing: ``running`` if it is enabled, else the oldest enabled task."""
    touched: tuple[Touch, ...] = ()
    """What the last step did beside its operation; only for strategies with a true ``follows``."""
    waits_ended: int = 0
    """How many timed waits, sleeps among them, have ended by time; each did only because nobody else could move."""
    followed: tuple[tuple[Operation, tuple[Touch, ...]], ...] = ()
    """The steps that were made by the ``script`` of such a strategy: each operation, and what the step before it did
    beside its own."""


new_choice: Final = partial(tuple.__new__, Choice)
"""Makes a choice from a tuple of all its values; there are many, and naming them would take longer than the rest."""


class Switch(NamedTuple):
    """A choice that differs from "keep running, else the oldest enabled task".

    The decision was taken when ``task`` had reached ``place`` (the key of a site, or ``start`` or ``end``) for the
    ``occurrence``-th time, counted from 1; it went to ``to``. ``preempts`` tells whether ``task`` could have gone on.
    """

    task: TaskId
    place: str
    occurrence: int
    to: TaskId
    preempts: bool


Schedule = tuple[Switch, ...]


class Event(NamedTuple):
    """One operation that was carried out, with what a reader of the report needs. Recorded only in reported runs."""

    task: TaskId
    kind: Kind
    filename: str
    line: int
    function: str
    name: str
    """Of what was touched, as the source says it: ``counter``, ``self.n``, ``cache['k']``, ``lock_a``."""
    value: str
    """Short text of what was read or written, "" if there is none to tell."""
    shared: bool
    """Whether another task touches the same location in this run."""
    note: str = ""
    """Said in place of name and value: ``waits for lock_b, held by task 1``, ``raises KeyError: 'x'``."""
    place: str = ""
    """The key of the site, by which switches name it."""
    occurrence: int = 0
    """How often the task had come there and announced it, counted from 1."""


class Step(NamedTuple):
    """One operation that was carried out, as a strategy sees it that wants to know of all of them."""

    task: TaskId
    operation: Operation
    enabled: tuple[TaskId, ...]
    """Who could have moved in its place, itself included, in the order in which the tasks were created."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in one run."""

    kind: str
    """``assertion``, ``exception``, ``invariant``, ``thread-exception``, ``executor-exception``, ``deadlock``,
    ``hang``, ``step-limit``, ``leaked-task``."""
    message: str
    """What is wrong, first line one sentence."""
    task: TaskId | None = None
    exception: BaseException | None = field(default=None, compare=False)
    place: str = ""
    """Where, structurally (module:qualname+offset): part of what makes two failures the same."""
    locations: tuple[str, ...] = ()
    """``file:line`` of what the message speaks about."""

    @property
    def signature(self) -> tuple[str, str, str]:
        """Two failures are the same when their signatures are equal."""
        return (self.kind, type(self.exception).__name__ if self.exception else "", self.place)


@dataclass(frozen=True, slots=True)
class Trace:
    """What happened in a run."""

    schedule: Schedule
    failures: tuple[Failure, ...]
    steps: int
    """How many operations of tasks were choices or synchronisation."""
    choices: int
    """How many decisions had more than one enabled task."""
    tasks: tuple[TaskId, ...]
    fingerprint: int
    """Equal for runs that carried out the same operations in the same order."""
    path: tuple[tuple[TaskId, str], ...] = ()
    """Task and site key of every step; what two runs of one schedule are compared by. Only of reported runs, and of
    those of strategies with a true ``traces``."""
    events: tuple[Event, ...] = ()
    uncontrolled: tuple[str, ...] = ()
    """Sentences on what was not under control in this run, with file and line."""
    forced: int = 0
    """How often fairness stopped a task that went on and on; see `FAIR_STREAK`."""
    leaked: tuple[str, ...] = ()
    """Sentences on tasks that still waited when the test was over."""
    initial_values: tuple[tuple[str, str], ...] = ()
    """Name and value of the locations that the run read before it wrote them; only in reported runs."""
    operations: tuple[Step, ...] = ()
    """Every operation in the order in which it was carried out, for strategies with a true ``watches``. What a target
    is called differs from run to run; within one run equal targets are one object."""
    touched: tuple[Touch, ...] = ()
    """What the last step did beside its operation, for strategies with a true ``follows``."""
    learned: bool = False
    """Places turned out to be shared, or code was met for the first time: the next run has other choices."""
    pending: tuple[tuple[TaskId, Operation], ...] = ()
    """Tasks that had not ended when the run was over, and what each was about to do; for the same strategies."""
    waits_ended: int = 0
    """How many timed waits, sleeps among them, have ended by time."""
    unproven: tuple[str, ...] = ()
    """Sentences on what was done in steps whose order is not known: no number of runs proves anything about it."""
    came_to: tuple[tuple[TaskId, str, int], ...] = ()
    """Of a run that failed: the tasks that had not ended, with the key of the site and its occurrence that each had
    come to, but not done."""
    moved: int = 0
    """How many tasks have carried out an operation."""
    chances: tuple[Chance, ...] = ()
    """For each preemption of the schedule, whether CPython with its GIL could make it; empty if nobody noted it."""

    @property
    def preemptions(self) -> int:
        """How often a task was stopped that could have gone on."""
        return sum(switch.preempts for switch in self.schedule)


RaceKind = Literal[
    "lost-update", "check-then-act", "double-initialisation", "changed-while-iterating", "torn-invariant", "unordered",
    "lock-order",
]  # fmt: skip
"""What kinds of races there are; docs/races.md says what each means."""

Level = Literal["error", "warn", "info", "ignore"]
"""What becomes of a race: the test fails, a warning, only told to those who ask, nothing."""


@dataclass(frozen=True, slots=True)
class Side:
    """One operation of a race, and what a reader needs to find it."""

    task: TaskId
    kind: Kind
    filename: str
    line: int
    function: str
    name: str
    """Of what was touched, as the source says it."""
    value: str
    """Short text of what was read or written, "" if there is none to tell."""
    stack: tuple[str, ...] = ()
    """``file:line in function``, innermost first; only code in scope."""
    locks: tuple[str, ...] = ()
    """What the source calls the locks that the task held, in the order in which it took them."""
    started: str = ""
    """``file:line`` where the task was started; "" if it is a body of the test."""


@dataclass(frozen=True, slots=True)
class Race:
    """Accesses that tasks make to one thing in an order that matters, and nothing holds to another one."""

    kind: RaceKind
    message: str
    """What is wrong, one sentence."""
    location: str
    """What they touch: ``Cache.hits``, ``shop.counter``, ``list``."""
    sides: tuple[Side, ...]
    """The operations, in the order in which they went wrong."""
    outcomes: tuple[tuple[str, str], ...] = ()
    """What came of each order that was run: the order, and the values in which they differ."""
    hint: str = ""
    """Which lock protects the other accesses, as a sentence; "" if none does."""
    level: Level = "error"
    confirmed: bool = True
    """Whether what came of it differs from what every other order led to; else it was only seen."""
    key: str = ""
    """The places in the code, as a text that survives an unrelated edit."""


class Cause(NamedTuple):
    """What a failure depends on, shown by running schedules that differ in one switch and pass.

    It fails only if ``switch.to`` moves between ``after`` and ``before``, two operations of ``switch.task``; an end
    that was not shown is ``None``. With neither, it fails only if ``switch.to`` moves next where the switch is.
    ``passes``: the other way round, it fails unless ``switch.to`` moves before ``before``.
    """

    switch: Switch
    after: Event | None
    before: Event | None
    at: Event | None
    """What ``switch.task`` is about to do where the switch is, if it was told."""
    passes: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A failure that was found, confirmed by replay and shrunk: what the report shows."""

    kind: str
    message: str
    locations: tuple[str, ...]
    token: str
    """Replays the run; "" when the run did not repeat."""
    trace: Trace
    failure: Failure
    run: int
    """The number of the run that found it, from 1."""
    sequential: bool
    """The failing run had no preemption in it: one task after another."""
    remarks: tuple[str, ...] = ()
    """Further sentences: leaked state, a replay that did not repeat, what shrinking did."""
    causes: tuple[Cause, ...] = ()
    """For each preemption for which it could be shown, what must lie before it and what after."""
    with_gil: Chance | None = None
    """Whether CPython with its GIL can make all the preemptions of the run; ``None`` if it has none."""
    races: tuple[Race, ...] = ()
    """What it is: the races that it comes from, the one that explains it best first."""


class Figures(NamedTuple):
    """What a search that found nothing can say of what it has not seen; see `core.figures`."""

    independent_runs: int = 0
    """How many runs were drawn at random without regard to what others found: the next two are about such runs."""
    share_seen: float = 0.0
    """An estimate of how probable it is that one more of them shows an interleaving that was seen."""
    failure_probability: float = 1.0
    """The most that the probability of such a run to fail can be, with a confidence of 95 %."""
    depth: int = 0
    """Bugs that need so many ordering constraints were looked for by runs that hit each with a known probability."""
    depth_probability: float = 0.0
    """How probable it was at least that one of them would have been hit."""
    classes_run: int = 0
    """How many classes of equivalent interleavings were run one by one, by the strategy that runs each once."""
    classes_estimated: float = 0.0
    """An estimate of how many there are; 0 if there is none."""


NO_FIGURES: Final = Figures()

Outcome = Literal["failed", "passed", "verified", "error"]


@dataclass(frozen=True, slots=True)
class Exploration:
    """The result of exploring one test."""

    outcome: Outcome
    runs: int
    seconds: float
    strategy: str
    seed: int
    findings: tuple[Finding, ...] = ()
    tasks: int = 0
    """The largest number of tasks in one run."""
    choices: int = 0
    """The largest number of real choices in one run."""
    interleavings: int = 0
    """How many different interleavings were seen."""
    stopped_by: str = ""
    """Why exploring ended: ``runs``, ``time``, ``finding``, ``interrupted``, ``one interleaving``, ``replay``,
    ``strategy``: it has nothing left to try."""
    uncontrolled: tuple[str, ...] = ()
    uninstrumented: tuple[str, ...] = ()
    """Code that ran in a task, was in scope, and could not be rewritten; with the reason."""
    error: str = ""
    """For the outcome ``error``: what is wrong and what to do."""
    remarks: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    """Names of the sites that were found to touch shared locations."""
    classes: int = 0
    """For the outcome ``verified``: how many classes of equivalent interleavings there are, each of which was run."""
    unproven: tuple[str, ...] = ()
    """Why it can't be verified, however many runs are made: sentences."""
    interpreter: str = ""
    """What ran it: ``CPython 3.13``."""
    gil: bool = True
    """Whether that ran with a GIL."""
    granularity: str = "access"
    """Where tasks could be stopped: at every ``access`` to shared state, or only where the ``gil`` lets go."""
    learning: int = 0
    """How many runs it took to learn what is shared: the number of the last run that taught anything of that."""
    figures: Figures = NO_FIGURES
    races: tuple[Race, ...] = ()
    """Races that do not fail the test: those of the levels ``warn`` and ``info``."""
    benign: tuple[str, ...] = ()
    """By what races were said to be harmless: names, and ``file:line`` of comments."""
    idle: tuple[str, ...] = ()
    """``file:line`` of comments that say so of something that tasks share, and that no race has fitted."""
