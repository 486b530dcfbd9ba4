"""Who marks no test pays next to nothing."""

from __future__ import annotations

import pytest


def test_a_suite_without_a_marked_test_loads_no_engine(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import sys

def test_a():
    loaded = sorted(each for each in sys.modules if each.startswith("pytest_racecheck."))
    assert loaded == [
        "pytest_racecheck.bridge",
        "pytest_racecheck.bridge.defaults",
        "pytest_racecheck.bridge.fixtures",
        "pytest_racecheck.bridge.options",
        "pytest_racecheck.hookspecs",
        "pytest_racecheck.plugin",
    ]
    assert "bytecode" not in sys.modules
    assert "multiprocessing" not in sys.modules
"""
    )
    pytester.runpytest_subprocess("-pno:xdist", "-pno:cov").assert_outcomes(passed=1)


def test_nothing_is_printed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS")
    pytester.makepyfile("def test_a(): pass")
    result = pytester.runpytest_subprocess()

    assert [line for line in result.outlines if line.startswith("racecheck")] == []


def test_everything_in_the_package_can_be_imported_from_its_top() -> None:
    import pytest_racecheck

    assert sorted(pytest_racecheck.__all__) == pytest_racecheck.__all__
    assert all(getattr(pytest_racecheck, name).__name__ == name for name in pytest_racecheck.__all__)
    with pytest.raises(AttributeError, match="module 'pytest_racecheck' has no attribute 'nothing'"):
        _ = pytest_racecheck.nothing
