"""A suite of correct tests with threads of all kinds: `test_threads` checks that none of them is said to fail."""

import _thread
import contextvars
import multiprocessing
import queue
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from typing import Any

import pytest

R = pytest.mark.racecheck(threads=1, runs=100)


class Sub(threading.Thread):
    def __init__(self, box: list[str], **keywords: Any) -> None:
        super().__init__(**keywords)
        self.box = box
        self.l = lock

    def run(self) -> None:
        with lock:
            self.box.append(self.name)


lock = threading.Lock()


class Sub2(Sub):
    def start(self) -> None:
        self.was_started = True
        super().start()

    def join(self, timeout: float | None = None) -> None:
        super().join(timeout)
        self.joined = True


@R
def test_subclass() -> None:
    box: list[str] = []
    ts = [Sub(box, name=f"n{i}") for i in range(3)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    assert sorted(box) == ["n0", "n1", "n2"]


@R
def test_subclass_start_join() -> None:
    box: list[str] = []
    ts = [Sub2(box) for i in range(3)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    assert len(box) == 3
    assert all(t.joined and t.was_started for t in ts)


@R
def test_three_levels() -> None:
    box = []

    def c() -> None:
        with lock:
            box.append("c")

    def b() -> None:
        ts = [threading.Thread(target=c) for _ in range(2)]
        for t in ts:
            t.start()
        for t in ts:
            t.join()
        with lock:
            box.append("b")

    def a() -> None:
        t = threading.Thread(target=b)
        t.start()
        t.join()
        with lock:
            box.append("a")

    ts = [threading.Thread(target=a) for _ in range(2)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    assert sorted(box) == list("aabbcccc")


@R
def test_start_new_thread() -> None:
    done = _thread.allocate_lock()
    done.acquire()
    box = []

    def f(x: int) -> None:
        box.append(x)
        done.release()

    ident = _thread.start_new_thread(f, (3,))
    assert isinstance(ident, int)
    done.acquire()
    assert box == [3]


@R
def test_timer() -> None:
    box = []
    t = threading.Timer(5, lambda: box.append(1))
    t.start()
    time.sleep(1)
    assert box == []
    t.join()
    assert box == [1]


@R
def test_timer_cancel() -> None:
    box = []
    t = threading.Timer(5, lambda: box.append(1))
    t.start()
    time.sleep(1)
    t.cancel()
    t.join()
    assert box == []


@R
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_executor_virtual(n: int) -> None:
    t0 = time.monotonic()
    p0 = time.perf_counter()
    w0 = time.time()
    with ThreadPoolExecutor(max_workers=n) as ex:
        list(ex.map(time.sleep, [1, 2, 2, 1]))
    expect = {1: 6, 2: 3, 3: 2, 4: 2}[n]
    assert time.monotonic() - t0 == pytest.approx(expect, abs=1e-6), n
    assert time.perf_counter() - p0 == pytest.approx(expect, abs=1e-6)
    assert time.time() - w0 == pytest.approx(expect, abs=1e-5)


@R
def test_executor_submit() -> None:
    with ThreadPoolExecutor(2, initializer=lambda: None, thread_name_prefix="w") as ex:
        fs = [ex.submit(pow, 2, i) for i in range(4)]
        assert [f.result() for f in fs] == [1, 2, 4, 8]
        assert {f.result() for f in as_completed([ex.submit(pow, 3, i) for i in range(3)])} == {1, 3, 9}
        done, _ = wait([ex.submit(pow, 3, 1)], return_when=FIRST_COMPLETED)
        assert len(done) == 1


@R
def test_executor_nested() -> None:
    with ThreadPoolExecutor(2) as ex:

        def outer() -> Future[int]:
            return ex.submit(lambda: 5)

        assert ex.submit(outer).result().result() == 5


@R
def test_executor_exception_seen() -> None:
    with ThreadPoolExecutor(2) as ex:
        f = ex.submit(lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            f.result()
        g = ex.submit(lambda: 1 / 0)
        assert isinstance(g.exception(), ZeroDivisionError)
        seen = []
        h = ex.submit(lambda: 1 / 0)
        h.add_done_callback(lambda f: seen.append(f.exception()))
    assert seen


@R
def test_sysexit_thread() -> None:
    t = threading.Thread(target=sys.exit)
    t.start()
    t.join()


@R
def test_excepthook(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    t = threading.Thread(target=lambda: 1 / 0)
    t.start()
    t.join()
    assert seen[0].exc_type is ZeroDivisionError


@R
def test_sane() -> None:
    assert threading.current_thread() is threading.main_thread()
    n0 = threading.active_count()
    go = threading.Event()
    names = []

    def f() -> None:
        names.append(threading.current_thread().name)
        assert threading.current_thread() is not threading.main_thread()
        assert threading.get_ident() == threading.current_thread().ident
        go.wait()

    ts = [threading.Thread(target=f, name=f"x{i}") for i in range(2)]
    for t in ts:
        t.start()
    assert threading.active_count() == n0 + 2, threading.enumerate()
    assert all(t in threading.enumerate() and t.is_alive() for t in ts)
    go.set()
    for t in ts:
        t.join()
        assert not t.is_alive()
    assert sorted(names) == ["x0", "x1"]
    assert threading.active_count() == n0


local = threading.local()
var = contextvars.ContextVar("var", default=0)


@pytest.mark.racecheck(runs=120)
def test_local_fresh() -> None:
    assert not hasattr(local, "x")
    local.x = 1
    assert var.get() == 0
    var.set(5)


@pytest.mark.racecheck(runs=60)
def test_local_fresh_run(racecheck: Any) -> None:
    def f() -> None:
        assert not hasattr(local, "y")
        local.y = 1

    racecheck.run(f, f, f)


@R
def test_twice() -> None:
    t = threading.Thread(target=lambda: None)
    t.start()
    with pytest.raises(RuntimeError):
        t.start()
    t.join()
    with pytest.raises(RuntimeError):
        t.start()
    t.join()


@R
def test_join_self() -> None:
    box = []

    def f() -> None:
        try:
            threading.current_thread().join()
        except RuntimeError as e:
            box.append(e)

    t = threading.Thread(target=f)
    t.start()
    t.join()
    assert box
    u = threading.Thread(target=f)
    with pytest.raises(RuntimeError):
        u.join()


@R
def test_join_timeout() -> None:
    e = threading.Event()
    t = threading.Thread(target=e.wait)
    t.start()
    t0 = time.monotonic()
    t.join(3)
    assert t.is_alive()
    assert time.monotonic() - t0 == pytest.approx(3)
    t.join(timeout=2)
    assert t.is_alive()
    assert time.monotonic() - t0 == pytest.approx(5)
    t.join(0)
    t.join(-1)
    e.set()
    t.join(timeout=10)
    assert not t.is_alive()


@R
def test_waiting() -> None:
    cond = threading.Condition()
    box: list[int] = []

    def consumer() -> None:
        with cond:
            while not box:
                cond.wait()
            box.pop()

    t = threading.Thread(target=consumer)
    t.start()
    with cond:
        box.append(1)
        cond.notify()
    t.join()
    t0 = time.monotonic()
    with cond:
        assert cond.wait(timeout=4) is False
    with cond:
        assert cond.wait_for(lambda: False, timeout=2) is False
    assert time.monotonic() - t0 == pytest.approx(6)
    assert threading.Event().wait(3) is False
    s = threading.Semaphore(1)
    s.acquire()
    assert s.acquire(timeout=2) is False
    assert s.acquire(blocking=False) is False
    assert time.monotonic() - t0 == pytest.approx(11)


@R
def test_barrier() -> None:
    b = threading.Barrier(3)
    box = []

    def f() -> None:
        box.append(b.wait())

    ts = [threading.Thread(target=f) for _ in range(2)]
    for t in ts:
        t.start()
    box.append(b.wait())
    for t in ts:
        t.join()
    assert sorted(box) == [0, 1, 2]
    with pytest.raises(threading.BrokenBarrierError):
        b.wait(timeout=1)


@R
@pytest.mark.parametrize("make", [queue.Queue, queue.SimpleQueue, queue.LifoQueue, queue.PriorityQueue])
def test_queues(make: Any) -> None:
    q = make()
    out = []

    def f() -> None:
        while (x := q.get()) is not None:
            out.append(x)
            if x == 9:
                break

    t = threading.Thread(target=f)
    t.start()
    if make in (queue.Queue, queue.SimpleQueue):
        q.put(1)
        q.put(2)
    q.put(9)
    t.join()
    while not q.empty():
        q.get()
    with pytest.raises(queue.Empty):
        q.get(timeout=2)
    assert 9 in out
    with pytest.raises(queue.Empty):
        q.get(block=False)
    with pytest.raises(queue.Empty):
        q.get_nowait()


@R
def test_queue_join() -> None:
    q: queue.Queue[int] = queue.Queue(maxsize=1)
    got = []

    def f() -> None:
        while True:
            x = q.get()
            got.append(x)
            q.task_done()

    threading.Thread(target=f, daemon=True).start()
    for i in range(3):
        q.put(i)
    q.join()
    assert got == [0, 1, 2]


@R
def test_future_wait() -> None:
    f: Future[int] = Future()
    t = threading.Thread(target=lambda: f.set_result(7))
    t.start()
    assert f.result(timeout=5) == 7
    t.join()
    with pytest.raises(TimeoutError):
        Future().result(timeout=3)


rl = threading.RLock()


@R
def test_rlock() -> None:
    n = [0]

    def f() -> None:
        with rl:
            with rl:
                x = n[0]
                with rl:
                    n[0] = x + 1

    ts = [threading.Thread(target=f) for _ in range(3)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    assert n == [3]


@R
def test_lock_api() -> None:
    mutex = threading.Lock()
    assert mutex.acquire(timeout=1)
    assert not mutex.acquire(False)
    assert not mutex.acquire(blocking=False)
    t0 = time.monotonic()
    assert not mutex.acquire(timeout=2.5)
    assert not mutex.acquire(True, 0.5)
    assert time.monotonic() - t0 == pytest.approx(3)
    threading.Thread(target=mutex.release).start()
    assert mutex.acquire()
    with pytest.raises(ValueError, match="timeout"):
        mutex.acquire(False, 3)
    with pytest.raises(RuntimeError):
        threading.Lock().release()


mlock = multiprocessing.Lock()
mval = multiprocessing.Value("i", 0)


@R
def test_mp_lock() -> None:
    mval.value = 0

    def f() -> None:
        with mlock:
            mval.value += 1
        with mlock, mval.get_lock():
            mval.value += 1

    ts = [threading.Thread(target=f) for _ in range(2)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    assert mval.value == 4


@R
def test_forgotten_runnable() -> None:
    box = []

    def append() -> None:
        with lock:
            box.append(1)

    threading.Thread(target=append).start()
    with lock:
        box.append(2)


@R
def test_forgotten_daemon() -> None:
    box = []

    def wait_for_ever() -> None:
        with lock:
            box.append(1)
        threading.Event().wait()

    threading.Thread(target=wait_for_ever, daemon=True).start()
    with lock:
        box.append(2)


@R
def test_executor_shutdown_nowait() -> None:
    ex = ThreadPoolExecutor(2)
    f = ex.submit(pow, 2, 3)
    assert f.result() == 8
    ex.shutdown(wait=False)


@R
def test_executor_never_shut() -> None:
    ex = ThreadPoolExecutor(2)
    assert ex.submit(pow, 2, 3).result() == 8


@R
def test_executor_map_timeout() -> None:
    with ThreadPoolExecutor(2) as ex:
        with pytest.raises(TimeoutError):
            list(ex.map(time.sleep, [5], timeout=1))


def test_nothing_is_left() -> None:
    assert [each.name for each in threading.enumerate()] == ["MainThread"]
