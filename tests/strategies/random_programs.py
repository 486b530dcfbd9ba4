"""Random small programs: up to three tasks with a few operations on a world of things that they share."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from small_programs import Made

Act = Callable[["World", int], object]


class World:
    """What the tasks share, and what each of them has seen."""

    def __init__(self, tasks: int) -> None:
        self.a = self.b = 0
        self.lock, self.other, self.again = threading.Lock(), threading.Lock(), threading.RLock()
        self.event, self.permit, self.changed = threading.Event(), threading.Semaphore(), threading.Condition()
        self.items, self.simple = queue.Queue[int](), queue.SimpleQueue[int]()
        self.table: dict[Any, int] = {}
        self.row: list[int] = []
        self.seen: list[list[Any]] = [[] for _ in range(tasks)]


def read_a(world: World, me: int) -> None:
    world.seen[me].append(world.a)


def write_a(world: World, me: int) -> None:
    world.a = me


def increase_a(world: World, me: int) -> None:
    world.a += 1


def read_b(world: World, me: int) -> None:
    world.seen[me].append(world.b)


def write_b(world: World, me: int) -> None:
    world.b = me


def attempt(world: World, me: int) -> None:
    if world.lock.acquire(blocking=False):
        world.seen[me].append("got it")
        world.lock.release()


def attempt_for_a_while(world: World, me: int) -> None:
    if world.lock.acquire(timeout=1):
        world.seen[me].append("got it in time")
        world.lock.release()


def look_at_lock(world: World, me: int) -> None:
    world.seen[me].append(world.lock.locked())


def set_event(world: World, me: int) -> None:
    world.event.set()


def clear_event(world: World, me: int) -> None:
    world.event.clear()


def look_at_event(world: World, me: int) -> None:
    world.seen[me].append(world.event.is_set())


def wait_for_event(world: World, me: int) -> None:
    world.event.wait()


def wait_a_while_for_event(world: World, me: int) -> None:
    world.seen[me].append(world.event.wait(1))


def put(world: World, me: int) -> None:
    world.items.put(me)


def get(world: World, me: int) -> None:
    world.seen[me].append(world.items.get())


def get_at_once(world: World, me: int) -> None:
    try:
        world.seen[me].append(world.items.get_nowait())
    except queue.Empty:
        world.seen[me].append("empty")


def put_simply(world: World, me: int) -> None:
    world.simple.put(me)


def get_simply(world: World, me: int) -> None:
    world.seen[me].append(world.simple.get())


def use_permit(world: World, me: int) -> None:
    world.permit.acquire()
    world.seen[me].append("permitted")
    world.permit.release()


def use_permit_at_once(world: World, me: int) -> None:
    if world.permit.acquire(blocking=False):
        world.seen[me].append("permitted")
        world.permit.release()


def add_permit(world: World, me: int) -> None:
    world.permit.release()


def notify(world: World, me: int) -> None:
    with world.changed:
        world.changed.notify()


def wait_for_notice(world: World, me: int) -> None:
    with world.changed:
        world.changed.wait()


def wait_a_while_for_notice(world: World, me: int) -> None:
    with world.changed:
        world.seen[me].append(world.changed.wait(1))


def add_own_key(world: World, me: int) -> None:
    world.table[me] = 1


def add_common_key(world: World, me: int) -> None:
    world.table["x"] = 1


def look_for_key(world: World, me: int) -> None:
    world.seen[me].append("x" in world.table)


def measure(world: World, me: int) -> None:
    world.seen[me].append(len(world.table))


def append(world: World, me: int) -> None:
    world.row.append(me)


def pop_if_any(world: World, me: int) -> None:
    if world.row:
        world.seen[me].append(world.row.pop())


def sleep(world: World, me: int) -> None:
    time.sleep(1)


ACTS: list[Act] = [
    read_a, write_a, increase_a, read_b, write_b, attempt, attempt_for_a_while, look_at_lock, set_event, clear_event,
    look_at_event, wait_for_event, wait_a_while_for_event, put, get, get_at_once, put_simply, get_simply, use_permit,
    use_permit_at_once, add_permit, notify, wait_for_notice, wait_a_while_for_notice, add_own_key, add_common_key,
    look_for_key, measure, append, pop_if_any, sleep,
]  # fmt: skip


def under(name: str, acts: list[Act], world: World, me: int) -> None:
    with getattr(world, name):
        perform(acts, world, me)


def perform(acts: list[Act], world: World, me: int) -> None:
    for act in acts:
        act(world, me)


def random_act(random: Random, depth: int = 0) -> Act:
    if depth < 2 and random.random() < 0.3:
        name = random.choice(["lock", "other", "again"])
        return partial(under, name, [random_act(random, depth + 1) for _ in range(random.choice([1, 1, 2]))])
    return random.choice(ACTS)


def random_program(seed: int) -> Made:
    """What the seed makes is the same in every run."""
    random = Random(seed)
    tasks = random.choice([2, 2, 2, 3])
    plans = [
        [random_act(random) for _ in range(random.choice([1, 2, 3] if tasks == 2 else [1, 1, 2]))] for _ in range(tasks)
    ]
    world = World(tasks)
    return (
        [partial(perform, plan, world, me) for me, plan in enumerate(plans)],
        lambda: (world.a, world.b, world.seen, sorted(world.table, key=str), world.row),
    )
