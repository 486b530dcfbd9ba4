"""OS threads that are kept between runs: one serves many tasks, one after another."""

from __future__ import annotations

import _thread
import sys
import threading
from collections.abc import Callable
from contextvars import Context
from typing import Any

from pytest_racecheck.core.baton import make_baton
from pytest_racecheck.core.errors import Unwind
from pytest_racecheck.core.forget import never_join
from pytest_racecheck.core.interrupt import disarm
from pytest_racecheck.core.thread_locals import thread_locals


def release_end_of(thread: Any) -> None:
    """Say that a ``Thread`` has ended although its OS thread goes on; up to 3.12, where a lock tells that."""
    lock = getattr(thread, "_tstate_lock", None)
    if lock is not None and lock.locked():
        lock.release()


class Worker:
    """An OS thread that runs the jobs it is given; it looks new to each of them.

    A job starts when the worker's baton is signalled, runs in an empty context, and what it left in
    ``threading.local`` objects is gone afterwards, as with a thread of its own.
    """

    def __init__(self, number: int) -> None:
        self.baton = make_baton()
        self.arrived = make_baton()
        """Signalled by a job that has come as far as who gave it to the worker waits for."""
        self.job: Callable[[], object] | None = None
        self.finish: Callable[[], object] | None = None
        self.kept = True
        """Whether it can serve another task; not where what a task leaves in its thread can't be cleared."""
        self._stopping = False
        self.thread = threading.Thread(target=self._serve, name=f"racecheck-{number}", daemon=True)
        self.thread.start()
        never_join(self.thread)
        # A thread takes over the daemon flag of the thread that starts it; tasks must not be daemons by our doing.
        self.thread._daemonic = False  # type: ignore[attr-defined]
        self.ident = self.thread.ident or 0
        self.native_id = self.thread.native_id or 0

    def as_itself(self, job: Callable[[], object]) -> Callable[[], object]:
        """Make a job in which the worker's own ``Thread`` is the current one; a job may also bring one along."""

        def in_own_name() -> None:
            threads = threading._active  # type: ignore[attr-defined]
            threads[self.ident] = self.thread
            try:
                job()
            finally:
                threads.pop(self.ident, None)

        return in_own_name

    def _serve(self) -> None:
        threads = threading._active  # type: ignore[attr-defined]
        del threads[_thread.get_ident()]  # idle, it is no thread of the program's
        try:
            self._serve_until_stopped()
        finally:
            threads[_thread.get_ident()] = self.thread
            release_end_of(self.thread)  # up to 3.12 a job that brought its own along has taken its place

    def _serve_until_stopped(self) -> None:
        locals_of_thread = thread_locals()
        self.kept = locals_of_thread is not None
        while not self._stopping:  # a task that was lost may have taken the signal that says so
            self.baton.wait()
            if self._stopping:
                return
            job, self.job = self.job, None
            if job is None:  # a signal that came too late: this worker has been pushed
                continue
            self._work(job)
            del job  # what it holds ends with its run, not in the next one
            if locals_of_thread is not None:
                locals_of_thread.forget()
            self._report()

    def _work(self, job: Callable[[], object]) -> None:
        trace, profile = sys.gettrace(), sys.getprofile()
        try:
            Context().run(job)
        except Unwind:  # pushed on its way out
            disarm(self.ident)
        finally:
            if sys.gettrace() is not trace:
                sys.settrace(trace)
            if sys.getprofile() is not profile:
                sys.setprofile(profile)

    def _report(self) -> None:
        """Say that the job is done; nothing that is raised from outside may prevent that."""
        while self.finish is not None:
            try:
                self.finish()
                break
            except Unwind:
                disarm(self.ident)

    def dismiss(self) -> None:
        """Let the thread end as soon as it has nothing to do."""
        self._stopping = True
        self.baton.signal()

    def stop(self) -> None:
        """Let the idle thread end; wait for it."""
        self.dismiss()
        self.thread.join(timeout=5)
        if not self.thread.is_alive():
            self.baton.close()
            self.arrived.close()


class WorkerPool:
    """Lends workers to tasks; makes a new one when all are lent."""

    def __init__(self) -> None:
        self._idle: list[Worker] = []
        self._all: list[Worker] = []
        self._ending: list[Worker] = []

    def idents(self) -> set[int]:
        """The threads of all workers."""
        return {worker.ident for worker in self._all}

    def lend(self) -> Worker:
        """Take a worker that has nothing to do."""
        if self._idle:
            return self._idle.pop()
        worker = Worker(len(self._all))
        self._all.append(worker)
        return worker

    def give_back(self, worker: Worker) -> None:
        """Return a worker whose job has ended."""
        if not worker.kept:
            self.discard(worker)
        elif worker in self._all and worker not in self._idle:
            self._idle.append(worker)

    def discard(self, worker: Worker, *, ends: bool = True) -> None:
        """Never lend this worker again: it was interrupted, or could not be. It ends as soon as it is idle, if ever."""
        if worker in self._all:
            self._all.remove(worker)
            if worker in self._idle:
                self._idle.remove(worker)
            worker.dismiss()
            self._clear_away_ended()
            if ends:
                self._ending.append(worker)

    def _clear_away_ended(self) -> None:
        """What ends one run after another must not wait for the end of all to give its descriptors back."""
        ended = [worker for worker in self._ending if not worker.thread.is_alive()]
        for worker in ended:
            worker.stop()
            self._ending.remove(worker)

    def stop(self) -> list[Worker]:
        """End all idle workers; return those that are still busy, which nobody can end."""
        idle = set(self._idle)
        for worker in self._idle:
            worker.stop()
        busy = [worker for worker in self._all if worker not in idle]
        for worker in self._ending:
            worker.stop()
        self._idle, self._all, self._ending = [], [], []
        return busy
