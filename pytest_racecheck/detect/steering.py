"""Runs the steps of a run in another order: as before, but some tasks are held at a step until another one was done."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final, NamedTuple

from pytest_racecheck.core.livelock import HARMLESS
from pytest_racecheck.core.observation import Spot, Spots
from pytest_racecheck.core.record import RunRecord
from pytest_racecheck.core.values import Choice, Operation, TaskId, Trace

STAYS: Final = 0.6
"""How probable it is that a task goes on where there is no order."""


MOST_LOOKS: Final = 100
"""So often in a row may a task look at something, or take a lock, before it counts as waiting in a loop."""


class Point(NamedTuple):
    """A step of a task that means the same in every run: it is at a place for the so-manieth time, counted from 1."""

    task: TaskId
    place: str
    occurrence: int


class Hold(NamedTuple):
    """A task is to wait at a step until another step was done."""

    at: Point
    until: Point
    lets: TaskId = ""
    """A task that it then lets go on as long as that can move."""


def point_of(record: RunRecord, index: int) -> Point:
    """The step of this index, as it can be met in other runs."""
    task, site = record.path[index]
    before = sum(1 for other, place in record.path[:index] if other == task and place.key == site.key)
    return Point(record.tasks[task], site.key, before + 1)


def index_of(record: RunRecord, point: Point) -> int | None:
    """Which step of a run it is; ``None`` if the run did not come there."""
    left = point.occurrence
    for index, (task, site) in enumerate(record.path):
        if site.key == point.place and record.tasks[task] == point.task:
            left -= 1
            if left == 0:
                return index
    return None


def order_of(record: RunRecord) -> list[TaskId]:
    """Who did each of the steps."""
    return [record.tasks[task] for task, _ in record.path]


class Steered:
    """A strategy that follows an order of tasks as far as some holds allow it, and points out steps of interest.

    What can't be done in its turn is done as soon as it can: everything else keeps its order. With ``random`` the rest
    has no order at all.
    """

    name = "steered"
    follows = True

    def __init__(
        self,
        order: Sequence[TaskId],
        holds: Sequence[Hold] = (),
        labels: Mapping[Point, str] | None = None,
        random: Random | None = None,
    ) -> None:
        self.spots: Spots = {}
        self.broken = False
        """Whether a hold had to be given up, as nobody else could move."""
        self._order = order
        self._holds = holds
        self._labels = dict(labels or {})
        self._random = random
        self.start_run()

    def start_run(self) -> bool:
        """See `Strategy`."""
        self._places: dict[TaskId, deque[int]] = {}
        for place, task in enumerate(self._order):
            self._places.setdefault(task, deque()).append(place)
        self._waiting = list(self._holds)
        self._last = ""
        self._looks = 0
        self._over: set[Hold] = set()
        self._done: Counter[tuple[TaskId, str]] = Counter()
        self.spots.clear()
        self.broken = False
        return True

    def choose(self, choice: Choice) -> TaskId:
        """See `Strategy`."""
        operations = dict(zip(choice.enabled, choice.operations, strict=True))
        self._release(choice.enabled)
        able = [task for task in choice.enabled if not self._is_held(task, operations[task].site.key)]
        if not able:
            able = self._give_up(choice.enabled)
        task = self._next(able, choice)
        if self._waits_in_a_loop(task, operations[task]):
            others = [each for each in able if each != task] or self._give_up(choice.enabled)
            task = next((each for each in others if each != task), task)
        place = operations[task].site.key
        if place != "start":
            self._note(task, place)
        return task

    def end_run(self, trace: Trace) -> None:
        """See `Strategy`."""

    def _give_up(self, enabled: Sequence[TaskId]) -> list[TaskId]:
        """Nobody else can move: drop the holds."""
        self.broken = True
        self._waiting.clear()
        return list(enabled)

    def _waits_in_a_loop(self, task: TaskId, operation: Operation) -> bool:
        """Whether a task looks and looks, and changes nothing: then it is somebody else's turn."""
        looks = task == self._last and operation.kind in HARMLESS
        self._looks = self._looks + 1 if looks else 0
        self._last = task
        return self._looks > MOST_LOOKS

    def _release(self, enabled: Sequence[TaskId]) -> None:
        """Drop the holds that are over; some wait until who was let go on can't."""
        if self._over:
            ended = {hold for hold in self._over if hold.lets not in enabled}
            self._over -= ended
            self._waiting = [hold for hold in self._waiting if hold not in ended]

    def _is_held(self, task: TaskId, place: str) -> bool:
        return any(
            hold.at.task == task and hold.at.place == place and hold.at.occurrence == self._done[task, place] + 1
            for hold in self._waiting
        )

    def _next(self, able: list[TaskId], choice: Choice) -> TaskId:
        if self._random is not None:
            stays = choice.running in able and self._random.random() < STAYS
            return choice.running if stays and choice.running else self._random.choice(able)
        ahead = [(self._places[task][0], task) for task in able if self._places.get(task)]
        if ahead:
            return min(ahead)[1]
        return choice.default if choice.default in able else able[0]

    def _note(self, task: TaskId, place: str) -> None:
        """The task does its step now."""
        self._done[task, place] += 1
        point = Point(task, place, self._done[task, place])
        if self._places.get(task):
            self._places[task].popleft()
        if self._waiting:
            self._over.update(hold for hold in self._waiting if hold.until == point)
        label = self._labels.get(point)
        if label is None:
            self.spots.pop(task, None)
        else:
            self.spots[task] = Spot(label, place)
