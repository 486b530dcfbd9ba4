"""Does the printed token replay the failure, every time, in a fresh process?

    python benchmarks/replays.py [--times 100]

For each of a few failing tests: runs pytest once, takes the last line of the report, and pastes it so many times; then
adds an unrelated line above everything and pastes it once more. Prints how many replays showed the same interleaving.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCE = """
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

counter = 0
lock_a, lock_b = threading.Lock(), threading.Lock()


@pytest.fixture
def fresh():
    global counter
    counter = 0


def increment():
    global counter
    counter += 1


def three():
    assert counter == 3


@pytest.mark.racecheck(threads=3, invariant=three)
def test_bodies(fresh):
    increment()


@pytest.mark.racecheck(threads=1)
def test_threads(fresh):
    threads = [threading.Thread(target=increment) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    three()


@pytest.mark.racecheck(threads=1)
def test_pool(fresh):
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(increment) for _ in range(3)]:
            future.result()
    three()


@pytest.mark.racecheck
def test_deadlock(task_index):
    first, second = (lock_a, lock_b) if task_index else (lock_b, lock_a)
    with first:
        with second:
            pass
"""
TESTS = ("test_bodies", "test_threads", "test_pool", "test_deadlock")


def report_of(folder: Path, *arguments: str) -> str:
    """What pytest prints of the failure: the report, without its token."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


def interleaving_of(report: str) -> str:
    """The lanes of a report: what a replay must show again."""
    shown = re.compile(r"^\s+(read|write|acquire|waits|- pre|task )")
    return "\n".join(line for line in report.splitlines() if shown.search(line))


def token_of(report: str) -> str:
    """The token in a report."""
    found = re.search(r"--racecheck-replay=(\S+)", report)
    return found[1] if found else ""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "test_replay.py"
        for test in TESTS:
            file.write_text(SOURCE)
            report = report_of(folder, f"test_replay.py::{test}")
            command = (f"test_replay.py::{test}", f"--racecheck-replay={token_of(report)}")
            with ThreadPoolExecutor(2) as pool:
                again = list(pool.map(lambda _: report_of(folder, *command), range(times)))  # noqa: B023
            same = sum(interleaving_of(each) == interleaving_of(report) != "" for each in again)
            file.write_text("# a line more\n" + SOURCE)
            moved = token_of(report_of(folder, *command)) == token_of(report)
            print(f"{test:15} {same} of {times} replays the same, with a line more: {'the same' if moved else 'NOT'}")


if __name__ == "__main__":
    main()
