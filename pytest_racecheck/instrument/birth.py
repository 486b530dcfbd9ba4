"""How a forked process begins to take part in a run."""

from __future__ import annotations

import _random
import itertools
import multiprocessing.process
import os
import random
import signal
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import context, util
from typing import Any, Final

from pytest_racecheck.core import dump
from pytest_racecheck.core.abroad import InProcess
from pytest_racecheck.core.channel import Channel
from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.errors import Unwind
from pytest_racecheck.core.member import Member
from pytest_racecheck.core.task import Task
from pytest_racecheck.instrument import threads
from pytest_racecheck.instrument.state import STATE
from pytest_racecheck.instrument.telling import begin_to_tell, prepare_to_tell

AT_BIRTH: Final[list[Callable[[Member], Callable[[], None] | None]]] = []
"""Called before a process is forked that is going to take part; what they return is called in it."""

_OF_SEMAPHORE: Final = "SemLock.__init__.<locals>._after_fork"
_set_handler: Final[Any] = sys.modules["_signal"].signal  # what `signal.signal` does beside costs ten pages of memory


class Birth:
    """What a new process needs, made before the fork: it pays for each page of memory that it is the first to touch."""

    def __init__(
        self,
        controller: Controller,
        task_id: str,
        index: int,
        name: str,
        channel: Channel,
        process: Any = None,
        *,
        seed: int | None = None,
        recorded: bool | None = None,
    ) -> None:
        self._controller = controller
        self._process = process
        self._dump = controller.dump.fileno()
        self._seed = seed_of(task_id) if seed is None else seed
        self.member = Member.prepared(controller, channel, task_id, index)
        self.member.first.name = name
        self._on_sigint = self.member.on_sigint
        is_recorded = controller.recorder is not None if recorded is None else recorded
        self._sharing = prepare_to_tell(self.member, recorded=is_recorded)
        self._at_birth = tuple([call for prepare in AT_BIRTH if (call := prepare(self.member)) is not None])
        if process is not None:
            module: Any = multiprocessing.process
            parent = module._current_process
            self._parent = module._ParentProcess(parent.name, os.getpid(), None)
            self._has_afterforkers = _has_afterforkers()

    def take_place(self) -> Member:
        """Make the forked process that calls this a member of the run."""
        self.member.take_over(self._controller)
        _set_handler(signal.SIGINT, self._on_sigint)
        dump.register(self._dump)
        _random.Random.seed(random._inst, self._seed)
        begin_to_tell(self.member, self._sharing)
        for call in self._at_birth:
            call()
        return self.member

    def begin_as_process(self) -> None:
        """Make this process one that ``multiprocessing`` has started, as ``Process._bootstrap`` does."""
        module: Any = multiprocessing.process
        module._current_process = self._process
        module._parent_process = self._parent
        module._children = set()
        module._process_counter = itertools.count(1)
        util._finalizer_registry.clear()  # type: ignore[attr-defined]
        if self._has_afterforkers:
            util._run_after_forkers()  # type: ignore[attr-defined]


def fork() -> int:
    """``os.fork``, without a warning of threads: those of ours that this process has beside the caller hold nothing."""
    _ours.append(True)
    try:
        with quiet_about_threads():
            return os.fork()
    finally:
        _ours.pop()


_ours: Final[list[bool]] = []
"""Holds something while a process is forked that is going to take part."""


@contextmanager
def quiet_about_threads() -> Iterator[None]:
    """Let nobody be warned of a fork with threads around."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _let_go() -> None:
    """In a process that was forked unseen: it takes no part, and must not keep open what others wait to be closed."""
    controller = STATE.controller
    if _ours or not controller.tasks:
        return
    controller.ident = 0
    for descriptor in controller.descriptors():
        if descriptor >= 0:
            os.close(descriptor)


os.register_at_fork(after_in_child=_let_go)


def launch(controller: Controller, task: Task, body: InProcess, channel: Channel) -> int:
    """Fork the process of a body; return its id."""
    number = int(task.id.rpartition(".")[2]) + 1
    process: Any = context.ForkProcess(name=f"Process-{number}")
    process._identity = (number,)  # as if it were the first run
    birth = Birth(controller, task.id, task.index, task.name, channel, process)
    pid = fork()
    if pid:
        return pid
    try:
        _be_process_of(body, birth)
    finally:
        os._exit(1)


def _be_process_of(body: InProcess, birth: Birth) -> None:
    """What the process of a body does, to its end; never returns.

    It is what ``Process._bootstrap`` does, without what costs as much as all the rest.
    """
    member: Any = birth.take_place()
    try:
        birth.begin_as_process()
        member.take_part(member.first)
        member._perform(member.first, body.function)
        _end_as_process(member)
    except Unwind:
        pass
    member.leave(0)


def _end_as_process(member: Member) -> None:
    """Wait for what the body has left going on."""
    if threads.TASKS:
        threads.join_all(member)
    if util._finalizer_registry or multiprocessing.process._children:  # type: ignore[attr-defined]
        util._exit_function()  # type: ignore[attr-defined]


def _has_afterforkers() -> bool:
    """Whether anybody but a semaphore that is held by nobody here wants to know of a fork."""
    registry: Any = util._afterfork_registry  # type: ignore[attr-defined]
    for (_, _, function), owner in list(registry.items()):
        semaphore = getattr(owner, "_semlock", None)
        if semaphore is None or function.__code__.co_qualname != _OF_SEMAPHORE or semaphore._count():
            return True
    return False


def seed_of(task_id: str) -> int:
    """What the random numbers of a new process begin with: others than its parent's, and the same in every run."""
    generator = random.Random()  # noqa: S311  (nobody is to be kept from guessing)
    generator.setstate(random.getstate())
    return zlib.crc32(f"{task_id} {generator.random()}".encode())  # a text would cost each process an import
