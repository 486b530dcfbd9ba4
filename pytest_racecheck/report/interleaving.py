"""What of a trace is worth a line: the operations that matter, in order, repetitions told once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import Final, NamedTuple

from pytest_racecheck.core.values import Event, TaskId, Trace

_ALWAYS: Final = frozenset({"acquire", "try-acquire", "release", "wait"})
_ACCESSES: Final = frozenset({"read", "write", "update", "call"})
_MARK: Final = ("yield", "preempted")
"""Kind and note of the event that says where a task was preempted."""
_NOISE: Final = 6
"""So often may one read stand in one line without being a loop: a rewritten assertion reads again what it tells."""
_LONGEST_LOOP: Final = 6
"""How many operations a repeated group may have and still be recognised."""
_TURN_HEAD, _TURN_TAIL = 8, 12
"""What is kept of the lines of one task between two switches."""
_WHOLE_HEAD, _WHOLE_TAIL = 120, 240
"""What is kept of the whole interleaving."""


class Moment(NamedTuple):
    """Operations that a task did ``times`` times in a row; with none, that it was preempted here."""

    task: TaskId
    events: tuple[Event, ...]
    times: int = 1
    about: Event | None = None
    """Where it was preempted, if that is known: the place of what it was about to do."""


class Gap(NamedTuple):
    """Operations left out; ``task`` is "" where they belong to several."""

    task: TaskId
    operations: int
    shared: int


Entry = Moment | Gap


def entries(trace: Trace) -> list[Entry]:
    """Choose what to show of a trace; every operation that matters is shown or counted."""
    folded = list(_fold(_moments(trace)))
    turns = (list(turn) for _, turn in groupby(folded, key=lambda entry: entry.task))
    kept = [entry for turn in turns for entry in _shorten(turn, _TURN_HEAD, _TURN_TAIL)]
    return _shorten(kept, _WHOLE_HEAD, _WHOLE_TAIL, notes=False)


def matters(event: Event) -> bool:
    """Whether a reader must see the operation to understand the failure."""
    if is_mark(event) or (event.kind in _ACCESSES and not (event.name or event.value or event.note)):
        return False
    return event.shared or bool(event.note) or event.kind in _ALWAYS


def is_mark(event: Event) -> bool:
    """Whether the event is no operation, but says that its task was preempted here."""
    return (event.kind, event.note) == _MARK


def turns(tasks: Iterable[TaskId]) -> list[TaskId]:
    """The tasks in the order in which they moved, each once for every turn it had."""
    return [task for task, _ in groupby(tasks)]


def preempted_after(trace: Trace) -> frozenset[int]:
    """Indices of the events after which their task was stopped though it could have gone on; without marks."""
    told = [event.task for event in trace.events]
    stepped = [task for task, _ in trace.path]
    stopped = _stopped_steps(trace)
    same = [one == other for one, other in zip(turns(told), turns(stepped), strict=False)]
    # Steps and events need not be the same operations, but who moved after whom is; one may end before the other.
    marks = frozenset(at for at, step in zip(_changes(told), _changes(stepped), strict=False) if step in stopped)
    if all(same) and len(marks) == trace.preemptions:
        return marks
    return frozenset(_first_fitting(trace, _changes(told)))


def _changes(tasks: Sequence[TaskId]) -> list[int]:
    """Where another task comes next."""
    return [index for index, (task, following) in enumerate(pairwise(tasks)) if task != following]


def _stopped_steps(trace: Trace) -> set[int]:
    """Indices of the steps of the path after which their task was preempted."""
    preempting = {switch[:3] for switch in trace.schedule if switch.preempts}
    reached: Counter[tuple[TaskId, str]] = Counter()
    last: dict[TaskId, int] = {}
    stopped = set()
    for index, (task, place) in enumerate(trace.path):
        reached[task, place] += 1
        if (task, place, reached[task, place]) in preempting and task in last:
            stopped.add(last[task])
            preempting.discard((task, place, reached[task, place]))
        last[task] = index
    # Whoever was preempted and never moved again was stopped after its last step.
    return stopped | {last[task] for task, _, _ in preempting if task in last}


def _first_fitting(trace: Trace, changes: Sequence[int]) -> Iterator[int]:
    """Without a path to go by: match the preempting switches, in order, with changes between the same tasks."""
    waiting = [switch for switch in trace.schedule if switch.preempts]
    for index in changes:
        before, after = trace.events[index : index + 2]
        could_go_on = before.kind != "end" and not before.note
        if waiting and could_go_on and (before.task, after.task) == (waiting[0].task, waiting[0].to):
            waiting.pop(0)
            yield index


def _moments(trace: Trace) -> list[Moment]:
    stopped = frozenset[int]() if any(map(is_mark, trace.events)) else preempted_after(trace)
    repeated = _repeated_reads(trace.events)
    moments = []
    for index, event in enumerate(trace.events):
        if is_mark(event):
            moments.append(Moment(event.task, (), about=event))
        elif matters(event) and index not in repeated:
            moments.append(Moment(event.task, (event,)))
        if index in stopped:
            moments.append(Moment(event.task, ()))
    return moments


def _repeated_reads(events: Sequence[Event]) -> frozenset[int]:
    """Indices of the reads that tell nothing new: same line, name and value, and nothing was changed in between."""
    equal: list[list[int]] = []
    for _, stretch in groupby(enumerate(events), key=lambda pair: _stretch(pair[1])):
        reads: dict[tuple[str, str], list[int]] = {}
        for index, event in stretch:
            if event.kind == "read" and not event.note:
                reads.setdefault((event.name, event.value), []).append(index)
            elif event.kind != "call" and matters(event):
                equal.extend(reads.values())
                reads.clear()
        equal.extend(reads.values())
    return frozenset(index for group in equal if len(group) <= _NOISE for index in group[1:])


def _stretch(event: Event) -> tuple[object, ...]:
    """Equal for neighbours that one execution of a line may have made."""
    return (event.task, event.filename, event.line, is_mark(event))


def _fold(moments: Sequence[Moment]) -> Iterator[Entry]:
    """Join what is repeated, by one task and without a preemption in between."""
    index = 0
    while index < len(moments):
        length, times = _repetition(moments, index)
        group = moments[index : index + length]
        if times == 1:
            yield group[0]
        else:
            yield Moment(group[0].task, tuple(event for moment in group for event in moment.events), times)
        index += length * times


def _repetition(moments: Sequence[Moment], start: int) -> tuple[int, int]:
    """The length of the shortest group that is repeated from ``start`` on and how often it stands there."""
    for length in range(1, _LONGEST_LOOP + 1):
        group = moments[start : start + length]
        if any(not moment.events or moment.task != group[0].task for moment in group):
            break
        times = 1
        while moments[start + length * times : start + length * (times + 1)] == group:
            times += 1
        # Saying "2 times" takes as much room as a second line.
        if length * (times - 1) > 1:
            return length, times
    return 1, 1


def _shorten(shown: list[Entry], head: int, tail: int, notes: bool = True) -> list[Entry]:
    """Keep the first and last entries (and with ``notes`` those that carry one) and count what is left out."""
    if len(shown) <= head + tail:
        return shown
    last = len(shown) - tail

    def stays(numbered: tuple[int, Entry]) -> bool:
        index, entry = numbered
        return not head <= index < last or (notes and _has_note(entry))

    kept: list[Entry] = []
    for staying, run in groupby(enumerate(shown), key=stays):
        part = [entry for _, entry in run]
        kept.extend(part if staying or len(part) == 1 else [_gap(part)])
    return kept


def _has_note(entry: Entry) -> bool:
    return isinstance(entry, Moment) and any(event.note for event in entry.events)


def _gap(part: Sequence[Entry]) -> Gap:
    counts = [_weight(entry) for entry in part]
    tasks = {entry.task for entry in part}
    task = tasks.pop() if len(tasks) == 1 else ""
    return Gap(task, sum(count for count, _ in counts), sum(shared for _, shared in counts))


def _weight(entry: Entry) -> tuple[int, int]:
    """How many operations an entry stands for and how many of them are on shared state."""
    if isinstance(entry, Gap):
        return entry.operations, entry.shared
    return len(entry.events) * entry.times, sum(event.shared for event in entry.events) * entry.times
