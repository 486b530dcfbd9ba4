"""With ``granularity="gil"`` tasks are stopped only where this interpreter, with its GIL, can stop threads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_racecheck.core.confirm import has_gil

HEAD = """
import pytest
from fractions import Fraction

c = 0

def same(value):
    return value

@pytest.fixture
def fresh():
    global c
    c = 0

def both():
    assert c == 2

@pytest.mark.racecheck(invariant=both, {keywords})
def test_it(fresh):
    global c
    {body}
"""

with_gil = pytest.mark.skipif(not has_gil(), reason="without a GIL a thread can be stopped anywhere")


def checked(pytester: pytest.Pytester, body: str, keywords: str = 'granularity="gil"', *flags: str) -> dict[str, Any]:
    """The entry of the report on a test of this body."""
    pytester.makepyfile(test_it=HEAD.format(body=body, keywords=keywords))
    pytester.runpytest_inprocess("--racecheck-json=report.json", "-pno:cacheprovider", *flags)
    entry: dict[str, Any] = json.loads((pytester.path / "report.json").read_text())["tests"][0]
    return entry


@with_gil
@pytest.mark.parametrize("body", ["c += 1", "if c >= 0: c = c + 1"])
def test_what_no_switch_can_break_is_verified(pytester: pytest.Pytester, body: str) -> None:
    """That is no verdict on the code, and both say so: the JSON document and the summary."""
    entry = checked(pytester, body)

    assert (entry["outcome"], entry["granularity"]) == ("verified", "gil")
    assert checked(pytester, body, "threads=2")["outcome"] == "failed"


@pytest.mark.parametrize("body", ["c = same(c) + 1", "x = c; THIRD = Fraction(1, 3); c = x + 1", "c = abs(c) + 1"])
def test_what_a_switch_can_break_is_found(pytester: pytest.Pytester, body: str) -> None:
    entry = checked(pytester, body)

    assert entry["outcome"] == "failed"
    assert entry["findings"][0]["with_gil"] == "yes"


@pytest.mark.skipif(has_gil(), reason="is about builds without a GIL")
def test_without_a_gil_it_changes_nothing(pytester: pytest.Pytester) -> None:
    """An interpreter that can switch anywhere is not restricted."""
    entry = checked(pytester, "c += 1")

    assert (entry["outcome"], entry["granularity"], entry["gil"]) == ("failed", "access", False)


@with_gil
def test_the_summary_and_the_report_say_how_it_was_searched(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=HEAD.format(body="c += 1", keywords=""))
    result = pytester.runpytest_inprocess("-v", "-pno:cacheprovider", "--racecheck-granularity=gil")
    says = "verified, no failure in any of 2 interleavings, *, stopped only where CPython 3* with its GIL can"
    result.stdout.fnmatch_lines([f"test_it.py::test_it: {says}"])

    pytester.makepyfile(test_it=HEAD.format(body="c = same(c) + 1", keywords=""))
    result = pytester.runpytest_inprocess("-pno:cacheprovider", "--racecheck-granularity=gil")
    result.stdout.fnmatch_lines(
        ["*can switch between these two steps.", "*(strategy portfolio, seed 0, granularity gil)."]
    )


@with_gil
def test_the_ini_file_can_say_it(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nracecheck_granularity = gil")

    assert checked(pytester, "c += 1", "threads=2")["outcome"] == "verified"
    assert checked(pytester, "c += 1", 'granularity="access"')["outcome"] == "failed"


@with_gil
def test_dpor_by_name_is_refused(pytester: pytest.Pytester) -> None:
    """It would change the order of steps that nothing can part."""
    pytester.makepyfile(test_it=HEAD.format(body="c += 1", keywords="granularity='gil', strategy='dpor'"))
    result = pytester.runpytest_inprocess("-pno:cacheprovider")

    says = "dpor changes the order of single steps, and with granularity='gil' tasks can't be stopped between them"
    result.stdout.fnmatch_lines([f"{says}; use dfs, which runs every schedule, or portfolio, which uses it"])


@with_gil
def test_a_token_replays_whatever_the_granularity(pytester: pytest.Pytester) -> None:
    """The schedule says all."""
    token = checked(pytester, "c += 1", "threads=2")["findings"][0]["token"]
    entry = checked(pytester, "c += 1", 'granularity="gil"', f"--racecheck-replay={token}")

    assert (entry["outcome"], entry["granularity"]) == ("failed", "access")
    assert entry["findings"][0]["with_gil"] == "no"


@with_gil
def test_what_cannot_be_told_is_not_proven(pytester: pytest.Pytester) -> None:
    """Code out of scope that was handed what is shared lets go of the GIL nobody knows when."""
    pytester.makepyfile(
        """
        import random
        import pytest

        @pytest.fixture
        def items():
            return [1, 2]

        @pytest.mark.racecheck(granularity="gil")
        def test_it(items):
            random.shuffle(items)
            items[0] = 3
        """
    )
    pytester.runpytest_inprocess("--racecheck-json=report.json", "-pno:cacheprovider")
    entry = json.loads((pytester.path / "report.json").read_text())["tests"][0]

    assert entry["outcome"] == "passed"
    assert any("where the GIL lets a thread go in code out of scope" in reason for reason in entry["unproven"])
