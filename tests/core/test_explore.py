"""What exploring promises, on programs that announce their operations themselves."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence

import pytest
from announced import Announcing, Bodies, Body, Counter, order

from pytest_racecheck.core.errors import TokenError
from pytest_racecheck.core.explore import GONE, NO_CODE, NO_SECOND_TASK, explore, replay
from pytest_racecheck.core.runner import Limits
from pytest_racecheck.core.values import Exploration
from pytest_racecheck.strategies.table import make

SHORT = Limits(runs=60, seconds=20.0)


def explored(counter: Counter, *, limits: Limits = SHORT, seed: int = 0, first: tuple[str, ...] = ()) -> Exploration:
    """Explore a counter with the default strategy."""
    return explore(
        counter.program,
        strategy=make("random", seed),
        instrument=counter.instrument,
        limits=limits,
        seed=seed,
        first=first,
    )


def test_a_lost_update_is_found_and_shrunk_to_one_preemption() -> None:
    """The shortest interleaving that loses an update stops one task once."""
    exploration = explored(Counter())

    assert exploration.outcome == "failed"
    finding = exploration.findings[0]
    assert (finding.kind, finding.sequential, finding.trace.preemptions) == ("invariant", False, 1)
    assert order(exploration) == ["0", "1", "1", "0"]


def test_the_same_seed_gives_the_same_exploration() -> None:
    """Two explorations with one seed agree in runs, token and trace; that is what a seed is for."""
    one, other = explored(Counter(3), seed=7), explored(Counter(3), seed=7)

    assert (one.runs, one.findings[0].token) == (other.runs, other.findings[0].token)
    assert one.findings[0].trace.path == other.findings[0].trace.path


def test_different_seeds_take_different_ways() -> None:
    """A seed that changes nothing would be none."""
    assert len({explored(Counter(3), seed=seed).findings[0].run for seed in range(12)}) > 1


def test_the_token_replays_the_run() -> None:
    """What the token replays is the run that was shown, step by step."""
    finding = explored(Counter()).findings[0]
    again = Counter()

    replayed = replay(again.program, token=finding.token, instrument=again.instrument, limits=SHORT)

    assert replayed.outcome == "failed"
    assert replayed.findings[0].trace.path == finding.trace.path
    assert replayed.findings[0].token == finding.token


def test_a_token_whose_places_are_gone_says_where_it_parted() -> None:
    """A schedule that the code can't follow any more is refused with the place and the remedy."""
    token = explored(Counter()).findings[0].token
    other = Counter()
    other.program = Bodies(lambda: [lambda: other.instrument.step("elsewhere")] * 2)

    with pytest.raises(TokenError) as refused:
        replay(other.program, token=token, instrument=other.instrument, limits=SHORT)

    assert str(refused.value) == (
        "the schedule of this token no longer fits the code: task 0 did not come to write at all; "
        "the code at the places that it names has changed. Run the test without --racecheck-replay to search anew."
    )


def test_a_token_of_a_bug_that_is_gone_says_so() -> None:
    """A schedule that is followed to its end without any failure is no error."""
    token = explored(Counter()).findings[0].token
    mended = Counter()
    mended.program = Bodies(mended.program.set_up)

    replayed = replay(mended.program, token=token, instrument=mended.instrument, limits=SHORT)

    assert (replayed.outcome, replayed.remarks) == ("passed", (GONE,))


def test_stored_schedules_are_tried_first() -> None:
    """A test that failed before fails again at once; tokens that no longer fit are passed over."""
    token = explored(Counter(), seed=3).findings[0].token

    exploration = explored(Counter(), first=("rc1-broken", "rc9-later", token))

    assert exploration.findings[0].run <= 2
    assert exploration.findings[0].token == token


def test_a_failure_without_any_race_is_said_to_be_one() -> None:
    """What fails in the first order of all fails without any preemption."""
    counter = Counter()
    counter.program = Bodies(counter.program.set_up, check=lambda: pytest.fail("always"))

    finding = explored(counter).findings[0]

    assert (finding.run, finding.sequential, finding.trace.preemptions) == (1, True, 0)


def test_state_that_leaks_from_run_to_run_is_said() -> None:
    """An invariant that only the first run can satisfy is not blamed on the interleaving."""
    counter = Counter()
    counter.program = Bodies(lambda: [counter._increment] * 2, counter._check)

    finding = explored(counter).findings[0]

    assert finding.sequential
    assert finding.remarks == (
        (
            "The same order of tasks passed in the first run, so state leaks from run to run. Reset it in a "
            "function-scoped fixture, or make it in the test."
        ),
    )


def test_a_failure_that_does_not_come_again_is_reported_without_a_token() -> None:
    """Nothing is lost and nothing is promised: the finding says that it did not repeat."""
    failures = iter([True])
    counter = Counter()

    def check() -> None:
        assert not next(failures, False)

    counter.program = Bodies(counter.program.set_up, check)

    finding = explored(counter).findings[0]

    assert finding.token == ""
    assert finding.remarks == (
        "The failing schedule did not fail again: the test depends on something that is not under control.",
    )


def test_runs_that_do_not_repeat_are_said_to_be_uncontrolled() -> None:
    """A passing test whose steps depend on chance passes with the first difference told."""
    counter = Counter()
    chance = random.Random(0)

    def body() -> None:
        counter.instrument.step(f"place {chance.random()}")

    counter.program = Bodies(lambda: [body, body])

    exploration = explored(counter, limits=Limits(runs=5))

    assert exploration.outcome == "passed"
    assert len(exploration.uncontrolled) == 1
    assert exploration.uncontrolled[0].startswith("The same schedule does not repeat: step 1: first task 0 at place ")


def test_a_test_with_a_single_task_is_an_error() -> None:
    """Nothing was explored, so nothing passes."""
    counter = Counter(1)

    exploration = explored(counter)

    assert (exploration.outcome, exploration.error) == ("error", NO_SECOND_TASK)


def test_a_test_none_of_whose_code_is_in_scope_is_an_error() -> None:
    """Tasks without any instrumented code explore nothing."""
    counter = Counter()
    counter.instrument.rewritten = 0
    counter.program = Bodies(lambda: [lambda: None] * 2)

    assert explored(counter).error == NO_CODE


def test_the_limit_that_ended_the_search_is_told() -> None:
    """A pass says what stopped it."""
    counter = Counter()
    counter.program = Bodies(counter.program.set_up)

    assert explored(counter, limits=Limits(runs=9)).stopped_by == "runs"
    assert explored(counter, limits=Limits(runs=9_999, seconds=0.01)).stopped_by == "time"


def test_exceptions_that_are_no_failures_end_exploring() -> None:
    """A skip in a body is a skip of the test."""
    counter = Counter()

    def body() -> None:
        counter.instrument.step("before")
        pytest.skip("not here")

    counter.program = Bodies(lambda: [body, body])

    with pytest.raises(pytest.skip.Exception, match="not here"):
        explore(
            counter.program,
            strategy=make("random", 0),
            instrument=counter.instrument,
            limits=SHORT,
            seed=0,
            control=(pytest.skip.Exception,),
        )


def test_every_run_is_set_up_and_torn_down_and_nothing_is_left() -> None:
    """As many tear-downs as set-ups, no thread more than before, the global random state as it was."""
    threads, state = threading.active_count(), random.getstate()
    calls: list[str] = []
    counter = Counter()
    make_bodies = counter.program.set_up

    def set_up() -> Sequence[Body]:
        calls.append("up")
        return make_bodies()

    counter.program = Bodies(set_up, counter._check, tear_down=lambda: calls.append("down"))

    explored(counter)

    assert calls == ["up", "down"] * (len(calls) // 2)
    assert threading.active_count() == threads
    assert random.getstate() == state


def test_progress_is_told_after_each_run() -> None:
    """Somebody who waits sees the runs go by."""
    counter = Counter()
    counter.program = Bodies(counter.program.set_up)
    seen: list[int] = []

    explore(
        counter.program,
        strategy=make("random", 0),
        instrument=counter.instrument,
        limits=Limits(runs=4),
        seed=0,
        progress=lambda runs, _seconds, _figures: seen.append(runs),
    )

    assert seen == [1, 2, 3, 4]


class Windows:
    """The second task fails in one way between the first and the second step of the other one, in another after it."""

    def __init__(self) -> None:
        self.instrument = Announcing()
        self.at = 0
        self.program = Bodies(self._make)

    def _make(self) -> list[Callable[[], None]]:
        self.at = 0
        return [self._goes_on, self._looks]

    def _goes_on(self) -> None:
        for number in (1, 2, 3):
            self.instrument.step(f"step {number}")
            self.at = number

    def _looks(self) -> None:
        self.instrument.step("look", "read")
        assert self.at != 1
        if self.at == 2:
            raise KeyError(self.at)


def test_other_failures_that_were_met_are_reported_with_what_replays_them() -> None:
    """Both windows are next to each other: looking for the ends of one meets the other."""
    windows = Windows()
    found = explore(
        windows.program,
        strategy=make("preemptions", 0),
        instrument=windows.instrument,
        limits=Limits(),
        seed=0,
    )

    assert {finding.kind for finding in found.findings} == {"assertion", "exception"}
    for finding in found.findings:
        again = replay(windows.program, token=finding.token, instrument=windows.instrument, limits=Limits())
        assert [each.kind for each in again.findings] == [finding.kind]
        assert finding.trace.preemptions == 1
