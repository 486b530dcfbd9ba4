"""What becomes of a test when its exploration has ended, in whatever way."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pytest_racecheck.core.errors import RacecheckInternalError, TokenError

FAILING = """
import pytest

@pytest.mark.racecheck(threads=1)
def test_a():
    print("said")
    assert 1 == 2
"""

REPORT = [
    "AssertionError: assert 1 == 2",
    "  task 0",
    "",
    "Fails without any preemption: the tasks ran one after another.",
    "Found in run 2 (strategy random, seed 0).",
    "No operation on shared state was recorded in this run.",
    "",
    "pytest test_a.py::test_a --racecheck-replay=token-1",
    "----------------------------- Captured stdout call -----------------------------",
    "said",
]


@pytest.fixture(autouse=True)
def _narrow(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def run(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test_a=source if "import pytest" in source else "import pytest\n" + source)
    return pytester.runpytest_inprocess("-Wdefault", *arguments, no_reraise_ctrlc=True)


@pytest.mark.parametrize("arguments", [[], ["-Werror"], ["--strict-markers"], ["-pno:cacheprovider"], ["-s"]])
def test_a_failure_shows_the_report_alone(pytester: pytest.Pytester, arguments: list[str]) -> None:
    result = run(pytester, FAILING, *arguments)
    begin = result.outlines.index(REPORT[0])

    assert result.outlines[begin - 1].strip("_ ") == "test_a"
    assert result.outlines[begin : begin + len(REPORT)][:8] == REPORT[:8]
    assert result.ret == 1


def test_the_output_of_the_run_follows(pytester: pytest.Pytester) -> None:
    lines = run(pytester, FAILING).outlines
    begin = lines.index(REPORT[0])

    assert lines[begin : begin + len(REPORT)] == REPORT


def test_the_short_summary_has_the_first_line(pytester: pytest.Pytester) -> None:
    run(pytester, FAILING).stdout.fnmatch_lines(["FAILED test_a.py::test_a - Failed: AssertionError: assert 1 == 2"])


@pytest.mark.parametrize(
    ("mark", "outcome"),
    [
        ("xfail", {"xfailed": 1}),
        ("xfail(raises=AssertionError)", {"xfailed": 1}),
        ("xfail(raises=(KeyError, AssertionError))", {"xfailed": 1}),
        ("xfail(raises=KeyError)", {"failed": 1}),
        ("xfail(strict=True)", {"xfailed": 1}),
        ("xfail(run=False)", {"xfailed": 1}),
        ("skip", {"skipped": 1}),
    ],
)
def test_other_markers_keep_their_meaning(pytester: pytest.Pytester, mark: str, outcome: dict[str, int]) -> None:
    source = FAILING.replace("@pytest.mark.racecheck", f"@pytest.mark.{mark}\n@pytest.mark.racecheck")

    run(pytester, source).assert_outcomes(**outcome)


def test_a_strict_xfail_that_passes(pytester: pytest.Pytester) -> None:
    result = run(pytester, "@pytest.mark.xfail(strict=True)\n@pytest.mark.racecheck\ndef test_a(): pass")

    result.assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("pytest.skip('no')", {"skipped": 1}),
        ("pytest.xfail('no')", {"xfailed": 1}),
        ("pytest.importorskip('no_such_module')", {"skipped": 1}),
        ("raise __import__('unittest').SkipTest", {"skipped": 1}),
        ("pytest.fail('no')", {"failed": 1}),
        ("raise SystemExit(3)", {"failed": 1}),
        ("raise OSError(2, 'no')", {"failed": 1}),
        ("raise ExceptionGroup('no', [KeyError()])", {"failed": 1}),
    ],
)
def test_what_a_body_says_to_pytest(pytester: pytest.Pytester, body: str, outcome: dict[str, int]) -> None:
    run(pytester, f"@pytest.mark.racecheck\ndef test_a(): {body}").assert_outcomes(**outcome)


def test_an_exception_that_can_not_be_inherited_from_is_reported_all_the_same(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
class Odd(Exception):
    def __new__(cls, *, needed):
        return super().__new__(cls)
    def __init__(self, *, needed):
        super().__init__("odd")

@pytest.mark.racecheck
def test_a(): raise Odd(needed=1)
""",
    )
    result.stdout.fnmatch_lines(["Odd*", "FAILED test_a.py::test_a - Failed: Odd*"])


def test_exit_ends_the_session(pytester: pytest.Pytester) -> None:
    result = run(pytester, "@pytest.mark.racecheck\ndef test_a(): pytest.exit('enough')\ndef test_b(): pass")

    result.assert_outcomes()
    result.stdout.fnmatch_lines(["*_pytest.outcomes.Exit: enough*"])


def test_ctrl_c_says_the_run_and_the_seed(pytester: pytest.Pytester, engine: Any) -> None:
    def interrupt(run: int) -> None:
        if run == 2:
            raise KeyboardInterrupt

    engine.during = interrupt
    result = run(pytester, "@pytest.mark.racecheck(seed=7)\ndef test_a(): pass\ndef test_b(): pass")

    result.assert_outcomes()
    result.stdout.fnmatch_lines(
        ["*! KeyboardInterrupt: racecheck: interrupted in run 2 of test_a.py::test_a (seed 7) !*"]
    )


def test_an_engine_that_was_interrupted_ends_the_session_too(pytester: pytest.Pytester, engine: Any) -> None:
    engine.outcome = replace(engine.outcome, runs=12, stopped_by="interrupted")
    result = run(pytester, "@pytest.mark.racecheck\ndef test_a(): pass\ndef test_b(): pass")

    result.stdout.fnmatch_lines(
        ["*KeyboardInterrupt: racecheck: interrupted after 12 runs of test_a.py::test_a (seed 0)*"]
    )


def test_an_error_of_the_exploration_fails_the_test(pytester: pytest.Pytester, engine: Any) -> None:
    engine.outcome = replace(engine.outcome, outcome="error", error="Nothing was explored. Add a second thread.")
    result = run(pytester, "@pytest.mark.racecheck\ndef test_a(): pass")

    result.stdout.fnmatch_lines(["_* test_a _*", "Nothing was explored. Add a second thread."], consecutive=True)
    result.stdout.fnmatch_lines(["racecheck: 1 test: 1 error; 3 runs in 0.5 s"])


def test_a_mistake_of_the_user_is_a_message(pytester: pytest.Pytester, engine: Any) -> None:
    def refuse(run: int) -> None:
        raise TokenError("The token is broken.")

    engine.during = refuse
    result = run(pytester, "@pytest.mark.racecheck\ndef test_a(): pass")

    result.stdout.fnmatch_lines(["_* test_a _*", "The token is broken."], consecutive=True)


def test_a_mistake_of_ours_has_a_traceback(pytester: pytest.Pytester, engine: Any) -> None:
    def refuse(run: int) -> None:
        raise RacecheckInternalError("This should never happen.")

    engine.during = refuse
    result = run(pytester, "@pytest.mark.racecheck\ndef test_a(): pass")

    result.stdout.fnmatch_lines(["E *RacecheckInternalError: This should never happen."])


def test_what_was_not_under_control_is_a_warning(pytester: pytest.Pytester, engine: Any) -> None:
    engine.outcome = replace(engine.outcome, remarks=("nothing shared",), uncontrolled=("a thread escaped",))
    source = "@pytest.mark.racecheck\ndef test_a(): pass"
    result = run(pytester, source)

    result.assert_outcomes(passed=1, warnings=2)
    result.stdout.fnmatch_lines(
        [
            "  *test_a.py:2: RacecheckWarning: test_a.py::test_a: nothing shared",
            "  *test_a.py:2: RacecheckWarning: test_a.py::test_a: a thread escaped",
        ]
    )
    run(pytester, source, "-Werror").assert_outcomes(failed=1)


def test_totals_always_and_a_line_for_each_test_when_asked(pytester: pytest.Pytester) -> None:
    source = "@pytest.mark.racecheck\ndef test_a(): pass\n@pytest.mark.racecheck\ndef test_b(): pass"
    total = "racecheck: 2 tests: 2 passed; 6 runs in 1.0 s"
    result = run(pytester, source, "-v")

    assert [line for line in run(pytester, source).outlines if line.startswith("racecheck:")] == [total]
    result.stdout.fnmatch_lines(
        [
            "racecheck: 1,000 runs or 10 s a test",
            "=* racecheck =*",
            "test_a.py::test_a: passed, *",
            "test_a.py::test_b: passed, *",
            total,
        ]
    )


def test_without_a_marked_test_nothing_is_said(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_a(): pass")

    assert [line for line in result.outlines if line.startswith("racecheck")] == []


def test_failing_schedules_are_tried_first_next_time(pytester: pytest.Pytester, engine: Any) -> None:
    run(pytester, FAILING)
    run(pytester, FAILING)
    run(pytester, FAILING.replace("1 == 2", "True"))  # of another length: pytest keeps bytecode by second and size
    run(pytester, FAILING)

    assert [call["first"] for call in engine.calls] == [(), ("token-1",), ("token-1",), ()]


def test_the_engine_gets_what_is_in_force(pytester: pytest.Pytester, engine: Any) -> None:
    run(pytester, "@pytest.mark.racecheck(seed=3, source='random', steps=9)\ndef test_a(): pass", "--racecheck-time=2")
    (call,) = engine.calls
    instrument, scope = call["instrument"]

    assert (call["seed"], call["strategy"].name) == (3, "portfolio")
    assert (call["limits"].runs, call["limits"].seconds, call["limits"].steps) == (1000, 2.0, 9)
    assert (instrument, scope) == (
        "instrument",
        {"root": pytester.path, "sources": ("random",), "test_file": pytester.path / "test_a.py"},
    )


def test_strategies_and_reporters_of_others(pytester: pytest.Pytester, engine: Any) -> None:
    pytester.makeconftest(
        """
class Mine:
    name = "mine"
    def __init__(self, seed):
        self.seed = seed

def pytest_racecheck_strategies(config):
    return {"mine": Mine}

def pytest_racecheck_explored(item, exploration):
    print("EXPLORED", item.nodeid, exploration.outcome)
"""
    )
    result = run(pytester, "@pytest.mark.racecheck(strategy='mine', seed=4)\ndef test_a(): pass", "-rP")
    (call,) = engine.calls

    assert (call["strategy"].name, call["strategy"].seed) == ("mine", 4)
    result.stdout.fnmatch_lines(["EXPLORED test_a.py::test_a passed"])


def test_a_strategy_of_others_has_no_parameters(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_racecheck_strategies(config): return {'mine': None}")
    result = run(pytester, "@pytest.mark.racecheck(strategy='mine:depth=2')\ndef test_a(): pass")

    result.stdout.fnmatch_lines(
        ["@pytest.mark.racecheck of test_a.py::test_a: strategy='mine:depth=2' can't be; mine takes no parameters."]
    )


def test_a_strategy_by_a_name_that_is_taken(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_racecheck_strategies(config): return {'random': None}")
    result = run(pytester, "@pytest.mark.racecheck\ndef test_a(): pass")

    result.stdout.fnmatch_lines(["pytest_racecheck_strategies offers 'random', a name that is already taken."])


def test_json(pytester: pytest.Pytester) -> None:
    source = FAILING + "\n@pytest.mark.racecheck\ndef test_b(): pass\ndef test_c(): pass\n"
    run(pytester, source, "--racecheck-json=deep/down/report.json")
    document = json.loads((pytester.path / "deep/down/report.json").read_text())

    assert document["format"] == 1
    assert [(each["nodeid"], each["outcome"]) for each in document["tests"]] == [
        ("test_a.py::test_a", "failed"),
        ("test_a.py::test_b", "passed"),
    ]
    assert [each["token"] for each in document["tests"][0]["findings"]] == ["token-1"]


def test_json_without_a_marked_test(pytester: pytest.Pytester) -> None:
    run(pytester, "def test_a(): pass", "--racecheck-json=report.json")

    assert json.loads((pytester.path / "report.json").read_text()) == {"format": 1, "tests": []}


REPLAY = "--racecheck-replay=token-1"


def test_a_replay_goes_to_the_one_test(pytester: pytest.Pytester, engine: Any) -> None:
    result = run(pytester, FAILING + "\ndef test_b(): pass", REPLAY)

    result.assert_outcomes(failed=1, passed=1)
    assert [call["token"] for call in engine.calls] == ["token-1"]
    assert "first" not in engine.calls[0]


def test_a_replay_of_several_tests_is_refused(pytester: pytest.Pytester, engine: Any) -> None:
    source = "@pytest.mark.racecheck\ndef test_a(): pass\n@pytest.mark.racecheck\ndef test_b(): pass"
    result = run(pytester, source, REPLAY)

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            (
                "--racecheck-replay replays one test, and 2 marked tests are selected. Give the node id of the one "
                "that the token belongs to, as the last line of its report does."
            )
        ]
    )
    assert engine.calls == []
    run(pytester, source, REPLAY, "-k", "test_b").assert_outcomes(passed=1, deselected=1)


@pytest.mark.parametrize("source", ["def test_a(): pass", "import pytest"])
def test_a_replay_of_no_test_is_an_error(pytester: pytest.Pytester, source: str) -> None:
    result = run(pytester, source, REPLAY)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(
        [
            (
                "ERROR: --racecheck-replay: no marked test was run. Give the node id of the test that the token "
                "belongs to, as the last line of its report does."
            )
        ]
    )


def test_a_replay_of_a_stress_test_is_refused(pytester: pytest.Pytester) -> None:
    result = run(pytester, "@pytest.mark.racecheck(mode='stress')\ndef test_a(): pass", REPLAY)

    result.stdout.fnmatch_lines(["test_a.py::test_a is a stress test (mode='stress'): there is nothing to replay."])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--racecheck-runs=many", "ERROR: command line: --racecheck-runs='many' is not a whole number from 1."),
        ("--racecheck-strategy=x", "ERROR: --racecheck-strategy: strategy='x' does not exist; there are delays, *"),
        (
            "--racecheck-strategy=pct:depth=0",
            "ERROR: --racecheck-strategy: strategy='pct:depth=0' can't be; depth='0' is not a whole number from 1 to *",
        ),
        ("--racecheck-json=test_a.py/x", "ERROR: --racecheck-json=*test_a.py/x: cannot write there: *"),
        ("-oracecheck_time=x", "ERROR: *: racecheck_time='x' is not a number of seconds above 0."),
    ],
)
def test_a_wrong_option_ends_the_session(pytester: pytest.Pytester, argument: str, message: str) -> None:
    result = run(pytester, "def test_a(): pass", argument)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])
