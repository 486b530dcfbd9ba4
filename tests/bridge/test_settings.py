"""Which of several settings counts, and where it came from."""

from __future__ import annotations

import pytest

from pytest_racecheck.bridge.defaults import Defaults, Sourced, in_force, is_default, read_defaults
from pytest_racecheck.bridge.options import OPTIONS
from pytest_racecheck.bridge.settings import resolve


@pytest.fixture(autouse=True)
def _as_a_user_has_it(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS")


def defaults_of(pytester: pytest.Pytester, *arguments: str, ini: str = "") -> Defaults:
    pytester.makeini(f"[pytest]\n{ini}")
    return read_defaults(pytester.parseconfig(*arguments))


def test_nothing_set_gives_the_defaults(pytester: pytest.Pytester) -> None:
    defaults = defaults_of(pytester)

    assert {name: each.value for name, each in defaults.items()} == {each.name: each.default for each in OPTIONS} | {
        "profile": "dev"
    }
    assert is_default(defaults)


@pytest.mark.parametrize(
    ("arguments", "ini", "expected"),
    [
        ([], "racecheck_runs = 7", (7, "racecheck_runs in tox.ini")),
        (["--racecheck-runs=8"], "racecheck_runs = 7", (8, "--racecheck-runs")),
        ([], "racecheck_profile = ci", (5000, "profile ci")),
        ([], "racecheck_profile = ci\nracecheck_runs = 7", (7, "racecheck_runs in tox.ini")),
        (["--racecheck-profile=nightly"], "racecheck_runs = 7", (100_000, "profile nightly")),
        (["--racecheck-profile=nightly", "--racecheck-runs=8"], "racecheck_profile = ci", (8, "--racecheck-runs")),
        (["--racecheck-profile=ci"], "racecheck_profile = nightly", (5000, "profile ci")),
        (["--racecheck-profile=dev"], "racecheck_runs = 7", (1000, "profile dev")),
        (["-o", "racecheck_runs=9"], "", (9, "racecheck_runs in tox.ini")),
    ],
)
def test_the_ladder(pytester: pytest.Pytester, arguments: list[str], ini: str, expected: tuple[int, str]) -> None:
    assert defaults_of(pytester, *arguments, ini=ini)["runs"] == expected


def test_several_sources_are_put_together(pytester: pytest.Pytester) -> None:
    by_flag = defaults_of(pytester, "--racecheck-source=random", "--racecheck-source=my_*")
    by_ini = defaults_of(pytester, ini="racecheck_source =\n    one\n    two.*\n")

    assert by_flag["source"] == (("random", "my_*"), "--racecheck-source")
    assert by_ini["source"] == (("one", "two.*"), "racecheck_source in tox.ini")


def test_the_marker_comes_first(pytester: pytest.Pytester) -> None:
    defaults = defaults_of(pytester, "--racecheck-runs=8", "--racecheck-seed=5")

    settings = resolve(defaults, {"runs": Sourced(9, "marker")}, threads=1)

    assert (settings.runs, settings.origin("runs")) == (9, "marker")
    assert (settings.seed, settings.origin("seed")) == (5, "--racecheck-seed")
    assert (settings.threads, settings.origin("threads")) == (1, "default")


@pytest.mark.parametrize(
    ("arguments", "ini", "line"),
    [
        ([], "", "racecheck: 1,000 runs or 10 s a test"),
        (["--racecheck-profile=ci"], "", "racecheck: 5,000 runs or 60 s a test (profile ci)"),
        (
            ["--racecheck-seed=5", "--racecheck-time=2.5"],
            "racecheck_source = random",
            (
                "racecheck: 1,000 runs or 2.5 s a test (--racecheck-time), seed 5 (--racecheck-seed), "
                "source random (racecheck_source in tox.ini)"
            ),
        ),
    ],
)
def test_the_header_says_what_is_in_force(pytester: pytest.Pytester, arguments: list[str], ini: str, line: str) -> None:
    assert in_force(defaults_of(pytester, *arguments, ini=ini)) == line


def test_a_wrong_value_in_the_ini_file(pytester: pytest.Pytester) -> None:
    with pytest.raises(pytest.UsageError) as raised:
        defaults_of(pytester, ini="racecheck_runs = many")

    assert str(raised.value) == "tox.ini: racecheck_runs='many' is not a whole number from 1."
