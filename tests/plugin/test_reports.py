"""Reports as pytest shows them: in colours where there are any, and with all that went wrong."""

from __future__ import annotations

import pytest

COUNTER = """
import pytest

@pytest.fixture
def box():
    return [0]

def both(box):
    assert box == [2]

@pytest.mark.racecheck(invariant=both)
def test_it(box):
    box[0] += 1
"""

ESCAPE = "\x1b["


def test_a_terminal_with_colours_gets_them_and_files_do_not(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=COUNTER)
    result = pytester.runpytest_inprocess("-pno:cacheprovider", "--color=yes", "--junitxml=report.xml")
    output = result.stdout.str()

    assert f"{ESCAPE}1;31mAssertionError: assert [1] == [2]" in output
    assert f"{ESCAPE}1;33m- preempted -" in output
    report = (pytester.path / "report.xml").read_text(encoding="utf-8")
    assert "- preempted -" in report
    assert ESCAPE not in report
    assert "#x1B" not in report


def test_without_colours_a_report_is_plain(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=COUNTER)
    output = pytester.runpytest_inprocess("-pno:cacheprovider", "--color=no").stdout.str()

    assert "- preempted -" in output
    assert ESCAPE not in output


def test_colours_change_nothing_but_colour(pytester: pytest.Pytester) -> None:
    """Each line is the same once the codes are taken out, the command to paste included."""
    pytester.makepyfile(test_it=COUNTER)
    plain = pytester.runpytest_inprocess("-pno:cacheprovider", "--color=no").stdout.str()
    coloured = pytester.runpytest_inprocess("-pno:cacheprovider", "--color=yes").stdout.str()

    def report(text: str) -> list[str]:
        lines = [line.strip() for line in _without_codes(text).split("\n")]
        return lines[lines.index("AssertionError: assert [1] == [2]") : lines.index("- preempted -")]

    assert report(plain) == report(coloured)


def _without_codes(text: str) -> str:
    first, *rest = text.split(ESCAPE)
    return first + "".join(part.partition("m")[2] for part in rest)


def test_an_exception_that_an_executor_kept_is_told_beside_the_assertion(pytester: pytest.Pytester) -> None:
    """It is why the assertion fails, and nobody has looked at it."""
    pytester.makepyfile(
        test_it="""
        from concurrent.futures import ThreadPoolExecutor
        import pytest

        @pytest.fixture
        def box():
            return []

        def one(box):
            assert box == [1]

        def work(box):
            raise KeyError("lost")

        @pytest.mark.racecheck(threads=1, invariant=one)
        def test_it(box):
            with ThreadPoolExecutor(1) as executor:
                executor.submit(work, box)
        """
    )
    result = pytester.runpytest_inprocess("-pno:cacheprovider")

    result.stdout.fnmatch_lines(
        [
            "AssertionError: assert * == [[]1[]]",
            "In the same run:",
            "  KeyError: 'lost'",
            "    task 0.0 (in an executor, and nobody looked at its future), test_it.py:12",
        ]
    )
    result.stdout.no_fnmatch_line("Also found:")


def test_what_lies_behind_an_exception_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.racecheck
        def test_it():
            try:
                {}["k"]
            except KeyError as error:
                raise ValueError("no such thing") from error
        """
    )
    result = pytester.runpytest_inprocess("-pno:cacheprovider")

    result.stdout.fnmatch_lines(["ValueError: no such thing", "  caused by KeyError: 'k', at *.py:6"])
