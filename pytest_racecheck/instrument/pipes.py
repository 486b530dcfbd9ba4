"""``multiprocessing``'s connections and what it builds from them: messages are sent, waited for and taken in steps."""

from __future__ import annotations

import io
import os
import select
import socket
import stat
from collections.abc import Callable, Hashable, Iterable
from functools import cache, partial
from multiprocessing import connection
from pathlib import Path
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.member import Member
from pytest_racecheck.core.shared_things import Key
from pytest_racecheck.core.task import Task
from pytest_racecheck.core.values import DATA, WHOLE, Operation, Site
from pytest_racecheck.instrument import unproven
from pytest_racecheck.instrument.names import container_name
from pytest_racecheck.instrument.primitives import Within, perform
from pytest_racecheck.instrument.stand_ins import Handler
from pytest_racecheck.instrument.state import STATE
from pytest_racecheck.instrument.synchronisation import argument_of, is_inside

CHUNK: Final = select.PIPE_BUF
"""So many bytes can be written at once to a pipe that has room, without waiting."""

_ROOM: Final = "waits for room in {}"
_DATA: Final = "waits for data in {}"

ANY: Final = 0
"""Stands for every socket of which it is not known where its other end is."""

MOST_PEERS: Final = 10_000

_peers: dict[int, int] = {}
"""Number of a socket -> the number by which it goes together with the other end."""


# -- names -----------------------------------------------------------------------------------------------------------


def key_of(descriptor: int) -> Key:
    """What a pipe is called in every process; both ends are one thing, in whichever way things go."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return ("closed", descriptor)
    number = status.st_ino
    if stat.S_ISSOCK(status.st_mode):
        return ("pipe", _peers.get(number, ANY))
    return ("pipe", number)


def target_of_connection(owner: Any) -> int:
    """The target of operations on a connection."""
    handle = owner._handle
    return id(owner) if handle is None else STATE.controller.shared_things.number(key_of(handle))


def made_pair(pair: Any) -> None:
    """``multiprocessing.Pipe`` has made two connections, in whatever thread; a fixture may have asked for them."""
    if len(_peers) > MOST_PEERS:
        _peers.clear()
    numbers = [os.fstat(each._handle).st_ino for each in pair]
    _peers.update(dict.fromkeys(numbers, min(numbers)))


# -- waiting -----------------------------------------------------------------------------------------------------------


def _is_idle(descriptor: int, event: int) -> bool:
    """Whether nothing can be read, or written; what is closed, at either end, makes nobody wait."""
    poll = select.poll()
    poll.register(descriptor, event)
    return not poll.poll(0)


def _part_of(descriptor: int) -> Hashable:
    """What a wait is for: data that may come from outside of the run, where a socket leads to an address."""
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return WHOLE
    own = socket.socket(fileno=descriptor)
    try:
        return DATA if own.getsockname() or own.getpeername() else WHOLE
    except OSError:
        return WHOLE
    finally:
        own.detach()


def _wait_until(controller: Controller, task: Task, owner: Any, event: int) -> None:
    """Wait, in the middle of an operation, until a connection has data, or room."""
    blocked = partial(_is_idle, owner._handle, event)
    if blocked():
        within: Within = task.within
        part = _part_of(owner._handle)
        if part is DATA:
            unproven.waits_outside(controller, within.site)
        operation = Operation("wait", within.site, target_of_connection(owner), part, within.changed, passes="both")
        controller.reach(operation, blocked, None, within.explain, within.whom)


def _send_in_steps(controller: Controller, task: Task, owner: Any, data: Any, *_: Any) -> None:
    """What ``Connection._send`` does."""
    while True:
        _wait_until(controller, task, owner, select.POLLOUT)
        data = data[os.write(owner._handle, data[:CHUNK]) :]
        if not len(data):
            break


def _receive_in_steps(controller: Controller, task: Task, owner: Any, size: int, *_: Any) -> io.BytesIO:
    """What ``Connection._recv`` does."""
    buffer = io.BytesIO()
    left = size
    while left > 0:
        _wait_until(controller, task, owner, select.POLLIN)
        chunk = os.read(owner._handle, left)
        if not chunk:
            if left == size:
                raise EOFError
            raise OSError("got end of file during message")
        buffer.write(chunk)
        left -= len(chunk)
    return buffer


@cache
def _in_steps(steps: Callable[..., Any]) -> Handler:
    def handler(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
        task = controller.running
        if task is None or task.within is None:
            return function
        return partial(steps, controller, task, owner)

    return handler


# -- operations --------------------------------------------------------------------------------------------------------


@cache
def _whole(waits: str) -> Handler:
    """``send`` and ``recv`` and their like: one operation, which may have to wait."""

    def handler(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
        task = controller.running
        if task is None or owner._handle is None:
            return function
        target = target_of_connection(owner)
        if is_inside(task, site):
            controller.touch("update", target, inner=not task.within.open)
            return function
        if controller.concurrent:
            controller.reach(Operation("update", site, target, passes="both"))
        recorder: Any = controller.recorder
        if recorder is not None:
            text = f"{container_name(site)}.{site.name}()"
            recorder.synchronisation(site, "update", owner, text)
        within = Within(site, owner, waits, task, ((target, WHOLE),), open=False)
        return partial(perform, task, within, function)

    return handler


def _close(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``Connection.close``: the other end may see it."""
    task = controller.running
    if task is not None and owner._handle is not None:
        target = target_of_connection(owner)
        if task.within is not None or site.hidden:
            controller.touch("update", target)
        elif controller.concurrent:
            controller.reach(Operation("update", site, target, passes="both"))
    return function


def _poll(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``Connection.poll``."""
    task = controller.running
    timeout = argument_of(site, arguments, 0, "timeout", 0.0)
    if task is None or owner._handle is None or not isinstance(timeout, int | float | None):
        return function
    blocked = partial(_is_idle, owner._handle, select.POLLIN)
    targets = (target_of_connection(owner),)
    _wait(controller, task, site, targets, blocked, timeout, container_name(site))
    return lambda *_arguments, **_keywords: _at_once(controller, function)


def _at_once(controller: Controller, function: Callable[..., Any]) -> Any:
    with controller.unhooked():
        return function(0)


def _wait(
    controller: Controller,
    task: Task,
    site: Site,
    targets: tuple[int, ...],
    blocked: Callable[[], bool],
    timeout: float | None,
    name: str,
) -> None:
    """Look whether there is anything, and wait for it."""
    inside = is_inside(task, site)
    others = tuple([(target, WHOLE) for target in targets[1:]])
    if inside:
        for target in targets:
            controller.touch("read", target, inner=not task.within.open)
    elif controller.concurrent:
        controller.reach(Operation("read", site, targets[0], also=others, passes="both"))
    if controller.recorder is not None and not inside:
        controller.recorder.synchronisation(site, "read", object(), f"{name}.poll()")  # type: ignore[attr-defined]
    if timeout is not None and timeout <= 0:
        return
    if blocked():
        deadline = None if timeout is None else controller.clock.now + timeout
        where = task.within.site if inside else site
        operation = Operation("wait", where, targets[0], also=others, looks=True, passes="both")
        explain = task.within.explain if inside else lambda: _DATA.format(name)
        if not controller.reach(operation, blocked, deadline, explain):
            controller.touch("give-up", targets[0])


def _wait_for_any(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``multiprocessing.connection.wait``."""
    things = argument_of(site, arguments, 0, "object_list", ())
    timeout = argument_of(site, arguments, 1, "timeout", None)
    task = controller.running
    if task is None or not isinstance(timeout, int | float | None):
        return function
    things = list(things)
    try:
        descriptors = [each if type(each) is int else each.fileno() for each in things]
    except (OSError, ValueError, AttributeError):
        return function  # raises the same
    if not descriptors:
        return function
    targets = tuple([controller.shared_things.number(key_of(each)) for each in descriptors])
    blocked = partial(_are_idle, descriptors)
    _wait(controller, task, site, targets, blocked, timeout, "connection.wait")
    return lambda *_arguments, **_keywords: _ready(controller, function, things)


def _are_idle(descriptors: list[int]) -> bool:
    poll = select.poll()
    for each in descriptors:
        poll.register(each, select.POLLIN)
    return not poll.poll(0)


def _ready(controller: Controller, function: Callable[..., Any], things: list[Any]) -> Any:
    with controller.unhooked():
        return function(things, 0)


_old: set[int] = set()
"""Pipes that are there between runs."""


def _open_pipes(but: Iterable[int] = ()) -> list[int]:
    """The numbers of the pipes that this process has open."""
    try:
        links = list(Path("/proc/self/fd").iterdir())
    except OSError:
        return []
    without = set(map(str, but))
    found = []
    for link in links:
        kind, _, number = _target_of_link(link).partition(":[")
        if kind == "pipe" and link.name not in without:
            found.append(int(number.rstrip("]")))
        elif kind == "socket" and link.name not in without:
            found.append(_peers.get(int(number.rstrip("]")), ANY))
    return found


def _target_of_link(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # the one that was listed through
        return ""


def between_runs() -> None:
    """What is open now belongs to nobody's run."""
    _old.clear()
    _old.update(_open_pipes())


def tell_end(member: Member) -> None:
    """The process ends, and all that it has open is closed."""
    if member.touched is not None:
        for number in sorted(set(_open_pipes(member.descriptors())) - _old):
            member.touch("update", member.shared_things.number(("pipe", number)))


def handlers() -> list[tuple[Any, Handler]]:
    """Methods that have a stand-in, and what it asks."""
    kind: Any = connection._ConnectionBase
    return [
        *((each, _whole(_ROOM)) for each in (kind.send, kind.send_bytes)),
        *((each, _whole(_DATA)) for each in (kind.recv, kind.recv_bytes, kind.recv_bytes_into)),
        (kind.poll, _poll),
        (kind.close, _close),
        (connection.Connection._send, _in_steps(_send_in_steps)),  # type: ignore[attr-defined]
        (connection.Connection._recv, _in_steps(_receive_in_steps)),  # type: ignore[attr-defined]
    ]


def functions() -> list[tuple[Any, Handler]]:
    """The same for functions."""
    return [(connection.wait, _wait_for_any)]
