"""The same seed shows the same thing, whatever the process; and a test that does not repeat is noticed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

RACES = """
import threading
import pytest

counter = 0
names = {"some", "set", "of", "strings"}
lock_a, lock_b = threading.Lock(), threading.Lock()

@pytest.fixture
def fresh():
    global counter
    counter = 0

def increment():
    global counter
    counter += 1

def all_counted():
    assert counter == 3

@pytest.mark.racecheck(threads=3, invariant=all_counted)
def test_counter(fresh):
    increment()

@pytest.mark.racecheck(threads=1)
def test_threads(fresh):
    threads = [threading.Thread(target=increment) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    all_counted()

@pytest.mark.racecheck
def test_deadlock(task_index):
    first, second = (lock_a, lock_b) if task_index else (lock_b, lock_a)
    with first:
        with second:
            pass
"""


def shown(result: pytest.RunResult) -> list[str]:
    """What was printed, but for times."""
    return [re.sub(r"\d+\.\d+ ?s\b", "T", line) for line in result.outlines]


def test_the_same_seed_prints_the_same_in_another_process(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hash seeds, addresses and thread identities differ between the processes; what is printed does not."""
    pytester.makepyfile(test_races=RACES)
    outputs = []
    for hash_seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
        outputs.append(shown(pytester.runpytest_subprocess("-v", "-p", "no:cacheprovider", "--racecheck-seed=11")))

    assert outputs[0] == outputs[1]


def test_the_printed_command_replays_in_another_process(pytester: pytest.Pytester) -> None:
    """The last line of each report, pasted, prints the same report again; also after a line was added above."""
    file = pytester.makepyfile(test_races=RACES)
    for test in ("test_counter", "test_threads", "test_deadlock"):
        report = _report(pytester.runpytest_subprocess("-p", "no:cacheprovider", f"{file.name}::{test}"))
        nodeid, option = report[-1].removeprefix("pytest ").split()

        again = _report(pytester.runpytest_subprocess("-p", "no:cacheprovider", nodeid, option))
        file.write_text("# an unrelated line\n" + RACES)
        moved = _report(pytester.runpytest_subprocess("-p", "no:cacheprovider", nodeid, option))
        file.write_text(RACES)

        assert _lanes(again) == _lanes(report)
        assert [re.sub(r":\d+", "", line).split() for line in _lanes(moved)] == [
            re.sub(r":\d+", "", line).split() for line in _lanes(report)
        ]
        assert again[-1] == moved[-1] == report[-1]


def _report(result: pytest.RunResult) -> list[str]:
    lines = result.outlines
    start = next(number for number, line in enumerate(lines) if line.startswith("____"))
    end = next(number for number, line in enumerate(lines) if "--racecheck-replay=" in line)
    return lines[start : end + 1]


def _lanes(report: list[str]) -> list[str]:
    start = next(number for number, line in enumerate(report) if re.match(r"  task \S+ +(task|\|)", line))
    return report[start:-1]


def test_a_test_that_depends_on_chance_is_noticed(pytester: pytest.Pytester) -> None:
    """A passing test whose steps differ from run to run under one schedule is said not to be controlled."""
    pytester.makepyfile(
        """
        import itertools
        import pytest

        calls = itertools.count()
        first, second = [], []

        @pytest.mark.racecheck(runs=12)
        @pytest.mark.filterwarnings("ignore")
        def test_chance():
            odd = next(calls) % 3
            (first if odd else second).append(1)
            if odd:
                len(second)
        """
    )
    report = pytester.path / "report.json"

    pytester.runpytest_subprocess(f"--racecheck-json={report}").assert_outcomes(passed=1)

    controlled = json.loads(Path(report).read_text())["tests"][0]["controlled"]
    assert controlled["fully"] is False
    assert any("does not repeat: " in sentence for sentence in controlled["uncontrolled"])
