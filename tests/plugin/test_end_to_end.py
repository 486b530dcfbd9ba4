"""From the marker to the report, with the true engine, in processes of their own."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

COUNTER = """
import threading
import pytest

counter = 0
lock = threading.Lock()

@pytest.fixture
def fresh_counter():
    global counter
    counter = 0

def all_counted():
    assert counter == 2

@pytest.mark.racecheck(invariant=all_counted)
def test_lost(fresh_counter):
    global counter
    counter += 1

@pytest.mark.racecheck(invariant=all_counted)
def test_kept(fresh_counter):
    global counter
    with lock:
        counter += 1

def test_plain():
    pass
"""


def needs(module: str) -> pytest.MarkDecorator:
    """Not every interpreter has every plugin yet."""
    return pytest.mark.skipif(find_spec(module) is None, reason=f"{module} is not installed")


def suite(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=source)
    return pytester.runpytest_subprocess(*arguments, timeout=120)


def command(result: pytest.RunResult) -> str:
    """The last line of the only report."""
    (line,) = [line for line in result.outlines if " --racecheck-replay=" in line]
    return line.removeprefix("pytest ")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        pytest.param(["-n2"], marks=needs("xdist")),
        ["-Werror"],
        ["--strict-markers"],
        ["-pno:cacheprovider"],
        ["-s"],
        ["--tb=short"],
        pytest.param(["--cov=."], marks=needs("pytest_cov")),
        ["--import-mode=importlib"],
    ],
)
def test_the_race_is_found_and_the_lock_is_right(pytester: pytest.Pytester, arguments: list[str]) -> None:
    result = suite(pytester, COUNTER, *arguments)

    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(
        [
            "AssertionError: assert 1 == 2*",
            "Fails with 1 preemption.*",
            "pytest test_it.py::test_lost --racecheck-replay=rc1-*",
            "racecheck: 2 tests: 1 failed, 1 verified; * runs in *",
        ]
    )


def test_the_printed_command_replays_the_same_failure(pytester: pytest.Pytester) -> None:
    found = suite(pytester, COUNTER, "-pno:cacheprovider")
    again = suite(pytester, COUNTER, "-pno:cacheprovider", *command(found).split())

    again.assert_outcomes(failed=1)
    assert command(again) == command(found)


def test_the_command_still_replays_below_other_lines(pytester: pytest.Pytester) -> None:
    found = suite(pytester, COUNTER)
    again = suite(pytester, "import sys\n\n\n" + COUNTER, *command(found).split())

    again.assert_outcomes(failed=1)
    assert command(again) == command(found)


def test_two_sessions_say_the_same(pytester: pytest.Pytester) -> None:
    def said() -> str:
        text = "\n".join(suite(pytester, COUNTER, "-pno:cacheprovider", "-q").outlines)
        return re.sub(r"[\d.]+ ?s\b", "SECONDS", text)

    assert said() == said()


def test_a_broken_token_is_refused(pytester: pytest.Pytester) -> None:
    result = suite(pytester, COUNTER, "test_it.py::test_lost", "--racecheck-replay=rc1-nonsense")

    result.assert_outcomes(failed=1)
    assert "Traceback" not in "\n".join(result.outlines)


@pytest.mark.parametrize("arguments", [[], pytest.param(["-n2"], marks=needs("xdist"))])
def test_json(pytester: pytest.Pytester, arguments: list[str]) -> None:
    suite(pytester, COUNTER, "--racecheck-json=report.json", *arguments)
    document: dict[str, Any] = json.loads((pytester.path / "report.json").read_text())
    kept, lost = document["tests"]

    assert (kept["nodeid"], kept["outcome"]) == ("test_it.py::test_kept", "verified")
    assert (lost["nodeid"], lost["outcome"]) == ("test_it.py::test_lost", "failed")
    assert lost["findings"][0]["kind"] == "invariant"
    assert lost["findings"][0]["token"].startswith("rc1-")


def test_the_stored_schedule_is_tried_first(pytester: pytest.Pytester) -> None:
    def run_that_found_it() -> int:
        suite(pytester, COUNTER, "--racecheck-json=report.json", "-k", "lost")
        found = json.loads((pytester.path / "report.json").read_text())["tests"][0]["findings"][0]["run"]
        assert isinstance(found, int)
        return found

    first, second = run_that_found_it(), run_that_found_it()

    assert second < first


def test_the_fixture_racecheck_runs_different_callables_at_once(pytester: pytest.Pytester) -> None:
    result = suite(
        pytester,
        """
import pytest

@pytest.mark.racecheck
def test_results(racecheck):
    box = []
    def one():
        box.append(1)
        return "one"
    def two():
        box.append(2)
        return "two"
    assert racecheck.run(one, two) == ["one", "two"]
    assert sorted(box) == [1, 2]

@pytest.mark.racecheck
def test_order(racecheck):
    box = []
    racecheck.run(lambda: box.append(1), lambda: box.append(2))
    assert box == [1, 2]

@pytest.mark.racecheck
def test_raises(racecheck):
    with pytest.raises(KeyError):
        racecheck.run(lambda: {}["key"], lambda: None)
""",
    )
    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(["AssertionError: assert [[]2, 1] == [[]1, 2]"])


def test_threads_of_an_existing_test(pytester: pytest.Pytester) -> None:
    result = suite(
        pytester,
        """
import threading
import pytest

@pytest.mark.racecheck(threads=1)
def test_a():
    box = {"n": 0}
    def work():
        box["n"] += 1
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert box["n"] == 2
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["AssertionError: assert 1 == 2"])


def test_a_deadlock(pytester: pytest.Pytester) -> None:
    result = suite(
        pytester,
        """
import threading
import pytest

a, b = threading.Lock(), threading.Lock()

@pytest.mark.racecheck
def test_a(task_index):
    first, second = (a, b) if task_index else (b, a)
    with first, second:
        pass
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*deadlock*", "FAILED test_it.py::test_a - Failed: deadlock*"])


@pytest.mark.parametrize("timeouts", ["last", "explore"])
def test_timeouts(pytester: pytest.Pytester, timeouts: str) -> None:
    """A wait that gives up early is shown where it does, and replayed."""
    source = f"""
import threading
import pytest

@pytest.mark.racecheck(threads=1, timeouts={timeouts!r})
def test_a():
    done = []
    thread = threading.Thread(target=lambda: done.append(1))
    thread.start()
    thread.join(timeout=5)
    assert done
"""
    result = suite(pytester, source)
    if timeouts == "last":
        result.assert_outcomes(passed=1)
        return
    shown = ["AssertionError: assert *", "*thread.join(timeout=5)", "*its time is over"]
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(shown)
    suite(pytester, source, *command(result).split()).stdout.fnmatch_lines(shown)


def test_nothing_to_explore_is_never_silent(pytester: pytest.Pytester) -> None:
    result = suite(pytester, "import pytest\n@pytest.mark.racecheck(threads=1)\ndef test_a(): pass")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["nothing was explored: the test ran as a single task and started no thread and no*"])


def test_a_search_with_fixtures_leaves_nothing_behind(pytester: pytest.Pytester) -> None:
    result = suite(
        pytester,
        """
import sys, threading
import pytest

class Box:
    def __init__(self):
        self.n = 0
    def add(self):
        self.n += 1

code = Box.add.__code__
interval = sys.getswitchinterval()

@pytest.fixture
def box(monkeypatch, tmp_path, capsys):
    return Box()

@pytest.mark.racecheck
def test_a(box):
    box.add()

def test_after():
    assert Box.add.__code__ is code
    assert sys.getswitchinterval() == interval
    assert [each.name for each in threading.enumerate()] == ["MainThread"]
""",
    )
    result.assert_outcomes(passed=2)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send to a child there")
@pytest.mark.parametrize("mode", ["explore", "stress"])
def test_ctrl_c(pytester: pytest.Pytester, interrupted: Callable[[], str], mode: str) -> None:
    pytester.makepyfile(
        test_it=f"""
import pathlib
import pytest

box = [0]

@pytest.mark.racecheck(runs=10**9, time=100, seed=3, mode={mode!r})
def test_a():
    pathlib.Path("started").touch()
    box[0] += 1

def test_b(): pass
"""
    )
    output = interrupted()
    assert re.search(r"KeyboardInterrupt: racecheck: interrupted (in|after) .*test_it.py::test_a \(seed 3\)", output)
