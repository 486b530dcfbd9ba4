"""What the plugin costs a suite that marks no test.

    python benchmarks/startup.py [--tests 2000] [--rounds 5]

Runs pytest on so many empty tests with ``-p no:racecheck`` and without, in turn, and prints the median of each, the
difference, and the difference a test; then the same for an empty suite, which is the cost at start.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def seconds(folder: Path, *options: str) -> float:
    """Run pytest once on what is in the folder."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    began = time.perf_counter()
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - began


def compare(tests: int, rounds: int) -> tuple[float, float]:
    """The median seconds without the plugin and with it, measured in turn after one warm-up each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_empty.py").write_text("".join(f"def test_{number}():\n    pass\n" for number in range(tests)))
        without, with_it = ("-p", "no:racecheck"), ()
        seconds(folder, *without)
        seconds(folder, *with_it)
        pairs = [(seconds(folder, *without), seconds(folder, *with_it)) for _ in range(rounds)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    for tests in (1, options.tests):
        without, with_it = compare(tests, options.rounds)
        more = (with_it - without) * 1000
        print(
            f"{tests:6} tests: {without:.3f} s without, {with_it:.3f} s with the plugin: {more:+.1f} ms"
            + (f", {more / tests * 1000:+.1f} us a test" if tests > 1 else "")
        )


if __name__ == "__main__":
    main()
