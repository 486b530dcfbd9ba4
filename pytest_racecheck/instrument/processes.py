"""Processes that the code under test starts become tasks: forked, run, joined and signalled under control."""

from __future__ import annotations

import itertools
import os
import signal
from _thread import get_ident
from collections.abc import Callable, Sequence
from functools import cache, partial
from multiprocessing import process
from typing import Any, Final, NamedTuple

from pytest_racecheck.core.abroad import process_key
from pytest_racecheck.core.channel import make_channel
from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.errors import Unwind
from pytest_racecheck.core.failures import failure_of, name_of_signal
from pytest_racecheck.core.member import Member
from pytest_racecheck.core.values import Operation, Site
from pytest_racecheck.instrument import threads
from pytest_racecheck.instrument.birth import Birth, fork
from pytest_racecheck.instrument.state import STATE
from pytest_racecheck.instrument.synchronisation import Handler, argument_of


class Started(NamedTuple):
    """A process that this one has started."""

    process: Any
    """The ``Process``, if it is one."""
    task_id: str
    pid: int


PROCESSES: Final[dict[int, Started]] = {}
"""For this run: process id -> what this process knows of one that it has started."""

_UNKNOWN: Final = 255
"""How a process ended of which that is not known, as ``multiprocessing.popen_forkserver`` has it."""

_STARTING: Final[list[Any]] = []
"""The ``Process`` objects that are just being started, the last one last."""


# -- starting ------------------------------------------------------------------------------------------------------


def start(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``Process.start``: the real one; what it forks takes part in the run."""
    return function if controller.running is None else partial(_start, function, owner)


def _start(function: Callable[[], object], owner: Any) -> None:
    _STARTING.append(owner)
    try:
        function()
    finally:
        if _STARTING and _STARTING[-1] is owner:
            _STARTING.pop()


def fork_called(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``os.fork``, called by ``multiprocessing`` or anybody."""
    return function if controller.running is None else partial(_fork, controller, site)


def _fork(controller: Controller, site: Site) -> int:
    owner = _STARTING[-1] if _STARTING else None
    name = "a forked process" if owner is None else owner.name
    daemon = owner is not None and owner.daemon
    pooled = owner is not None and is_pooled(owner)
    where = "{}:{}".format(*user_place(site)[:2])
    controller.starting = get_ident()  # Ctrl-C is heard afterwards
    try:
        with controller.unhooked():
            if isinstance(controller, Member):
                pid, task_id = _fork_from_member(controller, name, daemon, pooled, where)
            else:
                pid, task_id = _fork_from_here(controller, name, daemon, pooled, where)
    finally:
        controller.starting = 0
    if not pid:
        return 0
    PROCESSES[pid] = Started(owner, task_id, pid)
    controller.touch("spawn", controller.shared_things.number(process_key(task_id)))
    recorder: Any = controller.recorder
    if recorder is not None:
        recorder.synchronisation(site, "spawn", object(), f"task {task_id}")
    return pid


def _fork_from_here(controller: Controller, name: str, daemon: bool, pooled: bool, where: str) -> tuple[int, str]:
    own, other = make_channel()
    task = controller.new_remote(own, controller.new_process(), name, daemon=daemon, pooled=pooled, spawned_at=where)
    birth = Birth(controller, task.id, task.index, name, other)
    try:
        pid = fork()
    except BaseException:
        controller.dismiss(task)
        raise
    if pid:
        other.close()
        task.remote.started(pid)
        controller.admit(task)
    else:
        _take_part(birth)
    return pid, task.id


def _fork_from_member(member: Member, name: str, daemon: bool, pooled: bool, where: str) -> tuple[int, str]:
    channel, task_id, index = member.ask_for_task(name, daemon, pooled, where, in_new_process=True)
    birth = Birth(member, task_id, index, name, channel)
    try:
        pid = fork()
    except BaseException:
        member.dismissed(task_id)
        raise
    if pid:
        channel.close()
        member.admitted(task_id, pid, is_process=True)
    else:
        _take_part(birth)
    return pid, task_id


def _take_part(birth: Birth) -> None:
    """In the new process: wait for its first turn."""
    _STARTING.clear()
    PROCESSES.clear()
    member = birth.take_place()
    member.take_part(member.first)
    member.on_task_start(None)


def user_place(site: Site) -> tuple[str, int, str]:
    """File, line and function of the code in scope that is at work."""
    place = STATE.discoverer.user_place_here() if site.hidden else None
    return place or (site.filename, site.line, site.qualname)


def is_pooled(owner: Any) -> bool:
    """Whether a process serves a pool, which ends it when it is not needed any more."""
    return getattr(getattr(owner, "_target", None), "__module__", "") in {
        "multiprocessing.pool",
        "concurrent.futures.process",
    }


# -- in the new process --------------------------------------------------------------------------------------------


def bootstrap(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``Process._bootstrap``: the real one, but what ``run`` raises is noticed."""
    return partial(_bootstrap, controller, function, owner) if isinstance(controller, Member) else function


def _bootstrap(member: Member, function: Callable[..., int], owner: Any, *arguments: Any, **keywords: Any) -> int:
    vars(owner)["run"] = partial(_run, member, owner)
    return function(*arguments, **keywords)


def _run(member: Member, owner: Any) -> None:
    try:
        _run_under_control(member, owner)
    finally:
        member.recorder = None  # what follows is of no interest to a reader


def _run_under_control(member: Member, owner: Any) -> None:
    vars(owner).pop("run", None)
    run = owner.run
    if member.is_body:
        member._perform(member.first, run)
        threads.join_all(member)
        return
    member.on_task_start(run)
    try:
        run()
        threads.join_all(member)
    except Unwind:
        raise SystemExit(1) from None  # which is not printed
    except SystemExit:
        threads.join_all(member)
        raise
    except BaseException as error:
        if not member.ending:
            with member.unhooked():
                failure = failure_of(error, member.running, "process-exception")
            member.ends_badly(failure)
            threads.join_all(member)
        trace = error.__traceback__
        raise error.with_traceback(None if trace is None else trace.tb_next) from None


def exit_process(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``os._exit``: the end of a process that the code under test has started; of the session otherwise."""
    if isinstance(controller, Member):
        return controller.leave
    return threads.exit_process(controller, site, function, owner, arguments)


# -- in a process that waits for another, or asks for it -------------------------------------------------------------


def join(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``Process.join``: waits until the process has ended; then the real one, which takes microseconds."""
    found = _found(owner)
    timeout = argument_of(site, arguments, 0, "timeout", None)
    if found is None or controller.running is None or not isinstance(timeout, int | float | None):
        return function
    if not _wait_for_ends(controller, site, [found], timeout):
        return _not_yet
    return partial(_unhooked, controller, function)


def _not_yet(*_arguments: object, **_keywords: object) -> None:
    """Stands for a join whose time was over."""


def _wait_for_ends(controller: Controller, site: Site, awaited: Sequence[Started], timeout: float | None) -> bool:
    """Wait until one of these processes has ended: of them all, where several are awaited, the first that does."""
    numbers = [controller.shared_things.number(process_key(each.task_id)) for each in awaited]
    operation = Operation("join", site, numbers[0], also=tuple([(number, "<whole>") for number in numbers[1:]]))
    deadline = None if timeout is None else controller.clock.now + max(0.0, timeout)
    ended = controller.reach_ends(operation, [each.task_id for each in awaited], deadline)
    if not ended:
        controller.touch("give-up", numbers[0])
    recorder: Any = controller.recorder
    if recorder is not None:
        names = ", ".join(f"task {each.task_id}" for each in awaited)
        recorder.synchronisation(site, "join", object(), names)
    return ended


def ask(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``Process.is_alive`` and ``exitcode``."""
    found = _found(owner)
    if found is not None and controller.running is not None:
        number = controller.shared_things.number(process_key(found.task_id))
        if controller.concurrent and controller.running.within is None:
            controller.reach(Operation("read", site, number))
        if site.name == "exitcode":
            controller.end_is_seen(found.task_id)
    return partial(_unhooked, controller, function)


@cache
def signalled(number: int) -> Handler:
    """``Process.terminate`` and ``kill``."""

    def handler(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
        found = _found(owner)
        if found is None or controller.running is None:
            return function
        return partial(_signal, controller, site, found, int(number), partial(_unhooked, controller, function))

    return handler


def kill_called(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``os.kill``."""
    if len(arguments) != 2 or controller.running is None:
        return function
    pid, number = arguments
    found = PROCESSES[pid] if pid in PROCESSES else None
    if pid == os.getpid() and isinstance(controller, Member):
        found = Started(None, controller.first.id, pid)
    if found is None or type(pid) is not int or not isinstance(number, int) or not number:
        return function
    return partial(_signal, controller, site, found, int(number), function)


def _signal(
    controller: Controller, site: Site, found: Started, number: int, really: Callable[..., None], *arguments: Any
) -> None:
    operation = Operation("update", site, controller.shared_things.number(process_key(found.task_id)))
    controller.reach(operation)
    recorder: Any = controller.recorder
    if recorder is not None:
        text = f"{name_of_signal(number)} to the process of task {found.task_id}"
        recorder.synchronisation(site, "update", object(), text)
    if found.pid != os.getpid():
        controller.end_is_seen(found.task_id)
    if controller.signal_process(found.task_id, number):
        really(*arguments)
        controller.touch("end", operation.target)
        controller.signal_process(found.task_id, number)


def wait_called(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``os.waitpid`` and ``os.wait``, but those of ``multiprocessing``, which come after a join."""
    if controller.running is None or site.module.startswith("multiprocessing"):
        return function
    pid = arguments[0] if arguments else -1
    options = arguments[1] if len(arguments) > 1 else 0
    awaited = [PROCESSES[pid]] if pid in PROCESSES else list(PROCESSES.values()) if pid == -1 else []
    if not awaited or not isinstance(options, int):
        return function
    if options & os.WNOHANG:
        for each in awaited:
            controller.reach(Operation("read", site, controller.shared_things.number(process_key(each.task_id))))
    else:
        _wait_for_ends(controller, site, awaited, None)
    return partial(_wait, controller, function, awaited)


def _wait(controller: Controller, function: Callable[..., Any], awaited: Sequence[Started], *arguments: Any) -> Any:
    with controller.unhooked():
        found = function(*arguments)
    for each in awaited:
        if each.pid == found[0]:
            controller.end_is_seen(each.task_id)
            PROCESSES.pop(each.pid, None)
    return found


def _found(owner: Any) -> Started | None:
    """What is known of a ``Process``."""
    popen = vars(owner).get("_popen")
    found = None if popen is None else PROCESSES.get(popen.pid)
    return found if found is not None and found.process is owner else None


def _unhooked(controller: Controller, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    with controller.unhooked():
        return function(*arguments, **keywords)


def forget_run() -> None:
    """A new run begins: its processes have the names that those of the first have, which are gone and known as such."""
    module: Any = process
    for started in PROCESSES.values():
        if started.process is not None:
            _has_gone(started.process._popen)
            module._children.discard(started.process)
    PROCESSES.clear()
    module._process_counter = itertools.count(1)


def _has_gone(popen: Any) -> None:
    if popen.poll() is None:
        popen.returncode = _UNKNOWN  # else it would count as alive for ever, since it can't be waited for again


def functions() -> dict[Any, Handler]:
    """For each C function that has to do with processes, what a call of it does."""
    found: dict[Any, Handler] = {os._exit: exit_process, os.kill: kill_called}
    for name, handler in (("fork", fork_called), ("waitpid", wait_called), ("wait", wait_called)):
        if hasattr(os, name):
            found[getattr(os, name)] = handler
    return found


def handlers() -> list[tuple[Any, Handler]]:
    """Functions that have a stand-in, and what it asks."""
    kind: Any = process.BaseProcess
    return [
        (kind.start, start),
        (kind.join, join),
        (kind.is_alive, ask),
        (kind.exitcode.fget, ask),
        (kind.terminate, signalled(signal.SIGTERM)),
        (kind.kill, signalled(signal.SIGKILL)),
        (kind._bootstrap, bootstrap),
    ]
