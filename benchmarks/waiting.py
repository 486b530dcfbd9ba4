"""Runs per second on programs that wait: producer and consumer through queues and a condition, and a pool.

    python benchmarks/waiting.py [--seconds 2]

Every tool explores the same functions, each in a process of its own; nothing stops at a finding. Tools that are not
installed are left out; of one that can't run a program, 0 is printed, and on standard error why.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import ThreadPoolExecutor

from side_by_side import Suite, Worker


class State:
    """What the threads of one run share."""

    def __init__(self) -> None:
        self.items: queue.Queue[int] = queue.Queue()
        self.simple: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.cond = threading.Condition()
        self.box: list[int] = []


def put(state: State) -> None:
    for number in range(2):
        state.items.put(number)


def get(state: State) -> None:
    for _ in range(2):
        state.items.get()


def put_simple(state: State) -> None:
    for number in range(2):
        state.simple.put(number)


def get_simple(state: State) -> None:
    for _ in range(2):
        state.simple.get()


def give(state: State) -> None:
    with state.cond:
        state.box.append(1)
        state.cond.notify()


def take(state: State) -> None:
    with state.cond:
        while not state.box:
            state.cond.wait()
        state.box.pop()


def double(number: int) -> int:
    return 2 * number


def pool(_state: State) -> None:
    with ThreadPoolExecutor(2) as executor:
        assert sum(executor.map(double, range(8))) == 56


PROGRAMS: dict[str, list[Worker]] = {
    "Queue": [put, get],
    "SimpleQueue": [put_simple, get_simple],
    "Condition": [take, give],
    "ThreadPoolExecutor.map": [pool],
}


if __name__ == "__main__":
    Suite(__doc__ or "", __file__, State, PROGRAMS).main()
