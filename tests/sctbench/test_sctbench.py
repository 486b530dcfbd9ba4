"""The programs of benchmarks/sctbench: what is wrong in each is found, and its corrected twin stays silent."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from sctbench.measuring import explored, silence
from sctbench.table import PROGRAMS

MOST_TASKS: Final = 5
BUDGET: Final = 2000
SILENT_RUNS: Final = 200

SMALL: Final = [name for name, entry in PROGRAMS.items() if len(entry.make().bodies()) <= MOST_TASKS]
HARD: Final = {"safestack"}
"""Takes hundreds of thousands of runs."""

KINDS: Final = {
    **dict.fromkeys(("carter01", "deadlock01", "bug6"), "deadlock"),
    **dict.fromkeys((name for name in SMALL if "WorkStealQueue" in name), "invariant"),
    "qsort_mt": "invariant",
    "WithState": "exception",
}
"""What goes wrong, where it is not an assertion in one of the threads."""

BENCHMARKS: Final = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.mark.parametrize("name", [name for name in SMALL if name not in HARD])
def test_the_bug_is_found(name: str) -> None:
    entry = PROGRAMS[name]

    exploration = explored(entry.make, "random", seed=1, runs=BUDGET)

    finding, *_ = exploration.findings
    assert finding.kind == KINDS.get(name, "assertion"), finding.message
    assert finding.token, finding.remarks
    if entry.preemptions is not None:
        assert finding.trace.preemptions == entry.preemptions, "the least that can show it"
    assert not exploration.uncontrolled


@pytest.mark.parametrize("name", SMALL)
def test_the_corrected_twin_is_silent(name: str) -> None:
    twin = silence(PROGRAMS[name].twin, "random", SILENT_RUNS)

    assert not twin.said
    assert twin.runs >= SILENT_RUNS
    assert twin.interleavings > 1


@pytest.mark.parametrize(
    ("module", "wrong", "tasks", "said"),
    [
        ("orders", "Account", 3, "AssertionError"),
        ("windows", "BluetoothDriver", 2, "AssertionError"),
        ("deadlocks", "Deadlock01", 2, "deadlock"),
    ],
)
def test_a_marked_test_sees_the_same(pytester: pytest.Pytester, module: str, wrong: str, tasks: int, said: str) -> None:
    pytester.syspathinsert(BENCHMARKS)
    pytester.makepyfile(f"""
        import pytest
        from sctbench.programs import {module}

        @pytest.fixture
        def wrong():
            return {module}.{wrong}()

        @pytest.fixture
        def right():
            return {module}.{wrong}Right()

        @pytest.mark.racecheck(threads={tasks}, source="sctbench.programs", seed=1)
        def test_wrong(wrong, task_index):
            wrong.bodies()[task_index]()

        @pytest.mark.racecheck(threads={tasks}, source="sctbench.programs", seed=1, runs={SILENT_RUNS})
        def test_right(right, task_index):
            right.bodies()[task_index]()
    """)

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines([f"*{said}*"])


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / "sctbench"), *arguments], capture_output=True, text=True, check=False
    )


def test_the_command_prints_a_table_and_writes_a_document(tmp_path: Path) -> None:
    document = tmp_path / "figures.json"

    done = command("lazy01", "--seeds=2", "--seconds=0.01", "--twins=50", f"--json={document}")

    assert done.returncode == 0, done.stderr
    assert "| lazy01 | random | 2/2 | 1.0 |" in done.stdout
    assert "| lazy01 | random | passed |" in done.stdout
    (row,) = json.loads(document.read_text(encoding="utf-8"))
    assert row["search"]["first"] == [1, 1]
    assert row["mean"] == 1
    assert row["twin"]["outcome"] == "passed"


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        (["lazy02"], "there is no program 'lazy02'; there are: account, "),
        (["lazy01", "--strategies=rondom"], "there is no strategy 'rondom'; there are: "),
    ],
)
def test_the_command_refuses_names_that_it_does_not_know(arguments: list[str], refused: str) -> None:
    done = command(*arguments)

    assert done.returncode == 1
    assert done.stderr.startswith(refused)
    assert not done.stdout
