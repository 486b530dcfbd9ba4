"""The report of a failed test, for the shapes that failures have."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from textwrap import dedent
from typing import Any

import pytest
from report_traces import LOST_UPDATE, ROOT, Lines, cause_in, exploration, failure, finding, trace

from pytest_racecheck.core.values import Exploration
from pytest_racecheck.report.text import render_error, render_failure, shell_word

COUNTER = Lines({9: "    counter += 1\n"})
INVARIANT = failure(
    kind="invariant", task=None, place="tests.test_counter:all_counted+1", locations=("/repo/tests/test_counter.py:19",)
)


def render(result: Exploration, read_line: Lines = COUNTER, **options: Any) -> str:
    arguments: dict[str, Any] = {"nodeid": "tests/test_counter.py::test_increment", "root": ROOT} | options
    return render_failure(result, read_line=read_line, **arguments)


def gold(text: str) -> str:
    return dedent(text).strip("\n")


def test_lost_update_of_two_tasks_stands_in_two_lanes() -> None:
    result = exploration(finding(trace(LOST_UPDATE, initial_values=(("counter", "0"),)), INVARIANT))

    assert render(result) == gold("""
        AssertionError: assert 1 == 2
          invariant all_counted, tests/test_counter.py:19

        Fails with 1 preemption.
        Found in run 7 (strategy pct, seed 17).
        At the start counter = 0.

          task 0                                 task 1
          -------------------------------------  -------------------------------------
          tests/test_counter.py:9  counter += 1
            read  counter = 0
          - preempted -
                                                 tests/test_counter.py:9  counter += 1
                                                   read  counter = 0
                                                   write counter = 1
            write counter = 1

        pytest tests/test_counter.py::test_increment --racecheck-replay=r1-abc
    """)


def test_three_tasks_stand_in_one_column() -> None:
    of_three = trace("""
        0 9 read counter = 0
        0 preempted
        1 9 read counter = 0
        1 preempted
        2 9 read counter = 0
        2 9 write counter = 1
        0 9 write counter = 1
        1 9 write counter = 1
    """)
    result = exploration(finding(of_three, INVARIANT, remarks=("Shrunk from 5 preemptions to 2.",)))

    assert render(result) == gold("""
        AssertionError: assert 1 == 2
          invariant all_counted, tests/test_counter.py:19

        Fails with 2 preemptions.
        Found in run 7 (strategy pct, seed 17).

          task 0 | tests/test_counter.py:9  counter += 1
                 |   read  counter = 0
                 | - preempted -
          task 1 | tests/test_counter.py:9  counter += 1
                 |   read  counter = 0
                 | - preempted -
          task 2 | tests/test_counter.py:9  counter += 1
                 |   read  counter = 0
                 |   write counter = 1
          task 0 | tests/test_counter.py:9  counter += 1
                 |   write counter = 1
          task 1 | tests/test_counter.py:9  counter += 1
                 |   write counter = 1

        Shrunk from 5 preemptions to 2.

        pytest tests/test_counter.py::test_increment --racecheck-replay=r1-abc
    """)


def test_deadlock_says_who_waits_for_what() -> None:
    crossed = trace("""
        0 11 acquire lock_a
        0 preempted
        1 15 acquire lock_b
        1 16 acquire !waits for lock_a, held by task 0
        0 12 acquire !waits for lock_b, held by task 1
    """)
    source = Lines({11: "with lock_a:", 12: "with lock_b:", 15: "with lock_b:", 16: "with lock_a:"})
    stuck = failure(
        "deadlock: every task waits\n"
        "  task 0 waits for lock_b, held by task 1 (/repo/tests/test_counter.py:12)\n"
        "  task 1 waits for lock_a, held by task 0 (/repo/tests/test_counter.py:16)",
        kind="deadlock",
        task=None,
        locations=("/repo/tests/test_counter.py:12", "/repo/tests/test_counter.py:16"),
    )

    assert render(exploration(finding(crossed, stuck)), source) == gold("""
        deadlock: every task waits
          tests/test_counter.py:12, tests/test_counter.py:16
          task 0 waits for lock_b, held by task 1 (tests/test_counter.py:12)
          task 1 waits for lock_a, held by task 0 (tests/test_counter.py:16)

        Fails with 1 preemption.
        Found in run 7 (strategy pct, seed 17).

          task 0                                  task 1
          --------------------------------------  --------------------------------------
          tests/test_counter.py:11  with lock_a:
            acquire lock_a
          - preempted -
                                                  tests/test_counter.py:15  with lock_b:
                                                    acquire lock_b
                                                  tests/test_counter.py:16  with lock_a:
                                                    waits for lock_a, held by task 0
          tests/test_counter.py:12  with lock_b:
            waits for lock_b, held by task 1

        pytest tests/test_counter.py::test_increment --racecheck-replay=r1-abc
    """)


def test_sequential_failure_says_that_it_needs_no_race() -> None:
    in_turn = trace("""
        0 9 read counter = 0
        0 9 write counter = 1
        1 9 read counter = 1
        1 9 write counter = 2
    """)
    wrong = failure("AssertionError: assert 2 == 3", locations=("/repo/tests/test_counter.py:12",))
    result = exploration(finding(in_turn, wrong, sequential=True, run=1))

    assert render(result) == gold("""
        AssertionError: assert 2 == 3
          task 0, tests/test_counter.py:12

        Fails without any preemption: the tasks ran one after another (task 0, task 1).
        Found in run 1; 7 runs with confirming and shrinking (strategy pct, seed 17).

          task 0                                 task 1
          -------------------------------------  -------------------------------------
          tests/test_counter.py:9  counter += 1
            read  counter = 0
            write counter = 1
                                                 tests/test_counter.py:9  counter += 1
                                                   read  counter = 1
                                                   write counter = 2

        pytest tests/test_counter.py::test_increment --racecheck-replay=r1-abc
    """)


def test_exception_of_a_thread_names_the_thread() -> None:
    evicted = trace("""
        0.1 20 read cache['k'] = 5
        0.1 preempted
        0.2 30 call cache.clear
        0.1 21 read !raises KeyError: 'k'
    """)
    source = Lines({20: "if 'k' in cache:", 21: "return cache['k']", 30: "cache.clear()"})
    raised = failure(
        "KeyError: 'k'", kind="thread-exception", task="0.1", locations=("/x/lib/python3.12/queue.py:180",)
    )

    assert render(exploration(finding(evicted, raised)), source) == gold("""
        KeyError: 'k'
          task 0.1 (a thread), queue.py:180

        Fails with 1 preemption.
        Found in run 7 (strategy pct, seed 17).

          task 0.1                  task 0.2
          ------------------------  ------------------------
          tests/test_counter.py:20
            > if 'k' in cache:
            read cache['k'] = 5
          - preempted -
                                    tests/test_counter.py:30
                                      > cache.clear()
                                      call cache.clear
          tests/test_counter.py:21
            > return cache['k']
            raises KeyError: 'k'

        pytest tests/test_counter.py::test_increment --racecheck-replay=r1-abc
    """)


def test_without_a_token_it_says_that_the_run_did_not_repeat() -> None:
    result = exploration(finding(trace(LOST_UPDATE), INVARIANT, token=""))

    assert render(result).endswith(
        "The failing run did not repeat when its schedule was run again, so there is\nnothing to replay."
    )


def test_what_was_not_covered_is_said_once() -> None:
    blind = ("Task 1 blocked in C code at /repo/tests/test_counter.py:9.",)
    result = exploration(
        finding(trace(LOST_UPDATE, uncontrolled=blind), INVARIANT, remarks=("The name counter leaks.",)),
        uncontrolled=blind,
        uninstrumented=("fast.inner: compiled, has no bytecode.",),
        remarks=("The name counter leaks.",),
    )

    assert gold("""
        The name counter leaks.

        Not controlled:
          - Task 1 blocked in C code at tests/test_counter.py:9.
        Not instrumented:
          - fast.inner: compiled, has no bytecode.

        pytest
    """) in render(result)


def test_further_findings_are_told_without_their_lanes() -> None:
    hung = failure("hang: task 1 does not come back", kind="hang", task="1", locations=("/repo/a.py:3", "/repo/b.py:4"))
    others = [
        finding(trace(LOST_UPDATE), hung, token="r1-x y", run=9, remarks=("It hangs in C.",)),
        finding(trace(LOST_UPDATE, schedule=()), failure(""), token="", run=11),
    ]

    report = render(exploration(finding(trace(LOST_UPDATE), INVARIANT), *others))
    alone = render(exploration(finding(trace(LOST_UPDATE), INVARIANT))).rpartition("\n\n")[0]

    assert report.startswith(alone)
    assert report.removeprefix(alone + "\n\n") == gold("""
        The same preemption, another end:
          hang: task 1 does not come back
            task 1, a.py:3, b.py:4
            Fails with 1 preemption. Found in run 9.
            It hangs in C.
            --racecheck-replay='r1-x y'

        Also found:
          assertion
            task 0
            Fails without a preemption. Found in run 11.

        pytest tests/test_counter.py::test_increment --racecheck-replay=r1-abc
    """)


def test_the_first_three_lines_say_what_where_and_why() -> None:
    lost = trace(LOST_UPDATE)
    told = finding(lost, INVARIANT, causes=(cause_in(lost, "counter = 0", "counter = 1"),), with_gil="no")
    report = render(exploration(told, interpreter="CPython 3.13"))

    assert report.partition("\n\n  task 0 ")[0] == gold("""
        AssertionError: assert 1 == 2
          invariant all_counted, tests/test_counter.py:19
        Fails only if task 1 runs between tests/test_counter.py:9 (read counter = 0) and
          tests/test_counter.py:9 (write counter = 1) of task 0.

        Fails with 1 preemption.
        Needs a free-threaded build (or CPython before 3.10): with its GIL, CPython 3.13
        does not switch between these two steps.
        Found in run 7 (strategy pct, seed 17).
    """)


def test_what_else_failed_in_the_run_is_told() -> None:
    also = failure("KeyError: 'k'", kind="executor-exception", task="0.1", locations=("/repo/a.py:3",), place="a:f+1")
    report = render(exploration(finding(trace(LOST_UPDATE, failures=(INVARIANT, also)), INVARIANT)))

    assert (
        gold("""
        In the same run:
          KeyError: 'k'
            task 0.1 (in an executor, and nobody looked at its future), a.py:3

        pytest
    """)
        in report
    )


def test_the_same_failure_at_another_line_is_said_to_be_that() -> None:
    one = failure("KeyError: 'k'", kind="exception", place="Cache.get+3")
    other = failure("KeyError: 'k'", kind="exception", place="Cache.get+4")
    elsewhere = trace(LOST_UPDATE, schedule=())
    report = render(exploration(finding(trace(LOST_UPDATE), one), finding(elsewhere, other)))

    assert "\n\nThe same failure, at another line:\n  KeyError: 'k'\n" in report


def test_libraries_between_an_exception_and_own_code_are_folded() -> None:
    locations = (
        "/x/lib/python3.12/queue.py:180",
        "/x/lib/python3.12/queue.py:90",
        "/x/site-packages/lib/pool.py:7",
        "/repo/a.py:3",
        "/x/lib/python3.12/threading.py:1010",
    )
    raised = failure("KeyError: 'k'", kind="exception", locations=locations, exception=KeyError("k"))

    assert render(exploration(finding(trace(LOST_UPDATE), raised))).startswith(
        "KeyError: 'k'\n  task 0, queue.py:180, ..., a.py:3\n"
    )


def test_a_replay_names_no_run() -> None:
    result = exploration(finding(trace(LOST_UPDATE), INVARIANT, run=1), stopped_by="replay", runs=1)

    assert "Fails with 1 preemption.\nReplayed (seed 17).\n" in render(result)


def test_runs_that_confirm_and_shrink_are_told_apart() -> None:
    found = finding(trace(LOST_UPDATE), INVARIANT, run=6)

    assert "\nFound in run 6 (strategy pct, seed 17).\n" in render(exploration(found, runs=6))
    assert "\nFound in run 6; 13 runs with confirming and shrinking (strategy pct, seed 17).\n" in render(
        exploration(found, runs=13)
    )
    assert "\nFound in run 6; 1,300 runs with confirming and shrinking\n(strategy pct, seed 17).\n" in render(
        exploration(found, runs=1300)
    )
    doubtful = exploration(replace(found, token=""), runs=1000)
    assert "\nFound in run 6; 1,000 runs in all (strategy pct, seed 17).\n" in render(doubtful)


def test_a_trace_without_operations_has_no_lanes() -> None:
    empty = trace("", tasks=("0", "1"))

    assert render(exploration(finding(empty, failure(), sequential=True))) == gold("""
        AssertionError: assert 1 == 2
          task 0

        Fails without any preemption: the tasks ran one after another (task 0, task 1).
        Found in run 7 (strategy pct, seed 17).
        No operation on shared state was recorded in this run.

        pytest tests/test_counter.py::test_increment --racecheck-replay=r1-abc
    """)


def test_a_run_of_unknown_order_names_none() -> None:
    report = render(exploration(finding(trace(""), failure(), sequential=True)))

    assert "\nFails without any preemption: the tasks ran one after another.\nFound" in report


def test_a_task_that_ran_alone_is_named() -> None:
    report = render(exploration(finding(trace("0 9 read counter = 0"), failure(), sequential=True)))

    assert "\nFails without any preemption: only task 0 ran.\nFound" in report


def test_fairness_is_no_preemption() -> None:
    spinning = trace("0 9 read counter = 0\n1 9 write counter = 1", forced=3)
    report = render(exploration(finding(spinning, failure())))

    assert "\nFails without a preemption: it is enough to stop a task that goes on and on.\n" in report


def test_a_race_of_which_nothing_was_seen_says_where_to_look() -> None:
    unseen = trace("", schedule=trace(LOST_UPDATE).schedule, tasks=("0", "1"))

    assert render(exploration(finding(unseen, INVARIANT))) == gold("""
        AssertionError: assert 1 == 2
          invariant all_counted, tests/test_counter.py:19

        Fails with 1 preemption.
        Found in run 7 (strategy pct, seed 17).
        No operation on shared state was recorded in this run. What happened lies in
        code outside the scope: name its package in racecheck_source to see it.

        pytest tests/test_counter.py::test_increment --racecheck-replay=r1-abc
    """)


def test_names_without_a_value_are_left_out() -> None:
    values = (("list", ""), ("self.items", "[]"), ("AssertionError", ""), ("self.items", "[]"))
    result = exploration(finding(trace(LOST_UPDATE, initial_values=values), INVARIANT))

    assert "\nAt the start self.items = [].\n" in render(result)
    nameless = exploration(finding(trace(LOST_UPDATE, initial_values=values[:1]), INVARIANT))
    assert "At the start" not in render(nameless)


def test_addresses_are_not_shown_and_stay_in_the_exception() -> None:
    error = AssertionError("assert <A object at 0x7f12ab34cd56> is None")
    report = render(exploration(finding(trace(LOST_UPDATE), failure(f"AssertionError: {error}", exception=error))))

    assert report.startswith("AssertionError: assert <A object at 0x...> is None\n")
    assert "0x7f12ab34cd56" in str(error)


def test_files_in_messages_and_remarks_are_named_from_the_root() -> None:
    wrong = failure(
        "deadlock: every task waits\n  task 0 waits for l, held by task 1 since /repo/tests/a.py:24, at "
        "/x/lib/python3.12/queue.py:180 in get",
        locations=("/repo/tests/a.py:24", "/repo/tests/a.py:24", ":0"),
    )
    report = render(exploration(finding(trace(LOST_UPDATE), wrong, remarks=("It is at /repo/b.py:3.",))))

    assert report.startswith(
        gold("""
        deadlock: every task waits
          task 0, tests/a.py:24
          task 0 waits for l, held by task 1 since tests/a.py:24, at queue.py:180 in get
        """)
    )
    assert "\nIt is at b.py:3.\n" in report


def test_many_turns_values_and_lines_are_cut_and_counted() -> None:
    turns = trace("\n".join(f"{task % 2} 9 read counter = {task}" for task in range(20)))
    values = tuple((f"v{number}", "1") for number in range(15))
    long = trace("0 9 read counter = 0", initial_values=values, path=turns.path)
    wordy = failure("\n".join(["ValueError: many lines", *map(str, range(100))]))
    report = render(exploration(finding(long, wordy, sequential=True)))

    assert "task 1, task 0, task 1, ...). Found" in report.replace("\n", " ")
    assert "v4 = 1, v5 = 1, 9 more." in report
    assert "  58\n  ... 41 more lines ...\n\nFails" in report


def test_values_and_sources_that_are_too_long_end_in_their_length() -> None:
    wide = trace(f"0 9 read {'name' * 20} = {'value' * 200}\n1 9 read items = {'v' * 5000}")
    source = Lines({9: f"total = {' + '.join(map(str, range(500)))}"})

    report = render(exploration(finding(wide, failure())), source)

    assert dedent(report.split("\n\n")[2]) == gold("""
          task 0                                  task 1
          --------------------------------------  --------------------------------------
          tests/test_counter.py:9
            > total = 0 + 1 + 2 +...(2895 chars)
            read namenamenamenamena...(80 chars)
              = valuevaluevalueva...(1000 chars)
                                                  tests/test_counter.py:9
                                                    > total = 0 + 1 + 2 +...(2895 chars)
                                                    read items
                                                      = vvvvvvvvvvvvvvvvv...(5000 chars)
    """)


def test_text_of_any_kind_comes_out_as_ascii() -> None:
    odd = trace("0 9 write name = 'caf\xe9 \u4e2d \ud800 \x1b'\n1 9 read name = 'a\tb'")
    source = Lines({9: "name\t= 'caf\xe9'\n"})
    wrong = failure("ValueError: \u4e2d\u6587\n\tdetail\x00", locations=("/repo/tests/test_\xe9.py:3",))
    report = render(exploration(finding(odd, wrong)), source, nodeid="tests/test_\xe9.py::test_x[a b]")

    assert report == gold(r"""
        ValueError: \u4e2d\u6587
          task 0, tests/test_\xe9.py:3
            detail\x00

        Fails without a preemption.
        Found in run 7 (strategy pct, seed 17).

          task 0                              task 1
          ----------------------------------  ----------------------------------
          tests/test_counter.py:9
            > name = 'caf\xe9'
            write name
              = 'caf\xe9 \u4e2d \ud800 \x1b'
                                              tests/test_counter.py:9
                                                > name = 'caf\xe9'
                                                read  name = 'a\tb'

        pytest $'tests/test_\u00e9.py::test_x[a b]' --racecheck-replay=r1-abc
    """)


def test_colour_never_changes_the_layout() -> None:
    result = exploration(finding(trace(LOST_UPDATE), INVARIANT))
    for width in (50, 80):
        coloured = render(result, color=True, width=width)

        assert "\x1b[1;31mAssertionError" in coloured
        assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == render(result, width=width)


def test_an_error_says_what_to_do() -> None:
    result = exploration(
        outcome="error",
        error="nothing was explored: /repo/tests/test_x.py:3 starts no second task\nUse threads=2.",
        remarks=("A remark.",),
        uninstrumented=("fast.inner: compiled.",),
    )

    assert render_error(result, root=ROOT) == gold("""
        nothing was explored: tests/test_x.py:3 starts no second task
        Use threads=2.

        A remark.

        Not instrumented:
          - fast.inner: compiled.
    """)
    assert render_error(exploration(outcome="error")) == "The test could not be checked."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tests/a.py::test_x", "tests/a.py::test_x"),
        ("a.py::test[1-'x']", "'a.py::test[1-'\"'\"'x'\"'\"']'"),
        ("caf\xe9'\\\n", r"$'caf\u00e9\'\\\x0a'"),
        ("\U0001f600\udc80", r"$'\U0001f600\x80'"),
    ],
)
def test_words_are_quoted_for_a_shell(text: str, expected: str) -> None:
    assert shell_word(text) == expected


def test_a_plain_word_comes_back_from_a_shell() -> None:
    assert shlex.split(shell_word("a b'c\"d$e\\f")) == ["a b'c\"d$e\\f"]
