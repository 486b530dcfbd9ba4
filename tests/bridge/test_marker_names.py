"""Which names of markers are taken for misspellings of ours."""

from __future__ import annotations

import pytest

from pytest_racecheck.bridge.marker import distance, looks_like_ours


@pytest.mark.parametrize(
    "name", ["racechek", "race_check", "racechecks", "Racecheck", "racehceck", "rcecheck", "racescheck", "racececk"]
)
def test_near_names(name: str) -> None:
    assert looks_like_ours(name)


@pytest.mark.parametrize("name", ["racecheck", "parametrize", "asyncio", "race", "check", "slow", "spellcheck", ""])
def test_other_names(name: str) -> None:
    assert not looks_like_ours(name)


@pytest.mark.parametrize(
    ("one", "other", "expected"), [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("a", "b", 1)]
)
def test_distance(one: str, other: str, expected: int) -> None:
    assert distance(one, other) == expected
    assert distance(other, one) == expected
