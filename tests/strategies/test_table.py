"""Names and parameters: what is right makes a strategy, what is wrong is named with what would be right."""

from __future__ import annotations

import pytest

from pytest_racecheck.bridge.options import BY_NAME
from pytest_racecheck.core.errors import RacecheckError
from pytest_racecheck.strategies.table import STRATEGIES, make, names, parse


@pytest.mark.parametrize(
    ("spec", "parsed"),
    [
        ("pct", ("pct", {})),
        ("pct:depth=2", ("pct", {"depth": 2})),
        ("pct: depth = 2", ("pct", {"depth": 2})),
        ("preemptions:bound=0", ("preemptions", {"bound": 0})),
    ],
)
def test_a_name_and_its_parameters(spec: str, parsed: tuple[str, dict[str, int]]) -> None:
    assert parse(spec) == parsed


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("randm", f"unknown strategy 'randm'; there are: {', '.join(STRATEGIES)}"),
        ("pct:dept=2", "pct has no parameter 'dept'; it has depth"),
        ("random:depth=2", "random has no parameter 'depth'; it has none"),
        ("pct:", "pct has no parameter ''; it has depth"),
        ("pct:depth", "depth='' is not a whole number from 1 to 100"),
        ("pct:depth=x", "depth='x' is not a whole number from 1 to 100"),
        ("pct:depth=-1", "depth='-1' is not a whole number from 1 to 100"),
        ("pct:depth=101", "depth='101' is not a whole number from 1 to 100"),
        ("pct:depth=²", "depth='²' is not a whole number from 1 to 100"),
        ("delays:bound=1001", "bound='1001' is not a whole number from 0 to 1,000"),
        ("pct:depth=2,depth=3", "depth is given twice"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(spec: str, message: str) -> None:
    with pytest.raises(RacecheckError) as refused:
        make(spec, 0)

    assert str(refused.value) == message


def test_a_strategy_is_called_as_it_was_written() -> None:
    """Reports print the name: it is what one has to write to get these runs again."""
    assert [make(spec, 0).name for spec in ("pct", "pct:depth=2", "portfolio")] == ["pct", "pct:depth=2", "portfolio"]


@pytest.mark.parametrize("name", names())
def test_every_default_is_right(name: str) -> None:
    for parameter in STRATEGIES[name].parameters:
        if parameter.default is not None:
            assert parse(f"{name}:{parameter.name}={parameter.default}")[1] == {parameter.name: parameter.default}


def test_the_default_strategy_is_one_of_them() -> None:
    assert BY_NAME["strategy"].default in names()
