"""A thousand runs more leave nothing more behind: no object, no thread, no file descriptor."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from races import Cased, Made

from pytest_racecheck.core.explore import Limits
from pytest_racecheck.core.runner import Runner
from pytest_racecheck.instrument.install import Rewriting
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.instrument.versions import FREE_THREADED_BUILD
from pytest_racecheck.strategies.table import make

FEW, MORE = 200, 1000


def closures() -> Made:
    box = [0]

    def add() -> None:
        box[0] += 1

    return add, bool


def classes() -> Made:
    class Counter:
        def __init__(self) -> None:
            self.n = 0

        @property
        def twice(self) -> int:
            return 2 * self.n

        def add(self) -> None:
            self.n += 1

    counter = Counter()
    return (counter.add, lambda: counter.twice), bool


def threads() -> Made:
    box: list[int] = []

    def work() -> None:
        workers = [threading.Thread(target=box.append, args=(number,)) for number in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    return (work, lambda: len(box)), bool


def pools() -> Made:
    def work() -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(int).result()

    return (work, lambda: None), bool


def deadlocks() -> Made:
    one, other = threading.Lock(), threading.Lock()

    def take(first: threading.Lock, second: threading.Lock) -> None:
        with first, second:
            pass

    return (lambda: take(one, other), lambda: take(other, one)), bool


def failures() -> Made:
    box = [0]

    def fail() -> None:
        box[0] += 1
        raise ValueError(box)

    return fail, bool


def left() -> tuple[int, int, int]:
    """What there is of objects, threads and descriptors."""
    gc.collect()
    descriptors = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0
    return len(gc.get_objects()), threading.active_count(), descriptors


CASES = [closures, threads, pools, deadlocks, failures]
if not FREE_THREADED_BUILD or sys.version_info >= (3, 14):  # 3.13t never frees a class once there are threads
    CASES.append(classes)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_runs_leave_nothing_behind(case: Callable[[], Made]) -> None:
    scope = Scope(Path(__file__).parent, (), Path(__file__))
    with Runner(Cased(case), Rewriting(scope), Limits(), 0, ()) as runner:
        strategy = make("random", 1)

        def explore(runs: int) -> None:
            for _ in range(runs):
                strategy.start_run()
                runner.run(strategy)

        explore(FEW)
        objects, count, descriptors = left()
        explore(MORE)
        after = left()

    assert after[0] < objects + MORE  # what is remembered goes up and down; nothing that each run makes stays
    assert after[1:] == (count, descriptors)
