"""``multiprocessing.Manager``: its process runs freely, and a call of one of its objects is one operation.

Nobody but the caller moves while the manager answers. What would have to wait there is tried here without waiting, and
again when something has happened to the object.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Callable
from functools import partial
from multiprocessing import connection, managers
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.values import WHOLE, Kind, Operation, Site
from pytest_racecheck.instrument.accesses import access
from pytest_racecheck.instrument.birth import quiet_about_threads
from pytest_racecheck.instrument.classify import dict_of
from pytest_racecheck.instrument.stand_ins import Handler

_READS: Final = frozenset(
    {
        "__contains__", "__getitem__", "__len__", "__getattribute__", "copy", "count", "empty", "full", "get_value",
        "index", "is_set", "items", "keys", "qsize", "values", "__str__", "__repr__", "__iter__", "__eq__", "locked",
    }
)  # fmt: skip
_KEYED: Final = frozenset({"__contains__", "__getitem__", "__setitem__", "__delitem__"})


def _unhooked(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """What has to do with the manager's own process."""
    return partial(_call, controller, function)


def _call(controller: Controller, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    with controller.unhooked():
        return function(*arguments, **keywords)


def _called(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``BaseProxy._callmethod``."""
    token = (dict_of(owner) or {}).get("_token")
    if controller.running is None or token is None or not arguments:
        return function
    return partial(_operate, controller, site, function, token)


def _operate(
    controller: Controller,
    site: Site,
    function: Any,
    token: Any,
    method: str,
    args: tuple[Any, ...] = (),
    kwds: dict[str, Any] | None = None,
) -> Any:
    target = controller.shared_things.number(("managed", str(token.address), str(token.id)))
    is_value = token.typeid in ("Value", "dict", "DictProxy", "Namespace")
    kind: Kind = "read" if method in _READS or (method == "get" and is_value) else "update"
    part = args[0] if method in _KEYED and args and type(args[0]) in (int, str) else WHOLE
    recorder: Any = controller.recorder
    waiting = _waiting(token.typeid, method, args, kwds or {})
    if waiting is None:
        if controller.concurrent:
            access(controller, kind, site, target, part)
        if recorder is not None:
            recorder.step(site, kind, target, f"{token.typeid}.{method}()")
        found = _call(controller, function, method, args, kwds or {})
        if kind != "read":
            controller.changed(target)
        return found
    if recorder is not None:
        recorder.step(site, kind, target, f"{token.typeid}.{method}()")
    return _try_until(controller, site, target, partial(_call, controller, function), waiting)


class _Waiting:
    """A call that may have to wait: how to try it, and what to do when the time is over."""

    def __init__(
        self, method: str, args: tuple[Any, ...], timeout: float | None, gives_up: Callable[[], Any], waits: str
    ) -> None:
        self.method = method
        self.args = args
        self.timeout = timeout
        self.gives_up = gives_up
        self.waits = waits

    def succeeds(self, found: Any) -> bool:
        """Whether what came back is what was waited for."""
        return bool(found)


class _GetsOrPuts(_Waiting):
    def succeeds(self, found: Any) -> bool:
        """It raises if it does not."""
        return True


def _waiting(kind: str, method: str, args: tuple[Any, ...], kwds: dict[str, Any]) -> _Waiting | None:
    """How to try what may have to wait; ``None`` for a call that does not."""
    if method == "acquire" and kind in ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition"):
        waits, timeout = _arguments(args, kwds, "blocking", "timeout")
        if waits:
            return _Waiting("acquire", (False,), _seconds(timeout), bool, f"waits for a {kind} of a manager")
    if method == "wait" and kind == "Event":
        _, timeout = _arguments((True, *args), kwds, "", "timeout")
        return _Waiting("is_set", (), _seconds(timeout), bool, "waits for an Event of a manager to be set")
    if method == "get" and kind in ("Queue", "JoinableQueue"):
        waits, timeout = _arguments(args, kwds, "block", "timeout")
        if waits:
            return _GetsOrPuts("get", (False,), _seconds(timeout), _empty, "waits for an item in a Queue of a manager")
    if method == "put" and kind in ("Queue", "JoinableQueue"):
        waits, timeout = _arguments(args[1:], kwds, "block", "timeout")
        if waits:
            item = args[0] if args else kwds.get("item")
            return _GetsOrPuts("put", (item, False), _seconds(timeout), _full, "waits for room in a Queue of a manager")
    return None


def _arguments(args: tuple[Any, ...], kwds: dict[str, Any], first: str, second: str) -> tuple[Any, Any]:
    waits = args[0] if args else kwds.get(first, True)
    return waits, args[1] if len(args) > 1 else kwds.get(second)


def _seconds(timeout: Any) -> float | None:
    return None if timeout is None or timeout < 0 else float(timeout)


def _empty() -> None:
    raise queue.Empty


def _full() -> None:
    raise queue.Full


def _try_until(controller: Controller, site: Site, target: int, call: Callable[..., Any], waiting: _Waiting) -> Any:
    if controller.concurrent:
        access(controller, "update", site, target, WHOLE)
    deadline = None if waiting.timeout is None else controller.clock.now + waiting.timeout
    while True:
        try:
            found = call(waiting.method, waiting.args)
        except (queue.Empty, queue.Full):
            pass
        else:
            if waiting.succeeds(found):
                controller.changed(target)
                return found
        if not controller.reach_change(Operation("wait", site, target), deadline, lambda: waiting.waits):
            controller.touch("give-up", target)
            return waiting.gives_up()


# -- its process -------------------------------------------------------------------------------------------------------

_SERVERS: Final[list[Any]] = []
"""For this run: the processes of managers that were started in it."""


def _start(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``BaseManager.start``."""
    if controller.running is None:
        return function
    controller.not_proven(f"a manager is started, and the code in its process is not explored, at {_where(site)}")
    return partial(_started, controller, function, owner)


def _started(controller: Controller, function: Callable[..., Any], owner: Any, *arguments: Any) -> None:
    with quiet_about_threads():
        _call(controller, function, *arguments)
    _SERVERS.append(owner._process)


def _where(site: Site) -> str:
    return f"{site.filename}:{site.line}"


def forget_run() -> None:
    """The run is over: end those that it has left."""
    while _SERVERS:
        server = _SERVERS.pop()
        try:
            if server._parent_pid == os.getpid() and server.is_alive():
                server.kill()
                server.join()
        except ValueError:  # it was closed
            pass


def handlers() -> list[tuple[Any, Handler]]:
    """Functions that have a stand-in, and what it asks."""
    manager: Any = managers.BaseManager
    proxy: Any = managers.BaseProxy
    return [
        (proxy._callmethod, _called),
        *((each, _unhooked) for each in (proxy._connect, proxy._incref, proxy._getvalue, proxy._after_fork)),
        (manager.start, _start),
        *((each, _unhooked) for each in (manager.connect, manager._create, manager.__exit__)),
    ]


def functions() -> list[tuple[Any, Handler]]:
    """The same for functions that belong to no object."""
    manager: Any = managers.BaseManager
    proxy: Any = managers.BaseProxy
    return [
        (manager._finalize_manager, _unhooked),
        (proxy._decref, _unhooked),
        (vars(managers)["dispatch"], _unhooked),
        (connection.Client, _client),
    ]


def _client(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``connection.Client``, called for a manager."""
    if controller.running is None or site.module != managers.__name__:
        return function
    return partial(_call, controller, function)
