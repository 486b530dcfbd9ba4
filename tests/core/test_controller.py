"""One run at a time, one task at a time: whatever tasks do, nobody is lost and nobody moves beside another."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from random import Random
from types import FrameType
from typing import Any

import pytest

from pytest_racecheck.core import unwinding
from pytest_racecheck.core.controller import Controller, active_controller
from pytest_racecheck.core.errors import RacecheckError, Unwind
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import Choice, Operation, Site, TaskId, Trace
from pytest_racecheck.core.watchdog import watched
from pytest_racecheck.strategies.random_walk import RandomWalk
from pytest_racecheck.strategies.sequential import Sequential

SITES = [
    Site(module="m", qualname="f", filename="f.py", first_line=1, line=1, rank=rank, action="read") for rank in range(5)
]


@pytest.fixture
def controller() -> Iterator[Controller]:
    made = Controller(max_steps=2000)
    with watched(made, 5.0):
        yield made
    made.close()
    assert not made.lost_threads


class Chaos:
    """A random program: steps, locks, timed waits, sleeps, tasks that start tasks, exceptions, and finally blocks.

    It notes who moves: between two announcements nobody but the one task may.
    """

    def __init__(self, controller: Controller, seed: str) -> None:
        self._controller = controller
        self._random = Random(seed)
        self._held: list[object] = [None] * 3
        self._moving: set[str] = set()
        self.beside: list[tuple[str, set[str]]] = []
        self.ended: list[str] = []

    def bodies(self) -> list[Callable[[], None]]:
        return [partial(self._body, str(number), 0) for number in range(self._random.choice([1, 2, 2, 3, 5, 8]))]

    def _step(self, me: str, blocked: Callable[[], bool] | None = None, deadline: float | None = None) -> bool:
        self._moving.discard(me)
        came = self._controller.reach(Operation("read", self._random.choice(SITES)), blocked, deadline)
        if self._moving and not self._controller.ending:
            self.beside.append((me, set(self._moving)))
        self._moving.add(me)
        return came

    def _body(self, me: str, depth: int) -> None:
        self._moving.add(me)
        mine: list[int] = []
        try:
            for _ in range(self._random.randrange(8)):
                self._act(me, depth, mine)
            while mine:
                self._give_back(me, mine)
        finally:
            if self._random.random() < 0.1:
                self._step(me)
            self._moving.discard(me)
            self.ended.append(me)

    def _act(self, me: str, depth: int, mine: list[int]) -> None:
        draw = self._random.random()
        if draw < 0.5:
            self._step(me)
        elif draw < 0.65:
            lock = self._random.randrange(3)
            timeout = self._random.choice([None, None, self._controller.clock.now + 1])
            if self._step(me, lambda: self._held[lock] is not None, timeout):
                self._held[lock] = me
                mine.append(lock)
        elif draw < 0.72 and mine:
            self._give_back(me, mine)
        elif draw < 0.78 and depth < 3:
            self._start(me, depth)
        elif draw < 0.8:
            raise ValueError(me)
        elif draw < 0.85:
            self._step(me, lambda: True, self._controller.clock.now + self._random.random())

    def _give_back(self, me: str, mine: list[int]) -> None:
        self._step(me)
        self._held[mine.pop()] = None

    def _start(self, me: str, depth: int) -> None:
        bodies = [partial(self._body, f"{me}.{number}", depth + 1) for number in range(self._random.randrange(1, 4))]
        for child in self._controller.start_together(bodies):
            self._step(me, lambda child=child: not child.ended)  # type: ignore[misc]


def run(controller: Controller, seed: str) -> tuple[Chaos, Trace]:
    chaos = Chaos(controller, seed)
    strategy = RandomWalk(len(seed))
    strategy.start_run()
    return chaos, controller.run(chaos.bodies(), strategy)


def test_random_programs(controller: Controller) -> None:
    """Many tasks, failing at any point, deadlocked or not: each run ends with all tasks ended, one moving at a time."""
    before = threading.active_count()
    kinds = set()
    for number in range(400):
        chaos, trace = run(controller, f"chaos {number}")
        assert not chaos.beside
        assert not trace.uncontrolled
        assert len(chaos.ended) <= len(trace.tasks)
        assert (controller.ident, controller.running) == (0, None)
        kinds.update([failure.kind for failure in trace.failures] or ["none"])
        assert all(type(failure.exception) in (ValueError, type(None)) for failure in trace.failures)

    assert kinds == {"none", "exception", "deadlock"}
    assert threading.active_count() <= before + 60  # kept for the next runs


def test_the_same_seed_is_the_same_run(controller: Controller) -> None:
    for number in range(50):
        one, other = run(controller, f"same {number}")[1], run(controller, f"same {number}")[1]
        assert (one.schedule, one.fingerprint, one.steps) == (other.schedule, other.fingerprint, other.steps)


def test_who_ended_a_run_does_not_touch_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread whose end was the deadlock may be slow, and the next run is under way before it is through."""
    controller = Controller(max_steps=100)
    give_way = Controller._give_way_to
    resumed: list[str] = []
    late: list[threading.Thread] = []

    def slow(self: Controller, chosen: Task | None, run: object = None) -> None:
        if chosen is None and self.ending:
            late.append(threading.current_thread())
            while self.ending or self.running is None:  # until the next run has begun
                time.sleep(0.001)
            give_way(self, chosen, run)
            late.clear()
        else:
            give_way(self, chosen, run)

    monkeypatch.setattr(Controller, "_give_way_to", slow)
    monkeypatch.setattr(Controller, "_resume_any", lambda self: resumed.append("resumed"))

    def wait() -> None:
        controller.reach(Operation("acquire", SITES[0]), lambda: True)

    def wait_for_the_late_one() -> None:
        while late:
            time.sleep(0.001)

    first = controller.run([wait, lambda: None], Sequential())
    second = controller.run([wait_for_the_late_one], Sequential())
    controller.close()

    assert [failure.kind for failure in first.failures] == ["deadlock"]
    assert not second.failures
    assert not resumed


def test_a_thousand_deadlocks_leave_no_thread() -> None:
    before = threading.active_count()
    controller = Controller(max_steps=100)
    ended = []

    def wait() -> None:
        try:
            controller.reach(Operation("acquire", SITES[0]), lambda: True)
        finally:
            ended.append(1)

    for _ in range(1000):
        trace = controller.run([wait, wait, wait], Sequential())
        assert [failure.kind for failure in trace.failures] == ["deadlock"]
    assert len(ended) == 3000
    assert threading.active_count() == before  # those that are kept are no threads of the program's
    controller.close()
    assert threading.active_count() == before


def test_tasks_that_keep_going_give_way_at_last(controller: Controller) -> None:
    """A strategy that never switches can't keep a task spinning for what another one has to do."""
    done: list[int] = []

    def spin() -> None:
        while not done:
            controller.reach(Operation("read", SITES[0]))

    strategy = Sequential()
    strategy.start_run()
    assert not controller.run([spin, lambda: done.append(1)], strategy).failures


def test_so_do_those_that_reach_no_choice(controller: Controller) -> None:
    done: list[int] = []

    def spin() -> None:
        while not done:
            controller.lapse()

    strategy = Sequential()
    strategy.start_run()
    assert not controller.run([spin, lambda: done.append(1)], strategy).failures


def test_a_run_that_does_not_end_is_cut_off(controller: Controller) -> None:
    def loop() -> None:
        while True:
            controller.reach(Operation("write", SITES[0]))

    strategy = Sequential()
    strategy.start_run()
    (failure,) = controller.run([loop, loop], strategy).failures

    assert failure.kind == "step-limit"
    assert failure.message.startswith("no end after 2000 operations\n")


def test_tasks_that_repeat_themselves_and_change_nothing_are_a_livelock(controller: Controller) -> None:
    def ask() -> None:
        while True:
            controller.reach(Operation("try-acquire", SITES[0]))
            controller.reach(Operation("read", SITES[1]))

    def wait() -> None:
        controller.reach(Operation("acquire", SITES[2]), lambda: True)

    strategy = Sequential()
    strategy.start_run()
    (failure,) = controller.run([ask, wait, ask], strategy).failures

    assert failure.kind == "livelock"
    assert failure.message.startswith("livelock: no end after 2000 operations, and the last ones repeat")
    assert "task 0 goes round: read at" in failure.message
    assert "task 1 waits to acquire" in failure.message


@pytest.mark.parametrize("lapses", [False, True], ids=["operations", "lapses"])
@pytest.mark.parametrize(("writes", "kind"), [(False, "livelock"), (True, "step-limit")])
def test_what_is_written_between_operations_is_a_change(
    controller: Controller, lapses: bool, writes: bool, kind: str
) -> None:
    def go_round() -> None:
        while True:
            controller.wrote = writes
            if lapses:
                controller.lapse()
            else:
                controller.reach(Operation("read", SITES[0]))

    strategy = Sequential()
    strategy.start_run()
    (failure,) = controller.run([go_round, go_round], strategy).failures

    assert failure.kind == kind


def test_what_was_written_long_before_is_none(controller: Controller) -> None:
    def go_round() -> None:
        controller.wrote = True
        while True:
            controller.reach(Operation("read", SITES[0]))

    strategy = Sequential()
    strategy.start_run()
    (failure,) = controller.run([go_round, go_round], strategy).failures

    assert failure.kind == "livelock"


def test_one_that_changes_something_is_only_long(controller: Controller) -> None:
    def ask() -> None:
        while True:
            controller.reach(Operation("read", SITES[0]))

    def change() -> None:
        while True:
            controller.reach(Operation("write", SITES[1]))

    strategy = RandomWalk(0)
    strategy.start_run()
    (failure,) = controller.run([ask, change], strategy).failures

    assert failure.kind == "step-limit"


class Nonsense:
    """A strategy that names a task that there is not."""

    name = "nonsense"

    def start_run(self) -> bool:
        return True

    def choose(self, choice: Choice) -> TaskId:
        return "7"

    def end_run(self, trace: Trace) -> None: ...


def test_a_strategy_that_names_nobody_is_told_so(controller: Controller) -> None:
    with pytest.raises(RacecheckError, match="'nonsense' chose task '7', which is not enabled; it must be one of 0, 1"):
        controller.run([lambda: None, lambda: None], Nonsense())
    strategy = Sequential()
    strategy.start_run()
    assert not controller.run([lambda: None, lambda: None], strategy).failures


class Interrupting:
    """Presses Ctrl-C at one line of the code that carries out a run and ends it; a context manager."""

    CODES = (
        Controller._run_here.__code__,
        Controller._end.__code__,
        Controller._unwind_the_rest.__code__,
        unwinding.unwind.__code__,
        unwinding._end.__code__,
    )

    def __init__(self, line: int) -> None:
        self.left = line
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = sys.gettrace()
        sys.settrace(self._trace)

    def __exit__(self, *_exception: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, _argument: object) -> Any:
        if frame.f_code not in self.CODES:
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                signal.raise_signal(signal.SIGINT)
        return self._trace


def next_descriptor() -> int:
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    return descriptor


def run_interrupted(line: int) -> bool:
    """One run with a thread that is left behind, ended with Ctrl-C at a line; whether there was such a line."""
    controller = Controller(max_steps=100)

    def child(task: Task) -> None:
        task.ident = threading.get_ident()
        try:
            controller.take_part(task)
        except Unwind:
            pass
        controller.task_ended(task)

    def body() -> None:
        task = controller.new_task("child")
        threading.Thread(target=child, args=(task,)).start()
        while not task.ident:
            time.sleep(0)
        controller.admit(task)
        raise ValueError

    interrupting = Interrupting(line)
    with watched(controller, 5.0):
        try:
            with interrupting:
                controller.run([body], Sequential())
        except KeyboardInterrupt:
            assert interrupting.left <= 0
        else:
            assert interrupting.left > 0
    assert (controller.running, controller.host, active_controller()) == (None, None, None)
    controller.close()
    return interrupting.left <= 0


def test_ctrl_c_at_any_line() -> None:
    """It is heard, all tasks end, nothing is given back twice, and nothing is kept, whenever it comes."""
    threads, descriptor = threading.active_count(), next_descriptor()
    lines = next(line for line in count(1) if not run_interrupted(line))

    assert lines > 30
    assert (threading.active_count(), next_descriptor()) == (threads, descriptor)
