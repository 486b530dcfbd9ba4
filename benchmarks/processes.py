"""Runs per second of two processes that each do one unlocked ``value.value += 1``, beside two plain processes.

    python benchmarks/processes.py [--rounds 5] [--seconds 2]

"plain" starts two processes that add, and waits for both, without any control: ``os.fork`` and ``os.waitpid``, or
``multiprocessing`` with ``spawn``. The two are measured in turn; the median of the rounds is printed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from pytest_racecheck.core.abroad import InProcess
from pytest_racecheck.core.explore import Limits, explore
from pytest_racecheck.instrument.install import Rewriting
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.strategies.table import make

MANY = 1_000_000


def add(value: Any) -> None:
    value.value += 1


class Adders:
    """Two processes of a start method; nothing is checked, so that nothing ends the search."""

    def __init__(self, method: str) -> None:
        self._method = method

    def set_up(self) -> Sequence[InProcess]:
        """Make the two."""
        value = multiprocessing.get_context(self._method).Value("i", 0)
        return [InProcess(partial(add, value), self._method) for _ in range(2)]

    def check(self) -> None:
        """Any sum is right."""

    def tear_down(self) -> None:
        """Nothing is left behind."""


def explored(method: str, seconds: float) -> float:
    """Runs per second of an exploration."""
    here = Path(__file__)
    result = explore(
        Adders(method),
        strategy=make("random", 1),
        instrument=Rewriting(Scope(here.parent, (), here)),
        limits=Limits(runs=MANY, seconds=seconds),
        seed=1,
    )
    assert result.outcome == "passed", result
    return result.runs / result.seconds


def fork_two(value: Any) -> None:
    children = []
    for _ in range(2):
        child = os.fork()
        if not child:
            add(value)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def spawn_two(value: Any) -> None:
    processes = [multiprocessing.get_context("spawn").Process(target=add, args=(value,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def plain(start_two: Callable[[Any], None], method: str, seconds: float) -> float:
    """How often per second two processes can be started and waited for."""
    value = multiprocessing.get_context(method).Value("i", 0)
    done, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        start_two(value)
        done += 1
    return done / (time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    print(f"{'start method':14}{'explored':>12}{'plain':>12}{'ratio':>10}")
    for method, start_two in (("fork", fork_two), ("spawn", spawn_two)):
        rounds = [
            (explored(method, arguments.seconds), plain(start_two, method, arguments.seconds))
            for _ in range(arguments.rounds)
        ]
        ours, theirs = (median(each[place] for each in rounds) for place in (0, 1))
        print(f"{method:14}{ours:10.0f}/s{theirs:10.0f}/s{ours / theirs:9.2f}x")


if __name__ == "__main__":
    main()
