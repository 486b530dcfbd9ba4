"""What a marker may say, where it may stand, and what is said of any other."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.usefixtures("engine")


def needs(module: str) -> pytest.MarkDecorator:
    """Not every interpreter has every plugin yet."""
    return pytest.mark.skipif(find_spec(module) is None, reason=f"{module} is not installed")


def messages(pytester: pytest.Pytester, source: str, *arguments: str) -> list[str]:
    """The whole text of every error of a suite in which each test has one."""
    pytester.makepyfile(test_it=f"import pytest\n{source}")
    recorder = pytester.inline_run("-p", "no:cacheprovider", *arguments)
    return [str(report.longreprtext) for report in recorder.getfailures() if report.when in ("setup", "call")]


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("(3)", "3 stands there without a keyword; write for example @pytest.mark.racecheck(threads=3)."),
        ("(thread=3)", "there is no keyword 'thread'. Did you mean 'threads'?"),
        (
            "(x=1)",
            ("there is no keyword 'x'. Keywords: threads, processes, start_method, invariant, source, strategy, seed, "
            "runs, time, steps, stuck, mode, races, granularity, clock, timeouts, wakeups."),
        ),
        ("(threads=0)", "threads=0 is not a whole number from 1."),
        ("(profile='ci')", ("there is no keyword 'profile'. Keywords: threads, processes, start_method, invariant, "
         "source, strategy, seed, runs, time, steps, stuck, mode, races, granularity, clock, timeouts, wakeups.")),
        ("(processes=2, mode='stress')", "processes=2 does not work yet with mode='stress'; use threads=N."),
        ("(strategy='rnd')", (
            "strategy='rnd' does not exist; there are delays, dfs, dpor, pct, portfolio, pos, preemptions, random, "
            "reads-from, sequential, starvation, surw, urw."
        )),
        ("(strategy='pct:dept=2')", "strategy='pct:dept=2' can't be; pct has no parameter 'dept'; it has depth."),
        ("(strategy='pct:depth=x')", (
            "strategy='pct:depth=x' can't be; depth='x' is not a whole number from 1 to 100."
        )),
        ("(invariant='x')", "invariant='x' is not a function or a sequence of functions."),
        ("(invariant=lambda nowhere: 0)", "invariant <lambda>: its parameter 'nowhere' is not the name of a fixture."),
        (
            "(invariant=lambda task_index: 0)",
            "invariant <lambda>: there is no task_index, because invariants run after all tasks.",
        ),
    ],
)  # fmt: skip
def test_a_wrong_marker_fails_its_test_with_a_message_only(
    pytester: pytest.Pytester, marker: str, message: str
) -> None:
    source = f"@pytest.mark.racecheck{marker}\ndef test_a(): pass\ndef test_b(): pass"

    assert messages(pytester, source) == [f"@pytest.mark.racecheck of test_it.py::test_a: {message}"]


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (
            "async def test_a(): pass",
            "an async test can't be checked; write a plain function that starts what is to be checked.",
        ),
        (
            "class test_a(__import__('unittest').TestCase):\n    def test_b(self): pass",
            "methods of unittest.TestCase can't be checked; write a function, or a class without TestCase.",
        ),
        pytest.param(
            "@__import__('hypothesis').given(__import__('hypothesis').strategies.none())\ndef test_a(x): pass",
            "a test with hypothesis' @given can't be checked; use pytest.mark.parametrize, or two tests.",
            marks=needs("hypothesis"),
            id="hypothesis",
        ),
    ],
)
def test_what_can_not_be_checked(pytester: pytest.Pytester, test: str, message: str) -> None:
    (text,) = messages(pytester, f"@pytest.mark.racecheck\n{test}")
    where, _, rest = text.partition(": ")

    assert where.startswith("@pytest.mark.racecheck of test_it.py::test_a")
    assert rest == message


def test_a_misspelt_marker_fails_its_test(pytester: pytest.Pytester) -> None:
    source = """
@pytest.mark.race_check
def test_a(): pass

@pytest.mark.slow
def test_b(): pass
"""
    assert messages(pytester, source, "-Wignore::pytest.PytestUnknownMarkWarning") == [
        (
            "@pytest.mark.race_check of test_it.py::test_a: did you mean @pytest.mark.racecheck? This test was not "
            "checked; if the marker is another's, register it."
        )
    ]


def test_a_near_name_that_somebody_has_registered_is_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nmarkers =\n    tracecheck: of another plugin\n")

    assert messages(pytester, "@pytest.mark.tracecheck\ndef test_a(): pass") == []


def test_the_closest_marker_counts_keyword_by_keyword(pytester: pytest.Pytester, engine: object) -> None:
    source = """
pytestmark = pytest.mark.racecheck(threads=4, seed=1, runs=5)

@pytest.mark.racecheck(seed=2, runs=6)
class TestIt:
    @pytest.mark.racecheck(runs=7)
    def test_a(self, request):
        pass
"""
    assert messages(pytester, source) == []
    (call,) = engine.calls  # type: ignore[attr-defined]
    assert (call["seed"], call["limits"].runs) == (2, 7)


def test_a_class_with_a_wrong_marker_is_named(pytester: pytest.Pytester) -> None:
    source = "@pytest.mark.racecheck(runs=0)\nclass TestIt:\n    def test_a(self): pass"

    assert messages(pytester, source) == [
        "@pytest.mark.racecheck of test_it.py::TestIt: runs=0 is not a whole number from 1."
    ]


def test_a_marker_that_a_fixture_adds_is_seen(pytester: pytest.Pytester, engine: object) -> None:
    source = """
@pytest.fixture
def checked(request):
    request.applymarker(pytest.mark.racecheck(runs=3))

def test_a(checked): pass
"""
    assert messages(pytester, source) == []
    assert [call["limits"].runs for call in engine.calls] == [3]  # type: ignore[attr-defined]


def test_the_marker_is_registered_and_explained(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--markers")

    result.stdout.fnmatch_lines(["@pytest.mark.racecheck(*, threads, *): run the test under many thread*"])


@pytest.mark.parametrize("arguments", [pytest.param(["-n2"], marks=needs("xdist")), ["-Werror"], ["--strict-markers"]])
def test_a_wrong_marker_in_other_surroundings(pytester: pytest.Pytester, arguments: list[str]) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.racecheck(threads=0)\ndef test_a(): pass\ndef test_b(): pass")
    result = pytester.runpytest_subprocess(*arguments)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["@pytest.mark.racecheck of *::test_a: threads=0 is not a whole number from 1."])
