"""Runs per second on three small programs, beside other tools where they are installed.

    python benchmarks/micro.py [--seconds 2]

(a) two threads, one unlocked ``o.n += 1`` each; (b) three threads, three times ``with lock: o.n += 1`` each;
(c) two locks taken in opposite order. Every tool explores the same functions, each in a process of its own; nothing
stops at a finding. Prints the runs per second of each, and the ratio of ours to the best other one.
"""

from __future__ import annotations

import threading

from side_by_side import Suite, Worker


class State:
    """What the threads of one run share."""

    def __init__(self) -> None:
        self.n = 0
        self.lock = threading.Lock()
        self.other = threading.Lock()


def increment(state: State) -> None:
    """(a)."""
    state.n += 1


def increment_locked(state: State) -> None:
    """(b)."""
    for _ in range(3):
        with state.lock:
            state.n += 1


def forwards(state: State) -> None:
    """(c), one thread."""
    with state.lock, state.other:
        pass


def backwards(state: State) -> None:
    """(c), the other thread."""
    with state.other, state.lock:
        pass


PROGRAMS: dict[str, list[Worker]] = {
    "a": [increment] * 2,
    "b": [increment_locked] * 3,
    "c": [forwards, backwards],
}


if __name__ == "__main__":
    Suite(__doc__ or "", __file__, State, PROGRAMS).main()
