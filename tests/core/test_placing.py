"""What a failure depends on is shown by schedules that differ in one switch and pass, or it is not said."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from announced import Announcing, Bodies, Body

from pytest_racecheck.core.placing import Difference, Placed, place
from pytest_racecheck.core.protocols import Strategy
from pytest_racecheck.core.runner import Limits, Runner
from pytest_racecheck.core.steps import Step
from pytest_racecheck.core.values import Schedule, Switch, Trace


class Placing:
    """Programs that announce their steps, each a body that does what it is told at a place."""

    def __init__(self, make: Callable[[Announcing], tuple[Sequence[Body], Body]]) -> None:
        self.instrument = Announcing()
        self.check: Body = lambda: None
        self.make = make
        self.runs = 0

    def of(self, schedule: Schedule, most: int = 1000) -> Placed:
        """Place the preemptions of the failing run that a schedule leads to."""
        program = Bodies(self._bodies, self._check)
        with Runner(program, self.instrument, Limits(), 0, ()) as runner:
            failing = runner.follow(schedule, traces=True)
            assert failing is not None
            assert failing.failures

            def run(strategy: Strategy) -> Trace:
                self.runs += 1
                return runner.run(strategy)

            kinds = {failure.kind for failure in failing.failures}
            return place(
                failing,
                run,
                lambda trace: bool(kinds & {failure.kind for failure in trace.failures}),
                lambda: self.runs < most,
            )

    def _check(self) -> None:
        self.check()

    def _bodies(self) -> Sequence[Body]:
        bodies, self.check = self.make(self.instrument)
        return bodies


def preempt(place: str, to: str = "1", task: str = "0", occurrence: int = 1) -> Switch:
    return Switch(task, place, occurrence, to, preempts=True)


def check_then_act(instrument: Announcing) -> tuple[Sequence[Body], Body]:
    """Looks, does two other things, acts on what it saw."""
    items: list[int] = []

    def body() -> None:
        instrument.step("before")
        instrument.step("look", "read")
        empty = not items
        instrument.step("other")
        instrument.step("another")
        instrument.step("act")
        if empty:
            items.append(1)
        instrument.step("after")

    def check() -> None:
        assert len(items) == 1

    return [body, body], check


def test_the_window_of_a_preemption_is_found_from_anywhere_in_it() -> None:
    """Between the look and the act a preemption fails; before and after it passes: both ends are shown by running."""
    for start in ("other", "another", "act"):
        placed = Placing(check_then_act).of((preempt(start),))

        (difference,) = placed.differences
        assert difference.after == Step("0", "look", 1), start
        assert difference.before == Step("0", "act", 1), start
        assert placed.trace.schedule == (preempt("act"),), "the last place of equal ones"


def test_an_end_that_can_not_be_shown_is_not_claimed() -> None:
    """With no run to spend nothing is said; with one, one end."""
    assert Placing(check_then_act).of((preempt("act"),), most=0).differences == ()
    assert Placing(check_then_act).of((preempt("act"),), most=2).differences == ()


def test_a_window_with_a_gap_is_told_from_its_first_to_its_last_place() -> None:
    """A run that passes in the middle is no end, as long as a later one fails again."""

    def make(instrument: Announcing) -> tuple[Sequence[Body], Body]:
        state = {"open": False, "done": False}

        def one() -> None:
            for name, is_open in (("a", False), ("b", True), ("c", False), ("d", True), ("e", False)):
                instrument.step(name)
                state["open"] = is_open

        def other() -> None:
            instrument.step("look")
            assert not state["open"]

        return [one, other], lambda: None

    (difference,) = Placing(make).of((preempt("c"),)).differences

    assert (difference.after, difference.before) == (Step("0", "b", 1), Step("0", "e", 1))


def test_another_failure_is_no_evidence() -> None:
    """Where moving the preemption leads to a failure of another kind, the next place at which it passes is the end."""

    def make(instrument: Announcing) -> tuple[Sequence[Body], Body]:
        state = {"at": ""}

        def one() -> None:
            for name in ("a", "b", "c"):
                instrument.step(name)
                state["at"] = name

        def other() -> None:
            instrument.step("look")
            assert state["at"] != "b"
            if state["at"] == "a":
                raise KeyError

        return [one, other], lambda: None

    (difference,) = Placing(make).of((preempt("c"),)).differences

    assert difference == Difference(preempt("c"), Step("0", "a", 1), Step("0", "c", 1))


def deadlocking(instrument: Announcing) -> tuple[Sequence[Body], Body]:
    """Two locks in opposite order."""
    held: dict[str, bool] = {"x": False, "y": False}

    def take(name: str, place: str) -> None:
        instrument.step(place, "acquire", lambda: held[name])
        held[name] = True

    def body(first: str, second: str, task: str) -> None:
        take(first, f"{task} takes {first}")
        take(second, f"{task} takes {second}")
        for name in (first, second):
            instrument.step(f"{task} frees {name}", "release")
            held[name] = False

    return [lambda: body("x", "y", "A"), lambda: body("y", "x", "B")], lambda: None


def test_a_deadlock_depends_on_what_lies_between_two_locks() -> None:
    """The second lock was never taken: the task had come to it."""
    (difference,) = Placing(deadlocking).of((preempt("A takes y"),)).differences

    assert (difference.after, difference.before) == (Step("0", "A takes x", 1), Step("0", "A takes y", 1))


def test_of_two_preemptions_each_is_shown_with_the_other_in_its_place() -> None:
    """A reader that must see the first write but not the second, and then the third."""

    def make(instrument: Announcing) -> tuple[Sequence[Body], Body]:
        state = {"x": 0}

        def writes() -> None:
            for value in (1, 2):
                instrument.step(f"write {value}")
                state["x"] = value

        def reads() -> None:
            instrument.step("first look")
            first = state["x"]
            instrument.step("second look")
            assert (first, state["x"]) != (0, 1)

        return [writes, reads], lambda: None

    schedule = (
        Switch("", "start", 1, "1", preempts=False),
        preempt("second look", to="0", task="1"),
        preempt("write 2", to="1", task="0"),
    )
    one, other = Placing(make).of(schedule).differences

    assert (one.after, one.before) == (Step("1", "first look", 1), Step("1", "second look", 1))
    assert (other.after, other.before) == (Step("0", "write 1", 1), Step("0", "write 2", 1))


def late(instrument: Announcing) -> tuple[Sequence[Body], Body]:
    """Fails if the second task looks after the first one has written."""
    done: list[int] = []

    def writes() -> None:
        instrument.step("write")
        done.append(1)

    def looks() -> None:
        instrument.step("look")
        assert not done

    return [writes, looks], lambda: None


def test_an_order_is_told_by_the_switch_without_which_it_passes() -> None:
    first = Switch("", "start", 1, "1", preempts=False)

    def early(instrument: Announcing) -> tuple[Sequence[Body], Body]:
        (writes, looks), check = late(instrument)
        return [looks, writes], check

    assert Placing(early).of((first,)).differences == (Difference(first),)


def test_where_the_default_order_fails_another_first_task_is_tried() -> None:
    first = Switch("", "start", 1, "1", preempts=False)

    assert Placing(late).of(()).differences == (Difference(first, passes=True),)


def test_where_no_other_task_can_be_the_first_a_preemption_is_looked_for() -> None:
    """The third step is the last before which the other task may still run."""

    def make(instrument: Announcing) -> tuple[Sequence[Body], Body]:
        state = {"ready": False, "started": False}

        def main() -> None:
            for name in ("a", "b", "c"):
                instrument.step(name)
                state["started"] = True
            assert state["ready"]
            instrument.step("d")

        def other() -> None:
            instrument.step("wait", "wait", lambda: not state["started"])
            state["ready"] = True

        return [main, other], lambda: None

    (difference,) = Placing(make).of(()).differences

    assert difference.passes
    assert difference.before == Step("0", "c", 1)


def test_the_shown_place_is_where_a_lock_is_taken_rather_than_the_last() -> None:
    """Of places that are equal otherwise."""

    def make(instrument: Announcing) -> tuple[Sequence[Body], Body]:
        state = {"open": False}

        def one() -> None:
            instrument.step("opens")
            state["open"] = True
            instrument.step("takes a lock", "acquire")
            instrument.step("something")
            instrument.step("closes")
            state["open"] = False

        def other() -> None:
            instrument.step("look")
            assert not state["open"]

        return [one, other], lambda: None

    assert Placing(make).of((preempt("closes"),)).trace.schedule == (preempt("takes a lock"),)
