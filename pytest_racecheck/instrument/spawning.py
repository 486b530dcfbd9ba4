"""``Process.start`` with ``spawn`` or ``forkserver``, and bodies that are started so."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from multiprocessing import context, get_context
from typing import Any, Final

from pytest_racecheck.core.abroad import InProcess, process_key
from pytest_racecheck.core.channel import Channel, make_channel
from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.errors import RacecheckError
from pytest_racecheck.core.member import Member
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import Site
from pytest_racecheck.instrument.birth import launch as launch_forked
from pytest_racecheck.instrument.birth import seed_of
from pytest_racecheck.instrument.processes import PROCESSES, Started, is_pooled, user_place
from pytest_racecheck.instrument.scope import Scope
from pytest_racecheck.instrument.stand_ins import Handler
from pytest_racecheck.instrument.state import STATE
from pytest_racecheck.instrument.unpicklable import explained
from pytest_racecheck.instrument.warm import Birthday, Warm, WarmPopen, ask_for_process, is_warm, warm

_BODIES: Final[list[WarmPopen]] = []
"""For this run: what belongs to the processes of bodies."""


def preparing(scope: Scope) -> Callable[[], Warm]:
    """Make what prepares, and returns, the process that forks others, for one exploration of this scope."""
    begun = False

    def prepare() -> Warm:
        nonlocal begun
        if not begun:
            begun = True
            warm().begin(scope.root, scope.sources, scope.test_file)
        warm().tell_shared([site.key for site in STATE.sharing.shared])
        return warm()

    return prepare


# -- of a task -------------------------------------------------------------------------------------------------------


def _popen(method: str) -> Handler:
    """``SpawnProcess._Popen`` and its like: the process is forked by one that is warm."""

    def handler(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
        if controller.running is None:
            return function
        return lambda: WarmPopen(owner, method, partial(_begin, controller, site, owner))

    return handler


def _begin(controller: Controller, site: Site, process: Any, descriptors: list[int]) -> int:
    where = "{}:{}".format(*user_place(site)[:2])
    given = (process.name, process.daemon, is_pooled(process), where)
    with controller.unhooked():
        if isinstance(controller, Member):
            other, task_id, index = controller.ask_for_task(*given, in_new_process=True, forked=False)
            control = warm().channel if is_warm() else controller.control_channel()
        else:
            own, other = make_channel()
            name, daemon, pooled, spawned_at = given
            new = controller.new_process(0)
            task = controller.new_remote(own, new, name, daemon=daemon, pooled=pooled, spawned_at=spawned_at)
            task_id, index = task.id, task.index
            helper = controller.prepare_warm()
            new.reaper, control = helper.reap, helper.channel
        birthday = _birthday(controller, task_id, index, process.name, is_body=False)
        try:
            pid = ask_for_process(control, birthday, _with_ours(controller, other, control, descriptors))
        finally:
            other.close()
    if isinstance(controller, Member):
        controller.admitted(task_id, pid, is_process=True)
    else:
        task.remote.started(pid)
        controller.admit(task)
    PROCESSES[pid] = Started(process, task_id, pid)
    controller.touch("spawn", controller.shared_things.number(process_key(task_id)))
    recorder: Any = controller.recorder
    if recorder is not None:
        recorder.synchronisation(site, "spawn", object(), f"task {task_id}")
    return pid


def _birthday(controller: Controller, task_id: str, index: int, name: str, *, is_body: bool) -> Birthday:
    return Birthday(
        task_id=task_id,
        number=index,
        name=name,
        seed=seed_of(task_id),
        follows=controller.touched is not None,
        recorded=controller.recorder is not None,
        is_body=is_body,
        clock=controller.clock.state(),
        environment=dict(os.environ),
    )


def _with_ours(controller: Controller, channel: Channel, control: Channel, descriptors: list[int]) -> list[int]:
    return [channel.descriptor, control.descriptor, 1, 2, controller.dump.fileno(), *descriptors]


# -- of a body -------------------------------------------------------------------------------------------------------


def launch(controller: Controller, task: Task, body: InProcess, channel: Channel) -> int:
    """Start the process of a body; return its id.

    Raises: RacecheckError, if the body can't be handed to a process that is not forked.
    """
    if body.method == "fork":
        return launch_forked(controller, task, body, channel)
    number = int(task.id.rpartition(".")[2]) + 1
    process: Any = get_context(body.method).Process(target=body.function, name=f"Process-{number}")  # type: ignore[attr-defined]
    process._identity = (number,)
    if task.remote is not None:
        task.remote.process.reaper = controller.prepare_warm().reap

    def begin(descriptors: list[int]) -> int:
        control = controller.control_channel() if isinstance(controller, Member) else controller.prepare_warm().channel
        birthday = _birthday(controller, task.id, task.index, process.name, is_body=True)
        return ask_for_process(control, birthday, _with_ours(controller, channel, control, descriptors))

    try:
        popen = WarmPopen(process, body.method, begin)
    except RacecheckError:
        raise
    except Exception as error:
        raise RacecheckError(_refusal(body, error)) from error
    _BODIES.append(popen)
    return int(popen.pid)


def _refusal(body: InProcess, error: Exception) -> str:
    """Why a body can't be sent: which argument it is, where one is known."""
    function = body.function
    arguments = function.keywords if isinstance(function, partial) else {}
    for name, value in arguments.items():
        what = explained(value).removeprefix("racecheck: ")
        if what:
            return f"start_method={body.method!r}: the argument {name!r} of the test can't be used: {what}."
    what = explained(function).removeprefix("racecheck: ") or str(error)
    return f"start_method={body.method!r}: the test can't be run so: {what}."


def forget_run() -> None:
    """The run is over: close what its bodies had open."""
    while _BODIES:
        _BODIES.pop().close()


_SPAWN: Final[Any] = context.SpawnProcess
_FORKSERVER: Final[Any] = context.ForkServerProcess
HANDLERS: Final[list[tuple[Any, Handler]]] = [
    (_SPAWN._Popen, _popen("spawn")),
    (_FORKSERVER._Popen, _popen("forkserver")),
]
"""Functions that have a stand-in, and what it asks."""
