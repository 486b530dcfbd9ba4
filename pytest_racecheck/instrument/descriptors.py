"""Waiting on sockets and in ``select`` inside a run: announced as a wait, with a look instead of a wait behind it."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import Any, Final

from pytest_racecheck.core.controller import Controller
from pytest_racecheck.core.values import DATA, POLL, Operation, Site
from pytest_racecheck.instrument import unproven
from pytest_racecheck.instrument.synchronisation import Handler, argument_of

_FLAGS_AT: Final = {"recv": 1, "recvfrom": 1, "recv_into": 2, "recvfrom_into": 2}
"""Methods of a socket that wait for data, and where their flags stand."""

_OTHERS: Final = ("send", "sendall", "sendto", "sendmsg", "shutdown", "connect", "connect_ex")
"""Methods of a socket that others may wait for."""

_NO_WAIT: Final = getattr(socket, "MSG_DONTWAIT", 0)


class _Looked:
    """Asks again and again whether a wait would be over, and keeps the answer once it is."""

    def __init__(self, ask: Callable[[], Any], nothing: Any) -> None:
        self._ask = ask
        self.found = nothing
        self._is_over = False

    def blocked(self) -> bool:
        """Whether the wait goes on; an error ends it, the task will meet it itself."""
        if not self._is_over:
            try:
                found = self._ask()
            except (OSError, ValueError):
                self._is_over = True
            else:
                if any(found):
                    self.found, self._is_over = found, True
        return not self._is_over


def _readable(descriptor: int) -> Callable[[], Any]:
    """What tells, without waiting, whether a descriptor has data."""
    if not hasattr(select, "poll"):
        return lambda: select.select([descriptor], [], [], 0)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return lambda: poll.poll(0)


def _time_out(*_arguments: object, **_keywords: object) -> None:
    raise TimeoutError("timed out")


def _receive(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """``socket.recv`` and its like, ``socket.accept``."""
    timeout, descriptor = owner.gettimeout(), owner.fileno()
    name = function.__name__
    flags = argument_of(site, arguments, _FLAGS_AT[name], "flags", 0) if name in _FLAGS_AT else 0
    if descriptor < 0 or timeout == 0 or (type(flags) is int and flags & _NO_WAIT):
        return _tell(controller, site, function, owner, arguments)
    unproven.waits_outside(controller, site)
    deadline = None if timeout is None else controller.clock.now + timeout
    looked = _Looked(_readable(descriptor), ())
    operation = Operation("wait", site, id(owner), DATA)
    granted = controller.reach(operation, looked.blocked, deadline, lambda: f"waits for a socket in {name}()")
    return function if granted else _time_out


def _tell(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    """What does not wait, but changes what others may wait for."""
    if controller.concurrent:
        controller.reach(Operation("update", site, id(owner)))
    return function


def _poll(seconds: float) -> Handler:
    """``poll`` and ``epoll``, whose time-out is told in units of so many seconds."""

    def handler(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
        timeout = argument_of(site, arguments, 0, "timeout", None)
        most = argument_of(site, arguments, 1, "maxevents", None)
        if not isinstance(timeout, int | float | None) or timeout == 0:
            return _tell(controller, site, function, owner, arguments)
        looked = _Looked(lambda: function(0) if most is None else function(0, most), [])
        seconds_left = None if timeout is None or timeout < 0 else timeout * seconds
        return _wait(controller, Operation("wait", site, id(owner), POLL), looked, seconds_left, function)

    return handler


def _wait(
    controller: Controller, operation: Operation, looked: _Looked, seconds: float | None, function: Any
) -> Callable[..., Any]:
    unproven.waits_outside(controller, operation.site)
    deadline = None if seconds is None else controller.clock.now + seconds
    over = controller.reach(operation, looked.blocked, deadline, lambda: f"waits in {function.__name__}()")
    if over and not any(looked.found):
        return function  # type: ignore[no-any-return]  # raises what the look has met
    return lambda *_arguments, **_keywords: looked.found


def _select(controller: Controller, site: Site, function: Any, owner: Any, arguments: tuple[Any, ...]) -> Any:
    timeout = arguments[3] if len(arguments) > 3 else None
    if len(arguments) < 3 or timeout == 0 or not isinstance(timeout, int | float | None):
        return function
    if not all(type(each) in {list, tuple} for each in arguments[:3]):
        return function
    try:
        waiting = [{_descriptor(each): each for each in group} for group in arguments[:3]]
    except (TypeError, ValueError, AttributeError):
        return function  # raises the same

    def ask() -> tuple[list[Any], ...]:
        found = function(*map(list, waiting), 0)
        return tuple([names[each] for each in ready] for names, ready in zip(waiting, found, strict=True))

    return _wait(controller, Operation("wait", site, 0, POLL), _Looked(ask, ([], [], [])), timeout, function)


def _descriptor(thing: Any) -> int:
    return thing if type(thing) is int else int(thing.fileno())


def functions() -> dict[Any, Handler]:
    """For each function that waits for descriptors, what a call of it does."""
    return {select.select: _select}


def methods() -> dict[type, dict[str, Handler]]:
    """For each type that waits for descriptors, what its methods do."""
    table: dict[type, dict[str, Handler]] = {
        socket.socket: {**dict.fromkeys((*_FLAGS_AT, "_accept"), _receive), **dict.fromkeys(_OTHERS, _tell)}
    }
    if hasattr(select, "poll"):
        table[type(select.poll())] = {"poll": _poll(0.001)}
    if hasattr(select, "epoll"):
        table[select.epoll] = {"poll": _poll(1.0)}
    return table
