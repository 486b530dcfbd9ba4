"""What the parts of a run cost, in microseconds, and where the time of one goes.

    python benchmarks/parts.py [--profile]

Prints the cost of one hand-off between two threads, of a run of two empty bodies, and of a hook at an access that is no
choice and at one that is; and of looking up in a dict what another thread has put there, in two ways. All by the
processor's time, so that other work on the machine matters little. With
``--profile``: the functions that a run of three threads with three locked increments each spends its time in.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_racecheck.core.baton import make_baton
from pytest_racecheck.core.processor import pinned
from pytest_racecheck.core.runner import Limits, Runner
from pytest_racecheck.instrument.install import Rewriting
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.strategies.random_walk import RandomWalk
from pytest_racecheck.strategies.sequential import Sequential

ACCESSES = 1000
ROUNDS = 20_000
MICROSECONDS = 1e6
Body = Callable[[], object]


class Box:
    """Something with an attribute."""

    def __init__(self) -> None:
        self.n = 0
        self.lock = threading.Lock()


class Bodies:
    """The program of an exploration: what ``make`` makes, anew for each run."""

    def __init__(self, make: Callable[[], Sequence[Body]]) -> None:
        self._make = make

    def set_up(self) -> Sequence[Body]:
        """Make the bodies."""
        return self._make()

    def check(self) -> None:
        """Nothing is checked."""

    def tear_down(self) -> None:
        """Nothing is left."""


def write_many(box: Box) -> None:
    for number in range(ACCESSES):
        box.n = number


def add_locked(box: Box) -> None:
    for _ in range(3):
        with box.lock:
            box.n += 1


def empty() -> Sequence[Body]:
    return [bool, bool]


def on_a_box_of_its_own() -> Sequence[Body]:
    one, other = Box(), Box()
    return [lambda: write_many(one), lambda: setattr(other, "n", 1)]


def on_one_box() -> Sequence[Body]:
    box = Box()
    return [lambda: write_many(box), lambda: setattr(box, "n", 1)]


def locked() -> Sequence[Body]:
    box = Box()
    return [lambda: add_locked(box)] * 3


def hand_off() -> float:
    """Seconds of one hand-off, with nothing else done."""
    here, there = make_baton(), make_baton()

    def answer() -> None:
        for _ in range(ROUNDS):
            there.wait()
            here.signal()

    with pinned():
        other = threading.Thread(target=answer)
        other.start()
        began = time.process_time()
        for _ in range(ROUNDS):
            there.signal()
            here.wait()
        spent = time.process_time() - began
        other.join()
    here.close()
    there.close()
    return spent / ROUNDS / 2


def run(make: Callable[[], Sequence[Body]], runs: int, *, walk: bool = False) -> float:
    """Seconds of one run, once it is known what is shared."""
    with Runner(Bodies(make), Rewriting(Scope(Path(__file__).parent, (), Path(__file__))), Limits(), 0, ()) as runner:
        learning = Sequential()
        while learning.start_run():
            runner.run(learning)
        strategy = RandomWalk(0) if walk else Sequential()
        spent = 0.0
        for number in range(runs + 10):
            if not strategy.start_run():
                strategy = Sequential()
                strategy.start_run()
            began = time.process_time()
            runner.run(strategy)
            spent += time.process_time() - began if number >= 10 else 0
    return spent / runs


def looked_up() -> tuple[float, float]:
    """Seconds for one ``dict.get``, and for one ``in`` and ``[]``, of a number that another thread has put there."""
    table: dict[int, int] = {}
    filling = threading.Thread(target=lambda: table.update({each + ROUNDS: each + ROUNDS for each in range(ROUNDS)}))
    filling.start()
    filling.join()
    keys = [each + ROUNDS for each in range(ROUNDS)]
    began = time.process_time()
    for key in keys[: ROUNDS // 2]:
        table.get(key)
    between = time.process_time()
    for key in keys[ROUNDS // 2 :]:
        _ = table[key] if key in table else None
    ended = time.process_time()
    return (between - began) / (ROUNDS // 2), (ended - between) / (ROUNDS // 2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", action="store_true")
    if parser.parse_args().profile:
        profile = cProfile.Profile()
        profile.runcall(run, locked, 2000, walk=True)
        pstats.Stats(profile).sort_stats("tottime").print_stats(18)
        return
    nothing = run(empty, 2000)
    unshared = (run(on_a_box_of_its_own, 50) - nothing) / ACCESSES
    shared = (run(on_one_box, 50) - nothing) / ACCESSES
    print(f"one hand-off                              {hand_off() * MICROSECONDS:6.2f} us")
    print(f"a run of two empty bodies                 {nothing * MICROSECONDS:6.2f} us")
    print(f"an access that is no choice, loop and all {unshared * MICROSECONDS:6.2f} us")
    print(f"an access that is a choice, loop and all  {shared * MICROSECONDS:6.2f} us")
    by_get, by_item = looked_up()
    print(f"dict.get of what another thread has made  {by_get * MICROSECONDS:6.2f} us")
    print(f"the same by ``in`` and ``[]``             {by_item * MICROSECONDS:6.2f} us")


if __name__ == "__main__":
    main()
