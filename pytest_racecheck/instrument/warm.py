"""Processes with the start methods ``spawn`` and ``forkserver``: forked by one that has imported everything already.

That one is started as ``spawn`` starts a process, and knows nothing of this one but what it is told. Each process of a
run is a fresh copy of it, so that what a run leaves behind is gone with its processes, and importing costs once.
"""

from __future__ import annotations

import atexit
import io
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable
from multiprocessing import context, forkserver, popen_fork, popen_forkserver, reduction, resource_tracker, spawn, util
from multiprocessing.connection import wait
from typing import Any, Final, NamedTuple

from pytest_racecheck.core.channel import Channel, GoneError
from pytest_racecheck.core.errors import RacecheckInternalError

STARTS: Final = (
    "import sys, marshal; sys.path = {path!r}; from pytest_racecheck.instrument.warm_server import serve; serve({fd})"
)
"""What the process runs that forks the others."""


AT_BEGIN: Final[dict[str, Callable[[], Any]]] = {}
"""What else is to be called in that process before an exploration: ``module:function``, and what makes its argument."""


class Birthday(NamedTuple):
    """What a new process is told about itself, as builtin values."""

    task_id: str
    number: int
    name: str
    seed: int
    follows: bool
    recorded: bool
    is_body: bool
    clock: tuple[float, ...]
    environment: dict[str, str]


class Warm:
    """A process that forks others, as the process that explores sees it."""

    def __init__(self) -> None:
        own, other = socket.socketpair()
        tracker = resource_tracker.getfd() or 0
        with other:
            code = STARTS.format(path=sys.path, fd=other.fileno())
            options = util._args_from_interpreter_flags()  # type: ignore[attr-defined]
            command = [os.fsencode(each) for each in (sys.executable, *options, "-c", code)]
            descriptors = (other.fileno(), tracker)
            self.pid = util.spawnv_passfds(os.fsencode(sys.executable), command, descriptors)
        self.channel = Channel(own.detach())
        self.channel.send("tracker", tracker)
        self._shared: set[str] = set()
        self._imported: set[str] = set()

    def begin(self, root: str, sources: tuple[str, ...], test_file: str) -> None:
        """An exploration of this scope begins."""
        self._shared.clear()
        for where, argument in AT_BEGIN.items():
            self.channel.send("call", where, argument())
        self.channel.send("begin", root, sources, test_file)

    def tell_shared(self, keys: Iterable[str]) -> None:
        """The sites of these keys are choices."""
        new = sorted(set(keys) - self._shared)
        if new:
            self._shared.update(new)
            self.channel.send("shared", new)

    def tell_code(self, identity: int, qualname: str, line: int, late: bool) -> None:
        """A process that it has forked has come to code that it has as well."""
        self.channel.send("code", identity, qualname, line, late)

    def tell_imported(self, names: Iterable[str]) -> None:
        """A process that it has forked had to import these modules: so will others."""
        new = [name for name in names if name not in self._imported]
        if new:
            self._imported.update(new)
            self.channel.send("import", new)

    def reap(self, pid: int) -> int:
        """A process that it has forked is gone: ask how it ended, and let others know."""
        self.channel.send("reap", pid)
        return int(self.channel.receive()[1])

    def close(self) -> None:
        """End it."""
        self.channel.close()
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass


def ask_for_process(channel: Channel, birthday: Birthday, descriptors: list[int]) -> int:
    """Have a process forked; ``descriptors`` are handed over to it. Returns its process id.

    Raises: RacecheckInternalError, if the process that forks is gone.
    """
    try:
        channel.send("fork", len(descriptors), *birthday)
        channel.give(*descriptors)
        return int(channel.receive()[1])
    except GoneError as error:
        raise RacecheckInternalError("the process that starts others has come to an end") from error


Begin = Callable[[list[int]], int]
"""Has a process forked that is given these descriptors; returns its id."""


class WarmPopen(popen_fork.Popen):
    """What ``Process.start`` makes in place of the ``Popen`` of ``spawn`` or ``forkserver``."""

    DupFd = popen_forkserver._DupFd

    def __init__(self, process_obj: Any, method: str, begin: Begin) -> None:
        vars(self)["method"] = method
        self._fds: list[int] = []
        self._begin = begin
        super().__init__(process_obj)

    def duplicate_for_child(self, fd: int) -> int:
        """See `multiprocessing.popen_forkserver`."""
        self._fds.append(fd)
        return len(self._fds) - 1

    def _launch(self, process_obj: Any) -> None:
        with tempfile.TemporaryFile() as data:
            data.write(self._pickled(process_obj))
            data.flush()
            data.seek(0)
            own_status, its_status = os.pipe()
            its_alive, own_alive = os.pipe()
            try:
                self.pid = self._begin([data.fileno(), its_status, its_alive, *self._fds])
            except BaseException:
                os.close(own_status)
                os.close(own_alive)
                raise
            finally:
                os.close(its_status)
                os.close(its_alive)
        self.finalizer = util.Finalize(self, util.close_fds, (own_status, own_alive))  # type: ignore[attr-defined]
        self.sentinel = own_status

    def _pickled(self, process_obj: Any) -> memoryview:
        data = spawn.get_preparation_data(process_obj._name)
        stream = io.BytesIO()
        context.set_spawning_popen(self)  # type: ignore[arg-type]
        try:
            reduction.dump(data, stream)
            reduction.dump(process_obj, stream)
        finally:
            context.set_spawning_popen(None)
        return stream.getbuffer()

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        """See `multiprocessing.popen_forkserver`."""
        if self.returncode is None:
            if not wait([self.sentinel], 0 if flag == os.WNOHANG else None):
                return None
            try:
                self.returncode = forkserver.read_signed(self.sentinel)
            except (OSError, EOFError):
                self.returncode = 255
        return self.returncode


_warm: list[Warm] = []


def warm() -> Warm:
    """The one of this session; it is started when it is asked for, and ends with the session."""
    if not _warm:
        _warm.append(Warm())
        atexit.register(cool)
    return _warm[0]


def is_warm() -> bool:
    """Whether it was started."""
    return bool(_warm)


def cool() -> None:
    """End it, if it was started."""
    while _warm:
        _warm.pop().close()
