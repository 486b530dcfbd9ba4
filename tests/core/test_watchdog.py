"""Tasks that go where we can't see them: noticed, let alone, taken back, or given up."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import Choice, Operation, Site, TaskId, Trace
from pytest_racecheck.core.watchdog import watched
from pytest_racecheck.strategies.sequential import Sequential

SITE = Site(module="m", qualname="f", filename="f.py", first_line=1, line=1, rank=0, action="read")
PATIENCE = 1.0


@pytest.fixture
def controller() -> Iterator[Controller]:
    made = Controller(max_steps=100_000)
    with watched(made, PATIENCE):
        yield made
    made.close()


def run(controller: Controller, *bodies: object) -> Trace:
    strategy = Sequential()
    strategy.start_run()
    return controller.run(list(bodies), strategy)  # type: ignore[arg-type]


def step(controller: Controller) -> None:
    """Announce an operation as hooks do: who has lost the baton gets it back first."""
    if controller.current() is None:
        controller.come_back()
    controller.reach(Operation("read", SITE))


def test_a_task_blocked_in_c_is_set_aside_and_comes_back(controller: Controller) -> None:
    """The other one moves meanwhile, and does what it waits for; the run is said not to be controlled."""
    reader, writer = os.pipe()
    order = []

    def read() -> None:
        step(controller)
        order.append(os.read(reader, 1))
        step(controller)
        order.append(b"end")

    def write() -> None:
        step(controller)
        os.write(writer, b"x")
        step(controller)

    trace = run(controller, read, write)

    assert order == [b"x", b"end"]
    assert not trace.failures
    assert len(trace.uncontrolled) == 1
    assert trace.uncontrolled[0].startswith("task 0 was blocked outside our control, at ")


def test_a_timed_wait_does_not_give_up_while_a_task_is_away(controller: Controller) -> None:
    """What it waits for may still come, from where we can't see: its time is real then."""
    came = []

    def sleep() -> None:
        step(controller)
        threading.Event().wait(0.6)
        came.append(1)
        step(controller)

    def wait() -> None:
        assert controller.reach(Operation("wait", SITE), lambda: not came, controller.clock.now + 30)

    trace = run(controller, sleep, wait)

    assert not trace.failures


def test_a_task_that_ends_out_of_sight_just_as_the_last_other_one_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever is the very last: the run is over, and nobody waits."""
    controller = Controller(max_steps=100)
    reader, writer = os.pipe()
    give_way = Controller._give_way_to

    def late(self: Controller, chosen: Task | None, run: object = None) -> None:
        if chosen is None and not self.ending:
            os.write(writer, b"x")
            while not self.tasks["0"].ended:
                time.sleep(0.001)
        give_way(self, chosen, run)

    monkeypatch.setattr(Controller, "_give_way_to", late)
    with watched(controller, PATIENCE):
        trace = run(controller, lambda: os.read(reader, 1), lambda: None)
    controller.close()

    assert not trace.failures
    assert trace.uncontrolled


class SlowStart(Sequential):
    """Takes its time for the first choice."""

    def choose(self, choice: Choice) -> TaskId:
        if choice.running is None:
            time.sleep(0.5)
        return super().choose(choice)


def test_a_run_that_is_slow_to_begin_is_controlled(controller: Controller) -> None:
    """The machine may be busy, or a strategy slow: nobody moves yet, and nobody may be made to."""
    strategy = SlowStart()
    strategy.start_run()
    trace = controller.run([lambda: step(controller)] * 2, strategy)

    assert not trace.uncontrolled
    assert not trace.failures


def test_a_sleep_is_over_at_once_even_then(controller: Controller) -> None:
    reader, writer = os.pipe()

    def sleep() -> None:
        controller.reach(Operation("sleep", SITE), lambda: True, controller.clock.now + 1000)
        os.write(writer, b"x")

    assert not run(controller, lambda: os.read(reader, 1), sleep).failures


@pytest.mark.parametrize("others", [0, 1], ids=["main", "task"])
def test_an_endless_loop_is_ended(controller: Controller, others: int) -> None:
    def loop() -> None:
        while True:
            pass

    (failure,) = run(controller, loop, *[lambda: None] * others).failures

    assert failure.kind == "hang"
    assert "task 0 ran for" in failure.message
    assert "in loop" in failure.message
    assert not controller.lost_threads


@pytest.mark.parametrize("others", [0, 1], ids=["main", "task"])
def test_so_is_one_that_catches_everything(controller: Controller, others: int) -> None:
    def loop() -> None:
        while True:
            try:
                while True:
                    pass
            except:  # noqa: E722
                pass

    assert [failure.kind for failure in run(controller, loop, *[lambda: None] * others).failures] == ["hang"]
    assert not controller.lost_threads


def test_what_can_not_be_ended_is_lost_and_concerns_nobody_more(controller: Controller) -> None:
    reader, writer = os.pipe()
    (failure,) = run(controller, lambda: os.read(reader, 1), lambda: None).failures

    assert failure.kind == "hang"
    assert failure.message.startswith("no end: nothing has moved for ")
    assert len(controller.lost_threads) == 1
    os.write(writer, b"x")
    assert not run(controller, lambda: time.sleep(0.1), lambda: step(controller)).failures


def test_the_signal_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    controller = Controller(max_steps=10)
    with watched(controller, 1.0):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    controller.close()


def test_ctrl_c_that_the_test_catches_ends_the_run_all_the_same(controller: Controller) -> None:
    def swallow() -> None:
        while True:
            try:
                os.kill(os.getpid(), signal.SIGINT)
                while True:
                    step(controller)
            except:  # noqa: E722
                pass

    with pytest.raises(KeyboardInterrupt):
        run(controller, swallow)
