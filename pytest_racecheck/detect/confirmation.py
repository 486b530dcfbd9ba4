"""Finds out whether an order of steps matters: runs it again, and the other orders that there are, and compares.

Park and Sen, "Randomized active atomicity violation detection in concurrent programs" (FSE 2008), steer a program into
what was predicted; here the outcome counts as well, so that what is meant to be so is not accused.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from random import Random
from typing import Final, Literal, NamedTuple

from pytest_racecheck.core.observation import Observation
from pytest_racecheck.core.record import RunRecord
from pytest_racecheck.core.runner import Runner
from pytest_racecheck.core.values import RaceKind, TaskId, Trace
from pytest_racecheck.detect.guards import hint
from pytest_racecheck.detect.lessons import Lessons
from pytest_racecheck.detect.locks import Locks
from pytest_racecheck.detect.naming import FIRST, FOREIGN, LAST, Steps, kind_of
from pytest_racecheck.detect.patterns import Suspect, conflict, is_access, parts_of, suspects
from pytest_racecheck.detect.roles import goes_into
from pytest_racecheck.detect.steering import Hold, Point, Steered, index_of, order_of, point_of
from pytest_racecheck.detect.torn import torn

MORE_ORDERS: Final = 12
"""So many further orders are run before anybody is accused."""

Result = Literal["confirmed", "elsewhere", "twice", "benign", "ordered", "unrepeatable", "independent", "failed"]


class Order(NamedTuple):
    """One of the other orders, and what came of it."""

    name: str
    observation: Observation


class Verdict(NamedTuple):
    """What became of a suspect."""

    result: Result
    """``twice``: nothing comes of it but that two objects were made where one is wanted. ``elsewhere``: what is there
    is the same, and only something else tells that it was made twice."""
    kind: RaceKind = "unordered"
    racy: Observation | None = None
    others: tuple[Order, ...] = ()
    failing: Trace | None = None
    """The trace of a run that has failed on the way, which nobody had expected."""
    hint: str = ""
    """Which lock is missing."""


class Confirmation:
    """The runs that one suspect takes."""

    def __init__(self, runner: Runner, record: RunRecord, suspect: Suspect, lessons: Lessons) -> None:
        self._runner = runner
        self._record = record
        self._suspect = suspect
        self._key = suspect.key
        self._ends = (record.path[suspect.first][1], record.path[suspect.last][1])
        self._order = order_of(record)
        self._points = {
            FIRST: point_of(record, suspect.first),
            FOREIGN: point_of(record, suspect.foreign),
            LAST: point_of(record, suspect.last),
        }
        self._labels = {point: label for label, point in self._points.items()}
        self._lessons = lessons

    def judge(self) -> Verdict:
        """Run what there is to run, as little as suffices."""
        racy = self._observe()
        if racy.trace.failures:
            return Verdict("failed", failing=racy.trace)
        if not self._is_as_before(racy):
            return Verdict("unrepeatable")
        others: list[Order] = []
        for other in self._others():
            others.append(other)
            if other.observation.trace.failures or self._is_same(other, racy, others):
                failing = other.observation.trace if other.observation.trace.failures else None
                return Verdict("failed" if failing else "benign", failing=failing)
        kind = self._kind(racy, others) if others else None
        if kind is None:
            return Verdict("independent" if others else "ordered")
        return self._accused(racy, others, kind)

    def _is_same(self, other: Order, racy: Observation, others: list[Order]) -> bool:
        return other.observation.comes_to(racy) and not self._are_two(racy, others)

    def _accused(self, racy: Observation, others: list[Order], kind: RaceKind) -> Verdict:
        """Before anybody is accused: does it come of this alone, and again, and of no other order?"""
        verdict = Verdict("ordered")
        for lets in ("", self._points[FOREIGN].task):
            alone = self._alone(lets)
            if alone is None:
                continue
            again = self._alone(lets)
            verdict = self._weighed(alone, again, others, kind)
            if verdict.result in ("confirmed", "elsewhere") or verdict.failing is not None:
                return verdict
        if verdict.result == "ordered":  # it takes more than the two
            verdict = self._weighed(racy, self._observe(), others, kind)
        return verdict

    def _weighed(self, racy: Observation, again: Observation | None, others: list[Order], kind: RaceKind) -> Verdict:
        if racy.trace.failures:
            return Verdict("failed", failing=racy.trace)
        if again is None or not again.comes_to(racy):
            return Verdict("unrepeatable")
        is_same = any(other.observation.comes_to(racy) for other in others)
        for number in range(MORE_ORDERS):
            if is_same:
                break
            observed = self._observe((), Random(number))
            if observed.trace.failures:
                return Verdict("failed", failing=observed.trace)
            is_same = observed.comes_to(racy) and not self._is_racy(observed.record)
        if is_same:
            twice = Verdict("twice", kind, racy, tuple(others), hint=self._hint(racy))
            return twice if self._are_two(racy, others) else Verdict("benign")
        result: Result = "elsewhere" if self._is_elsewhere(kind, racy, others) else "confirmed"
        return Verdict(result, kind, racy, tuple(others), hint=self._hint(racy))

    def _is_elsewhere(self, kind: RaceKind, racy: Observation, others: list[Order]) -> bool:
        """Whether what was made twice is equal: who only counts that can't be told from who must not do it twice."""
        if kind != "double-initialisation" or self._are_two(racy, others):
            return False
        name = racy.seen[LAST].left
        return not any(name in racy.differences(other.observation) for other in others)

    def _hint(self, racy: Observation) -> str:
        """Of a torn invariant it is what was written that would need the lock."""
        steps = [index_of(racy.record, self._points[label]) for label in (FIRST, FOREIGN, LAST)]
        if None in steps:
            return ""
        first, foreign, last = (step or 0 for step in steps)
        return hint(racy.record, first, foreign, last, racy.seen[FOREIGN].shown)

    # -- runs --------------------------------------------------------------------------------------------------

    def _observe(
        self, holds: tuple[Hold, ...] = (), random: Random | None = None, order: list[TaskId] | None = None
    ) -> Observation:
        strategy = Steered(self._order if order is None else order, holds, self._labels, random)
        observation = self._runner.observe(strategy, strategy.spots)
        self._lessons.note(observation.trace)
        return observation

    def _alone(self, lets: TaskId) -> Observation | None:
        """The run in which all tasks move in turn, but that the one comes in between; ``None`` if that can't be.

        What it does beyond its part is done at once as well, if it is let go on.
        """
        one, other = self._points[LAST], self._points[FOREIGN]
        observation = self._observe((Hold(one, other, lets),), order=self._in_turn(one.task, other.task))
        is_it = len(observation.seen) == 3 and self._is_racy(observation.record)
        return observation if is_it or observation.trace.failures else None

    def _in_turn(self, first: TaskId, second: TaskId) -> list[TaskId]:
        """An order of whole tasks."""
        rest = [task for task in self._record.tasks if task not in (first, second)]
        return [task for task in (first, second, *rest) for _ in range(2 * len(self._order))]

    def _is_as_before(self, observation: Observation) -> bool:
        """Whether a run did the same steps in the same order, and the three were seen."""
        again = [(task, site.key) for task, site in observation.record.path]
        return again == [(task, site.key) for task, site in self._record.path] and len(observation.seen) == 3

    def _others(self) -> Iterator[Order]:
        """The other orders, as far as there are any: one task's part before the other's, and whole tasks in turn."""
        one, other = self._points[LAST].task, self._points[FOREIGN].task
        for name, until, points in (
            (f"task {other} first", self._points[FOREIGN], self._beginnings(self._suspect.first)),
            (f"task {one} first", self._points[LAST], self._beginnings(self._suspect.foreign)),
        ):
            found = next(filter(None, (self._held(at, until) for at in points)), None)
            if found is not None:
                yield Order(name, found)
        for name, first, second in ((f"task {other} first", other, one), (f"task {one} first", one, other)):
            found = self._observe(order=self._in_turn(first, second))
            if found.trace.failures or not self._is_racy(found.record):
                yield Order(name, found)

    def _held(self, at: Point, until: Point) -> Observation | None:
        """The run in which a step waits for another; ``None`` if that can't be."""
        observation = self._observe((Hold(at, until),))
        record = observation.record
        done, held = index_of(record, until), index_of(record, at)
        if observation.trace.failures:
            return observation
        if done is None or (held is not None and held < done) or self._is_racy(record):
            return None
        return observation

    def _is_racy(self, record: RunRecord) -> bool:
        """Whether a run has a suspect of the same places: then it is no other order."""
        found = torn(record) if self._suspect.shape == "torn" else suspects(record)
        return any(suspect.key == self._key for suspect in found)

    def _beginnings(self, index: int) -> list[Point]:
        """Where what a task does at a step may begin: where it first read the same, or where it took its locks."""
        record = self._record
        if self._suspect.shape == "torn":
            begins = self._suspect.first if index == self._suspect.first else self._suspect.begins
            steps = (index if begins is None else begins, Locks(record).outermost(index if begins is None else begins))
            return [point_of(record, step) for step in dict.fromkeys(steps)]
        target = record.operations[self._suspect.foreign].target
        parts = parts_of(record.operations[self._suspect.foreign], target)
        task = record.path[index][0]
        earliest = index
        for earlier in range(index - 1, -1, -1):
            operation = record.operations[earlier]
            if record.path[earlier][0] != task or not is_access(operation):
                continue
            touched = parts_of(operation, target) if operation.target == target else ()
            if not touched or not conflict(touched, parts):
                continue
            if operation.kind != "read":
                break
            earliest = earlier
        section = Locks(record).outermost(earliest)
        return [point_of(record, each) for each in dict.fromkeys((earliest, index, section))]

    # -- what it is --------------------------------------------------------------------------------------------

    def _kind(self, racy: Observation, others: list[Order]) -> RaceKind | None:
        """What kind of race it is, by what the task does when it sees the other's change; ``None`` if nothing else."""
        if self._suspect.shape == "torn":
            return "torn-invariant"
        other = f"task {self._points[FOREIGN].task} first"
        after = next((each.observation for each in others if each.name == other), None)
        iterates = self._suspect.shape == "iteration"
        if not iterates and after is None:
            return None
        again = None if after is None else after.seen.get(LAST)
        same = self._points[FOREIGN].place == self._points[LAST].place
        steps = Steps(racy.seen[FIRST], racy.seen[FOREIGN], racy.seen[LAST], again, iterates, True, same)
        kind = kind_of(steps)
        if self._suspect.shape == "stale-decision" and again is not None:
            return None  # it has looked again: what it does differs for that reason
        if iterates or kind is None or after is None or goes_into(*self._ends):
            return kind
        return kind if self._nothing_else(racy.record, after.record) else None

    def _nothing_else(self, racy: RunRecord, after: RunRecord) -> bool:
        """Whether the task has met no other change of others between what it read and where the two runs part.

        If it has, it may act otherwise because of that.
        """
        return not any(self._met(one, other) for one, other in ((racy, after), (after, racy)))

    def _met(self, record: RunRecord, other: RunRecord) -> bool:
        own, others = self._steps_after(record), self._steps_after(other)
        alike = sum(1 for _ in takewhile(_same_place, zip(own, others, strict=False)))
        first = index_of(record, self._points[FIRST])
        target = None if first is None else record.operations[first].target
        task = self._points[FIRST].task
        changed = {
            operation.target
            for (number, _), operation in zip(record.path, record.operations, strict=True)
            if record.tasks[number] != task and operation.kind != "read" and is_access(operation)
        }
        met = {record.operations[index].target for index, _ in own[:alike] if is_access(record.operations[index])}
        return bool((met & changed) - {target})

    def _steps_after(self, record: RunRecord) -> list[tuple[int, str]]:
        """What the task does after what it read, up to what it does in spite of the other's change."""
        first, last = index_of(record, self._points[FIRST]), index_of(record, self._points[LAST])
        if first is None:
            return []
        end = len(record.path) if last is None else last
        task = self._points[FIRST].task
        steps = [(index, *record.path[index]) for index in range(first + 1, end)]
        return [(index, site.key) for index, number, site in steps if record.tasks[number] == task]

    def _are_two(self, racy: Observation, others: list[Order]) -> bool:
        """Whether two objects were made where one is wanted, and it matters which of them one has."""
        if self._kind(racy, others) != "double-initialisation":
            return False
        one, other = racy.seen[FOREIGN].identity, racy.seen[LAST].identity
        return one != other and "#" in one and "#" in other


def _same_place(pair: tuple[tuple[int, str], tuple[int, str]]) -> bool:
    return pair[0][1] == pair[1][1]
