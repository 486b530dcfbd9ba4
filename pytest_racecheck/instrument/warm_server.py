"""What the process does that forks those with the start methods ``spawn`` and ``forkserver``; see `warm`."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from contextlib import ExitStack
from multiprocessing import forkserver, process, reduction, resource_tracker, spawn, util
from pathlib import Path
from typing import Any

from pytest_racecheck.core import dump
from pytest_racecheck.core.channel import Channel, GoneError
from pytest_racecheck.core.clock import clock_of
from pytest_racecheck.core.controller import Controller, activate
from pytest_racecheck.core.errors import Unwind
from pytest_racecheck.core.member import Member
from pytest_racecheck.instrument.birth import Birth, fork
from pytest_racecheck.instrument.install import Rewriting
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.instrument.state import STATE
from pytest_racecheck.instrument.warm import Birthday


def serve(descriptor: int) -> None:
    """Do what is asked until the process that explores is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for that one, which ends this
    server = _Server(Channel(descriptor))
    try:
        while True:
            word, *arguments = server.channel.receive()
            getattr(server, f"do_{word}")(*arguments)
    except GoneError:
        os._exit(0)


class _Server:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._controller = Controller(max_steps=0)
        self._installed = ExitStack()
        self._status: dict[int, int] = {}
        """Process id -> where its parent looks for its exit code."""

    def do_tracker(self, descriptor: int) -> None:
        tracker: Any = resource_tracker._resource_tracker
        tracker._fd = descriptor

    def do_begin(self, root: str, sources: tuple[str, ...], test_file: str) -> None:
        self._installed.close()
        gc.enable()
        gc.unfreeze()
        scope = Scope(Path(root), tuple(sources), Path(test_file))
        self._installed.enter_context(Rewriting(scope).installed(self._controller))
        gc.disable()
        gc.freeze()

    def do_call(self, where: str, argument: Any) -> None:
        module, _, name = where.partition(":")
        getattr(importlib.import_module(module), name)(argument)

    def do_shared(self, keys: list[str]) -> None:
        STATE.discoverer.watch(frozenset(keys))

    def do_code(self, identity: int, qualname: str, line: int, late: bool) -> None:
        STATE.discoverer.elsewhere.met(identity, qualname, line, late)

    def do_import(self, names: list[str]) -> None:
        for name in names:
            try:
                importlib.import_module(name)
            except Exception:  # noqa: S112  (who needs it will meet the same)
                continue
        STATE.discoverer.take_stock()

    def do_reap(self, pid: int) -> None:
        try:
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        except ChildProcessError:
            code = 255
        status = self._status.pop(pid, None)
        if status is not None:
            try:
                forkserver.write_signed(status, code)
            except BrokenPipeError:  # nobody wants to know
                pass
            os.close(status)
        self.channel.send("code", code)

    def do_fork(self, count: int, *birthday: Any) -> None:
        descriptors = self.channel.take(count)
        STATE.discoverer.elsewhere.take_in()
        pid = fork()
        if pid == 0:
            try:
                for each in (self.channel.descriptor, *self._status.values()):
                    os.close(each)
                _live(self._controller, Birthday(*birthday), descriptors)
            finally:
                os._exit(1)
        _, _, _, _, _, _, status, *_ = descriptors
        self._status[pid] = status
        for each in descriptors:
            if each != status:
                os.close(each)
        self.channel.send("pid", pid)


def _live(controller: Controller, birthday: Birthday, descriptors: list[int]) -> None:
    """What the new process does, to its end; never returns."""
    own, control, output, errors, dumped, data, status, alive, *given = descriptors
    os.close(status)
    os.dup2(output, 1)
    os.dup2(errors, 2)
    os.close(output)
    os.close(errors)
    os.environ.clear()
    os.environ.update(birthday.environment)
    controller.clock = clock_of(birthday.clock)
    controller.touched = [] if birthday.follows else None
    activate(controller)
    birth = Birth(
        controller,
        birthday.task_id,
        birthday.number,
        birthday.name,
        Channel(own),
        seed=birthday.seed,
        recorded=birthday.recorded,
    )
    member = birth.take_place()
    dump.register(dumped)
    member.is_body = birthday.is_body
    member.control = Channel(control)
    forkserver._forkserver._inherited_fds = given  # type: ignore[attr-defined]
    code = 1
    try:
        member.take_part(member.first)
        process_obj = _unpickled(member, data)
        code = process_obj._bootstrap(alive)
        util._exit_function()  # type: ignore[attr-defined]
    except Unwind:
        pass
    member.leave(code)


def _unpickled(member: Member, data: int) -> Any:
    """What ``spawn._main`` does before it lets the process run; the modules that this imports are told."""
    before = set(sys.modules)
    with member.unhooked():
        current: Any = process.current_process()
        current._inheriting = True
        try:
            with open(data, "rb") as stream:
                spawn.prepare(reduction.pickle.load(stream))  # type: ignore[attr-defined]
                process_obj = reduction.pickle.load(stream)  # type: ignore[attr-defined]
        finally:
            del current._inheriting
        new = [name for name in sys.modules if name not in before and name != "__mp_main__"]
        if new:
            member.tell("imported", new)
            STATE.discoverer.take_stock()
    return process_obj
