"""Stress mode's loop: budget, verdicts, and an end in every case."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pytest_racecheck.bridge.stress import HONEST, render_stress_failure, stress
from pytest_racecheck.core.values import Exploration
from pytest_racecheck.report.json_report import test_entry as entry_of
from pytest_racecheck.report.summary import summary_line, totals_line

LONG = 30.0


class Bodies:
    """A program of given bodies that counts what is called."""

    def __init__(self, *bodies: Callable[[], object], invariant: Callable[[], None] = lambda: None) -> None:
        self.bodies = bodies
        self.check = invariant
        self.set_ups = self.tear_downs = 0

    def set_up(self) -> Sequence[Callable[[], object]]:
        self.set_ups += 1
        return self.bodies

    def tear_down(self) -> None:
        self.tear_downs += 1


def stressed(program: Bodies, *, runs: int = 3, seconds: float = LONG, stuck: float = LONG) -> Exploration:
    return stress(program, runs=runs, seconds=seconds, stuck=stuck, control=(pytest.skip.Exception,))


def nothing() -> None:
    """Do nothing."""


def fail() -> None:
    raise AssertionError("lost\nupdate")


def test_as_many_runs_as_allowed() -> None:
    program = Bodies(nothing, nothing)
    exploration = stressed(program)

    assert (exploration.outcome, exploration.runs, exploration.stopped_by) == ("passed", 3, "runs")
    assert (exploration.strategy, exploration.tasks) == ("stress", 2)
    assert program.set_ups == program.tear_downs == 3


def test_no_run_begins_when_the_time_is_over() -> None:
    exploration = stressed(Bodies(lambda: time.sleep(0.02)), runs=1000, seconds=0.01)

    assert (exploration.outcome, exploration.runs, exploration.stopped_by) == ("passed", 1, "time")


def test_all_failures_of_a_run_are_told_and_it_is_the_last() -> None:
    program = Bodies(fail, nothing, lambda: {}["key"])  # type: ignore[index]
    exploration = stressed(program)

    assert (exploration.outcome, exploration.runs, exploration.stopped_by) == ("failed", 1, "finding")
    assert [(each.kind, each.message, each.token) for each in exploration.findings] == [
        ("assertion", "racecheck-0: AssertionError: lost", ""),
        ("exception", "racecheck-2: KeyError: 'key'", ""),
    ]
    assert program.tear_downs == 1


def test_the_report() -> None:
    text = render_stress_failure(stressed(Bodies(fail, nothing)))
    first, how, traceback, last = text.split("\n\n")

    assert first == "racecheck-0: AssertionError: lost"
    assert how == "Failed in run 1, with 2 free threads (mode='stress')."
    assert traceback.splitlines()[:2] == ["racecheck-0:", "Traceback (most recent call last):"]
    assert traceback.splitlines()[-2:] == ["AssertionError: lost", "update"]
    assert "free_threads.py" not in traceback
    assert last.replace("\n", " ") == HONEST


def test_the_report_is_wrapped_and_names_files_from_the_root() -> None:
    def wrong() -> None:
        raise ValueError("long " * 40 + "<A object at 0x7f12ab34cd56>")

    here = Path(__file__)
    text = render_stress_failure(stressed(Bodies(wrong, nothing)), root=str(here.parent.parent), width=60)
    lines = text.split("\n")

    assert f'  File "bridge/{here.name}", line {wrong.__code__.co_firstlineno + 1}, in wrong' in lines
    assert str(here.parent) not in text
    assert "0x7f12ab34cd56" not in text
    sentences = text.partition("Traceback")[0] + text.rpartition("\n\n")[2]
    assert max(map(len, sentences.split("\n"))) <= 60


def test_one_thread_is_no_threads() -> None:
    assert "Failed in run 1, with 1 free thread (mode='stress')." in render_stress_failure(stressed(Bodies(fail)))


def test_the_summary_speaks_of_free_threads() -> None:
    passed, failed = (summary_line(entry_of("t", stressed(Bodies(body, nothing)))) for body in (nothing, fail))

    assert re.fullmatch(r"t: passed, no failure in 3 runs in [\d.]+ s, with 2 free threads \(stress\); .*", passed)
    assert failed == "t: failed, assertion, in run 1, with 2 free threads (stress): racecheck-0: AssertionError: lost"
    assert totals_line([entry_of("t", stressed(Bodies(nothing)))]).endswith("; 1 stress")


def test_an_invariant_that_does_not_hold() -> None:
    (finding,) = stressed(Bodies(nothing, invariant=fail)).findings

    assert (finding.kind, finding.message) == ("invariant", "the invariant: AssertionError: lost")


def test_a_thread_of_the_code_that_fails_unseen() -> None:
    def start() -> None:
        thread = threading.Thread(target=fail, name="lonely")
        thread.start()
        thread.join()

    (finding,) = stressed(Bodies(start)).findings

    assert (finding.kind, finding.message) == ("thread-exception", "lonely: AssertionError: lost")


def test_a_body_that_never_ends_is_told_with_the_place() -> None:
    go_on = threading.Event()
    program = Bodies(nothing, lambda: go_on.wait(LONG))
    try:
        exploration = stressed(program, seconds=0.05, stuck=0.05)
    finally:
        go_on.set()
    (finding,) = exploration.findings

    assert (finding.kind, finding.message) == ("hang", "thread racecheck-1 has not ended")
    report = render_stress_failure(exploration)
    assert "go_on.wait" in report
    assert "free_threads.py" not in report
    assert "thread racecheck-1 has not ended; it is at\n" in report
    assert program.tear_downs == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, pytest.skip.Exception])
def test_what_is_meant_for_pytest_gets_there(error: type[BaseException]) -> None:
    before = sys.getswitchinterval(), threading.excepthook

    def stop() -> None:
        raise error

    program = Bodies(nothing, stop)
    with pytest.raises(error):
        stressed(program)

    assert program.tear_downs == 1
    assert (sys.getswitchinterval(), threading.excepthook) == before
