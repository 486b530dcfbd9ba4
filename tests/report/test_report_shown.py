"""What of an exploration that did not fail is shown by pytest: as a warning, as an error, as a line of the summary."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_racecheck.core.explore import GONE
from pytest_racecheck.core.values import Exploration

SOURCE = "import pytest\n@pytest.mark.racecheck\ndef test_a(): pass"


def run(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test_a=source)
    return pytester.runpytest_inprocess(*arguments)


@pytest.fixture
def told(engine: Any, monkeypatch: pytest.MonkeyPatch) -> Exploration:
    """An exploration that has something to say."""
    monkeypatch.setenv("COLUMNS", "80")
    engine.outcome = replace(engine.outcome, remarks=("nothing shared",), uncontrolled=("a thread escaped",))
    outcome: Exploration = engine.outcome
    return outcome


def test_a_warning_that_is_an_error_shows_its_sentence_alone(pytester: pytest.Pytester, told: Exploration) -> None:
    result = run(pytester, SOURCE, "-Werror")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "_* test_a _*",
            "RacecheckWarning: test_a.py::test_a: nothing shared",
            "RacecheckWarning: test_a.py::test_a: a thread escaped",
            "racecheck: 1 test: 1 passed; *",
            "*= short test summary info =*",
            "FAILED test_a.py::test_a - Failed: RacecheckWarning: test_a.py::test_a: nothi*",
        ],
        consecutive=True,
    )


def test_it_is_still_a_warning_to_xfail(pytester: pytest.Pytester, told: Exploration) -> None:
    source = SOURCE.replace("@pytest.mark.r", "@pytest.mark.xfail(raises=UserWarning)\n@pytest.mark.r")

    run(pytester, source, "-Werror").assert_outcomes(xfailed=1)


def test_a_warning_names_files_from_the_root(pytester: pytest.Pytester, engine: Any) -> None:
    engine.outcome = replace(engine.outcome, remarks=(f"blocked, at {pytester.path}/test_a.py:3",))
    result = run(pytester, SOURCE, "-Wdefault")

    result.stdout.fnmatch_lines(["  *RacecheckWarning: test_a.py::test_a: blocked, at test_a.py:3"])


@pytest.mark.parametrize("arguments", [["-Wdefault"], ["-Werror", "-v"]])
def test_a_replay_of_a_bug_that_is_gone_says_so(pytester: pytest.Pytester, engine: Any, arguments: list[str]) -> None:
    engine.outcome = replace(engine.outcome, stopped_by="replay", remarks=(GONE,))
    result = run(pytester, SOURCE, "--racecheck-replay=token-1", *arguments)

    result.assert_outcomes(passed=1, warnings=0)
    result.stdout.fnmatch_lines(
        [
            "test_a.py::test_a: The schedule ran to its end and nothing failed: the bug that it showed is gone.",
            "racecheck: 1 test: 1 passed; 3 runs in 0.5 s",
        ]
    )
