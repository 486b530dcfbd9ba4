"""Threads, executors, timers, and what they wait for: correct tests pass, wrong ones fail and say why."""

from __future__ import annotations

from pathlib import Path

import pytest

RIGHT = Path(__file__).with_name("threads_right.py")

HEAD = """
import threading, time
from concurrent.futures import ThreadPoolExecutor
import pytest
R = pytest.mark.racecheck(threads=1, runs=300)
a, b, c = threading.Lock(), threading.Lock(), threading.Lock()
"""


def suite(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=source)
    return pytester.runpytest_subprocess("-pno:cacheprovider", *arguments, timeout=120)


def wrong(pytester: pytest.Pytester, body: str, *lines: str) -> None:
    """Expect that the body of a test is found to be wrong, with these lines in the report."""
    indented = body.strip().replace("\n", "\n    ")
    result = suite(pytester, f"{HEAD}\n@R\ndef test_wrong():\n    {indented}\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(list(lines))


@pytest.mark.parametrize("arguments", [["-Werror"], ["-n2"]], ids=" ".join)
def test_correct_tests_pass_and_leave_no_thread(pytester: pytest.Pytester, arguments: list[str]) -> None:
    if "-n2" in arguments:
        pytest.importorskip("xdist")
    result = suite(
        pytester, RIGHT.read_text(encoding="utf-8"), *arguments, "-k", "not test_nothing" if "-n2" in arguments else ""
    )

    outcomes = result.parseoutcomes()
    assert not outcomes.keys() & {"failed", "errors"}, outcomes
    assert outcomes["passed"] >= 35


def test_a_lock_taken_twice(pytester: pytest.Pytester) -> None:
    wrong(
        pytester,
        """
def take_twice():
    with a:
        with a:
            pass
thread = threading.Thread(target=take_twice)
thread.start()
thread.join()
""",
        "deadlock: every task waits, none can go on",
        "*task 0 waits for task 0.0 to end, at test_it.py:*",
        "*task 0.0 waits for a, held by task 0.0 since test_it.py:*, at*",
    )


def test_three_locks_in_a_circle(pytester: pytest.Pytester) -> None:
    wrong(
        pytester,
        """
def take(first, second):
    with first:
        with second:
            pass
threads = [threading.Thread(target=take, args=pair) for pair in ((a, b), (b, c), (c, a))]
for thread in threads: thread.start()
for thread in threads: thread.join()
""",
        "deadlock: every task waits, none can go on",
        "*task 0.0 waits for second, held by task 0.1 as first since*",
        "*task 0.1 waits for second, held by task 0.2 as first since*",
        "*task 0.2 waits for second, held by task 0.0 as first since*",
        "  cycle: task 0.0 -> task 0.1 -> task 0.2 -> task 0.0",
    )


def test_a_thread_that_is_joined_under_the_lock_it_needs(pytester: pytest.Pytester) -> None:
    wrong(
        pytester,
        """
def take():
    with a: pass
thread = threading.Thread(target=take)
with a:
    thread.start()
    thread.join()
""",
        "deadlock: every task waits, none can go on",
        "*task 0 waits for task 0.0 to end*",
        "*task 0.0 waits for a, held by task 0 since test_it.py:**",
    )


def test_a_lost_wakeup(pytester: pytest.Pytester) -> None:
    wrong(
        pytester,
        """
condition, ready = threading.Condition(), []
def wait():
    if not ready:
        with condition: condition.wait()
thread = threading.Thread(target=wait)
thread.start()
ready.append(1)
with condition: condition.notify()
thread.join()
""",
        "deadlock: every task waits, none can go on",
    )


def test_an_exception_in_a_thread_that_nobody_joins(pytester: pytest.Pytester) -> None:
    wrong(pytester, "threading.Thread(target=lambda: {}['x']).start()", "KeyError: 'x'", "*task 0.0 (a thread)*")


def test_an_exception_of_a_thread_started_without_threading(pytester: pytest.Pytester) -> None:
    wrong(
        pytester,
        "import _thread\na.acquire()\n_thread.start_new_thread(lambda: (a.release(), {}['x']), ())\nwith a: pass",
        "KeyError: 'x'",
        "*task 0.0*",
    )


def test_a_thread_that_is_left_waiting_is_named_with_its_start(pytester: pytest.Pytester) -> None:
    result = suite(
        pytester,
        f"""{HEAD}
@R
def test_left():
    event = threading.Event()
    def wait():
        with a: pass
        event.wait()
    threading.Thread(target=wait, name="left").start()
    with a: pass
""",
    )
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(
        ["*task 0.0 (left), started at *test_it.py:*, still waited when the test was over, at *"]
    )


def test_a_lock_that_a_thread_outside_holds_is_waited_for(pytester: pytest.Pytester) -> None:
    """A thread of a fixture is no task: it runs freely, and gives the lock back when it likes."""
    result = suite(
        pytester,
        f"""{HEAD}
@pytest.fixture
def outsider():
    a.acquire()
    thread = threading.Timer(0.2, a.release)
    thread.start()
    yield
    thread.join()

box = []

@pytest.mark.racecheck(runs=2)
def test_it(outsider):
    with a: box.append(1)
""",
    )
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*task * waited for a thread outside our control, at *test_it.py:*"])
