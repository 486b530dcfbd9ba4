"""Says of a run that failed which race it is: the step that comes too early, too late or in between.

The order of a failing run is varied where one task comes between the steps of another: as early and as late as it still
fails. What has to come before, and what after, are the sides of the race. That a failure is explained by the smallest
difference to a run that passes is from Choi and Zeller, "Isolating failure-inducing thread schedules" (ISSTA 2002).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, NamedTuple

from pytest_racecheck.core.observation import Observation, Seen
from pytest_racecheck.core.record import RunRecord
from pytest_racecheck.core.runner import Runner
from pytest_racecheck.core.values import Failure, Operation, RaceKind, Schedule, TaskId, Trace
from pytest_racecheck.detect.guards import hint
from pytest_racecheck.detect.lessons import MOST_LESSONS, MOST_PLACES, Lessons
from pytest_racecheck.detect.naming import FIRST, FOREIGN, LAST, Steps, kind_of
from pytest_racecheck.detect.patterns import conflict, is_access, parts_of
from pytest_racecheck.detect.roles import Role, role_of
from pytest_racecheck.detect.steering import Steered, order_of, point_of

MOST_GAPS: Final = 6
"""So many places where a task comes between the steps of another are varied."""

MANY: Final = 10_000
"""More steps than a task has that is looked at so closely."""


class Gap(NamedTuple):
    """A task is stopped, others move, it goes on."""

    task: TaskId
    before: list[int]
    """Steps of the task up to here."""
    inside: list[int]
    """What the others do meanwhile."""
    after: list[int]
    """What the task does then."""


class Bounds(NamedTuple):
    """Between which steps of a task the others have to come."""

    gap: Gap
    lowest: int
    """Of the steps before, so many have to come first; none if it fails even if the others come before all of them."""
    most: int
    """Of the steps after, only so many may come first."""
    is_ended: bool
    """Whether it passes if the others come after the task's end; else ``most`` says nothing."""

    @property
    def explains(self) -> int:
        """On how many sides there is a bound."""
        return bool(self.lowest) + self.is_ended


class Explained(NamedTuple):
    """What a failing run comes from."""

    kind: RaceKind
    first: Seen | None
    foreign: Seen
    last: Seen | None
    passing: tuple[TaskId, ...]
    """With which tasks first nothing fails."""
    hint: str = ""
    """Which lock is missing."""


class Explanation:
    """The runs that it takes to explain one failing run."""

    def __init__(self, runner: Runner, record: RunRecord, failure: Failure) -> None:
        self._runner = runner
        self._record = record
        self._failure = failure
        self._order = order_of(record)
        self._lessons = Lessons(runner)

    def find(self, schedule: Schedule) -> Explained | None:
        """Try the places where a task comes between another's steps, the last first; the first that explains all.

        What the runs teach makes further steps choices: then all begins anew, from the schedule that fails.
        """
        explained = self._find()
        for number in range(1, MOST_LESSONS + MOST_PLACES):
            if not self._lessons.learned:
                break
            if self._runner.follow(schedule, self._failure) is None:
                return None
            self._record = self._runner.record
            self._order = order_of(self._record)
            self._lessons = Lessons(self._runner, number)
            explained = self._find()
        return explained

    def _find(self) -> Explained | None:
        best: Bounds | None = None
        for gap in list(self._gaps())[:MOST_GAPS]:
            bounds = self._bounds(gap)
            if bounds is not None and (best is None or bounds.explains > best.explains):
                best = bounds
            if best is not None and best.explains == 2:
                break
        explained = self._explained(best) if best is not None and not self._lessons.learned else None
        return explained or (None if self._lessons.learned else self._missed())

    # -- where -------------------------------------------------------------------------------------------------

    def _gaps(self) -> Iterator[Gap]:
        path = self._record.path
        for end in range(len(path) - 1, 0, -1):
            if path[end][0] == path[end - 1][0]:
                continue
            task = path[end - 1][0]
            resumed = next((index for index in range(end, len(path)) if path[index][0] == task), len(path))
            before = [index for index in range(end) if path[index][0] == task]
            after = [index for index in range(resumed, len(path)) if path[index][0] == task]
            yield Gap(self._record.tasks[task], before, list(range(end, resumed)), after)

    def _bounds(self, gap: Gap) -> Bounds | None:
        """Move what is inside to the front and to the back, as long as it fails; ``None`` if it always does."""
        lowest = self._least(len(gap.before), lambda number: self._fails(self._earlier(gap, number)))
        is_ended = not self._fails(self._after_end(gap))
        most = len(gap.after)
        if is_ended:
            most = len(gap.after) - self._least(
                len(gap.after), lambda number: self._fails(self._later(gap, len(gap.after) - number))
            )
        return Bounds(gap, lowest, most, is_ended) if lowest or is_ended else None

    def _least(self, most: int, fails: Callable[[int], bool]) -> int:
        """The least number with which it fails, where it is known to fail with the greatest."""
        low, high = 0, most
        if not most or fails(0):
            return 0
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if fails(middle) else (middle, high)
        return high

    def _earlier(self, gap: Gap, number: int) -> list[TaskId]:
        """The others come already after so many of the task's steps."""
        moved = set(gap.inside)
        at = gap.before[number] if number < len(gap.before) else gap.inside[0]
        head = range(at)
        tail = [index for index in range(at, len(self._order)) if index not in moved]
        return self._tasks(chain(head, gap.inside, tail))

    def _later(self, gap: Gap, number: int) -> list[TaskId]:
        """They come only after so many more of its steps."""
        done = gap.after[:number]
        rest = [index for index in range(gap.inside[-1] + 1, len(self._order)) if index not in done]
        return self._tasks(chain(range(gap.inside[0]), done, gap.inside, rest))

    def _after_end(self, gap: Gap) -> list[TaskId]:
        """They come after its end."""
        return [*self._tasks(range(gap.inside[0])), *[gap.task] * MANY, *self._tasks(gap.inside)]

    def _tasks(self, indices: Iterable[int]) -> list[TaskId]:
        return [self._order[index] for index in indices]

    # -- runs --------------------------------------------------------------------------------------------------

    def _fails(self, order: list[TaskId]) -> bool:
        trace = self._runner.run(Steered(order))
        self._lessons.note(trace)
        return fails_as(trace, self._failure)

    def _seen(self, record: RunRecord, order: Sequence[TaskId], steps: dict[str, int | None]) -> Observation:
        """Run an order once more, and look at some steps that its record has shown."""
        labels = {point_of(record, index): label for label, index in steps.items() if index is not None}
        strategy = Steered(order, (), labels)
        observation = self._runner.observe(strategy, strategy.spots)
        self._lessons.note(observation.trace)
        return observation

    # -- what --------------------------------------------------------------------------------------------------

    def _explained(self, bounds: Bounds) -> Explained | None:
        gap, record = bounds.gap, self._record
        inside = [index for index in gap.inside if is_access(record.operations[index])]
        first = _nearest(record, gap.before, bounds.lowest - 1, inside) if bounds.lowest else None
        last = _nearest(record, gap.after, bounds.most, inside) if bounds.is_ended and gap.after else None
        foreign = self._foreign(inside, first, last)
        if foreign is not None and first is not None and last is not None:
            last = _nearest(record, gap.after, bounds.most, [foreign]) or last
            last = self._act(gap.after, last, foreign)
        if foreign is None:
            return None
        observation = self._seen(record, self._order, {FIRST: first, FOREIGN: foreign, LAST: last})
        seen = observation.seen
        if not fails_as(observation.trace, self._failure) or FOREIGN not in seen:
            return None
        final = seen.get(LAST)
        if final is None and bounds.is_ended:
            final = self._what_follows(gap, [record.operations[index] for index in inside])
        before = self._seen(record, self._earlier(gap, 0), {LAST: last})
        passing = [seen[FOREIGN].side.task] if not before.trace.failures else []
        if not self._runner.run(Steered(self._after_end(gap))).failures:
            passing.append(gap.task)
        kind = self._kind((first, foreign, last), seen, final, before)
        text = ""
        if first is not None and last is not None:
            text = hint(observation.record, first, foreign, last, seen[FOREIGN].shown)
        return Explained(kind, seen.get(FIRST), seen[FOREIGN], final, tuple(passing), text)

    def _act(self, after: list[int], last: int, foreign: int) -> int:
        """What the task does in the end to what it looks at: its next change of the same, if there is one."""
        operations = self._record.operations
        later = (step for step in after if step > last and operations[step].kind != "read")
        changes = (step for step in later if meet(operations[step], operations[last]))
        if operations[last].kind != "read":
            return last
        return next((step for step in changes if meet(operations[step], operations[foreign])), last)

    def _foreign(self, inside: list[int], first: int | None, last: int | None) -> int | None:
        """Which of the others' steps it is: what meets the first step, else the last; rather a change than a look."""
        operations = self._record.operations

        def rank(index: int) -> tuple[bool, bool, bool, int]:
            first_met, last_met = (
                end is not None and meet(operations[index], operations[end]) for end in (first, last)
            )
            return (first_met, operations[index].kind != "read", last_met, index)

        return max(inside, key=rank, default=None)

    def _what_follows(self, gap: Gap, theirs: list[Operation]) -> Seen | None:
        """What the task would have done next to what the others touched: seen where they come after its end."""
        order = self._after_end(gap)
        self._runner.run(Steered(order))
        record = self._runner.record
        own = [index for index, (task, _) in enumerate(record.path) if record.tasks[task] == gap.task]
        later = [index for index in own[len(gap.before) :] if is_access(record.operations[index])]
        touched = {operation.site.key for operation in theirs}
        step = next((index for index in later if self._meets_again(record, index, touched)), None)
        if step is None:
            return None
        return self._seen(record, order, {LAST: step}).seen.get(LAST)

    def _meets_again(self, record: RunRecord, index: int, places: set[str]) -> bool:
        """Whether a step touches what other tasks touch at these places, in this run."""
        others = [
            operation
            for (task, site), operation in zip(record.path, record.operations, strict=True)
            if task != record.path[index][0] and site.key in places
        ]
        return any(meet(record.operations[index], other) for other in others)

    def _kind(
        self,
        steps: tuple[int | None, int, int | None],
        seen: dict[str, Seen],
        final: Seen | None,
        before: Observation,
    ) -> RaceKind:
        first, foreign, last = steps
        if FIRST not in seen or first is None or final is None:
            return "unordered"
        path = self._record.path
        site = path[first][1]
        same = LAST in seen and last is not None and path[foreign][1].key == path[last][1].key
        thing = final.location == seen[FIRST].location
        if LAST in seen and last is not None:
            thing = meet(self._record.operations[first], self._record.operations[last])
        again = before.seen.get(LAST)
        if before.trace.failures and role_of(site) is Role.VALUE:
            again = seen[FOREIGN]  # it never came so far; what is worked with is another value for sure
        fetches = site.action in ("advance", "iterate")
        met = Steps(seen[FIRST], seen[FOREIGN], final, again, fetches, thing, same)
        return kind_of(met) or "check-then-act"

    # -- what did not happen -----------------------------------------------------------------------------------

    def _missed(self) -> Explained | None:
        """A task that should have come first, and has not moved, or only later."""
        task = self._failure.task or (self._order[-1] if self._order else None)
        if task is None:
            return None
        self._runner.instrument.watch_all()  # one of the two may never have met the other
        if not self._fails(self._order):
            return None
        for other in self._record.tasks:
            order = [other] * MANY + self._order
            if other == task or self._fails(order) or self._fails(order):
                continue
            return self._too_early(task, other, self._runner.record, order)
        return None

    def _too_early(self, task: TaskId, other: TaskId, record: RunRecord, order: list[TaskId]) -> Explained | None:
        """Find what the one does first and the other needs: the last of what they both touch."""
        steps = [(index, record.tasks[number]) for index, (number, _) in enumerate(record.path)]
        mine = [index for index, who in steps if who == task and is_access(record.operations[index])]
        theirs = [index for index, who in steps if who == other and is_access(record.operations[index])]
        pairs = [
            (one, his)
            for one in mine
            for his in theirs
            if his < one and record.operations[his].kind != "read"
            if meet(record.operations[one], record.operations[his])
        ]
        if not pairs:
            return None
        last, foreign = pairs[0]
        again = self._seen(record, order, {FOREIGN: foreign, LAST: last})
        after = again.seen
        now = self._seen(record, self._order, {LAST: last}).seen
        if FOREIGN not in after or LAST not in after:
            return None
        passing = () if again.trace.failures else (other,)
        return Explained("unordered", None, after[FOREIGN], now.get(LAST, after[LAST]), passing)


def _nearest(record: RunRecord, steps: list[int], at: int, inside: list[int]) -> int | None:
    """The step at this place, or the nearest one around, that touches what others touch: locks stand for data."""
    at = min(at, len(steps) - 1)
    theirs = [record.operations[index] for index in inside]
    for index in chain(steps[at:], reversed(steps[:at])):
        if any(meet(record.operations[index], other) for other in theirs):
            return index
    return None


def meet(one: Operation, other: Operation) -> bool:
    """Whether two operations touch the same, and one of them changes it."""
    if not is_access(one) or not is_access(other) or one.kind == other.kind == "read":
        return False
    targets = {one.target, *[target for target, _ in one.also]} & {other.target, *[target for target, _ in other.also]}
    return any(conflict(parts_of(one, target), parts_of(other, target)) for target in targets)


def fails_as(trace: Trace, failure: Failure) -> bool:
    """Whether a run fails like that."""
    return any(each.signature == failure.signature for each in trace.failures)
