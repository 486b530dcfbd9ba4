"""A thread that serves many tasks looks new to each."""

from __future__ import annotations

import subprocess
import sys
import threading
import weakref
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from pytest_racecheck.core.baton import make_baton
from pytest_racecheck.core.errors import Unwind
from pytest_racecheck.core.workers import Worker, WorkerPool

LOCAL = threading.local()
VARIABLE = ContextVar("VARIABLE", default=0)


class Local(threading.local):
    def __init__(self) -> None:
        self.n = 0


class Value:
    """Something that weak references can be made to."""


def work(pool: WorkerPool, worker: Worker, job: Any) -> None:
    """Let a worker do a job; wait for it."""
    done = make_baton()

    def finish() -> None:
        pool.give_back(worker)
        done.signal()

    worker.job, worker.finish = job, finish
    worker.baton.signal()
    assert done.wait_for(10)
    done.close()


def test_nothing_of_one_job_is_seen_by_the_next() -> None:
    pool = WorkerPool()
    counted = Local()
    seen: list[tuple[bool, int, int]] = []
    kept: list[Any] = []

    def job() -> None:
        seen.append((hasattr(LOCAL, "x"), counted.n, VARIABLE.get()))
        LOCAL.x = value = Value()
        kept.append(weakref.ref(value))
        counted.n += 1
        VARIABLE.set(1)

    idents = set()
    for _ in range(50):
        worker = pool.lend()
        idents.add(worker.ident)
        work(pool, worker, job)
    pool.stop()

    assert seen == [(False, 0, 0)] * 50
    assert len(idents) == 1
    assert not any(each() for each in kept)


def test_what_a_job_holds_ends_with_it_and_not_in_the_next() -> None:
    pool = WorkerPool()
    value = Value()
    kept = weakref.ref(value)
    worker = pool.lend()
    work(pool, worker, lambda value=value: value)
    del value

    assert kept() is None
    pool.stop()


def test_a_worker_is_lent_again_and_two_at_once_are_two() -> None:
    pool = WorkerPool()
    one, other = pool.lend(), pool.lend()
    assert one is not other
    pool.give_back(one)
    assert pool.lend() is one
    pool.give_back(one)
    pool.give_back(other)
    assert pool.stop() == []


def test_one_that_was_pushed_serves_nobody_more() -> None:
    pool = WorkerPool()
    worker = pool.lend()
    pool.discard(worker)
    pool.give_back(worker)
    assert pool.lend() is not worker
    worker.thread.join(10)
    assert not worker.thread.is_alive()
    pool.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_those_that_ended_give_their_descriptors_back_before_the_end() -> None:
    pool = WorkerPool()
    open_files = []
    for _ in range(10):
        worker = pool.lend()
        pool.discard(worker)
        worker.thread.join(10)
        open_files.append(len(list(Path("/proc/self/fd").iterdir())))
    pool.stop()

    assert open_files[-1] == open_files[1]


def test_no_thread_of_ours_holds_up_the_end_of_the_process() -> None:
    """Not even where the interpreter's own way to end had to be replaced, because of a thread that is lost."""
    code = """
import threading
from pytest_racecheck.core.forget import forget_thread
from pytest_racecheck.core.workers import WorkerPool

lost = threading.Thread(target=threading.Event().wait)
lost.start()
forget_thread(lost.ident)
WorkerPool().lend()
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_a_job_that_is_unwound_is_done() -> None:
    pool = WorkerPool()

    def job() -> None:
        raise Unwind

    work(pool, pool.lend(), job)
    assert pool.stop() == []
