"""Small programs to be run in every interleaving: each makes a list of bodies and what tells the outcome."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

Body = Callable[[], object]
Made = tuple[Sequence[Body], Callable[[], object]]
Make = Callable[[], Made]


class Box:
    """Something with attributes."""

    def __init__(self, **values: Any) -> None:
        self.n = self.m = 0
        self.ready = False
        self.__dict__.update(values)


def locked_appends(tasks: int, times: int) -> Make:
    def make() -> Made:
        lock, order = threading.Lock(), list[int]()

        def body(me: int) -> None:
            for _ in range(times):
                with lock:
                    order.append(me)

        return [partial(body, me) for me in range(tasks)], lambda: order

    return make


def increments(tasks: int, times: int = 1) -> Make:
    def make() -> Made:
        box = Box()

        def body() -> None:
            for _ in range(times):
                box.n += 1

        return [body] * tasks, lambda: box.n

    return make


def own_locks() -> Made:
    """Locks that are nobody else's."""
    boxes = [Box(lock=threading.Lock()) for _ in range(2)]

    def body(box: Any) -> None:
        with box.lock:
            box.n += 1

    return [partial(body, box) for box in boxes], lambda: [box.n for box in boxes]


def readers(count: int) -> Make:
    def make() -> Made:
        box, seen = Box(), [0] * count

        def read(me: int) -> None:
            seen[me] = box.n

        def write() -> None:
            box.n = 1

        return [write, *(partial(read, me) for me in range(count))], lambda: seen

    return make


def store_buffering() -> Made:
    box, seen = Box(), [0, 0]

    def one() -> None:
        box.n = 1
        seen[0] = box.m

    def other() -> None:
        box.m = 1
        seen[1] = box.n

    return [one, other], lambda: seen


def two_writers_one_reader() -> Made:
    box, seen = Box(), list[int]()

    def write(value: int) -> None:
        box.n = value

    def read() -> None:
        first = box.n
        seen.extend((first, box.n))

    return [partial(write, 1), partial(write, 2), read], lambda: (box.n, seen)


def independent_attributes() -> Made:
    box = Box()

    def one() -> None:
        box.n += 1

    def other() -> None:
        box.m += 1

    return [one, other], lambda: (box.n, box.m)


def dict_keys() -> Made:
    """Different keys that are there already don't conflict."""
    items = {"a": 0, "b": 0}

    def body(key: str) -> None:
        items[key] += 1

    return [partial(body, "a"), partial(body, "b")], lambda: items


def new_dict_keys() -> Made:
    """Two new keys change the size, which a third task asks for."""
    items, seen = dict[str, int](), list[int]()

    def body(key: str) -> None:
        items[key] = 1

    def look() -> None:
        size = len(items)
        seen.append(size)

    return [partial(body, "a"), partial(body, "b"), look], lambda: (sorted(items), seen)


def list_indices() -> Made:
    items = [0, 0]

    def body(index: int) -> None:
        items[index] += 1

    return [partial(body, 0), partial(body, 1)], lambda: items


def check_then_act() -> Made:
    items, made = dict[str, int](), list[int]()

    def body(me: int) -> None:
        if "k" not in items:
            items["k"] = me
            made.append(me)

    return [partial(body, 0), partial(body, 1)], lambda: (items, made)


def guarded_check_then_act() -> Made:
    lock, items = threading.Lock(), dict[str, int]()

    def body(me: int) -> None:
        with lock:
            if "k" not in items:
                items["k"] = me

    return [partial(body, me) for me in range(3)], lambda: items


def try_lock() -> Made:
    lock, got = threading.Lock(), [False, False]

    def body(me: int) -> None:
        if lock.acquire(blocking=False):
            got[me] = True
            lock.release()

    return [partial(body, 0), partial(body, 1)], lambda: got


def try_lock_against_lock() -> Made:
    lock, box = threading.Lock(), Box()

    def hold() -> None:
        with lock:
            box.n = 1

    def attempt() -> None:
        if lock.acquire(blocking=False):
            box.m = 1
            lock.release()

    return [hold, attempt], lambda: (box.n, box.m)


def is_locked() -> Made:
    lock, seen = threading.Lock(), list[bool]()

    def hold() -> None:
        with lock:
            pass

    return [hold, lambda: seen.append(lock.locked())], lambda: seen


def timed_lock() -> Made:
    lock, got = threading.Lock(), list[bool]()

    def hold() -> None:
        with lock:
            time.sleep(2)

    def attempt() -> None:
        got.append(lock.acquire(timeout=1))
        if got[0]:
            lock.release()

    return [hold, attempt], lambda: got


def reentrant() -> Made:
    lock, order = threading.RLock(), list[int]()

    def body(me: int) -> None:
        with lock, lock:
            order.append(me)
        with lock:
            order.append(me)

    return [partial(body, 0), partial(body, 1)], lambda: order


def opposite_order() -> Made:
    one, other = threading.Lock(), threading.Lock()

    def body(first: Any, second: Any) -> None:
        with first, second:
            pass

    return [partial(body, one, other), partial(body, other, one)], lambda: ""


def dining(count: int) -> Make:
    def make() -> Made:
        forks = [threading.Lock() for _ in range(count)]

        def body(me: int) -> None:
            with forks[me], forks[(me + 1) % count]:
                pass

        return [partial(body, me) for me in range(count)], lambda: ""

    return make


def event_set() -> Made:
    event, box = threading.Event(), Box()

    def give() -> None:
        box.n = 1
        event.set()

    def take() -> None:
        event.wait()
        box.m = box.n

    return [give, take], lambda: box.m


def event_for_two() -> Made:
    event, order = threading.Event(), list[int]()

    def take(me: int) -> None:
        event.wait()
        order.append(me)

    return [event.set, partial(take, 1), partial(take, 2)], lambda: order


def event_is_set() -> Made:
    event, seen = threading.Event(), list[bool]()

    def look() -> None:
        first = event.is_set()
        seen.extend((first, event.is_set()))

    return [event.set, look], lambda: seen


def event_nobody_sets() -> Made:
    event, box = threading.Event(), Box()

    def give() -> None:
        if box.n == 0:
            event.set()

    def take() -> None:
        box.n = 1
        event.wait()

    return [give, take], lambda: ""


def condition(*, loop: bool) -> Make:
    """A flag and a condition; without a loop around the waiting, the flag is not looked at under the lock."""

    def make() -> Made:
        guard, box = threading.Condition(), Box()

        def give() -> None:
            with guard:
                box.ready = True
                guard.notify()

        def take_carefully() -> None:
            with guard:
                while not box.ready:
                    guard.wait()

        def take_carelessly() -> None:
            if not box.ready:
                with guard:
                    guard.wait()

        return [give, take_carefully if loop else take_carelessly], lambda: box.ready

    return make


def condition_for_two() -> Made:
    guard, box, order = threading.Condition(), Box(), list[int]()

    def give() -> None:
        with guard:
            box.n = 2
            guard.notify_all()

    def take(me: int) -> None:
        with guard:
            while not box.n:
                guard.wait()
            order.append(me)

    return [give, partial(take, 1), partial(take, 2)], lambda: order


def semaphore(permits: int, tasks: int) -> Make:
    def make() -> Made:
        permit, order = threading.Semaphore(permits), list[int]()

        def body(me: int) -> None:
            with permit:
                order.append(me)

        return [partial(body, me) for me in range(tasks)], lambda: order

    return make


def semaphore_released() -> Made:
    permit, box = threading.Semaphore(0), Box()

    def give() -> None:
        box.n = 1
        permit.release()

    def take() -> None:
        permit.acquire()
        box.m = box.n

    return [give, take], lambda: box.m


def barrier() -> Made:
    meeting, box, seen = threading.Barrier(2), Box(), [0, 0]

    def one() -> None:
        box.n = 1
        meeting.wait()
        seen[0] = box.m

    def other() -> None:
        box.m = 1
        meeting.wait()
        seen[1] = box.n

    return [one, other], lambda: seen


def barrier_index() -> Made:
    meeting, places = threading.Barrier(2), [0, 0]

    def body(me: int) -> None:
        places[me] = meeting.wait()

    return [partial(body, 0), partial(body, 1)], lambda: places


def producer_consumer(kind: type[Any]) -> Make:
    def make() -> Made:
        items, got = kind(), list[int]()

        def produce() -> None:
            items.put(1)
            items.put(2)

        def consume() -> None:
            got.append(items.get())
            got.append(items.get())

        return [produce, consume], lambda: got

    return make


def two_consumers() -> Made:
    items, got = queue.Queue[int](), [0, 0]

    def produce() -> None:
        items.put(1)
        items.put(2)

    def consume(me: int) -> None:
        got[me] = items.get()

    return [produce, partial(consume, 0), partial(consume, 1)], lambda: got


def one_item_two_consumers() -> Made:
    items, got = queue.Queue[int](), [0, 0]

    def consume(me: int) -> None:
        if not items.empty():
            got[me] = items.get()

    return [lambda: items.put(1), partial(consume, 0), partial(consume, 1)], lambda: got


def bounded_queue() -> Made:
    items, got = queue.Queue[int](1), list[int]()

    def produce() -> None:
        for item in (1, 2):
            items.put(item)

    def consume() -> None:
        for _ in range(2):
            got.append(items.get())

    return [produce, consume], lambda: got


def two_queues() -> Made:
    one, other = queue.Queue[int](), queue.Queue[int]()

    return [lambda: one.put(1), lambda: other.put(1)], lambda: (one.qsize(), other.qsize())


def sleepers() -> Made:
    order = list[int]()

    def body(me: int, seconds: float) -> None:
        time.sleep(seconds)
        order.append(me)

    return [partial(body, 1, 2), partial(body, 2, 1), partial(body, 3, 1)], lambda: order


def event_with_timeout() -> Made:
    event, seen = threading.Event(), list[bool]()

    def late() -> None:
        time.sleep(2)
        event.set()

    return [late, lambda: seen.append(event.wait(1))], lambda: seen


def timers() -> Made:
    """Two timers that are due at the same instant."""
    box = Box()

    def increment() -> None:
        box.n += 1

    def body() -> None:
        timers = [threading.Timer(1, increment) for _ in range(2)]
        for timer in timers:
            timer.start()
        for timer in timers:
            timer.join()

    return [body], lambda: box.n


def spawned() -> Made:
    """A thread that starts a thread, and joins it."""
    box = Box()

    def inner() -> None:
        box.n += 1

    def outer() -> None:
        thread = threading.Thread(target=inner)
        thread.start()
        box.m = box.n
        thread.join()
        box.n += 10

    return [outer, lambda: setattr(box, "n", box.n + 100)], lambda: (box.n, box.m)


def asked_whether_alive() -> Made:
    box, seen = Box(), list[bool]()

    def inner() -> None:
        box.n = 1

    def outer() -> None:
        thread = threading.Thread(target=inner)
        thread.start()
        seen.append(thread.is_alive())
        thread.join()

    return [outer, lambda: setattr(box, "m", box.n)], lambda: (seen, box.m)


def future() -> Made:
    promise, seen = Future[int](), list[int]()

    return [lambda: promise.set_result(1), lambda: seen.append(promise.result())], lambda: seen


def future_done() -> Made:
    promise, seen = Future[int](), list[bool]()

    return [lambda: promise.set_result(1), lambda: seen.append(promise.done())], lambda: seen


def cancelled_too_late() -> Made:
    promise, box, seen = Future[int](), Box(), list[int]()
    promise.set_running_or_notify_cancel()

    def cancel() -> None:
        box.n = 1
        promise.cancel()

    def ask() -> None:
        promise.result()
        seen.append(box.n)

    return [lambda: promise.set_result(1), cancel, ask], lambda: seen


def pool() -> Made:
    box = Box()

    def add() -> None:
        box.n += 1

    def body() -> None:
        with ThreadPoolExecutor(1) as executor:
            executor.submit(add)
            box.n += 10

    return [body, lambda: None], lambda: box.n


PROGRAMS: dict[str, Make] = {
    **{
        f"locked appends {tasks} x {times}": locked_appends(tasks, times)
        for tasks, times in ((2, 1), (2, 2), (3, 1), (2, 3))
    },
    **{f"increments {tasks} x {times}": increments(tasks, times) for tasks, times in ((2, 1), (2, 2), (3, 1))},
    "own locks": own_locks,
    "one reader": readers(1),
    "two readers": readers(2),
    "three readers": readers(3),
    "store buffering": store_buffering,
    "two writers and a reader": two_writers_one_reader,
    "independent attributes": independent_attributes,
    "keys of a dict": dict_keys,
    "new keys of a dict": new_dict_keys,
    "indices of a list": list_indices,
    "check then act": check_then_act,
    "guarded check then act": guarded_check_then_act,
    "try-lock": try_lock,
    "try-lock against lock": try_lock_against_lock,
    "is it locked": is_locked,
    "timed lock": timed_lock,
    "reentrant lock": reentrant,
    "opposite order": opposite_order,
    "two philosophers": dining(2),
    "three philosophers": dining(3),
    "event": event_set,
    "event for two": event_for_two,
    "is it set": event_is_set,
    "event nobody sets": event_nobody_sets,
    "condition": condition(loop=True),
    "condition without a loop": condition(loop=False),
    "condition for two": condition_for_two,
    "semaphore 1 for 2": semaphore(1, 2),
    "semaphore 2 for 2": semaphore(2, 2),
    "semaphore 1 for 3": semaphore(1, 3),
    "semaphore released": semaphore_released,
    "barrier": barrier,
    "places at a barrier": barrier_index,
    "queue": producer_consumer(queue.Queue),
    "stack": producer_consumer(queue.LifoQueue),
    "simple queue": producer_consumer(queue.SimpleQueue),
    "two consumers": two_consumers,
    "one item for two": one_item_two_consumers,
    "bounded queue": bounded_queue,
    "two queues": two_queues,
    "sleepers": sleepers,
    "event with timeout": event_with_timeout,
    "timers": timers,
    "spawned": spawned,
    "asked whether alive": asked_whether_alive,
    "future": future,
    "is it done": future_done,
    "cancelled too late": cancelled_too_late,
    "pool": pool,
}
