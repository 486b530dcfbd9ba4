"""The examples: each finds what it is meant to find, stays silent where it should, and prints the report kept here.

After a change that is meant to change reports, run these tests once with ``ACCEPT_REPORTS=1`` in the environment and
look at the difference: it is written into the files beside this one and into README.md.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parent.parent.parent
REPORTS = Path(__file__).parent / "reports"
README = ROOT / "README.md"
ACCEPTED = "ACCEPT_REPORTS" in os.environ

NOTES = """
import json

def pytest_runtest_logreport(report):
    if report.failed:
        with open("reports.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps([report.nodeid, report.longreprtext]) + "\\n")
"""

FAILING = {
    "test_cache.py::test_unlocked": "invariant",
    "test_counter.py::test_unlocked": "invariant",
    "test_executor.py::test_unlocked[2]": "assertion",
    "test_executor.py::test_unlocked[3]": "assertion",
    "test_executor.py::test_unlocked[4]": "assertion",
    "test_lock_order.py::test_opposite_order": "deadlock",
    "test_processes.py::test_unlocked": "invariant",
    "test_producer.py::test_unlocked": "assertion",
    "test_shared_value.py::test_unlocked": "invariant",
    "test_singleton.py::test_unlocked": "assertion",
    "test_stress.py::test_wide_open": "invariant",
    "test_threads.py::test_unlocked": "assertion",
    "test_threads.py::test_without_a_join": "assertion",
    "test_timeout.py::test_unlooked": "exception",
}
"""What fails on purpose, and how."""

KEPT = sorted(nodeid for nodeid in FAILING if not nodeid.startswith(("test_executor.py", "test_stress.py")))
"""Those whose reports are kept whole. How an executor's workers come to interleave is up to the standard library."""

PASSING = {
    "test_cache.py::test_locked",
    "test_counter.py::test_locked",
    "test_executor.py::test_unlocked[1]",
    *(f"test_executor.py::test_locked[{workers}]" for workers in (1, 2, 3, 4)),
    *(
        f"test_executor.py::test_how_long_it_takes[{times}-{clock}]"
        for times in ("1-6", "2-3", "3-2", "4-2")
        for clock in ("monotonic", "perf_counter")
    ),
    "test_lock_order.py::test_same_order",
    "test_processes.py::test_locked",
    "test_processes.py::test_spawned",
    "test_processes.py::test_three_that_sleep",
    "test_processes.py::test_one_after_the_other",
    "test_producer.py::test_locked",
    "test_shared_value.py::test_locked",
    "test_shared_value.py::test_an_element_each",
    "test_shared_value.py::test_a_lock_of_its_own",
    "test_singleton.py::test_locked",
    "test_stress.py::test_locked",
    "test_threads.py::test_locked",
    "test_threads.py::test_all_sleep_at_once",
    "test_timeout.py::test_looked",
}


class Session(NamedTuple):
    """One run of all examples."""

    folder: Path
    tests: dict[str, dict[str, Any]]
    """The entries of the JSON report, by nodeid."""
    reports: dict[str, str]
    """What pytest showed of each failed test, by nodeid."""
    output: str


def run_pytest(folder: Path, *arguments: str) -> str:
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-Werror", *arguments],
        cwd=folder,
        env={**variables, "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=600,
        check=False,
    )
    return done.stdout


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """All examples in a folder of their own, with a budget that is smaller than the default."""
    folder = tmp_path_factory.mktemp("examples")
    for example in (ROOT / "examples").glob("*.py"):
        shutil.copy(example, folder)
    (folder / "conftest.py").write_text(NOTES, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    output = run_pytest(folder, "--racecheck-runs=200", "--racecheck-time=60", "--racecheck-json=report.json")
    document = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    notes = (folder / "reports.jsonl").read_text(encoding="utf-8").splitlines()
    return Session(folder, {each["nodeid"]: each for each in document["tests"]}, dict(map(json.loads, notes)), output)


CAN = re.compile(r"(?m)^(?:Needs a free-threaded|This free-threaded|CPython 3\.\d+ with) [^.]*\.(?:\d+[^.]*\.)*$")
"""The sentence on who can make the preemptions: it names the interpreter."""


def scrubbed(text: str, folder: Path) -> str:
    """Without what differs from machine to machine, from one Python to the next, or from process to process."""
    text = text.replace(str(folder) + os.sep, "")
    text = re.sub(r"rc1-[\w-]+", "rc1-TOKEN", text)
    text = re.sub(r"at 0x[0-9a-f]+", "at 0xADDRESS", text)
    text = re.sub(r"threading\.py:\d+", "threading.py:LINE", text)
    text = CAN.sub("CPython can, or can't.", text)
    runs = r"Found in run [\d,]+(?:; [\d,]+ runs with confirming and shrinking)?\s\("
    return re.sub(runs, "Found in run N; M runs with confirming and shrinking\n(", text).rstrip() + "\n"


def kept(nodeid: str) -> Path:
    name = re.sub(r"\W+", "_", nodeid.replace(".py::", "-").replace("[", "-")).strip("_")
    return REPORTS / f"{name}.txt"


def test_every_example_is_held_here(session: Session) -> None:
    assert set(session.tests) == PASSING | set(FAILING)


@pytest.mark.parametrize("nodeid", sorted(FAILING))
def test_it_fails_as_it_should(session: Session, nodeid: str) -> None:
    entry = session.tests[nodeid]

    assert entry["outcome"] == "failed"
    assert [each["kind"] for each in entry["findings"]] == [FAILING[nodeid]]


@pytest.mark.parametrize("nodeid", sorted(PASSING))
def test_it_passes(session: Session, nodeid: str) -> None:
    assert session.reports.get(nodeid, "") == ""
    assert session.tests[nodeid]["outcome"] in {"passed", "verified"}


@pytest.mark.parametrize("nodeid", KEPT)
def test_its_report(session: Session, nodeid: str) -> None:
    report = scrubbed(session.reports[nodeid], session.folder)
    if ACCEPTED:
        REPORTS.mkdir(exist_ok=True)
        kept(nodeid).write_text(report, encoding="utf-8")

    assert report == kept(nodeid).read_text(encoding="utf-8")


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_the_report_of_an_executor(session: Session, workers: int) -> None:
    report = scrubbed(session.reports[f"test_executor.py::test_unlocked[{workers}]"], session.folder)

    depends = r"Fails only if task 0\.\d runs between test_executor\.py:23 \(read\s+some_shared_resource = \d\) and"
    named = r"(lost update of|check-then-act on) some_shared_resource[^\n]*\n[^\n]*\n"
    steps = r"(  task 0\.\d (reads|writes) some_shared_resource = \d  test_executor\.py:23\n){3}"
    failed = r"AssertionError: assert [123] == 4\n  task 0, test_executor\.py:39\n"
    assert re.match(named + steps + failed + depends, report)
    assert "\n\nFails with 1 preemption.\nCPython can, or can't.\n" in report
    assert "At the start some_shared_resource = 0" in report
    assert re.search(r"task 0\.\d \| test_executor\.py:23  some_shared_resource \+= 1\n", report)
    assert report.endswith(f"pytest 'test_executor.py::test_unlocked[{workers}]' --racecheck-replay=rc1-TOKEN\n")


def test_the_report_of_a_stress_test(session: Session) -> None:
    report = session.reports["test_stress.py::test_wide_open"]

    assert re.match(r"the invariant: AssertionError: assert \d == 4\n\nFailed in run \d+, with 4 free threads", report)
    assert "there is nothing to replay" in report


def test_no_other_report_is_kept() -> None:
    assert {path.name for path in REPORTS.iterdir()} == {kept(nodeid).name for nodeid in KEPT}


@pytest.mark.parametrize(
    "nodeid",
    ["test_counter.py::test_unlocked", "test_lock_order.py::test_opposite_order", "test_executor.py::test_unlocked[4]"],
)
def test_the_last_line_of_a_report_replays_it(session: Session, nodeid: str) -> None:
    (finding,) = session.tests[nodeid]["findings"]
    output = run_pytest(session.folder, nodeid, f"--racecheck-replay={finding['token']}")

    assert finding["token"] in session.reports[nodeid].splitlines()[-1]
    assert finding["message"].partition("\n")[0] in output
    assert "Replayed" in output
    assert "1 failed" in output


# -- README ----------------------------------------------------------------------------------------------------

EXAMPLE = re.compile(r"```python\n(?P<code>[^`]*?def test_unlocked[^`]*)```")
OUTPUT = re.compile(r"```text\n(?P<shown>lost update[^`]*)```")


def test_readme_shows_the_example_itself() -> None:
    found = EXAMPLE.search(README.read_text(encoding="utf-8"))
    source = (ROOT / "examples" / "test_counter.py").read_text(encoding="utf-8")

    assert found is not None
    assert found["code"] == source.partition('"""\n\n')[2]


def test_readme_shows_what_the_example_prints(session: Session) -> None:
    report = session.reports["test_counter.py::test_unlocked"].rstrip() + "\n"
    text = README.read_text(encoding="utf-8")
    if ACCEPTED:
        text = OUTPUT.sub(lambda _: f"```text\n{report}```", text)
        README.write_text(text, encoding="utf-8")
    found = OUTPUT.search(text)

    assert found is not None
    assert scrubbed(found["shown"], session.folder) == scrubbed(report, session.folder)
