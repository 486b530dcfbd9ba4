"""The table of options: what each kind takes, what it says of other values, and what is made from the table."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from pytest_racecheck.bridge import options, options_page
from pytest_racecheck.bridge.options import BY_NAME, OPTIONS, NotYetError, from_text, from_value

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("runs", "7", 7),
        ("seed", "0", 0),
        ("time", "0.5", 0.5),
        ("time", "3", 3.0),
        ("strategy", " pct:depth=3 ", "pct:depth=3"),
        ("mode", "stress", "stress"),
        ("source", "random\nmy_*, other", ("random", "my_*", "other")),
        ("json", "report.json", "report.json"),
    ],
)
def test_text_is_converted(name: str, text: str, expected: object) -> None:
    assert from_text(BY_NAME[name], text, name=name, where="here") == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("threads", 3, 3),
        ("time", 2, 2.0),
        ("source", "random", ("random",)),
        ("source", ["a", "b.*"], ("a", "b.*")),
        ("invariant", len, (len,)),
        ("invariant", [len, abs], (len, abs)),
        ("processes", 0, 0),
        ("processes", 2, 2),
        ("races", "error", "error"),
    ],
)
def test_values_are_taken(name: str, value: object, expected: object) -> None:
    assert from_value(BY_NAME[name], value, name=name, where="here") == expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("runs", "many", "command line: --racecheck-runs='many' is not a whole number from 1."),
        ("runs", "0", "command line: --racecheck-runs='0' is not a whole number from 1."),
        ("seed", "-1", "command line: --racecheck-seed='-1' is not a whole number from 0."),
        ("time", "0", "command line: --racecheck-time='0' is not a number of seconds above 0."),
        ("time", "inf", "command line: --racecheck-time='inf' is not a number of seconds above 0."),
        ("time", "nan", "command line: --racecheck-time='nan' is not a number of seconds above 0."),
        ("mode", "strss", "command line: --racecheck-mode='strss' is not 'explore' or 'stress'."),
        ("profile", "x", "command line: --racecheck-profile='x' is not 'dev' or 'ci' or 'nightly'."),
        ("strategy", "", "command line: --racecheck-strategy='' is not a name."),
        ("json", "", "command line: --racecheck-json='' is not the path of a file that can be written."),
        ("json", "/", "command line: --racecheck-json='/' is not the path of a file that can be written."),
    ],
)
def test_wrong_text_is_told_whole(name: str, text: str, message: str) -> None:
    option = BY_NAME[name]

    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        from_text(option, text, name=option.flag_name, where="command line")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("threads", 0, "here: threads=0 is not a whole number from 1."),
        ("threads", True, "here: threads=True is not a whole number from 1."),
        ("threads", 2.0, "here: threads=2.0 is not a whole number from 1."),
        ("time", "3", "here: time='3' is not a number of seconds above 0."),
        ("time", math.inf, "here: time=inf is not a number of seconds above 0."),
        ("runs", None, "here: runs=None is not a whole number from 1."),
        ("invariant", 3, "here: invariant=3 is not a function or a sequence of functions."),
        ("invariant", ["x"], "here: invariant=['x'] is not a function or a sequence of functions."),
        (
            "source",
            [3],
            (
                "here: source=[3] is not the name of a module or a package, a glob pattern of such names, "
                "or a sequence of them."
            ),
        ),
        ("processes", -1, "here: processes=-1 is not a whole number from 0."),
        ("granularity", "line", "here: granularity='line' is not 'access' or 'gil'."),
        ("mode", ["stress"], "here: mode=['stress'] is not 'explore' or 'stress'."),
    ],
)
def test_a_wrong_value_is_told_whole(name: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        from_value(BY_NAME[name], value, name=name, where="here")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "races",
            "warn",
            "here: races='warn' does not work yet; this release fails a test for every race that it finds.",
        ),
    ],
)
def test_what_comes_later_is_told_from_what_is_wrong(name: str, value: object, message: str) -> None:
    with pytest.raises(NotYetError) as raised:
        from_value(BY_NAME[name], value, name=name, where="here")

    assert str(raised.value) == message


@pytest.mark.parametrize("option", [each for each in OPTIONS if each.marker and each.default is not None])
def test_every_default_is_right(option: options.Option) -> None:
    assert from_value(option, option.default, name=option.name, where="here") == option.default


def test_the_marker_line_names_every_keyword_with_its_meaning() -> None:
    line = options.marker_line()

    start = "racecheck(*, threads, processes=0, start_method, invariant=(), source=(), strategy='portfolio', seed=0, "
    assert line.startswith(start)
    assert "\n" not in line
    assert [each.name for each in OPTIONS if each.marker and f" {each.name}: " not in line] == []


def test_the_page_on_options_is_up_to_date() -> None:
    """If not: python -m pytest_racecheck.bridge.options_page > docs/options.md."""
    assert (DOCS / "options.md").read_text(encoding="utf-8") == options_page.page()
