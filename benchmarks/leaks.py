"""What 10,000 runs of a test that deadlocks leave behind: threads, file descriptors, memory.

    python benchmarks/leaks.py [--runs 10000]

Three programs: two bodies and two locks, two threads that a body starts, and a pool that waits for its own worker. The
figures are taken when everything has been closed; those before, after as many runs as it takes to have loaded all. An
exception is raised if they grow.
"""

from __future__ import annotations

import argparse
import gc
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from pytest_racecheck.core.runner import Limits, Runner
from pytest_racecheck.instrument.install import Rewriting
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.strategies.random_walk import RandomWalk

WARM_UP = 300
MOST_GROWTH = 5  # per cent
COLLECTIONS = 3
LONGEST_END = 5.0  # seconds
Bodies = Sequence[Callable[[], object]]


class Program:
    """Bodies that are made anew for each run."""

    def __init__(self, make: Callable[[], Bodies]) -> None:
        self._make = make

    def set_up(self) -> Bodies:
        """Make the bodies."""
        return self._make()

    def check(self) -> None:
        """Nothing is checked."""

    def tear_down(self) -> None:
        """Nothing is left."""


def take(first: threading.Lock, second: threading.Lock) -> None:
    with first:
        with second:
            pass


def two_bodies() -> Bodies:
    a, b = threading.Lock(), threading.Lock()
    return [lambda: take(a, b), lambda: take(b, a)]


def two_threads() -> Bodies:
    def body() -> None:
        a = threading.Lock()
        a.acquire()
        threads = [threading.Thread(target=take, args=(a, a)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return [body]


def pool() -> Bodies:
    def body() -> None:
        with ThreadPoolExecutor(1) as executor:
            executor.submit(lambda: executor.submit(int, "1").result()).result()

    return [body]


PROGRAMS = (two_bodies, two_threads, pool)


class Held(NamedTuple):
    """What the process has."""

    threads: int
    os_threads: int
    descriptors: int
    kilobytes: int


def settle() -> None:
    """Let go of what is only on its way out.

    A free-threaded build keeps the memory of threads that have ended until a thread collects that has none of its own;
    and the kernel lists a thread for a moment longer than Python.
    """
    for _ in range(COLLECTIONS):
        collector = threading.Thread(target=gc.collect)
        collector.start()
        collector.join()
    patient_until = time.monotonic() + LONGEST_END
    while os_threads() > threading.active_count() and time.monotonic() < patient_until:
        time.sleep(0.01)


def os_threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def held() -> Held:
    settle()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return Held(
        threading.active_count(),
        os_threads(),
        len(list(Path("/proc/self/fd").iterdir())),
        int(resident.split()[1]),
    )


def deadlocks(make: Callable[[], Bodies], runs: int) -> int:
    """Run; how many runs ended in a deadlock."""
    here = Path(__file__)
    with Runner(Program(make), Rewriting(Scope(here.parent, (), here)), Limits(), 0, ()) as runner:
        strategy = RandomWalk(0)
        found = 0
        for _ in range(runs):
            strategy.start_run()
            found += any(failure.kind == "deadlock" for failure in runner.run(strategy).failures)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    runs = parser.parse_args().runs
    for make in PROGRAMS:
        deadlocks(make, WARM_UP)
        before = held()
        found = deadlocks(make, runs)
        after = held()
        growth = 100 * (after.kilobytes / before.kilobytes - 1)
        assert found > runs // 100
        assert after[:3] == before[:3], (before, after)
        assert growth < MOST_GROWTH, growth
        print(f"{make.__name__}: {found:,} deadlocks in {runs:,} runs; before {before}, after {after}, {growth:+.1f} %")


if __name__ == "__main__":
    main()
