"""One line for a test, one for all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from report_traces import LOST_UPDATE, exploration, failure, finding, trace

from pytest_racecheck.core.values import Exploration, Figures
from pytest_racecheck.report import json_report
from pytest_racecheck.report.summary import replay_line, summary_line, totals_line

RACE = finding(trace(LOST_UPDATE), failure("AssertionError: assert 1 == 2\n  where 1 = counter"))
HANG = finding(trace(""), failure("deadlock: every task waits", kind="deadlock"), sequential=True)


def entry(result: Exploration) -> dict[str, Any]:
    """As it comes from an xdist worker."""
    sent: dict[str, Any] = json.loads(json.dumps(json_report.test_entry("a.py::test_y", result)))
    return sent


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (
            exploration(runs=812, interleavings=61, choices=14, tasks=3),
            (
                "passed, no failure in 812 runs in 1.4 s, 61 interleavings, up to 14 choices among 3 tasks; "
                "stopped by: runs"
            ),
        ),
        (
            exploration(
                runs=1,
                interleavings=1,
                choices=1,
                stopped_by="",
                seconds=0.012,
                uncontrolled=("Task 1 blocked in C at x.py:3.", "Task 2 too."),
                uninstrumented=("fast.inner: compiled.",),
            ),
            (
                "passed, no failure in 1 run in 0.01 s, 1 interleaving, up to 1 choice among 2 tasks; "
                "not controlled: Task 1 blocked in C at x.py:3 (and 1 more); not instrumented: fast.inner: compiled"
            ),
        ),
        (
            exploration(unproven=("tasks share a generator, at /repo/x.py:3", "and more")),
            (
                "passed, no failure in 7 runs in 1.4 s, 5 interleavings, up to 4 choices among 2 tasks; "
                "stopped by: runs; can't be verified: tasks share a generator, at x.py:3 (and 1 more)"
            ),
        ),
        (
            exploration(
                runs=812,
                figures=Figures(
                    independent_runs=600,
                    share_seen=0.374,
                    failure_probability=0.00499,
                    classes_run=60,
                    classes_estimated=91_234.5,
                ),
            ),
            (
                "passed, no failure in 812 runs in 1.4 s, 5 interleavings, up to 4 choices among 2 tasks; "
                "one more random run shows a new one with a probability of about 63 %, and fails with one of 0.50 % at "
                "most (95 % confidence); 60 of about 91,000 classes of interleavings were run; stopped by: runs"
            ),
        ),
        (
            exploration(figures=Figures(independent_runs=29, share_seen=1, failure_probability=0.1)),
            "passed, no failure in 7 runs in 1.4 s, 5 interleavings, up to 4 choices among 2 tasks; stopped by: runs",
        ),
        (
            exploration(
                figures=Figures(
                    independent_runs=10_000,
                    share_seen=1,
                    failure_probability=0.00029958,
                    depth=3,
                    depth_probability=0.1199,
                    classes_run=7,
                    classes_estimated=1e15,
                )
            ),
            (
                "passed, no failure in 7 runs in 1.4 s, 5 interleavings, up to 4 choices among 2 tasks; "
                "one more random run shows a new one with a probability of about 0 %, and fails with one of 0.03 % "
                "at most (95 % confidence); a bug of depth 3 would have been found with one of 11 % at least; "
                "7 of about 10^15 classes of interleavings were run; stopped by: runs"
            ),
        ),
        (
            exploration(outcome="verified", runs=1234, classes=1200, learning=2, seconds=123.4),
            (
                "verified, no failure in all 1,200 classes of interleavings, 1,234 runs in 123 s "
                "(2 to learn what is shared), up to 4 choices among 2 tasks"
            ),
        ),
        (
            exploration(outcome="verified", classes=1),
            "verified, no failure in the only class of interleavings, 7 runs in 1.4 s, up to 4 choices among 2 tasks",
        ),
        (exploration(RACE), "failed, assertion, with 1 preemption, in run 7: AssertionError: assert 1 == 2"),
        (
            exploration(RACE, runs=13),
            (
                "failed, assertion, with 1 preemption, in run 7 (13 with confirming and shrinking): "
                "AssertionError: assert 1 == 2"
            ),
        ),
        (
            exploration(replace(RACE, token=""), runs=1000),
            "failed, assertion, with 1 preemption, in run 7 of 1,000: AssertionError: assert 1 == 2",
        ),
        (
            exploration(RACE, stopped_by="replay"),
            "failed, assertion, with 1 preemption, replayed: AssertionError: assert 1 == 2",
        ),
        (
            exploration(finding(trace(""), failure("<A object at 0x7f12ab34cd56> /repo/tests/x.py:3"))),
            "failed, assertion, without any preemption, in run 7: <A object at 0x...> tests/x.py:3",
        ),
        (
            exploration(strategy="stress", choices=0, interleavings=0, tasks=4, uncontrolled=("free",)),
            "passed, no failure in 7 runs in 1.4 s, with 4 free threads (stress); stopped by: runs",
        ),
        (
            exploration(HANG, strategy="stress", tasks=4, uncontrolled=("free",)),
            "failed, deadlock, in run 7, with 4 free threads (stress): deadlock: every task waits",
        ),
        (
            exploration(stopped_by="replay", runs=3, remarks=("the bug is gone.",)),
            "passed, replayed without a failure, 3 runs in 1.4 s",
        ),
        (
            exploration(HANG, RACE),
            "failed, deadlock, without any preemption, in run 7: deadlock: every task waits; 1 more",
        ),
        (exploration(outcome="failed"), "failed, 7 runs in 1.4 s"),
        (
            exploration(outcome="error", error="caf\xe9 starts no second task\nUse threads=2."),
            "error, not checked: caf\\xe9 starts no second task",
        ),
        (exploration(outcome="error", error="x" * 500), f"error, not checked: {'x' * 100}...(500 chars)"),
    ],
)
def test_a_test_in_one_line(result: Exploration, line: str) -> None:
    assert summary_line(entry(result), "/repo") == f"a.py::test_y: {line}"


def test_all_tests_in_one_line() -> None:
    entries = [
        entry(exploration(RACE, runs=1000)),
        entry(exploration(seconds=0.5)),
        entry(exploration(uncontrolled=("Task 1 blocked in C.",))),
        entry(exploration(outcome="verified")),
        entry(exploration(outcome="error", runs=0, seconds=0.0)),
    ]

    assert totals_line(entries) == (
        "racecheck: 5 tests: 1 failed, 1 error, 2 passed, 1 verified; 1,021 runs in 4.8 s; 1 not fully controlled"
    )
    assert totals_line([*entries[:1], entry(exploration(strategy="stress", uncontrolled=("free",)))]) == (
        "racecheck: 2 tests: 1 failed, 1 passed; 1,007 runs in 2.8 s; 1 stress"
    )
    assert totals_line(iter(entries[1:2])) == "racecheck: 1 test: 1 passed; 7 runs in 0.5 s"


def test_a_replay_without_a_failure_has_a_line_of_its_own() -> None:
    gone = exploration(stopped_by="replay", remarks=("task 1 was left.", "Nothing failed: the bug is gone."))

    assert replay_line(entry(gone)) == "a.py::test_y: Nothing failed: the bug is gone."
    assert replay_line(entry(exploration(remarks=("Something else.",)))) == ""
    assert replay_line(entry(exploration(RACE, stopped_by="replay"))) == ""


def test_no_test_was_checked() -> None:
    assert totals_line([]) == "racecheck: no test was checked"
