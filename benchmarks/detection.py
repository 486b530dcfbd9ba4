"""What looking for races adds to the exploration of a test that passes.

    python benchmarks/detection.py [--rounds 5] [--runs 1000]

Explores correct programs, with as many runs as a test has by default, without a detector and with it, in turn; of each
the least of the rounds counts, by the processor's time. *a run* compares the time of one run, *in all* that of the
whole exploration, which has more runs with a detector: those that judge what is suspicious.
"""

from __future__ import annotations

import argparse
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pytest_racecheck.core.explore import Limits, explore
from pytest_racecheck.core.values import Exploration
from pytest_racecheck.detect.detector import RaceDetector
from pytest_racecheck.instrument.install import Rewriting
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.strategies.table import make

Body = Callable[[], object]


class Box:
    """What threads share."""

    def __init__(self) -> None:
        self.n = self.number = self.x = self.y = 0
        self.made: dict[str, int] | None = None
        self.items: list[int] = []
        self.lock = threading.Lock()


def locked_increments() -> Sequence[Body]:
    box = Box()

    def body() -> None:
        for _ in range(3):
            with box.lock:
                box.n += 1

    return [body] * 3


def long_critical_sections() -> Sequence[Body]:
    box = Box()

    def body() -> None:
        for number in range(20):
            with box.lock:
                box.items.append(number)
                box.n += len(box.items)

    return [body] * 2


def items_through_a_queue() -> Sequence[Body]:
    items: queue.Queue[int] = queue.Queue()
    done: list[int] = []

    def put() -> None:
        for number in range(3):
            items.put(number)

    def get() -> None:
        done.extend([items.get(), items.get(), items.get()])

    return [put, get]


def pool_that_maps() -> Sequence[Body]:
    def body() -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(abs, range(4)))

    return [body]


def flag_that_is_waited_for() -> Sequence[Body]:
    box = Box()

    def wait() -> None:
        while not box.n:
            pass

    def go() -> None:
        box.n = 1

    return [wait, go]


def cache_of_equal_values() -> Sequence[Body]:
    """What is suspicious, and harmless."""
    cache: dict[str, str] = {}

    def body() -> None:
        for key in "abcd":
            if key not in cache:
                cache[key] = key * 2

    return [body] * 2


def table_made_once_or_twice() -> Sequence[Body]:
    box = Box()

    def body() -> None:
        if box.made is None:
            box.made = {"a": 1}
        box.made.get("a")

    return [body] * 3


def sequence_lock() -> Sequence[Body]:
    """Suspicious at every step."""
    box = Box()
    seen: list[tuple[int, int]] = []

    def write() -> None:
        box.number += 1
        box.x = 1
        box.y = 1
        box.number += 1

    def read() -> None:
        while True:
            number = box.number
            pair = (box.x, box.y)
            if number % 2 == 0 and box.number == number:
                seen.append(pair)
                return

    return [write, read]


PROGRAMS = (
    locked_increments,
    long_critical_sections,
    items_through_a_queue,
    pool_that_maps,
    flag_that_is_waited_for,
    cache_of_equal_values,
    table_made_once_or_twice,
    sequence_lock,
)


class Program:
    """Makes the bodies anew for each run."""

    def __init__(self, make_bodies: Callable[[], Sequence[Body]]) -> None:
        self.set_up = make_bodies

    def check(self) -> None:
        """Nothing is checked."""

    def tear_down(self) -> None:
        """Nothing is left."""


def explored(make_bodies: Callable[[], Sequence[Body]], runs: int, *, detection: bool) -> tuple[float, Exploration]:
    """Seconds of the processor, and what came of it."""
    began = time.process_time()
    result = explore(
        Program(make_bodies),
        strategy=make("portfolio", 0),
        instrument=Rewriting(Scope(Path(__file__).parent, (), Path(__file__))),
        limits=Limits(runs=runs, seconds=600.0),
        seed=0,
        detector=RaceDetector() if detection else None,
    )
    assert not result.findings, result.findings[0].message
    return time.process_time() - began, result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=1000)
    arguments = parser.parse_args()
    print("| program | runs | of them to judge | ms a run without | with | a run | in all |")
    print("|---|---|---|---|---|---|---|")
    for program in PROGRAMS:
        without, with_it = [], []
        for _ in range(arguments.rounds):
            without.append(explored(program, arguments.runs, detection=False))
            with_it.append(explored(program, arguments.runs, detection=True))
        plain, judged = min(without, key=lambda pair: pair[0]), min(with_it, key=lambda pair: pair[0])
        one, other = (1000 * seconds / result.runs for seconds, result in (plain, judged))
        judging = judged[1].runs - plain[1].runs
        name = program.__name__.replace("_", " ")
        print(
            f"| {name} | {judged[1].runs:,} | {judging} | {one:.2f} | {other:.2f} | x {other / one:.2f} "
            f"| x {judged[0] / plain[0]:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
