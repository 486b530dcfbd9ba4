"""Every run starts afresh: function-scoped fixtures are made anew, wider ones are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def run(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=f"import pytest\nlog = []\n{source}\ndef test_log():\n    print('LOG', *log)")
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-Wdefault", "-rA", *arguments)


def logged(result: pytest.RunResult) -> list[str]:
    (line,) = [line for line in result.outlines if line.startswith("LOG")]
    return line.split()[1:]


@pytest.fixture(autouse=True)
def _engine(engine: Any) -> None:
    """Three runs a test, and only the bridge."""


def test_function_fixtures_are_made_and_ended_for_every_run(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.fixture(scope="module")
def wide():
    log.append("wide")
    yield
    log.append("WIDE")

@pytest.fixture
def inner(wide):
    log.append("inner")
    yield
    log.append("INNER")

@pytest.fixture
def outer(inner):
    log.append("outer")
    yield []
    log.append("OUTER")

@pytest.fixture(autouse=True)
def unseen():
    log.append("unseen")

@pytest.mark.racecheck(threads=2)
def test_a(outer):
    outer.append("x")
    log.append(f"body{len(outer)}")
""",
    )
    result.assert_outcomes(passed=2)
    one = ["inner", "outer", "body1", "body2", "OUTER", "INNER"]

    assert [each for each in logged(result) if each != "unseen"] == ["wide", *one, *one, *one]
    assert logged(result).count("unseen") == 4


def test_without_function_fixtures_nothing_is_made_anew(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.fixture(scope="module")
def wide():
    log.append("wide")

@pytest.mark.racecheck
@pytest.mark.parametrize("x", [1])
def test_a(wide, x, request, task_index):
    log.append(str(id(request)))
""",
    )
    wide, *requests = logged(result)

    assert wide == "wide"
    assert len(requests) == 6
    assert len(set(requests)) == 1


def test_fixtures_that_only_a_run_asks_for_are_ended_with_it(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.fixture
def late():
    log.append("late")
    yield
    log.append("LATE")

@pytest.mark.racecheck(threads=1)
def test_a(request):
    request.getfixturevalue("late")
""",
    )
    assert logged(result) == ["late", "LATE"] * 3


def test_a_class_gets_a_new_instance_for_every_run(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
class TestIt:
    def setup_method(self, method):
        log.append("setup" + method.__name__)

    def teardown_method(self):
        log.append("teardown" + str(self.n))

    @pytest.mark.racecheck
    def test_a(self):
        self.n = getattr(self, "n", 0) + 1
""",
    )
    result.assert_outcomes(passed=2)

    assert logged(result) == ["setuptest_a", "teardown2"] * 3


def test_a_class_fixture_without_a_class_belongs_to_the_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.fixture(scope="class")
def box():
    log.append("new")
    yield []
    log.append("END")

@pytest.mark.racecheck(threads=1)
def test_a(box):
    box.append("x")
    log.append(str(len(box)))

class TestIt:
    @pytest.mark.racecheck(threads=1)
    def test_b(self, box):
        box.append("x")
        log.append(str(len(box)))
""",
    )
    assert logged(result) == [*["new", "1", "END"] * 3, "new", "1", "2", "3", "END"]


def test_setup_function_runs_for_every_run(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def setup_function(function):
    if function.__name__ == "test_a":
        log.append("setup")

@pytest.mark.racecheck(threads=1)
def test_a():
    log.append("body")
""",
    )
    assert logged(result) == ["setup", "body"] * 3


def test_an_overridden_fixture_still_gets_the_wider_one(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
import pytest

@pytest.fixture(scope="session")
def db():
    return ["session"]
"""
    )
    result = run(
        pytester,
        """
@pytest.fixture
def db(db):
    return [*db, "function"]

@pytest.mark.racecheck(threads=1)
def test_a(db):
    log.extend(db)
    db.append("x")
""",
    )
    assert logged(result) == ["session", "function"] * 3


def test_parametrized_and_indirect_fixtures(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.fixture(params=["a", "b"])
def letter(request):
    return [request.param]

@pytest.fixture(scope="module", params=[1, 2])
def number(request):
    log.append("new")
    return request.param

@pytest.mark.racecheck(threads=1)
@pytest.mark.usefixtures("tmp_path")
def test_a(letter, number):
    letter.append("x")
    log.append(f"{''.join(letter)}{number}")
""",
    )
    assert logged(result) == ["new", *["ax1"] * 3, *["bx1"] * 3, "new", *["ax2"] * 3, *["bx2"] * 3]


def test_finalizers_do_not_pile_up_on_wider_fixtures(pytester: pytest.Pytester, engine: Any) -> None:
    engine.runs = 50
    result = run(
        pytester,
        """
@pytest.fixture(scope="module")
def make(request):
    return lambda: request.addfinalizer(lambda: None)

@pytest.fixture
def narrow(make):
    return make

@pytest.mark.racecheck(threads=1)
def test_a(narrow, request):
    narrow()
    log[:] = [len(request._fixture_defs["make"]._finalizers)]
""",
    )
    (left,) = map(int, logged(result))

    assert 50 <= left <= 54  # those that the test has added itself stay


def test_builtin_fixtures_work_in_every_run(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
import logging, os, warnings

@pytest.mark.racecheck(threads=1)
def test_a(capsys, caplog, monkeypatch, tmp_path, recwarn, record_property):
    print("out")
    assert capsys.readouterr().out == "out\\n"
    logging.getLogger().warning("logged")
    assert caplog.messages == ["logged"]
    assert [each.message for each in caplog.get_records("call")] == ["logged"]
    assert "RACECHECK_X" not in os.environ
    monkeypatch.setenv("RACECHECK_X", "1")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "x").touch()
    warnings.warn("warned", UserWarning)
    assert len(recwarn) == 1
    record_property("key", 1)

@pytest.mark.racecheck(threads=1)
def test_b(capfd):
    os.write(1, b"out")
    assert capfd.readouterr().out == "out"
""",
        "--junitxml=out.xml",
        "-ojunit_family=xunit1",
    )
    result.assert_outcomes(passed=3)

    assert (pytester.path / "out.xml").read_text().count('<property name="key"') == 1


def test_one_tmp_path_is_left_and_it_is_the_last(pytester: pytest.Pytester) -> None:
    result = run(pytester, "@pytest.mark.racecheck(threads=1)\ndef test_a(tmp_path):\n    log.append(str(tmp_path))")

    assert [Path(each).exists() for each in logged(result)[-1:]] == [True]
    assert len([each for each in set(logged(result)) if Path(each).exists()]) == 1


def test_only_the_output_of_the_last_run_is_left(pytester: pytest.Pytester, engine: Any) -> None:
    result = run(
        pytester,
        """
import itertools, logging, os
count = itertools.count(1)

@pytest.fixture
def loud(request):
    request.node.add_report_section("call", "mine", "section")

@pytest.mark.racecheck(threads=1)
def test_a(loud):
    number = next(count)
    print("print", number)
    os.write(2, b"write %d" % number)
    logging.getLogger().warning("log %d", number)
    assert number < 3
""",
    )
    text = "\n".join(result.outlines)

    assert [text.count(f"print {n}") for n in (1, 2, 3)] == [0, 0, 1]
    assert [text.count(f"write {n}") for n in (1, 2, 3)] == [0, 0, 1]
    assert [text.count(f"log {n}") for n in (1, 2, 3)] == [0, 0, 1]
    assert text.count("section") == 1


def test_warnings_of_many_runs_are_told_once(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
import warnings

@pytest.mark.racecheck
def test_a():
    warnings.warn("beware", UserWarning)
""",
    )
    result.assert_outcomes(passed=2, warnings=1)


@pytest.mark.parametrize(("when", "place"), [(1, "ERROR"), (2, "FAILED")])
def test_a_fixture_that_fails_is_reported_as_such(pytester: pytest.Pytester, when: int, place: str) -> None:
    result = run(
        pytester,
        f"""
import itertools
count = itertools.count(1)

@pytest.fixture
def broken():
    if next(count) == {when}:
        raise OSError("no disk")

@pytest.mark.racecheck
def test_a(broken): pass
""",
    )
    result.stdout.fnmatch_lines(["E * OSError: no disk", f"{place} test_it.py::test_a - OSError: no disk*"])
    if when > 1:
        result.stdout.fnmatch_lines(["*racecheck: raised while setting up the fixtures for run 2 of this test"])


def test_a_fixture_that_fails_at_its_end(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.fixture
def broken():
    yield
    raise OSError("no disk")

@pytest.mark.racecheck
def test_a(broken): pass
""",
    )
    result.stdout.fnmatch_lines(["E * OSError: no disk", "FAILED test_it.py::test_a - OSError: no disk"])


def test_a_fixture_that_skips(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
import itertools
count = itertools.count(1)

@pytest.fixture
def picky():
    if next(count) == 2:
        pytest.skip("enough")

@pytest.mark.racecheck
def test_a(picky): pass
""",
    )
    result.assert_outcomes(passed=1, skipped=1)


def test_task_index_is_the_number_of_the_task(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.mark.racecheck(threads=3)
def test_a(task_index, tmp_path):
    log.append(str(task_index))

@pytest.mark.racecheck(threads=1)
def test_b(task_index):
    log.append(str(task_index))

def test_c(task_index):
    assert task_index == 0
""",
    )
    assert logged(result) == [*"012" * 3, *"000"]


def test_task_index_is_refused_to_fixtures(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.fixture
def mine(task_index): pass

@pytest.mark.racecheck
def test_a(mine): pass
""",
    )
    result.stdout.fnmatch_lines(
        [
            (
                "the fixture 'mine' asks for task_index, which only the test itself can have: "
                "fixtures are set up once a run, for all tasks."
            )
        ]
    )


def test_invariants_get_the_fixtures_of_their_run(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.fixture
def box():
    return []

@pytest.fixture
def limit():
    log.append("limit")
    return 2

def full(box, limit, *, spare=3):
    log.append(f"{len(box)}of{limit}")

class TestIt:
    def holds(self, box):
        log.append(str(self.seen is box))

    @pytest.mark.racecheck(invariant=[full, holds])
    def test_a(self, box):
        self.seen = box
        box.append("x")
""",
    )
    assert logged(result) == ["limit", "2of2", "True"] * 3
